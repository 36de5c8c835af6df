"""Configurations are strict, survive JSON, and the presets say what their sources say."""

import dataclasses
import json
from typing import Any

import pytest

from transformer.config import ModelConfig
from transformer.training.presets import PRESETS, TrainingConfig


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name: str) -> None:
    preset = PRESETS[name]
    for record in (preset.model, preset.training):
        assert type(record).from_dict(json.loads(json.dumps(record.to_dict()))) == record
    assert preset.source


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(widht=8), "received unknown widht"),
        (dict(width=8.0), "expected width to be a whole number, received 8.0"),
        (dict(width=True), "expected width to be a whole number, received True"),
        (dict(width=None), "expected width to be a whole number, received None"),
        (dict(dropout="0.1"), "expected dropout to be a number, received '0.1'"),
        (dict(dropout=False), "expected dropout to be a number, received False"),
        (dict(key_bias=1), "expected key_bias to be true or false, received 1"),
        (dict(norm="layer"), "expected norm to be one of pre, post, received 'layer'"),
        (dict(positions=["halves"]), "expected positions to be one of"),
        (dict(target_positions="rotary"), "expected target_positions to be one of same, interleaved"),
        (dict(suppressed=3), "expected suppressed to be a list of ids, received 3"),
        (dict(suppressed=[1, -1]), r"expected suppressed to be a list of ids, received \[1, -1\]"),
        (dict(prefix=[True]), r"expected prefix to be a list of ids, received \[True\]"),
        (dict(class_names="ab"), "expected class_names to be a list of names, received 'ab'"),
        (dict(class_names=["a", 1]), "expected class_names to be a list of names"),
    ],
)
def test_a_value_of_another_kind_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig.from_dict(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(vocabulary=0), "expected vocabulary of at least 1, received 0"),
        (dict(encoder_layers=0, decoder_layers=0), "expected layers in at least one stack, received 0 and 0"),
        (dict(width=12, heads=5), "expected a width divisible by the heads, received 12 and 5 heads"),
        (dict(width=3, heads=1), "expected an even width for sinusoids, received 3"),
        (dict(dropout=1.0), r"expected dropout in \[0, 1\), received 1.0"),
        (dict(attention_dropout=float("nan")), "expected attention_dropout"),
        (dict(norm_epsilon=0.0), "expected norm_epsilon between 0 and 1, received 0.0"),
        (dict(decoder_layers=0), "expected output tokens of a decoder"),
        (dict(output="vectors"), "expected output tokens of a decoder and another of an encoder alone"),
        (dict(decoder_layers=0, output="classes"), "expected classes with output classes"),
        (dict(decoder_heads=7), "expected a width divisible by the heads, received 512 and 7 heads"),
        (dict(position_offset=2), "expected learned positions where position_offset is set"),
        (dict(encoder_layers=0, ctc=True), "expected an encoder where there is a stem or ctc"),
        (dict(end_id=8000), "expected end_id from 0 to 7999, or -1 for none, received 8000"),
        (dict(suppressed=(9000,)), "expected ids from 0 to 7999, received 9000"),
        (dict(suppressed_first=(-1,)), "expected ids from 0 to 7999, received -1"),
        (dict(prefix=(8000,)), "expected ids from 0 to 7999, received 8000"),
        (dict(mask_id=-2), "expected mask_id from 0 to 7999, or -1 for none, received -2"),
        (dict(start_id=-1), "expected a start_id where a decoder answers an encoder"),
        (dict(decoder_heads=-1), "expected decoder_heads of at least 0, received -1"),
        (dict(decoder_feed_forward=-4), "expected decoder_feed_forward of at least 0, received -4"),
        (dict(token_types=-1), "expected token_types of at least 0, received -1"),
        (dict(bins=0), "expected bins of at least 1, received 0"),
        (dict(encoder_layers=-1), "expected layers in at least one stack, received -1 and 6"),
        (dict(encoder_layers=0, stem="t2t"), "expected an encoder where there is a stem or ctc"),
        (
            dict(encoder_layers=0, feed_forward_kind="conv_relu_conv"),
            "expected a dense feed_forward_kind in a decoder alone, received conv_relu_conv",
        ),
        (dict(width=3, heads=1, positions="learned", target_positions="halves"), "expected an even width"),
        (dict(positions="learned", target_positions="none", position_offset=1), "expected learned positions"),
        (dict(decoder_layers=0, output="vectors", classes=2), "expected classes with output classes"),
        (
            dict(decoder_layers=0, output="classes", classes=2, class_names=("a",)),
            "expected 2 class_names, received 1",
        ),
        (dict(classifier_dropout=1.5), r"expected classifier_dropout in \[0, 1\), received 1.5"),
    ],
)
def test_a_network_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig(**values)


@pytest.mark.parametrize(
    ("values", "family"),
    [
        (dict(), "seq2seq"),
        (dict(encoder_layers=0), "decoder"),
        (dict(decoder_layers=0, output="masked_tokens"), "encoder"),
        (dict(decoder_layers=0, output="classes", classes=2, class_names=("bad", "good")), "encoder"),
        (dict(stem="whisper"), "speech"),
    ],
)
def test_the_layers_say_which_family_it_is(values: dict[str, Any], family: str) -> None:
    config = ModelConfig(**values)
    assert config.family == family
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_decoder_has_sizes_and_positions_of_its_own_or_those_of_the_encoder() -> None:
    alike = ModelConfig().decoder()
    assert (alike.heads, alike.feed_forward, alike.positions) == (8, 2048, "interleaved")
    other = ModelConfig(decoder_heads=4, decoder_feed_forward=100, target_positions="learned").decoder()
    assert (other.heads, other.feed_forward, other.positions) == (4, 100, "learned")
    assert other.decoder() == other


def test_odd_widths_are_fine_without_sinusoids() -> None:
    assert ModelConfig(width=3, heads=1, positions="learned").width == 3


def test_configurations_are_frozen_and_hashable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ModelConfig().width = 4  # type: ignore[misc]
    assert len({ModelConfig(), ModelConfig(), ModelConfig(width=64)}) == 2


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
    sizes = (m.encoder_layers, m.decoder_layers, m.width, m.heads, m.feed_forward)
    assert (*sizes, m.dropout, m.norm, m.positions) == SOURCES[name]


def test_the_training_of_the_paper() -> None:
    for name, steps in (("base", 100_000), ("big", 300_000)):
        t = PRESETS[name].training
        assert (t.steps, t.warmup_steps, t.beta_1, t.beta_2, t.epsilon) == (steps, 4000, 0.9, 0.98, 1e-9)
        assert t.label_smoothing == 0.1


def test_the_speech_presets_follow_transformer_base_of_tensor2tensor() -> None:
    for name in ("librispeech_v1", "librispeech_v2"):
        m, t = PRESETS[name].model, PRESETS[name].training
        assert not any((m.query_bias, m.key_bias, m.value_bias, m.output_bias))
        assert (m.attention_dropout, m.norm_epsilon, m.max_target) == (0.1, 1e-6, 350)
        assert (t.learning_rate, t.warmup_steps, t.beta_1, t.beta_2, t.epsilon) == (
            2.0,
            8000,
            0.9,
            0.997,
            1e-9,
        )
    second = PRESETS["librispeech_v2"].model
    assert (second.feed_forward_kind, second.first_kernel, second.feed_forward_dropout) == (
        "conv_relu_conv",
        9,
        0.2,
    )
    assert (PRESETS["librispeech_v1"].model.max_source, second.max_source) == (1650, 1550)
