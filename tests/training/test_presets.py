"""The presets say what their sources say, and are what was shipped."""

import json

import pytest

from transformer import home
from transformer.checkpoints import folder
from transformer.training.presets import PRESETS, TrainingConfig


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name: str) -> None:
    preset = PRESETS[name]
    for record in (preset.model, preset.training):
        assert type(record).from_dict(json.loads(json.dumps(record.to_dict()))) == record
    assert preset.source


@pytest.mark.parametrize("name", PRESETS)
def test_presets_of_shipped_networks_are_these_networks(name: str) -> None:
    if (home.models() / name).is_dir():
        assert PRESETS[name].model == folder.load_config(home.models() / name)


def test_whole_numbers_are_taken_where_a_fraction_may_stand() -> None:
    assert TrainingConfig.from_dict({"learning_rate": 2}).learning_rate == 2


# Layers of encoder and decoder, D, H, feed-forward, residual dropout, norm, positions.
SOURCES = {
    "base": (6, 6, 512, 8, 2048, 0.1, "post", "interleaved"),
    "big": (6, 6, 1024, 16, 4096, 0.3, "post", "interleaved"),
    "tf-tutorial": (4, 4, 128, 8, 512, 0.1, "post", "halves"),
    "librispeech_v1": (5, 3, 256, 4, 1024, 0.1, "pre", "halves_minus_one"),
    "librispeech_v2": (6, 4, 384, 2, 1536, 0.2, "pre", "halves_minus_one"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_presets_hold_the_numbers_of_their_sources(name: str) -> None:
    m = PRESETS[name].model
    assert m.encoder and m.decoder
    for own in (m.encoder, m.decoder):
        sizes = (m.encoder.layers, m.decoder.layers, m.width, own.attention.heads, own.feed_forward.width)
        assert (*sizes, m.dropout, own.norm.place, own.table.kind) == SOURCES[name]


def test_the_training_of_the_paper() -> None:
    for name, steps in (("base", 100_000), ("big", 300_000)):
        t = PRESETS[name].training
        assert (t.steps, t.warmup_steps, t.beta_1, t.beta_2, t.epsilon) == (steps, 4000, 0.9, 0.98, 1e-9)
        assert t.label_smoothing == 0.1


def test_the_speech_presets_follow_transformer_base_of_tensor2tensor() -> None:
    for name in ("librispeech_v1", "librispeech_v2"):
        m, t = PRESETS[name].model, PRESETS[name].training
        assert m.encoder and m.decoder and m.decoder.cross
        for a in (m.encoder.attention, m.decoder.attention, m.decoder.cross):
            assert not any((a.query_bias, a.key_bias, a.value_bias, a.output_bias)) and a.dropout == 0.1
        assert (m.encoder.norm.epsilon, m.decoder.norm.epsilon, m.max_target) == (1e-6, 1e-6, 350)
        assert (t.learning_rate, t.warmup_steps, t.beta_1, t.beta_2, t.epsilon) == (
            2.0,
            8000,
            0.9,
            0.997,
            1e-9,
        )
    second = PRESETS["librispeech_v2"].model
    assert second.encoder and second.decoder
    for feed in (second.encoder.feed_forward, second.decoder.feed_forward):
        assert (feed.kind, feed.first_kernel, feed.dropout) == ("conv_relu_conv", 9, 0.2)
    assert (PRESETS["librispeech_v1"].model.max_source, second.max_source) == (1650, 1550)
