"""Statistics against plain loops with the formulas of the docstrings, and against cases whose answer is known."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from transformer.analysis import statistics
from transformer.analysis.rollout import chosen, corrected, follows, rollout
from transformer.trace import AttentionMap, Label


def random_map(kind: str, queries: int, keys: int) -> AttentionMap:
    values = np.random.default_rng(queries).gamma(0.5, size=(2, 3, queries, keys)) + 1e-9
    if kind == "decoder":
        values *= np.tril(np.ones((queries, keys)), keys - queries)
    labels = [Label(str(k), special=k in (0, keys - 1)) for k in range(keys)]
    return AttentionMap(
        kind, values / values.sum(-1, keepdims=True), [str(q) for q in range(queries)], labels
    )


def per_head(attention: AttentionMap, row: Callable[[int, list[float]], float | None]) -> list[list[float]]:
    """The mean over queries of `row(q, weights of q)`, leaving out None."""
    result: list[list[float]] = []
    for layer in attention.weights.tolist():
        result.append([])
        for head in layer:
            values = [value for q, weights in enumerate(head) if (value := row(q, weights)) is not None]
            result[-1].append(sum(values) / len(values))
    return result


def bits(weights: list[float]) -> float:
    return -sum(w * math.log2(w) for w in weights if w > 0)


@pytest.mark.parametrize(("kind", "queries", "keys"), [("encoder", 5, 5), ("decoder", 4, 4), ("cross", 3, 6)])
def test_every_formula_against_a_loop(kind: str, queries: int, keys: int) -> None:
    attention = random_map(kind, queries, keys)
    causal = kind == "decoder"

    def share_of_most(q: int, row: list[float]) -> float | None:
        visible = q + 1 if causal else keys
        return bits(row) / math.log2(visible) if visible > 1 else None

    def near_diagonal(q: int, row: list[float]) -> float:
        return sum(
            w * math.exp(-((q / (queries - 1) - k / (keys - 1)) ** 2) / 0.08) for k, w in enumerate(row)
        )

    expected = [
        (statistics.entropy(attention), lambda q, row: bits(row)),
        (statistics.entropy(attention, normalised=True), share_of_most),
        (statistics.confidence(attention), lambda q, row: max(row)),
        (statistics.special_share(attention), lambda q, row: row[0] + row[-1]),
        (statistics.diagonality(attention), near_diagonal),
    ]
    if kind != "cross":
        expected += [
            (statistics.distance(attention), lambda q, row: sum(w * abs(q - k) for k, w in enumerate(row))),
            (statistics.at_offset(attention, -1), lambda q, row: row[q - 1] if q else None),
            (statistics.at_offset(attention, 0), lambda q, row: row[q]),
        ]
    for received, row in expected:
        assert received.shape == (2, 3) and received.dtype == np.float64
        np.testing.assert_allclose(received, per_head(attention, row), rtol=1e-5, atol=1e-7)


def test_heads_whose_figures_are_known() -> None:
    even, diagonal = np.full((4, 4), 0.25), np.eye(4)
    attention = AttentionMap(
        "encoder", [[even, diagonal, np.roll(diagonal, 1, axis=1), diagonal[::-1]]], "abcd", "abcd"
    )
    np.testing.assert_allclose(statistics.entropy(attention), [[2, 0, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(statistics.entropy(attention, normalised=True), [[1, 0, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(statistics.distance(attention), [[1.25, 0, 1.5, 2]])
    np.testing.assert_allclose(statistics.at_offset(attention, 1), [[0.25, 0, 1, 1 / 3]], rtol=1e-6)
    np.testing.assert_allclose(statistics.monotonicity(attention), [[1, 1, 2 / 3, 0]])
    assert statistics.diagonality(attention)[0, 1] == 1
    assert statistics.at_offset(attention, 9).tolist() == [[0, 0, 0, 0]]
    assert statistics.special_share(attention).tolist() == [[0, 0, 0, 0]]


def test_a_sequence_of_one() -> None:
    attention = AttentionMap("decoder", [[[[1.0]]]], "a", "a")
    assert statistics.entropy(attention, normalised=True).tolist() == [[0]]
    assert statistics.monotonicity(attention).tolist() == [[1]]
    assert statistics.diagonality(attention).tolist() == [[1]]


def test_distances_of_cross_attention_have_no_meaning() -> None:
    for figure in (statistics.distance, lambda attention: statistics.at_offset(attention, 0), rollout):
        with pytest.raises(ValueError, match="expected self-attention"):
            figure(random_map("cross", 3, 3))


def test_rollout_multiplies_the_layers() -> None:
    attention = random_map("decoder", 4, 4)
    flow = np.eye(4)
    for layer in range(2):
        mixed = [
            [sum(attention.weights[layer, :, q, k].tolist()) / 6 + (q == k) / 2 for k in range(4)]
            for q in range(4)
        ]
        flow = np.array(
            [[sum(mixed[q][m] * flow[m, k] for m in range(4)) for k in range(4)] for q in range(4)]
        )
        np.testing.assert_allclose(rollout(attention, layer).values, flow, rtol=1e-5)
    view = rollout(attention)
    np.testing.assert_allclose(view.values, flow, rtol=1e-5)
    np.testing.assert_allclose(view.values.sum(-1), 1, rtol=1e-5)
    assert np.all(view.values[np.triu_indices(4, 1)] == 0)
    with pytest.raises(ValueError, match="layer from 0 to 1, received 2"):
        rollout(attention, 2)


def test_rollout_of_heads_that_look_at_themselves_is_themselves() -> None:
    attention = AttentionMap("encoder", np.broadcast_to(np.eye(3), (4, 2, 3, 3)), "abc", "abc")
    np.testing.assert_array_equal(rollout(attention).values, np.eye(3))


def test_rollout_of_a_decoder_is_not_corrected_for_how_many_keys_a_row_sees() -> None:
    """Two layers whose rows look at all they see alike, by hand: the first key has more than its share."""
    even = np.tri(3) / np.arange(1, 4)[:, None]
    attention = AttentionMap("decoder", np.broadcast_to(even, (2, 1, 3, 3)), "abc", "abc")
    # A = (even + I) / 2 = [1 0 0; 1/4 3/4 0; 1/6 1/6 2/3], and the last row of A A:
    expected = [1 / 6 + 1 / 24 + 1 / 9, 1 / 8 + 1 / 9, 4 / 9]
    np.testing.assert_allclose(rollout(attention).values[2], expected, rtol=1e-6)
    assert rollout(attention).values[2, 0] > rollout(attention).values[2, 1], (
        "although every row looks at both alike"
    )
    assert "not corrected" in (rollout.__doc__ or "")
    np.testing.assert_allclose(corrected(attention).values, even, atol=1e-6)


def test_a_corrected_rollout_shows_what_stands_out_of_the_mask() -> None:
    """A window of two keys, even rows; rows that look at themselves alone; one that looks at the first key, by hand."""
    banded = np.array([[1, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5]])
    attention = AttentionMap("decoder", np.broadcast_to(banded, (1, 2, 3, 3)), "abc", "abc", (2,))
    np.testing.assert_allclose(corrected(attention).values, banded, atol=1e-6)
    alone = AttentionMap("decoder", np.broadcast_to(np.eye(3), (3, 1, 3, 3)), "abc", "abc")
    np.testing.assert_allclose(corrected(alone).values, np.eye(3), atol=1e-6)
    first = AttentionMap("decoder", np.array([[[[1, 0], [1, 0]]]], np.float32), "ab", "ab")
    # (A + I) / 2 has [1/2 1/2] below, the even one [1/4 3/4]: 2 and 2/3 are 3/4 and 1/4 of their sum.
    np.testing.assert_allclose(corrected(first).values, [[1, 0], [0.75, 0.25]], atol=1e-6)
    encoder = AttentionMap("encoder", np.full((2, 1, 2, 2), 0.5), "ab", "ab")
    np.testing.assert_array_equal(corrected(encoder).values, rollout(encoder).values)
    assert follows(first) and follows(encoder)
    assert not follows(AttentionMap("cross", np.full((2, 1, 2, 2), 0.5), "ab", "ab"))
    assert not follows(AttentionMap("encoder", np.full((1, 1, 1, 2), 0.5), "a", "ab"))
    np.testing.assert_array_equal(chosen(encoder, "mean", 0, None).values, np.full((2, 2), 0.5))
    np.testing.assert_array_equal(chosen(encoder, "rollout", 0, None).values, [[0.75, 0.25], [0.25, 0.75]])
