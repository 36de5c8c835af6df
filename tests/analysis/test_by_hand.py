"""Every step of attention by hand: against values known in closed form, and against Keras."""

import math

import keras
import numpy as np
import pytest

from transformer.analysis import by_hand
from transformer.analysis.by_hand import Dense, LayerWeights
from transformer.config import Attention

RNG = np.random.default_rng(5)


def weights_of(width: int, heads: int, seed: int = 0) -> LayerWeights:
    rng = np.random.default_rng(seed)
    return LayerWeights(
        *(Dense(rng.normal(size=(width, width)), rng.normal(size=width)) for _ in range(4)),
        Attention.split(width, heads),
    )


def test_dot_product_of_vectors_at_known_angles() -> None:
    one, other = [[2.0, 0.0]], [[3.0, 0.0], [0.0, 5.0], [1.0, math.sqrt(3)], [-1.0, 0.0]]
    np.testing.assert_allclose(by_hand.dot(one, other), [[6, 0, 2, -2]])
    np.testing.assert_allclose(by_hand.cosine(one, other), [[1, 0, 0.5, -1]], atol=1e-15)


def test_cosine_of_nothing_is_nothing_and_size_does_not_matter() -> None:
    vectors = np.array([[0.0, 0.0], [1e-200, 1e-200], [1e200, 1e200], [1.0, 0.0]])
    cosines = by_hand.cosine(vectors, vectors)
    half = 1 / math.sqrt(2)
    np.testing.assert_allclose(cosines[0], 0)
    np.testing.assert_allclose(cosines[1:, 1:], [[1, 1, half], [1, 1, half], [half, half, 1]], atol=1e-14)


@pytest.mark.parametrize(("one", "other"), [((2, 3), (2, 4)), ((3,), (2, 3))])
def test_widths_must_agree(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected queries and keys of one width"):
        by_hand.dot(np.ones(one), np.ones(other))


def test_scaling_divides_by_the_root() -> None:
    np.testing.assert_array_equal(by_hand.scale([[8.0]], 16), [[2.0]])
    with pytest.raises(ValueError, match="expected a width of at least 1, received 0"):
        by_hand.scale([[1.0]], 0)


def test_softmax_of_logarithms_gives_their_numbers() -> None:
    np.testing.assert_allclose(by_hand.softmax(np.log([[1.0, 2, 5]])), [[0.125, 0.25, 0.625]])
    # At temperature 1/2 the numbers are squared: 1, 4, 25 of 30.
    np.testing.assert_allclose(by_hand.softmax(np.log([[1.0, 2, 5]]), 0.5), [[1 / 30, 4 / 30, 25 / 30]])
    np.testing.assert_allclose(by_hand.softmax([[1e5, 1e5 + math.log(3)]]), [[0.25, 0.75]], rtol=1e-9)


def test_softmax_at_the_ends_of_temperature() -> None:
    scores = RNG.normal(size=(4, 6))
    hot, cold = by_hand.softmax(scores, 1e9), by_hand.softmax(scores, 1e-6)
    np.testing.assert_allclose(hot, 1 / 6, atol=1e-8)
    np.testing.assert_array_equal(cold, np.eye(6)[scores.argmax(-1)])


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_softmax_needs_a_temperature_above_zero(temperature: float) -> None:
    with pytest.raises(ValueError, match="expected a temperature above 0"):
        by_hand.softmax([[1.0]], temperature)


def test_masks() -> None:
    np.testing.assert_array_equal(by_hand.causal_mask(3), [[1, 0, 0], [1, 1, 0], [1, 1, 1]])
    np.testing.assert_array_equal(by_hand.padding_mask([True, True, False], 2), [[1, 1, 0], [1, 1, 0]])
    assert by_hand.no_mask(2, 3).all() and by_hand.no_mask(2, 3).shape == (2, 3)
    closed = by_hand.softmax(by_hand.masked(np.zeros((3, 3)), by_hand.causal_mask(3)))
    np.testing.assert_array_equal(closed, [[1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])
    with pytest.raises(ValueError, match=r"expected a mask \(3, 3\)"):
        by_hand.masked(np.zeros((3, 3)), by_hand.causal_mask(2))
    with pytest.raises(ValueError, match="received a row without one"):
        by_hand.softmax(by_hand.masked(np.zeros((2, 2)), np.zeros((2, 2), bool)))


def test_entropy_of_known_rows() -> None:
    rows = [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4]
    np.testing.assert_array_equal(by_hand.entropy(rows), [0, 1, 2])
    assert not np.signbit(by_hand.entropy(rows)).any()


def test_the_weighted_sum_of_equal_weights_is_the_mean() -> None:
    values = RNG.normal(size=(5, 3))
    np.testing.assert_allclose(by_hand.attend(np.full((2, 5), 0.2), values), [values.mean(0)] * 2)
    np.testing.assert_array_equal(by_hand.attend(np.eye(5), values), values)


def test_without_positions_order_does_not_matter() -> None:
    words = RNG.normal(size=(7, 4))
    places = by_hand.shuffled(7, 3)
    one, other = (
        by_hand.attention_weights(words, words),
        by_hand.attention_weights(words[places], words[places]),
    )
    np.testing.assert_allclose(other, one[places][:, places], atol=1e-15)


def test_shuffled_is_always_another_order() -> None:
    for count in range(2, 6):
        for seed in range(30):
            places = by_hand.shuffled(count, seed)
            assert sorted(places) == list(range(count)) and (places != np.arange(count)).any()
    assert by_hand.shuffled(1, 0).tolist() == [0] and by_hand.shuffled(0, 0).size == 0


def test_moved_towards_is_the_change_of_cosine() -> None:
    found = by_hand.moved_towards([1.0, 0], [1.0, 1], [[1.0, 0], [0, 1], [-1, 0], [0, 0]])
    half = 1 / math.sqrt(2)
    np.testing.assert_allclose(found, [half - 1, half, 1 - half, 0], atol=1e-15)


def test_width_hardens_the_softmax_unless_divided() -> None:
    widths = [1, 4, 64, 1024]
    curve = by_hand.entropy_by_width(widths, keys=8, draws=400)
    assert curve.widths.tolist() == widths
    assert (np.diff(curve.plain) < -0.3).all() and curve.plain[-1] < 0.2
    # Divided, the scores have variance 1 at every width: the same entropy, that of 8 normal scores.
    normal = by_hand.entropy(by_hand.softmax(np.random.default_rng(1).normal(size=(20_000, 8)))).mean()
    np.testing.assert_allclose(curve.scaled[2:], normal, atol=0.06)
    assert curve.plain[0] == curve.scaled[0]
    again = by_hand.entropy_by_width(widths, keys=8, draws=400)
    np.testing.assert_array_equal(again.plain, curve.plain)


def test_split_and_join() -> None:
    vectors = np.arange(12.0).reshape(2, 6)
    heads = by_hand.split(vectors, 3)
    np.testing.assert_array_equal(heads[1], [[2, 3], [8, 9]])
    np.testing.assert_array_equal(by_hand.join(heads), vectors)
    with pytest.raises(ValueError, match="expected a width divisible by 4 heads, received 6"):
        by_hand.split(vectors, 4)


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize(
    ("mask", "cross"),
    [("none", False), ("causal", False), ("padding", False), ("none", True), ("padding", True)],
)
def test_multi_head_agrees_with_keras(heads: int, mask: str, cross: bool) -> None:
    width, count, keys = 8, 5, 6 if cross else 5
    learned, inputs = weights_of(width, heads), RNG.normal(size=(count, width))
    source = RNG.normal(size=(keys, width)) if cross else inputs
    allowed = {
        "none": by_hand.no_mask(count, keys),
        "causal": by_hand.causal_mask(count),
        "padding": by_hand.padding_mask(np.arange(keys) < 4, count),
    }[mask]
    layer = keras.layers.MultiHeadAttention(heads, width // heads, dtype="float32")
    layer.build((1, count, width), (1, keys, width))
    size = width // heads
    parts = (learned.query, learned.key, learned.value)
    variables = [
        v for p in parts for v in (p.kernel.reshape(width, heads, size), p.bias.reshape(heads, size))
    ]
    layer.set_weights([*variables, learned.output.kernel.reshape(heads, size, width), learned.output.bias])
    output, weights = layer(
        inputs[None].astype("float32"), source[None].astype("float32"),
        attention_mask=allowed[None], return_attention_scores=True,
    )  # fmt: skip
    found = by_hand.multi_head(inputs, learned, allowed, source if cross else None)
    np.testing.assert_allclose(found.weights, np.asarray(weights)[0], atol=1e-5)
    np.testing.assert_allclose(found.output, np.asarray(output)[0], atol=1e-4)
    assert found.weights[:, ~allowed].max(initial=0) == 0
    np.testing.assert_allclose(found.weights.sum(-1), 1)


def test_parameters_are_those_of_keras() -> None:
    layer = keras.layers.MultiHeadAttention(2, 4)
    layer.build((1, 3, 8), (1, 3, 8))
    assert weights_of(8, 2).parameters == layer.count_params()
