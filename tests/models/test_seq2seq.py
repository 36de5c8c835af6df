"""The whole network: against numpy, and what must hold for every kind of it."""

import itertools
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.config import PAD, START, Attention
from transformer.models.altering import Alter, Gates
from transformer.models.seq2seq import Transformer
from transformer.training.presets import PRESETS

KINDS = [
    dict(norm=norm, feed_forward_kind=kind)
    for norm, kind in itertools.product(("pre", "post"), ("dense", "conv_relu_conv"))
]
NO_BIASES = dict.fromkeys(("query_bias", "key_bias", "value_bias", "output_bias"), False)
APART = dict(shared_embeddings=False, tied_logits=False, logits_bias=True)

every_kind = pytest.mark.parametrize(
    "changes", KINDS, ids=[f"{k['norm']}-{k['feed_forward_kind']}" for k in KINDS]
)


def numbers(tensor: Any) -> np.ndarray:
    return np.asarray(tensor)


@pytest.mark.parametrize(
    "changes",
    [
        *KINDS,
        dict(activation="gelu", positions="halves", **APART),
        dict(norm="post", activation="gelu", positions="learned", shared_embeddings=False),
        dict(positions="halves_minus_one", scale_embeddings=False, encoder_layers=1, **NO_BIASES),
        dict(positions="none", norm_epsilon=1e-2, decoder_layers=1, heads=8),
        dict(feed_forward_kind="conv_relu_conv", first_kernel=4, activation="gelu"),
        dict(feed_forward_kind="conv_relu_conv", first_kernel=1, norm="post"),
        dict(heads=4, decoder_heads=2, decoder_feed_forward=20, target_positions="halves", logits_bias=True),
        dict(norm="post", positions="learned", position_offset=3, embedding_norm=True, activation="silu"),
        dict(positions="none", target_positions="learned", shared_embeddings=False, activation="gelu_tanh"),
    ],
    ids=str,
)
def test_agrees_with_sums_written_out_in_float64(changes: dict) -> None:
    config = toy.config(**changes)
    network = toy.shared(config)
    source, target = toy.ids((1, 6), 1), toy.ids((1, 5), 2)
    found = network.forward(source, target)
    expected = toy.Reference(config, toy.tensors(network)).forward(source[0], target[0])
    for name, one, other in zip(found._fields[:4], found[:4], expected, strict=True):
        np.testing.assert_allclose(numbers(one)[0], other, atol=2e-5, rtol=1e-5, err_msg=name)


APART_HEADS = toy.changed(
    toy.config(),
    encoder__attention__head_width=3,
    encoder__norm__last=False,
    decoder__attention__scale=0.3,
    decoder__cross__heads=3,
    decoder__cross__head_width=6,
    decoder__cross__key_bias=False,
    decoder__norm__place="post",
)


def test_stacks_and_maps_may_differ_in_heads_scale_biases_and_norms() -> None:
    """What no file of the first format could say: against the same sums, at once and step by step."""
    network, source, target = toy.shared(APART_HEADS), toy.ids((1, 6), 1), toy.ids((1, 5), 2)
    found = network.forward(source, target)
    expected = toy.Reference(APART_HEADS, toy.tensors(network)).forward(source[0], target[0])
    for name, one, other in zip(found._fields[:4], found[:4], expected, strict=True):
        np.testing.assert_allclose(numbers(one)[0], other, atol=2e-5, rtol=1e-5, err_msg=name)
    state = network.start(source, 5)
    for t in range(5):
        logits, state = network.step(target[:, t], t, state)
        np.testing.assert_allclose(numbers(logits), numbers(found.logits)[:, t], atol=1e-5)


def test_call_gives_the_logits_of_forward() -> None:
    network = toy.shared(toy.config())
    source, target = toy.ids((2, 6), 1), toy.ids((2, 5), 2)
    logits = network({"source": source, "target": target})
    np.testing.assert_array_equal(numbers(logits), numbers(network.forward(source, target).logits))


@every_kind
def test_maps_are_distributions_that_never_see_the_future_or_padding(changes: dict) -> None:
    source, target = toy.ids((2, 7), 1), toy.ids((2, 5), 2)
    source[1, 4:] = PAD
    result = toy.shared(toy.config(**changes)).forward(source, target)
    encoder, decoder, cross = (numbers(m) for m in (result.encoder, result.decoder, result.cross))
    assert encoder.shape == (2, 2, 2, 7, 7)
    assert decoder.shape == (2, 2, 2, 5, 5)
    assert cross.shape == (2, 2, 2, 5, 7)
    for weights in (encoder, decoder, cross):
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert not encoder[1, ..., 4:].any()
    assert not cross[1, ..., 4:].any()
    assert not decoder[..., *np.triu_indices(5, 1)].any()


@every_kind
def test_more_padding_changes_nothing(changes: dict) -> None:
    network = toy.shared(toy.config(**changes))
    source, target = toy.ids((1, 6), 1), toy.ids((1, 5), 2)
    short = network.forward(source, target)
    long = network.forward(np.pad(source, ((0, 0), (0, 7))), np.pad(target, ((0, 0), (0, 4))))
    np.testing.assert_allclose(numbers(long.logits)[:, :5], numbers(short.logits), atol=1e-5)
    np.testing.assert_allclose(numbers(long.encoder)[..., :6, :6], numbers(short.encoder), atol=1e-5)
    np.testing.assert_allclose(numbers(long.decoder)[..., :5, :5], numbers(short.decoder), atol=1e-5)
    np.testing.assert_allclose(numbers(long.cross)[..., :5, :6], numbers(short.cross), atol=1e-5)


@every_kind
def test_padding_before_the_target_changes_nothing_but_its_places(changes: dict) -> None:
    network = toy.shared(toy.config(positions="none", **changes))
    source, target = toy.ids((1, 6), 1), toy.ids((1, 5), 2)
    plain = network.forward(source, target)
    left = np.pad(target, ((0, 0), (3, 0)))
    found = network.forward(source, left, target_real=np.arange(8)[None] >= 3)
    np.testing.assert_allclose(numbers(found.logits)[:, 3:], numbers(plain.logits), atol=1e-5)
    np.testing.assert_allclose(numbers(found.decoder)[..., 3:, 3:], numbers(plain.decoder), atol=1e-5)
    np.testing.assert_allclose(numbers(found.cross)[..., 3:, :], numbers(plain.cross), atol=1e-5)
    assert np.isfinite(numbers(found.logits)).all()


@every_kind
def test_a_later_target_token_does_not_reach_an_earlier_output(changes: dict) -> None:
    network = toy.shared(toy.config(**changes))
    source, target = toy.ids((1, 6), 1), toy.ids((1, 8), 2)
    changed = target.copy()
    changed[:, 5:] = toy.ids((1, 3), 9)
    before, after = (numbers(network.forward(source, t).logits) for t in (target, changed))
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert np.abs(before[:, 5:] - after[:, 5:]).max() > 1e-2


@every_kind
def test_step_by_step_equals_all_at_once(changes: dict) -> None:
    network = toy.shared(toy.config(**changes))
    source, target = toy.ids((2, 6), 1), toy.ids((2, 5), 2)
    source[1, 3:] = PAD
    target[:, 0] = START
    whole = numbers(network.forward(source, target).logits)
    state = network.start(source, 8)
    for t in range(5):
        logits, state = network.step(target[:, t], t, state)
        np.testing.assert_allclose(numbers(logits), whole[:, t], atol=1e-5)


def test_rows_of_a_batch_do_not_touch_each_other() -> None:
    network = toy.shared(toy.config(feed_forward_kind="conv_relu_conv"))
    source, target = toy.ids((3, 6), 1), toy.ids((3, 5), 2)
    together = numbers(network.forward(source, target).logits)
    alone = [numbers(network.forward(source[i : i + 1], target[i : i + 1]).logits)[0] for i in range(3)]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-5)


def test_gates_act_on_the_layer_and_head_they_name() -> None:
    config = toy.config()
    network = toy.shared(config)
    source, target = toy.ids((1, 6), 1), toy.ids((1, 5), 2)
    plain = network.forward(source, target)
    for kind, (layer, head) in itertools.product(Gates._fields, ((0, 1), (1, 0))):
        gate = np.ones((2, 2), np.float32)
        np.testing.assert_array_equal(
            numbers(network.forward(source, target, alter=Alter(Gates(**{kind: gate}))).logits),
            numbers(plain.logits),
        )
        gate[layer, head] = 0
        found = network.forward(source, target, alter=Alter(Gates(**{kind: gate})))
        # Switching a head off is the same as deleting its rows of the output projection.
        stack, part = ("encoder", "self") if kind == "encoder" else ("decoder", "self")
        part = "cross" if kind == "cross" else part
        weights = toy.tensors(network)
        weights[f"{stack}/block_{layer}/{part}_attention/output/kernel"][head * 4 : head * 4 + 4] = 0
        expected = toy.Reference(config, weights).forward(source[0], target[0])
        np.testing.assert_allclose(numbers(found.logits)[0], expected[0], atol=2e-5)


def closed_form(config: Any) -> int:
    """How many numbers a network of these sizes learns."""
    feed, spec = config.encoder.feed_forward, config.encoder.attention
    d, f, v = config.width, feed.width, config.vocabulary
    biases = spec.query_bias + spec.key_bias + spec.value_bias + spec.output_bias
    attention = 4 * d * d + biases * d
    kernel = feed.first_kernel if feed.kind == "conv_relu_conv" else 1
    feed_forward = kernel * d * f + f + f * d + d
    encoder = config.encoder.layers * (attention + feed_forward + 2 * 2 * d)
    decoder = config.decoder.layers * (2 * attention + feed_forward + 3 * 2 * d)
    last = 2 * 2 * d if config.encoder.norm.place == "pre" else 0
    embeddings = v * d * (1 if config.shared_embeddings else 2)
    logits = 0 if config.task.tied else v * d + (v if config.task.bias else 0)
    learned = (config.max_source + config.max_target) * d if config.encoder.table.kind == "learned" else 0
    return encoder + decoder + last + embeddings + logits + learned


@pytest.mark.parametrize("name", [n for n in PRESETS if PRESETS[n].model.family == "seq2seq"])
def test_every_preset_builds_and_runs_small(name: str) -> None:
    preset = PRESETS[name].model
    attention = Attention.split(16, min(preset.attention("encoder").heads, 8)).to_dict()
    config = toy.changed(
        preset,
        width=16,
        source__vocabulary=23,
        target__vocabulary=23,
        encoder__layers=2,
        decoder__layers=1,
        encoder__attention=attention,
        decoder__attention=attention,
        decoder__cross=attention,
        encoder__feed_forward__width=24,
        decoder__feed_forward__width=24,
    )
    network = toy.shared(config)
    logits = network.forward(toy.ids((1, 6)), toy.ids((1, 5))).logits
    assert numbers(logits).shape == (1, 5, 23)
    assert network.count_params() == closed_form(network.config)


def test_the_presets_of_the_paper_have_its_sizes() -> None:
    """Vaswani et al. 2017, table 3: 65 and 213 million; our biases and exact vocabulary are not stated there."""
    assert closed_form(PRESETS["base"].model) == pytest.approx(65e6, rel=0.03)
    assert closed_form(PRESETS["big"].model) == pytest.approx(213e6, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (dict(), {"source_embedding/tokens/embeddings"}),
        (dict(shared_embeddings=False), {f"{s}_embedding/tokens/embeddings" for s in ("source", "target")}),
        (dict(tied_logits=False), {"source_embedding/tokens/embeddings", "output_projection/kernel"}),
        (
            APART,
            {
                *(f"{s}_embedding/tokens/embeddings" for s in ("source", "target")),
                "output_projection/kernel",
                "output_projection/bias",
            },
        ),
    ],
    ids=str,
)
def test_embeddings_and_logits_share_what_the_configuration_says(changes: dict, expected: set) -> None:
    network = toy.shared(toy.config(**changes))
    names = {name for name in toy.tensors(network) if name.split("/")[0] not in ("encoder", "decoder")}
    assert names == expected
    assert network.count_params() == closed_form(network.config)


def test_one_table_is_read_on_both_sides() -> None:
    network = toy.network(toy.config(positions="none"))
    assert network.source_embedding.tokens is network.target_embedding.tokens
    apart = toy.network(toy.config(positions="none", shared_embeddings=False))
    assert apart.source_embedding.tokens is not apart.target_embedding.tokens


def test_a_forward_pass_leaves_nothing_on_the_network() -> None:
    network = toy.shared(toy.config())

    def held(layer: Any) -> set[tuple[str, int]]:
        found = {(f"{layer.name}.{k}", id(v)) for k, v in vars(layer).items() if not k.startswith("_")}
        return found.union(*(held(inner) for inner in layer._layers))

    network.forward(toy.ids((1, 6)), toy.ids((1, 5)))
    before = held(network)
    network.forward(toy.ids((2, 3)), toy.ids((2, 4)))
    network.step(np.array([1]), 0, network.start(toy.ids((1, 6)), 4))
    assert held(network) == before


def test_dropout_acts_in_training_only() -> None:
    network = toy.shared(toy.config(dropout=0.3, attention_dropout=0.3, feed_forward_dropout=0.3))
    pair = {"source": toy.ids((1, 6)), "target": toy.ids((1, 5))}
    np.testing.assert_array_equal(numbers(network(pair)), numbers(network(pair, training=False)))
    assert np.abs(numbers(network(pair)) - numbers(network(pair, training=True))).max() > 1e-2


def test_a_sequence_longer_than_the_positions_is_refused() -> None:
    network: Transformer = toy.shared(toy.config())
    with pytest.raises(ValueError, match="expected at most 16 positions, received 17"):
        network.forward(toy.ids((1, 17)), toy.ids((1, 5)))
