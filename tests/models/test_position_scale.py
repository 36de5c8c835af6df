"""Positions scaled, or taken away: 1 is the network as it is, 0 the network without, and word order is gone with it."""

import math

import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.layers.positions import sinusoids
from transformer.models.altering import Alter
from transformer.models.seq2seq import Transformer
from transformer.pipeline import Translator
from transformer.runtime import Runtime
from transformer.text.tokenizer import SubwordTokenizer

MAPS = ("encoder", "decoder", "cross")


@pytest.fixture(scope="module")
def network() -> Transformer:
    return toy.shared(toy.config())


@pytest.fixture(scope="module")
def runtime(network: Transformer) -> Runtime:
    return Runtime(network)


@pytest.fixture(scope="module")
def translator() -> Translator:
    """A network with random weights over the subwords of four sentences."""
    text = ["o gato dorme", "o trem saiu da casa", "a casa preta", "o gato saiu na hora"]
    tokenizer = SubwordTokenizer.train(text, 60)
    return Translator("toy", toy.network(toy.config(vocabulary=tokenizer.size)), tokenizer)


@pytest.mark.parametrize("positions", ["interleaved", "learned", "none"])
def test_a_scale_of_one_is_the_network_as_it_is(positions: str) -> None:
    made = toy.shared(toy.config(positions=positions))
    source, target = toy.ids((2, 7)), toy.ids((2, 5), seed=1)
    plain, scaled = made.forward(source, target), made.forward(source, target, alter=Alter(scale=1.0))
    for name in ("logits", *MAPS):
        np.testing.assert_array_equal(getattr(plain, name), getattr(scaled, name))
    states = made.start(source, 4), made.start(source, 4, alter=Alter(scale=np.ones(2)))
    steps = (
        made.step(target[:, 0], 2, states[0])[0],
        made.step(target[:, 0], 2, states[1])[0],
    )
    np.testing.assert_array_equal(*steps)


@pytest.mark.parametrize("positions", ["interleaved", "halves", "learned"])
def test_a_scale_of_zero_is_a_network_without_positions(positions: str) -> None:
    """Against the sums written out in numpy float64 for a configuration that adds none."""
    settings = toy.config(positions=positions)
    made = toy.shared(settings)
    without = toy.Reference(toy.config(positions="none"), folder.read_weights(made))
    source, target = toy.ids((1, 7)), toy.ids((1, 5), seed=1)
    result = made.forward(source, target, alter=Alter(scale=0.0))
    expected = without.forward(source[0], target[0])
    for name, values in zip(("logits", *MAPS), expected, strict=True):
        np.testing.assert_allclose(np.asarray(getattr(result, name))[0], values, atol=1e-4)


@pytest.mark.parametrize("start", [None, 6])
def test_rows_of_the_table_are_multiplied(network: Transformer, start: int | None) -> None:
    ids = toy.ids((1, 5))
    tokens = folder.read_weights(network)["source_embedding/tokens/embeddings"][ids[0]] * math.sqrt(8)
    rows = sinusoids(16, 8)[start or 0 :][:5]
    for scale in (0.0, 0.25, 2.0):
        found = network.source_embedding(ids, start=start, position_scale=scale)
        np.testing.assert_allclose(np.asarray(found)[0], tokens + scale * rows, atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 0.5])
def test_decoding_step_by_step_sees_the_same_scale(network: Transformer, scale: float) -> None:
    source, target = toy.ids((1, 6)), toy.ids((1, 4), seed=3)
    expected = np.asarray(network.forward(source, target, alter=Alter(scale=scale)).logits)[0]
    state = network.start(source, 4, alter=Alter(scale=np.array([scale])))
    for t in range(4):
        logits, state = network.step(target[:, t], t, state)
        np.testing.assert_allclose(np.asarray(logits)[0], expected[t], atol=1e-5)


def test_without_positions_a_new_order_only_reorders_the_attention(network: Transformer) -> None:
    """The encoder sees a bag of words: shuffling them permutes rows and columns, and the decoder notices nothing."""
    source, target = toy.ids((1, 7), seed=5), toy.ids((1, 5), seed=1)
    order = np.array([3, 0, 6, 1, 5, 2, 4])
    plain = network.forward(source, target, alter=Alter(scale=0.0))
    shuffled = network.forward(source[:, order], target, alter=Alter(scale=0.0))
    encoder = np.asarray(plain.encoder)
    np.testing.assert_allclose(shuffled.encoder, encoder[..., order, :][..., order], atol=1e-6)
    np.testing.assert_allclose(shuffled.cross, np.asarray(plain.cross)[..., order], atol=1e-6)
    np.testing.assert_allclose(shuffled.logits, plain.logits, atol=1e-5)
    # With them the order matters, or the test above would show nothing.
    placed = np.asarray(network.forward(source, target).encoder)
    moved = np.asarray(network.forward(source[:, order], target).encoder)
    assert np.abs(moved - placed[..., order, :][..., order]).max() > 0.01


def test_one_graph_serves_every_scale(runtime: Runtime) -> None:
    source, target = [5, 6, 7, 2], [8, 9, 2]
    plain, one = runtime.record(source, target), runtime.record(source, target, alter=Alter(scale=1.0))
    for before, after in zip(plain, one, strict=True):
        np.testing.assert_allclose(before, after, atol=1e-5)
    assert runtime.decode(source, alter=Alter(scale=1.0)) == runtime.decode(source)
    assert runtime.decode(source, beams=2, alter=Alter(scale=1.0)) == runtime.decode(source, beams=2)
    for scale in (0.0, 0.3, 2.0):
        changed = runtime.record(source, target, alter=Alter(scale=scale))
        assert np.abs(changed.encoder - plain.encoder).max() > 0.01
        runtime.decode(source, alter=Alter(scale=scale))
    assert runtime._forced.few.experimental_get_tracing_count() == 1
    assert runtime._greedy.few.experimental_get_tracing_count() == 1


def test_a_trace_says_its_scale_and_holds_what_was_added(translator: Translator) -> None:
    text = "o gato saiu"
    plain, half = translator.trace(text), translator.trace(text, position_scale=0.5)
    assert "position_scale" not in plain.options
    assert half.options["position_scale"] == 0.5
    assert plain.positions is not None and half.positions is not None
    rows = len(half.positions)
    np.testing.assert_allclose(half.positions, sinusoids(rows, 8) / 2, atol=1e-7)
    assert translator.trace(text, position_scale=1.0).output == plain.output
    forced = translator.trace(text, target="a casa", position_scale=0.0)
    assert forced.output == "a casa"
    assert translator.trace(text, choices=[(0, 1)], position_scale=0.5).options["position_scale"] == 0.5
    for wrong in (-0.1, 11, math.nan):
        with pytest.raises(ValueError, match="position_scale from 0 to 10"):
            translator.trace(text, position_scale=wrong)


def test_embedded_parts_add_up(translator: Translator) -> None:
    parts = translator.embed("o gato saiu", position_scale=0.5)
    ids = translator.tokenizer.encode("o gato saiu").ids
    table = folder.read_weights(translator.runtime.network)["source_embedding/tokens/embeddings"]
    assert len(parts.labels) == len(ids)
    np.testing.assert_allclose(parts.tokens, table[ids] * math.sqrt(8), rtol=1e-6)
    np.testing.assert_allclose(parts.positions, 0.5 * sinusoids(len(ids), 8), atol=1e-7)
    np.testing.assert_allclose(parts.total, parts.tokens + parts.positions, atol=1e-6)
    with pytest.raises(ValueError, match="nothing to read"):
        translator.embed("  ")
