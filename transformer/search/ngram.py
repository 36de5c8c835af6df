"""How likely a token is after the last few, by counting: a language model that a search follows at hardly any cost.

Smoothing: modified Kneser-Ney, interpolated (Chen and Goodman 1998, "An Empirical Study of Smoothing Techniques for
Language Modeling", section 3). The end of a text is a token like any other, and stands before every text as often as a
context reaches back.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from transformer.checkpoints.folder import load_weights

FILE = "ngram.safetensors"
LEAST = 5  # how often a context of a model's file must have been seen: with less, states take memory and bring nothing

_LONGEST, _IDS = (
    7,
    256,
)  # tokens to an n-gram, and different ones: what a number of 64 bits and a byte can hold
# What is taken from counts of 0, 1, 2 and more: about what the paper's equation 26 gives for the letters of ten million
# characters of novels, with contexts of any length.
_DISCOUNTS = np.array([0.0, 0.6, 1.1, 1.5], np.float32)


class Counts(NamedTuple):
    """How often which tokens follow each other: grams uint8 (N, order), each of them once; times int32 (N,)."""

    grams: np.ndarray
    times: np.ndarray


class NGram(NamedTuple):
    """An automaton. Its states are contexts, from none at all to order - 1 tokens, first the shorter ones.

    log_probabilities float32 (states, V), natural logarithms, of what comes next; following int32 (states, V), the
    longest context that it then makes; start: the state before a text.
    """

    log_probabilities: Any
    following: Any
    start: Any


def count(texts: Sequence[Sequence[int]], order: int) -> Counts:
    """The n-grams of texts in ids, each of which ends in its end token.

    Raises:
        ValueError: an order that is not from 1 to 7, no texts, or ids that are not from 0 to 255.
    """
    if not 1 <= order <= _LONGEST:
        raise ValueError(f"expected n-grams of 1 to {_LONGEST} tokens, received {order}")
    rows = [[text[-1]] * (order - 1) + list(text) for text in texts if text]
    flat = np.array([i for row in rows for i in row], np.int64)
    if not len(flat) or flat.min() < 0 or flat.max() >= _IDS:
        raise ValueError(f"expected texts in ids from 0 to {_IDS - 1}, received {len(rows)} texts")
    lasts = np.concatenate([np.arange(len(row)) >= order - 1 for row in rows])[order - 1 :]
    windows = np.lib.stride_tricks.sliding_window_view(flat, order)[lasts]
    codes, times = np.unique(_codes(windows, _IDS), return_counts=True)
    grams = codes[:, None] // _IDS ** np.arange(order - 1, -1, -1) % _IDS
    return Counts(grams.astype(np.uint8), times.astype(np.int32))


def ngram(counts: Counts, vocabulary: int, end: int, least: int = 1) -> NGram:
    """The automaton of counted n-grams; a context that was seen less than `least` times is none of its states.

    Of the longest contexts, the counts are how often a token followed them; of all others, behind how many different
    tokens the two stood. A token with the count c after a context whose counts are n together has the probability
    (c - d(c) + D p) / n, with D all that is taken from these counts, and p its probability after the context without
    its first token; after no context at all, p is 1 / V.

    Raises:
        ValueError: counts of other shapes, of ids beyond the vocabulary, or not above 0.
    """
    grams, times = counts
    if grams.ndim != 2 or not 1 <= grams.shape[1] <= _LONGEST or times.shape != grams.shape[:1]:
        raise ValueError(f"expected n-grams and their counts, received {grams.shape} and {times.shape}")
    if not len(grams) or grams.min() < 0 or max(grams.max(), end) >= vocabulary or times.min() < 1:
        raise ValueError(f"expected counts from 1 of ids below {vocabulary}, received others")
    order = grams.shape[1]
    probabilities = np.full((1, vocabulary), 1 / vocabulary, np.float32)
    # The contexts of the length before as numbers, sorted, and which state is the first of them.
    known, first = np.zeros(1, np.int64), 0
    tables, following = list[np.ndarray](), np.zeros((1, vocabulary), np.int32)
    for length in range(order):
        every = _codes(grams[:, order - 1 - length :], vocabulary)
        contexts, place = np.unique(every // vocabulary, return_inverse=True)
        contexts = contexts[np.bincount(place, times) >= (least if length else 0)]
        if not len(contexts):
            break
        counted = times
        if length < order - 1:
            # Sorted, not by `np.unique`, whose hashes take ten times as long here.
            behind = np.sort(_codes(grams[:, order - 2 - length :], vocabulary))
            every = behind[np.diff(behind, prepend=-1) > 0] % vocabulary ** (length + 1)
            counted = np.ones(len(every))
        place = np.minimum(np.searchsorted(contexts, every // vocabulary), len(contexts) - 1)
        here = contexts[place] == every // vocabulary
        cells = (place * vocabulary + every % vocabulary)[here]
        seen = np.bincount(cells, counted[here], len(contexts) * vocabulary).astype(np.float32)
        seen = seen.reshape(-1, vocabulary)
        taken = _DISCOUNTS[np.minimum(seen, 3).astype(int)]
        shorter = np.searchsorted(known, contexts % vocabulary ** max(length - 1, 0))
        rest = taken.sum(axis=1, keepdims=True) * probabilities[shorter]
        probabilities = (seen - taken + rest) / seen.sum(axis=1, keepdims=True)
        tables.append(np.log(probabilities))
        if length:
            longer = first + np.searchsorted(known, contexts // vocabulary)
            following[longer, contexts % vocabulary] = len(following) + np.arange(len(contexts))
            following = np.concatenate([following, following[first + shorter]])
            first += len(known)
            known = contexts
    state = 0
    for _ in range(order - 1):
        state = int(following[state, end])
    return NGram(np.concatenate(tables), following, np.int32(state))


def load(path: Path, vocabulary: int, end: int) -> NGram:
    """The same of a file with the tensors `grams` and `times`, which `training.count_ngrams` writes.

    Raises:
        ValueError: a file that is damaged or holds anything else.
    """
    tensors = load_weights(path)
    if tensors.keys() != {"grams", "times"} or any(t.dtype.kind not in "iu" for t in tensors.values()):
        raise ValueError(f"expected whole numbers grams and times in {path.name}, received {sorted(tensors)}")
    return ngram(Counts(tensors["grams"], tensors["times"]), vocabulary, end, LEAST)


def _codes(grams: np.ndarray, base: int) -> np.ndarray:
    """Each row of ids as one number, the last id in its lowest place."""
    codes = np.zeros(len(grams), np.int64)
    for column in grams.T:
        codes = codes * base + column
    return codes
