"""When was each word spoken? Dynamic time warping over cross-attention, and the best path of a CTC output.

Warping: Sakoe and Chiba 1978, "Dynamic Programming Algorithm Optimization for Spoken Word Recognition", with steps to
the next row, the next column, or both. What is warped follows whisper/timing.py of OpenAI's Whisper (Radford et al.
2022): attention to the clip alone, each position standardised over the tokens, a median filter over time, a mean over
heads. `by_named` does so to the letter over the heads that a checkpoint names: its pass has the prompt, the text and
the end, which is read once more, and positions are standardised over all of these (the library `transformers` takes
the generated tokens alone). Where that algorithm shortens long words by their median, pauses decide: see `settled`.
CTC: the Viterbi path of Graves et al. 2006, "Connectionist Temporal Classification", over the transcript with
a blank before, between and behind its tokens.

Letters for shapes: N heads, Q queries (tokens), K keys (positions of sound), T positions, U tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby, pairwise
from math import exp
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transformer.trace import AttentionMap, Label, Trace, Word, spelt, word_starts

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

SMOOTHED = 0.14  # seconds of the median filter: Whisper's 7 positions of 20 ms
MOST_HEADS = 6
STEP = 0.5  # positions: a centre that moves by less has not moved
# Punctuation has no sound: what stands before or behind the letters of a word takes no time from it (the lists of
# `add_word_timestamps` in whisper/timing.py).
BEFORE, BEHIND = frozenset("\"'“¿([{-"), frozenset("\"'.。,，!！?？:：”)]}、")

# The ways to time words.
BY_NAMED, BY_RANKED, BY_CTC = "Named heads", "Ranked heads", "CTC"


class HeadRank(NamedTuple):
    """How well a head of cross-attention follows the sound; layer and head count from 0. See `rank_heads`."""

    layer: int
    head: int
    monotony: float
    sharpness: float

    @property
    def score(self) -> float:
        """The product of both, 0 to 1."""
        return self.monotony * self.sharpness


class Alignment(NamedTuple):
    """Words in order, and the path behind them: `(row, column)` pairs of the cross-attention, by time."""

    words: tuple[Word, ...]
    path: tuple[tuple[int, int], ...]


class Named(NamedTuple):
    """Cross-attention of the heads that a checkpoint names, in a pass over prompt, text and end.

    weights (N, P + U + 2, K): rows of the P tokens of the prompt, the U of the text, the end, and what is read behind
    it where there is room; the positions of the clip, without silence behind it. prompt: P.
    """

    weights: npt.NDArray[np.float32]
    prompt: int


class Evidence(NamedTuple):
    """What tells when words were spoken, besides a trace.

    named: see `Named`; None where a checkpoint names no heads. ctc: log-probabilities (T, V) of the second output and
    its blank; None without one. pauses: (start, end) in seconds where nothing is said.
    """

    named: Named | None = None
    ctc: tuple[npt.NDArray[np.float32], int] | None = None
    pauses: tuple[tuple[float, float], ...] = ()


def time_warp(cost: npt.ArrayLike) -> tuple[Indices, Indices]:
    """The cheapest path through `cost` (Q, K) from its first cell to its last: rows and columns, each (steps,).

    Each step goes to the next row, the next column, or both; of equally cheap steps the diagonal one is taken.

    Raises:
        ValueError: no matrix, an empty one, or one that is not finite.
    """
    cost = np.asarray(cost, np.float64)
    if cost.ndim != 2 or not cost.size or not np.isfinite(cost).all():
        raise ValueError(f"expected finite costs (Q, K), received shape {cost.shape}")
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0
    # Cells of one antidiagonal do not depend on each other.
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        j = diagonal - i
        before = np.minimum(total[i, j], np.minimum(total[i, j + 1], total[i + 1, j]))
        total[i + 1, j + 1] = cost[i, j] + before
    row, column = rows - 1, columns - 1
    path = [(row, column)]
    while row or column:
        steps = [(total[row, column], 1, 1), (total[row, column + 1], 1, 0), (total[row + 1, column], 0, 1)]
        _, down, along = min(steps, key=lambda step: step[0])
        row, column = row - down, column - along
        path.append((row, column))
    found = np.array(path[::-1], np.int64)
    return found[:, 0], found[:, 1]


def prepared(weights: npt.ArrayLike, width: int = 7) -> Array:
    """What is warped, (Q, K): large where a token belongs to a position. `weights` (N, Q, K) are 0 or more.

    Rows are scaled to sum 1, each position is standardised over the tokens, a median over `width` neighbours in time
    (an odd number; ends are mirrored) takes single spikes away, and heads are averaged.

    Raises:
        ValueError: weights of another shape, or an even width.
    """
    weights = np.asarray(weights, np.float64)
    if weights.ndim != 3 or not weights.size or width < 1 or width % 2 == 0:
        raise ValueError(
            f"expected weights (N, Q, K) and an odd width, received shape {weights.shape} and {width}"
        )
    rows = _distributions(weights)
    spread = rows.std(-2, keepdims=True)
    standard = (rows - rows.mean(-2, keepdims=True)) / np.where(spread > 1e-12, spread, 1)
    reach = min(width // 2, weights.shape[-1] - 1)
    padded = np.pad(standard, ((0, 0), (0, 0), (reach, reach)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=-1)
    result: Array = np.median(windows, axis=-1).mean(0)
    return result


def rank_heads(cross: AttentionMap) -> list[HeadRank]:
    """All heads of a cross-attention, the one that best follows the sound first.

    monotony: Kendall's tau of the rows' centres c(q) = sum_k a(q, k) k: of all pairs of tokens, the share whose centre
    moves on by more than half a position, less the share whose centre moves back; below 0 counts as 0. A head that
    always looks at one place has 0. With a single token there is no pair, and it is 1.
    sharpness: 1 - mean over q of H(q) / log K, where H is the entropy of row q: 1 looks at one position, 0 at all.

    a(q, k) is the attention of the written tokens (and of the end, which comes after them) to the clip, markers and
    silence left out and rows scaled to sum 1. With nothing written there is no ranking: [].
    """
    rows, columns = _rows(cross.queries), _clip(cross.keys)
    if not rows or not columns:
        return []
    weights = _distributions(cross.weights[:, :, rows][..., columns])  # (L, H, Q, K)
    centres = weights @ np.arange(len(columns))
    first, second = np.triu_indices(len(rows), 1)
    moves = centres[..., second] - centres[..., first]
    pairs = (moves > STEP).astype(np.float64) - (moves < -STEP)
    monotony = np.maximum(pairs.mean(-1), 0) if len(first) else np.ones(centres.shape[:2])
    entropy = -(weights * np.log(np.where(weights > 0, weights, 1))).sum(-1).mean(-1)
    sharpness = np.clip(1 - entropy / np.log(len(columns)), 0, 1) if len(columns) > 1 else 0 * monotony + 1
    ranked = [
        HeadRank(layer, head, float(monotony[layer, head]), float(sharpness[layer, head]))
        for layer in range(cross.layers)
        for head in range(cross.heads)
    ]
    return sorted(ranked, key=lambda rank: -rank.score)


def best_heads(ranked: Sequence[HeadRank]) -> list[tuple[int, int]]:
    """The heads to warp over: those with at least half of the best score, at most six; `ranked` is best first."""
    return [(r.layer, r.head) for r in ranked[:MOST_HEADS] if r.score >= ranked[0].score / 2]


def timed(trace: Trace, evidence: Evidence) -> dict[str, Alignment]:
    """The words of a spoken trace by each way that works, the best one first.

    "Named heads" where the checkpoint names some, "CTC" where there is such an output and it can say the text, and
    "Ranked heads", over `best_heads`.
    """
    found, cross = {}, trace["cross"]
    certain = [step.log_probability for step in trace.steps]
    if evidence.named:
        found[BY_NAMED] = by_named(cross, evidence.named, certain, evidence.pauses)
    if evidence.ctc:
        with suppress(ValueError):
            found[BY_CTC] = by_ctc(evidence.ctc[0], trace.target, position(cross), evidence.ctc[1])
    if ranked := rank_heads(cross):
        found[BY_RANKED] = by_attention(cross, best_heads(ranked), certain, evidence.pauses)
    return found


def later(words: Sequence[Word], seconds: float) -> tuple[Word, ...]:
    """Words that were spoken so much later."""
    return tuple(word._replace(start=word.start + seconds, end=word.end + seconds) for word in words)


def position(cross: AttentionMap) -> float:
    """Seconds of one position of sound.

    Raises:
        ValueError: keys without seconds.
    """
    begins, ends = _seconds(cross.keys, [0])
    return float(ends[0] - begins[0])


def by_attention(
    cross: AttentionMap,
    heads: Sequence[tuple[int, int]],
    log_probabilities: Sequence[float] = (),
    pauses: Sequence[tuple[float, float]] = (),
) -> Alignment:
    """Word times by warping over these (layer, head) pairs of a cross-attention whose keys know their seconds.

    A word begins where the path reaches its first token and ends where the next word, or punctuation behind it, begins;
    behind the last one stands the end token, which takes the silence. Then words are `settled`. Confidence is the
    geometric mean of the probabilities of a word's tokens: `log_probabilities` holds one for each query; without them
    it is 1.

    Raises:
        ValueError: no heads or one that is not there, keys without seconds, or another number of log-probabilities.
    """
    if not heads or not all(0 <= i < cross.layers and 0 <= j < cross.heads for i, j in heads):
        raise ValueError(
            f"expected heads of {cross.layers} x {cross.heads} as (layer, head), received {list(heads)}"
        )
    rows, columns = _rows(cross.queries), _clip(cross.keys)
    if not rows:
        return Alignment((), ())
    chosen = np.stack([cross.weights[i, j] for i, j in heads])[:, rows][..., columns]
    return _warped(prepared(chosen, _width(cross)), cross, log_probabilities, pauses)


def by_named(
    cross: AttentionMap,
    named: Named,
    log_probabilities: Sequence[float] = (),
    pauses: Sequence[tuple[float, float]] = (),
) -> Alignment:
    """The same over the heads that a checkpoint names, in a pass of their own, as whisper/timing.py has it.

    Raises:
        ValueError: weights that do not fit the text, keys without seconds, or another number of log-probabilities.
    """
    written = sum(not label.special for label in cross.queries)
    if not written:
        return Alignment((), ())
    _, rows, positions = named.weights.shape
    if rows < named.prompt + written + 1 or positions > len(_clip(cross.keys)):
        raise ValueError(
            f"expected weights of {named.prompt} + {written} tokens and their end, at most {len(_clip(cross.keys))} "
            f"positions, received shape {named.weights.shape}"
        )
    matrix = prepared(named.weights, _width(cross))
    return _warped(matrix[named.prompt : named.prompt + written + 1], cross, log_probabilities, pauses)


def _width(cross: AttentionMap) -> int:
    return round(SMOOTHED / max(position(cross), 1e-6)) // 2 * 2 + 1


def _warped(
    matrix: Array,
    cross: AttentionMap,
    log_probabilities: Sequence[float],
    pauses: Sequence[tuple[float, float]],
) -> Alignment:
    """Words by the path through `matrix` (U or U + 1, K): the written tokens, and the end behind them."""
    if log_probabilities and len(log_probabilities) != len(cross.queries):
        raise ValueError(
            f"expected {len(cross.queries)} log-probabilities, received {len(log_probabilities)}"
        )
    labels, columns = cross.queries, _clip(cross.keys)[: matrix.shape[1]]
    written = [i for i, label in enumerate(labels) if not label.special]
    begins, ends = _seconds(cross.keys, columns)
    path_rows, path_columns = time_warp(-matrix)
    # Where the path enters each row, and behind the last one the end of the clip.
    entered = [*begins[path_columns[np.unique(path_rows, return_index=True)[1]]], float(ends[-1])]
    at = {row: i for i, row in enumerate(written)}
    spans, groups = [], word_groups(labels)
    for group in groups:
        spoken = _spoken(labels, group)
        spans.append((float(entered[at[spoken[0]]]), float(entered[at[spoken[-1]] + 1])))
    spans = settled(spans, pauses, position(cross))
    words = []
    for group, (start, end) in zip(groups, spans, strict=True):
        certain = [log_probabilities[row] for row in group] if log_probabilities else [0.0]
        words.append(_word(labels, group, start, end, exp(sum(certain) / len(certain))))
    shown = _rows(labels)  # an unfinished text has no row for the end
    path = [(shown[i], columns[j]) for i, j in zip(path_rows, path_columns, strict=True) if i < len(shown)]
    return Alignment(tuple(words), tuple(path))


def settled(
    spans: Sequence[tuple[float, float]], pauses: Sequence[tuple[float, float]], step: float
) -> list[tuple[float, float]]:
    """Words' (start, end), in order, each with a time of its own and without the pauses around it.

    Words that were put on one position of `step` seconds share it evenly. Of a word with pauses in it the longest
    sound stays; what it gives up on the other side of a pause is the neighbour's. A word that has no sound at all
    stays where it is.
    """
    apart = _apart(spans, step)
    found, before, behind = [], [], []
    for start, end in apart:
        sounds = [sound for sound in _sounds(start, end, pauses) if sound[1] - sound[0] >= step - 1e-9]
        first, last = max(sounds, key=lambda sound: sound[1] - sound[0], default=(start, end))
        found.append((first, last))
        before.append(first > start)
        behind.append(last < end)
    for i, j in pairwise(range(len(found))):
        between = [pause for pause in pauses if found[i][1] <= pause[0] and pause[1] <= found[j][0]]
        if between and behind[i] != before[j]:
            if behind[i]:
                found[j] = (between[-1][1], found[j][1])
            else:
                found[i] = (found[i][0], between[0][0])
    return found


def _apart(spans: Sequence[tuple[float, float]], step: float) -> list[tuple[float, float]]:
    """Words of which each begins after the one before and ends after it has begun."""
    found: list[tuple[float, float]] = []
    for start, alike in groupby(spans, key=lambda span: span[0]):
        ends = [end for _, end in alike]
        share = step / len(ends)
        found += [(start + i * share, start + (i + 1) * share) for i in range(len(ends) - 1)]
        found.append((start + (len(ends) - 1) * share, max(ends[-1], start + step)))
    return found


def _sounds(start: float, end: float, pauses: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """What is left of [start, end) without the pauses."""
    for first, last in pauses:
        if last <= start or first >= end:
            continue
        if first > start:
            yield start, first
        start = last
    if start < end:
        yield start, end


def ctc_path(
    log_probabilities: npt.ArrayLike, tokens: Sequence[int], blank: int = 0
) -> tuple[Indices, float]:
    """The likeliest way to say `tokens`: which of them each position says, int (T,), -1 for the blank; and its log.

    Graves et al. 2006, section 4.1, with the maximum for the sum: states are blank, token 0, blank, token 1, ...,
    blank. A position stays in its state, goes on by one, or by two where that passes a blank between two unlike
    tokens. `log_probabilities` are natural, (T, V).

    Raises:
        ValueError: another shape, not a number, tokens that are blank or unknown, or too few positions for them.
    """
    scores = np.asarray(log_probabilities, np.float64)
    if scores.ndim != 2 or not scores.size or np.isnan(scores).any():
        raise ValueError(f"expected log-probabilities (T, V), received shape {scores.shape}")
    positions, vocabulary = scores.shape
    if not 0 <= blank < vocabulary or not all(0 <= t < vocabulary and t != blank for t in tokens):
        raise ValueError(f"expected tokens below {vocabulary} other than {blank}, received {list(tokens)}")
    needed = len(tokens) + sum(a == b for a, b in pairwise(tokens))
    if positions < needed:
        raise ValueError(f"expected at least {needed} positions for these tokens, received {positions}")
    extended = np.full(2 * len(tokens) + 1, blank)
    extended[1::2] = tokens
    leap = np.zeros(len(extended), bool)
    leap[2:] = (extended[2:] != blank) & (extended[2:] != extended[:-2])
    emitted = scores[:, extended]  # (T, 2 U + 1)
    best = np.full(len(extended), -np.inf)
    best[:2] = emitted[0, :2]
    back = np.zeros(emitted.shape, np.int64)
    for t in range(1, positions):
        one = np.concatenate([[-np.inf], best[:-1]])
        two = np.where(leap, np.concatenate([[-np.inf] * 2, best[:-2]])[: len(best)], -np.inf)
        options = np.stack([best, one, two])
        back[t] = options.argmax(0)
        best = options.max(0) + emitted[t]
    state = len(extended) - 1
    if len(extended) > 1 and best[-2] > best[-1]:
        state -= 1
    score = float(best[state])
    states = np.empty(positions, np.int64)
    for t in range(positions - 1, -1, -1):
        states[t] = state
        state -= back[t, state]
    return np.where(states % 2 == 1, states // 2, -1), score


def by_ctc(
    log_probabilities: npt.ArrayLike, labels: Sequence[Label], step: float, blank: int = 0
) -> Alignment:
    """Word times by the CTC path: from the first position that says a word's token to the end of the last.

    Args:
        log_probabilities: natural, (T, V); a position lasts `step` seconds.
        labels: the transcript with the ids of its tokens; markers are left out. Path rows count these labels.

    Confidence is the geometric mean of the probabilities along the path at the positions that say the word.

    Raises:
        ValueError: labels without ids, or as `ctc_path`.
    """
    groups = word_groups(labels)
    rows = [row for group in groups for row in group]
    tokens = [labels[row].id for row in rows]
    if any(token is None for token in tokens):
        raise ValueError("expected labels with the network's ids, received one without")
    if not groups:
        return Alignment((), ())
    ids = [token for token in tokens if token is not None]
    scores = np.asarray(log_probabilities, np.float64)
    said, _ = ctc_path(scores, ids, blank)
    spoken = np.array([-1, *rows])[said + 1]  # (T,) the label that each position says, -1: none
    words = []
    for group in groups:
        at = np.flatnonzero(np.isin(spoken, group))
        likely = np.mean([scores[t, ids[said[t]]] for t in at])
        start, end = float(at[0] * step), float((at[-1] + 1) * step)
        words.append(_word(labels, group, start, end, float(np.exp(likely))))
    path = tuple((int(row), t) for t, row in enumerate(spoken) if row >= 0)
    return Alignment(tuple(words), path)


def word_groups(labels: Sequence[Label]) -> list[list[int]]:
    """Which labels make up each word, as `trace.word_starts` has them; markers belong to none."""
    starts = word_starts(labels)
    groups = [list(range(first, last)) for first, last in pairwise([*starts, len(labels)])]
    return [group for group in groups if not labels[group[0]].special]


def _spoken(labels: Sequence[Label], group: Sequence[int]) -> Sequence[int]:
    """The labels of a word without the punctuation around it; all of them where there is nothing else."""
    first, last = 0, len(group)
    while first < last and set(labels[group[first]].text.strip()) <= BEFORE:
        first += 1
    while last > first and set(labels[group[last - 1]].text.strip()) <= BEHIND:
        last -= 1
    return group[first:last] or group


def _word(labels: Sequence[Label], group: Sequence[int], start: float, end: float, confidence: float) -> Word:
    joins = group[0] > 0 and labels[group[0]].joins and not labels[group[0] - 1].special
    return Word(spelt(labels[i] for i in group).strip(), start, end, min(1.0, confidence), joins)


def _rows(queries: Sequence[Label]) -> list[int]:
    """The written tokens, and the marker right behind the last of them: the end."""
    written = [i for i, label in enumerate(queries) if not label.special]
    return [*written, written[-1] + 1] if written and written[-1] + 1 < len(queries) else written


def _clip(keys: Sequence[Label]) -> list[int]:
    return [i for i, label in enumerate(keys) if not label.special]


def _seconds(keys: Sequence[Label], columns: Sequence[int]) -> tuple[Array, Array]:
    times = [(keys[i].start, keys[i].end) for i in columns]
    known = [(start, end) for start, end in times if start is not None and end is not None]
    if not known or len(known) != len(times):
        raise ValueError("expected keys with their seconds, received some without")
    found = np.array(known)
    return found[:, 0], found[:, 1]


def _distributions(weights: npt.ArrayLike) -> Array:
    """Rows scaled to sum 1; one without any weight becomes even."""
    rows = np.asarray(weights, np.float64)
    sums = rows.sum(-1, keepdims=True)
    return np.where(sums > 0, rows / np.where(sums > 0, sums, 1), 1 / rows.shape[-1])
