"""An encoder alone: against numpy for each of its outputs, and padding that changes nothing."""

from typing import Any

import keras
import numpy as np
import pytest

from tests import toy
from transformer.config import PAD
from transformer.models.altering import Alter, Gates
from transformer.models.reader import Reader

BERT = dict(
    norm="post",
    positions="learned",
    activation="gelu",
    scale_embeddings=False,
    token_types=2,
    embedding_norm=True,
)
MASKED = dict(output="masked_tokens", logits_bias=True)
CLASSES = dict(output="classes", classes=3)
KINDS = [
    dict(),
    dict(feed_forward_kind="conv_relu_conv", positions="halves"),
    BERT,
    BERT | MASKED,
    dict(
        output="masked_tokens", tied_logits=False, positions="learned", position_offset=2, activation="silu"
    ),
    BERT | CLASSES | dict(pooler=True),
    dict(pooling="max", **CLASSES),
    dict(norm="post", pooling="max", pooler=True, positions="none", activation="gelu_tanh", **CLASSES),
]

every_kind = pytest.mark.parametrize("changes", KINDS, ids=str)


def numbers(tensor: Any) -> np.ndarray:
    return np.asarray(tensor)


@every_kind
def test_agrees_with_sums_written_out_in_float64(changes: dict) -> None:
    config = toy.encoder(**changes)
    network, ids = toy.shared(config), toy.ids((1, 7), 1)
    types = np.array([[0, 0, 0, 1, 1, 0, 1]]) if config.token_types else None
    found = network.forward(ids, types=types)
    expected, encoder = toy.Reference(config, toy.tensors(network)).read(
        ids[0], None if types is None else types[0]
    )
    np.testing.assert_allclose(numbers(found.logits)[0], expected, atol=2e-5, rtol=1e-5)
    np.testing.assert_allclose(numbers(found.encoder)[0], encoder, atol=2e-5)
    assert found.decoder is None and found.cross is None


@every_kind
def test_call_gives_the_scores_of_forward(changes: dict) -> None:
    network, ids = toy.shared(toy.encoder(**changes)), toy.ids((2, 6), 1)
    np.testing.assert_array_equal(numbers(network({"ids": ids})), numbers(network.forward(ids).logits))


def test_without_segments_all_tokens_belong_to_the_first() -> None:
    network, ids = toy.shared(toy.encoder(**BERT)), toy.ids((1, 6), 1)
    plain = numbers(network.forward(ids).logits)
    np.testing.assert_array_equal(numbers(network.forward(ids, types=np.zeros((1, 6), int)).logits), plain)
    assert np.abs(numbers(network.forward(ids, types=np.ones((1, 6), int)).logits) - plain).max() > 1e-2


@every_kind
def test_padding_on_either_side_changes_nothing(changes: dict) -> None:
    config = toy.encoder(**changes)
    network, ids, each = toy.shared(config), toy.ids((1, 6), 1), config.output != "classes"
    plain = network.forward(ids)
    right = network.forward(np.pad(ids, ((0, 0), (0, 5)), constant_values=PAD))
    logits = numbers(right.logits)[:, :6] if each else numbers(right.logits)
    np.testing.assert_allclose(logits, numbers(plain.logits), atol=1e-5)
    np.testing.assert_allclose(numbers(right.encoder)[..., :6, :6], numbers(plain.encoder), atol=1e-5)
    assert not numbers(right.encoder)[..., 6:].any()
    if config.output == "classes" and config.task.pooling == "first":
        return  # the first vector is that of padding where padding comes first
    # Any id may stand where `real` says that nothing does.
    left = np.pad(ids, ((0, 0), (5, 0)), constant_values=9)
    places = np.maximum(np.arange(11) - 5, 0)[None]
    found = network.forward(left, real=np.arange(11)[None] >= 5, places=places)
    logits = numbers(found.logits)[:, 5:] if each else numbers(found.logits)
    np.testing.assert_allclose(logits, numbers(plain.logits), atol=1e-5)
    np.testing.assert_allclose(numbers(found.encoder)[..., 5:, 5:], numbers(plain.encoder), atol=1e-5)
    assert not numbers(found.encoder)[..., :5].any()


def test_another_id_may_stand_for_padding() -> None:
    network = toy.network(toy.encoder(pad_id=9))
    ids = np.array([[5, 0, 7, 9, 9]])
    weights = numbers(network.forward(ids).encoder)
    assert not weights[..., 3:].any()
    np.testing.assert_allclose(weights[..., :3].sum(-1), 1, atol=1e-5)
    none = toy.network(toy.encoder(pad_id=-1))
    assert (numbers(none.forward(np.array([[5, 0, 7, 9]])).encoder) > 0).all()


def test_pooling_by_the_largest_value_looks_at_every_real_position() -> None:
    network = toy.shared(toy.encoder(pooling="max", **CLASSES))
    vectors = np.array([[[1, 5, -3], [2, -9, -2], [7, 7, 7]]], np.float32)
    real = np.array([[True, True, False]])
    np.testing.assert_array_equal(numbers(network.pool(vectors, real)), [[2, 5, -2]])
    first = toy.shared(toy.encoder(**CLASSES))
    np.testing.assert_array_equal(numbers(first.pool(vectors, real)), [[1, 5, -3]])


@pytest.mark.parametrize("changes", [KINDS[0], KINDS[3], KINDS[5]], ids=str)
def test_reading_ready_embeddings_is_the_same_pass(changes: dict) -> None:
    """What an explanation by gradients starts from."""
    network, ids = toy.shared(toy.encoder(**changes)), toy.ids((2, 6), 1)
    ids[1, 4:] = PAD
    whole = network.forward(ids)
    vectors = network.embedding(ids)
    found = network.read(vectors, ids != PAD)
    np.testing.assert_array_equal(numbers(found.logits), numbers(whole.logits))
    np.testing.assert_array_equal(numbers(found.encoder), numbers(whole.encoder))


def test_gates_act_on_the_layer_and_head_they_name() -> None:
    config = toy.encoder(**BERT, **CLASSES)
    network, ids = toy.shared(config), toy.ids((1, 6), 1)
    plain = numbers(network.forward(ids).logits)
    for layer, head in ((0, 1), (1, 0)):
        gate = np.ones((2, 2), np.float32)
        np.testing.assert_array_equal(numbers(network.forward(ids, alter=Alter(Gates(gate))).logits), plain)
        gate[layer, head] = 0
        # Switching a head off is the same as deleting its rows of the output projection.
        weights = toy.tensors(network)
        weights[f"encoder/block_{layer}/self_attention/output/kernel"][head * 4 : head * 4 + 4] = 0
        expected, _ = toy.Reference(config, weights).read(ids[0])
        found = network.forward(ids, alter=Alter(Gates(gate)))
        np.testing.assert_allclose(numbers(found.logits)[0], expected, atol=2e-5)


def test_positions_scaled_to_nothing_are_a_network_without() -> None:
    network, ids = toy.shared(toy.encoder()), toy.ids((1, 6), 1)
    expected, _ = toy.Reference(toy.encoder(positions="none"), toy.tensors(network)).read(ids[0])
    found = network.forward(ids, alter=Alter(scale=0.0))
    np.testing.assert_allclose(numbers(found.logits)[0], expected, atol=2e-5)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (dict(), {"embedding", "encoder"}),
        (MASKED, {"embedding", "encoder", "masked_tokens"}),
        (CLASSES, {"embedding", "encoder", "classifier"}),
        (dict(pooler=True, **CLASSES), {"embedding", "encoder", "pooler", "classifier"}),
    ],
    ids=str,
)
def test_an_encoder_alone_has_the_weights_of_its_output_only(changes: dict, parts: set[str]) -> None:
    network = toy.shared(toy.encoder(**changes))
    assert {name.split("/")[0] for name in toy.tensors(network)} == parts


def test_dropout_acts_in_training_only() -> None:
    network, ids = toy.shared(toy.encoder(classifier_dropout=0.5, dropout=0.0, **CLASSES)), toy.ids((1, 6))
    keras.utils.set_random_seed(1)
    plain = numbers(network({"ids": ids}))
    np.testing.assert_array_equal(plain, numbers(network({"ids": ids}, training=False)))
    assert np.abs(plain - numbers(network({"ids": ids}, training=True))).max() > 1e-2


def test_a_text_longer_than_the_positions_is_refused() -> None:
    network: Reader = toy.shared(toy.encoder())
    with pytest.raises(ValueError, match="expected at most 16 positions, received 17"):
        network.forward(toy.ids((1, 17)))
