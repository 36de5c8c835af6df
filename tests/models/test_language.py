"""A decoder alone: against numpy, and writing over caches against whole passes."""

from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.models.altering import Alter, Gates
from transformer.models.language import LanguageModel
from transformer.training.presets import PRESETS

GPT = dict(positions="learned", activation="gelu_tanh", scale_embeddings=False)
APART = dict(tied_logits=False, logits_bias=True)
KINDS = [dict(), dict(norm="post"), GPT, dict(positions="none", decoder_heads=4, **APART)]

every_kind = pytest.mark.parametrize("changes", KINDS, ids=str)


def numbers(tensor: Any) -> np.ndarray:
    return np.asarray(tensor)


@pytest.mark.parametrize(
    "changes",
    [
        *KINDS,
        dict(positions="learned", position_offset=2, embedding_norm=True, activation="silu"),
        dict(target_positions="halves", decoder_feed_forward=20, decoder_heads=1, decoder_layers=1),
        dict(positions="none", target_positions="learned", norm="post", logits_bias=True),
        dict(activation="gelu", token_types=2, norm_epsilon=1e-2),
    ],
    ids=str,
)
def test_agrees_with_sums_written_out_in_float64(changes: dict) -> None:
    config = toy.decoder(**changes)
    network, ids = toy.shared(config), toy.ids((1, 9), 1)
    found = network.forward(ids)
    logits, decoder = toy.Reference(config, toy.tensors(network)).write(ids[0])
    np.testing.assert_allclose(numbers(found.logits)[0], logits, atol=2e-5, rtol=1e-5)
    np.testing.assert_allclose(numbers(found.decoder)[0], decoder, atol=2e-5)
    assert found.encoder is None and found.cross is None and found.ctc is None
    assert found.decoder.shape == (1, *config.attention_shapes()["decoder"], 9, 9)


@every_kind
def test_call_gives_the_logits_of_forward(changes: dict) -> None:
    network, ids = toy.shared(toy.decoder(**changes)), toy.ids((2, 6), 1)
    np.testing.assert_array_equal(numbers(network({"ids": ids})), numbers(network.forward(ids).logits))


@every_kind
def test_the_map_is_a_distribution_that_never_sees_the_future(changes: dict) -> None:
    network, ids = toy.shared(toy.decoder(**changes)), toy.ids((2, 7), 1)
    weights = numbers(network.forward(ids).decoder)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert not weights[..., *np.triu_indices(7, 1)].any()
    changed = ids.copy()
    changed[:, 4:] = toy.ids((2, 3), 9)
    before, after = (numbers(network.forward(x).logits) for x in (ids, changed))
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4:] - after[:, 4:]).max() > 1e-2


@every_kind
def test_reading_at_once_and_writing_over_caches_equal_whole_passes(changes: dict) -> None:
    """The first ids are read at once, with padding after them; the rest go in one at a time."""
    network, ids = toy.shared(toy.decoder(**changes)), toy.ids((2, 10), 1)
    whole = numbers(network.forward(ids).logits)
    for begun in (1, 4):
        prompt = np.concatenate([ids[:, :begun], np.zeros((2, 3), np.int32)], 1)
        logits, state = network.start(prompt, 12)
        np.testing.assert_allclose(numbers(logits)[:, :begun], whole[:, :begun], atol=1e-5)
        for t in range(begun, 10):
            logits, state = network.step(ids[:, t], t, state)
            np.testing.assert_allclose(numbers(logits), whole[:, t], atol=1e-5)


@every_kind
def test_reading_at_once_leaves_the_caches_of_steps(changes: dict) -> None:
    network, ids = toy.shared(toy.decoder(**changes)), toy.ids((2, 6), 1)
    _, at_once = network.start(ids, 9)
    _, stepped = network.start(ids[:, :1], 9)
    for t in range(1, 6):
        _, stepped = network.step(ids[:, t], t, stepped)
    for one, other in zip(at_once.caches, stepped.caches, strict=True):
        for here, there in zip(one.self_attention, other.self_attention, strict=True):
            assert here.shape == there.shape
            np.testing.assert_allclose(numbers(here), numbers(there), atol=1e-5)
        assert (one.cross_attention, one.convolution) == ((), ())


@every_kind
def test_rows_of_a_batch_do_not_touch_each_other(changes: dict) -> None:
    network, ids = toy.shared(toy.decoder(**changes)), toy.ids((3, 6), 1)
    alone = [numbers(network.forward(row[None]).logits)[0] for row in ids]
    np.testing.assert_allclose(numbers(network.forward(ids).logits), np.stack(alone), atol=1e-5)


@every_kind
def test_padding_on_either_side_changes_nothing(changes: dict) -> None:
    network, ids = toy.shared(toy.decoder(**changes)), toy.ids((1, 6), 1)
    plain = network.forward(ids)
    right = network.forward(np.pad(ids, ((0, 0), (0, 5))))
    np.testing.assert_allclose(numbers(right.logits)[:, :6], numbers(plain.logits), atol=1e-5)
    np.testing.assert_allclose(numbers(right.decoder)[..., :6, :6], numbers(plain.decoder), atol=1e-5)
    left = np.pad(ids, ((0, 0), (5, 0)))
    real = np.arange(11)[None] >= 5
    result = network.forward(left, real=real, places=np.maximum(np.arange(11) - 5, 0)[None])
    np.testing.assert_allclose(numbers(result.logits)[:, 5:], numbers(plain.logits), atol=1e-5)
    np.testing.assert_allclose(numbers(result.decoder)[..., 5:, 5:], numbers(plain.decoder), atol=1e-5)
    assert not numbers(result.decoder)[..., 5:, :5].any()
    assert np.isfinite(numbers(result.logits)).all()


def test_gates_act_on_the_layer_and_head_they_name() -> None:
    config = toy.decoder(decoder_heads=4)
    network, ids = toy.shared(config), toy.ids((1, 6), 1)
    for layer, head in ((0, 3), (1, 0)):
        gate = np.ones((2, 4), np.float32)
        plain = network.forward(ids, alter=Alter(Gates(decoder=gate)))
        np.testing.assert_array_equal(numbers(plain.logits), numbers(network.forward(ids).logits))
        gate[layer, head] = 0
        # Switching a head off is the same as deleting its rows of the output projection.
        weights = toy.tensors(network)
        weights[f"decoder/block_{layer}/self_attention/output/kernel"][head * 2 : head * 2 + 2] = 0
        expected, _ = toy.Reference(config, weights).write(ids[0])
        found = network.forward(ids, alter=Alter(Gates(decoder=gate)))
        np.testing.assert_allclose(numbers(found.logits)[0], expected, atol=2e-5)


@pytest.mark.parametrize("positions", ["interleaved", "learned"])
def test_positions_scaled_to_nothing_are_a_network_without(positions: str) -> None:
    network, ids = toy.shared(toy.decoder(positions=positions)), toy.ids((1, 6), 1)
    expected, _ = toy.Reference(toy.decoder(positions="none"), toy.tensors(network)).write(ids[0])
    found = network.forward(ids, alter=Alter(scale=0.0))
    np.testing.assert_allclose(numbers(found.logits)[0], expected, atol=2e-5)


def test_what_attention_was_made_of_explains_it() -> None:
    network, ids = toy.shared(toy.decoder()), toy.ids((1, 6), 1)
    result = network.forward(ids)
    encoder, decoder, cross = result.projections
    assert encoder == cross == () and len(decoder) == 2
    for layer, part in enumerate(decoder):
        scores = numbers(part.query)[0] @ numbers(part.key)[0].swapaxes(-1, -2) / 2.0  # heads are 4 wide
        scores[..., *np.triu_indices(6, 1)] = -np.inf
        np.testing.assert_allclose(numbers(result.decoder)[0, layer], toy.softmax(scores), atol=1e-5)


def closed_form(config: Any) -> int:
    """How many numbers a decoder alone of these sizes learns."""
    stack, d, v = config.decoder, config.width, config.vocabulary
    f = stack.feed_forward.width
    block = 4 * d * d + 4 * d + 2 * d * f + f + d + 2 * 2 * d
    learned = config.max_target * d if stack.table.kind == "learned" else 0
    logits = 0 if config.task.tied else d * v
    return stack.layers * block + 2 * d + v * d + learned + logits + v * config.task.bias


@pytest.mark.parametrize(
    "config",
    [
        toy.decoder(),
        toy.decoder(decoder_feed_forward=20, **APART),
        toy.changed(
            PRESETS["next-word-en"].model,
            width=16,
            max_target=8,
            target__vocabulary=30,
            decoder__attention__head_width=2,
            decoder__feed_forward__width=8,
        ),
    ],
    ids=["tied", "apart", "next-word-en made small"],
)
def test_a_decoder_alone_has_no_weights_of_an_encoder(config: Any) -> None:
    network = toy.shared(config)
    assert network.count_params() == closed_form(config)
    assert {name.split("/")[0] for name in toy.tensors(network)} <= {
        "embedding",
        "decoder",
        "output_projection",
    }
    assert not [name for name in toy.tensors(network) if "cross_attention" in name]


def test_dropout_acts_in_training_only() -> None:
    network, ids = toy.shared(toy.decoder(dropout=0.3)), {"ids": toy.ids((1, 6))}
    np.testing.assert_array_equal(numbers(network(ids)), numbers(network(ids, training=False)))
    assert np.abs(numbers(network(ids)) - numbers(network(ids, training=True))).max() > 1e-2


def test_a_text_longer_than_the_positions_is_refused() -> None:
    network: LanguageModel = toy.shared(toy.decoder())
    with pytest.raises(ValueError, match="expected at most 16 positions, received 17"):
        network.forward(toy.ids((1, 17)))
