"""Alignments against every path there is: tiny cases, all of them tried."""

import itertools
from math import log

import numpy as np
import pytest

from transformer.analysis.alignment import (
    best_heads,
    by_attention,
    by_ctc,
    ctc_path,
    prepared,
    rank_heads,
    settled,
    time_warp,
    word_groups,
)
from transformer.trace import AttentionMap, Label


def cheapest(cost: np.ndarray) -> float:
    """By trying every monotone path."""

    def rest(i: int, j: int) -> float:
        if (i, j) == (cost.shape[0] - 1, cost.shape[1] - 1):
            return float(cost[i, j])
        steps = [(i + 1, j), (i, j + 1), (i + 1, j + 1)]
        inside = [rest(*s) for s in steps if s[0] < cost.shape[0] and s[1] < cost.shape[1]]
        return float(cost[i, j]) + min(inside)

    return rest(0, 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1), (3, 5), (5, 3), (4, 4)])
def test_no_path_is_cheaper(shape: tuple[int, int]) -> None:
    for seed in range(5):
        cost = np.random.default_rng(seed).normal(size=shape)
        rows, columns = time_warp(cost)
        assert (rows[0], columns[0]) == (0, 0) and (rows[-1], columns[-1]) == (shape[0] - 1, shape[1] - 1)
        steps = set(zip(np.diff(rows).tolist(), np.diff(columns).tolist(), strict=True))
        assert steps <= {(1, 0), (0, 1), (1, 1)}
        np.testing.assert_allclose(cost[rows, columns].sum(), cheapest(cost))


def test_of_equal_paths_the_straight_one() -> None:
    np.testing.assert_array_equal(time_warp(np.zeros((3, 3))), [[0, 1, 2], [0, 1, 2]])


@pytest.mark.parametrize("cost", [np.zeros(3), np.zeros((0, 2)), [[1.0, np.nan]]])
def test_what_cannot_be_warped_is_refused(cost: object) -> None:
    with pytest.raises(ValueError, match="expected finite costs"):
        time_warp(cost)  # type: ignore[arg-type]


def test_preparation_step_by_step() -> None:
    weights = np.random.default_rng(1).random((2, 3, 6))
    rows = weights / weights.sum(-1, keepdims=True)
    standard = (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)
    expected = np.zeros((3, 6))
    for head, row, k in itertools.product(range(2), range(3), range(6)):
        around = [standard[head, row, abs(i) if i < 6 else 10 - i] for i in (k - 1, k, k + 1)]
        expected[row, k] += sorted(around)[1] / 2
    np.testing.assert_allclose(prepared(weights, 3), expected)
    with pytest.raises(ValueError, match="odd width"):
        prepared(weights, 4)
    assert np.isfinite(prepared(np.zeros((1, 2, 3)))).all(), "a head that says nothing is no reason to fail"


def sound(weights: np.ndarray, queries: list[Label], rest: bool = False) -> AttentionMap:
    """Cross-attention (L, H, Q, K) over positions of 0.02 s, the last of which may be padding."""
    keys = [Label(str(k), start=0.02 * k, end=0.02 * k + 0.02) for k in range(weights.shape[-1])]
    if rest:
        keys[-1] = Label("rest", special=True, start=keys[-1].start, end=30.0)
    return AttentionMap("cross", weights / weights.sum(-1, keepdims=True), queries, keys)


END = Label("end", special=True)


def test_heads_are_ranked_by_how_steadily_and_how_sharply_they_follow() -> None:
    weights = np.full((1, 5, 3, 9), 1e-9)
    for row in range(3):
        weights[0, 0, row, 4] = 1  # sharp, but always at one place
        weights[0, 1, row, 6 - 3 * row] = 1  # sharp, but backwards
        weights[0, 2, row, 3 * row : 3 * row + 3] = 1  # follows, three positions at a time
        weights[0, 3, row, 3 * row + 1] = 1  # follows sharply
        weights[0, 4, row] = 1  # looks at all
    ranked = rank_heads(sound(weights, [Label("a"), Label("b"), END]))
    assert [r.head for r in ranked[:2]] == [3, 2]
    np.testing.assert_allclose([ranked[0].score, ranked[1].score], [1, 1 - log(3) / log(9)], atol=1e-5)
    assert [r.score for r in ranked[2:]] == [0, 0, 0]
    assert best_heads(ranked) == [(0, 3), (0, 2)], "the second has half of the best score"
    assert rank_heads(sound(weights, [END, END, END])) == [] == best_heads([])


def test_words_by_attention() -> None:
    """Markers before, subwords joined, the end takes the silence, padding counts for nothing."""
    queries = [Label("<start>", special=True), Label("sev"), Label("en", joins=True), Label("two"), END]
    weights = np.full((1, 1, 5, 41), 1e-4)
    for row, (first, last) in enumerate([(0, 40), (0, 10), (10, 15), (15, 30), (30, 40)]):
        weights[0, 0, row, first:last] = 1
    weights[..., -1] = 5
    certain = [0.0, log(0.9), log(0.4), log(0.5), 0.0]
    words, path = by_attention(sound(weights, queries, rest=True), [(0, 0)], certain)
    assert [word.text for word in words] == ["seven", "two"]
    np.testing.assert_allclose([word[1:4] for word in words], [[0, 0.3, 0.6], [0.3, 0.6, 0.5]])
    assert path[0] == (1, 0) and path[-1] == (4, 39)


def test_the_last_word_of_an_unfinished_transcript_ends_with_the_clip() -> None:
    weights = np.eye(2).repeat(10, axis=1)[None, None] + 1e-4
    words, _ = by_attention(sound(weights, [Label("a"), Label("b")]), [(0, 0)])
    np.testing.assert_allclose([word[1:4] for word in words], [[0, 0.2, 1], [0.2, 0.4, 1]])


def test_what_is_no_head_or_has_no_seconds_is_refused() -> None:
    good = sound(np.ones((1, 1, 1, 3)), [Label("a")])
    for heads in ([], [(1, 0)], [(0, -1)]):
        with pytest.raises(ValueError, match="expected heads of 1 x 1"):
            by_attention(good, heads)
    with pytest.raises(ValueError, match="expected 1 log-probabilities"):
        by_attention(good, [(0, 0)], [0.0, 0.0])
    with pytest.raises(ValueError, match="with their seconds"):
        by_attention(AttentionMap("cross", [[[[1.0]]]], ["a"], ["b"]), [(0, 0)])
    assert by_attention(sound(np.ones((1, 1, 1, 3)), [END]), [(0, 0)]) == ((), ())


def collapsed(path: tuple[int, ...]) -> list[int]:
    """What a CTC path says: repeats merged, then blanks (0) left out."""
    return [token for token, _ in itertools.groupby(path) if token]


@pytest.mark.parametrize("tokens", [[], [1], [1, 2], [1, 1], [2, 1, 2], [1, 1, 2], [2, 2, 2]])
def test_the_ctc_path_is_the_best_of_all(tokens: list[int]) -> None:
    for seed in range(4):
        scores = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), 5))
        paths = [p for p in itertools.product(range(3), repeat=5) if collapsed(p) == tokens]
        best = max(paths, key=lambda p: sum(scores[t, token] for t, token in enumerate(p)))
        said, score = ctc_path(scores, tokens)
        assert [0 if i < 0 else tokens[i] for i in said] == list(best)
        np.testing.assert_allclose(score, sum(scores[t, token] for t, token in enumerate(best)))


def test_ctc_refuses_what_it_cannot_say() -> None:
    scores = np.log(np.full((2, 3), 1 / 3))
    with pytest.raises(ValueError, match="at least 3 positions"):
        ctc_path(scores, [1, 1])
    for tokens in ([0], [3], [-1]):
        with pytest.raises(ValueError, match="expected tokens below 3 other than 0"):
            ctc_path(scores, tokens)
    with pytest.raises(ValueError, match=r"received shape \(3,\)"):
        ctc_path(np.zeros(3), [1])


def test_words_by_ctc() -> None:
    """Blank is 2 here; "a" and "b" are one word, "c" another."""
    labels = [
        Label("a", id=0),
        Label("b", joins=True, id=1),
        Label("c", id=0),
        Label("end", special=True, id=3),
    ]
    path = [2, 0, 0, 1, 2, 2, 0, 2]
    scores = np.full((8, 4), log(0.1))
    for t, (token, sure) in enumerate(zip(path, [0.7, 0.7, 0.5, 0.4, 0.7, 0.7, 0.6, 0.7], strict=True)):
        scores[t, token] = log(sure)
    words, cells = by_ctc(scores, labels, 0.04, blank=2)
    assert [word.text for word in words] == ["ab", "c"]
    expected = [[0.04, 0.16, (0.7 * 0.5 * 0.4) ** (1 / 3)], [0.24, 0.28, 0.6]]
    np.testing.assert_allclose([word[1:4] for word in words], expected)
    assert cells == ((0, 1), (0, 2), (1, 3), (2, 6))
    assert by_ctc(scores, [labels[-1]], 0.04) == ((), ())
    with pytest.raises(ValueError, match="expected labels with the network's ids"):
        by_ctc(scores, [Label("a")], 0.04)


def test_words_of_subwords() -> None:
    labels = [Label("a", joins=True), Label("b", joins=True), END, Label("c", joins=True), Label("d")]
    assert word_groups(labels) == [[0, 1], [3], [4]]


def test_punctuation_takes_no_time_from_a_word() -> None:
    queries = [
        Label("("),
        Label("one", joins=True),
        Label(",", joins=True),
        Label("two"),
        Label(".", joins=True),
        END,
    ]
    weights = np.full((1, 1, 6, 30), 1e-4)
    for row in range(6):
        weights[0, 0, row, 5 * row : 5 * row + 5] = 1
    words, _ = by_attention(sound(weights, queries), [(0, 0)])
    assert [word.text for word in words] == ["(one,", "two."]
    np.testing.assert_allclose([word[1:3] for word in words], [[0.1, 0.2], [0.3, 0.4]])


def test_words_on_one_position_share_it() -> None:
    spans = settled([(0.1, 0.1), (0.1, 0.1), (0.1, 0.1), (0.12, 0.2), (0.2, 0.2)], (), 0.02)
    expected = [(0.1, 0.32 / 3), (0.32 / 3, 0.34 / 3), (0.34 / 3, 0.12), (0.12, 0.2), (0.2, 0.22)]
    np.testing.assert_allclose(spans, expected)


@pytest.mark.parametrize(
    ("spans", "pauses", "expected"),
    [
        # 13 s of silence before the first word, 1.5 s between two, and some behind the last.
        ([(0, 13.4), (13.4, 16)], [(0, 13), (13.4, 14.9), (15.5, 17)], [(13, 13.4), (14.9, 15.5)]),
        # The path goes on too late, or too early: what lies on the other side of the pause is the neighbour's.
        ([(0, 2.1), (2.1, 2.5)], [(0.5, 2)], [(0, 0.5), (2, 2.5)]),
        ([(0, 0.4), (0.4, 2.5)], [(0.5, 2)], [(0, 0.5), (2, 2.5)]),
        # All of a word within a pause, and no pause at all.
        ([(1, 1.2), (1.2, 3)], [(0.5, 2)], [(1, 1.2), (2, 3)]),
        ([(1, 1.2), (1.2, 3)], [], [(1, 1.2), (1.2, 3)]),
    ],
)
def test_words_end_before_a_pause_and_begin_behind_it(
    spans: list[tuple[float, float]], pauses: list[tuple[float, float]], expected: list[tuple[float, float]]
) -> None:
    np.testing.assert_allclose(settled(spans, pauses, 0.02), expected)
