"""How well a text is foretold, in bits and as perplexity: by windows that overlap, or with a state carried along."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from transformer.config import END
from transformer.text.characters import FIRST

ROWS, CHUNK = 16, 256  # of a text read with its state: rows side by side, and characters at once


class Text(NamedTuple):
    """Running text as ids (N,), each paragraph followed by the end token, and how long it is as people count."""

    ids: np.ndarray
    bytes: int  # UTF-8, with one more for the end of each paragraph
    words: int  # between white space


def encode(tokenizer: Any, paragraphs: Sequence[str], end: int = END) -> Text:
    """Paragraphs as one row of ids, with `end` after each where the tokenizer leaves it out."""
    rows = tokenizer.encode_all(paragraphs)
    rows = [row if row[-1:] == [end] else [*row, end] for row in rows]
    return Text(
        np.array([i for row in rows for i in row], np.int32),
        sum(len(text.encode()) + 1 for text in paragraphs),
        sum(len(text.split()) for text in paragraphs),
    )


def windows(ids: np.ndarray, length: int, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels (N, length): labels are the inputs moved by one; what does not fill a window is left out."""
    count = (len(ids) - start - 1) // length
    cut = ids[start : start + count * length + 1]
    return cut[:-1].reshape(count, length), cut[1:].reshape(count, length)


def bits(
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    text: Text,
    length: int,
    *,
    start: int = END,
    rows: int = 1,
) -> dict[str, float]:
    """How well a network foretells a text, each token seen after at least half a window of what stands before it.

    Args:
        score: inputs and labels (B, length) -> natural log-probabilities of the labels (B, length).
        text: what is measured; its first token is foretold from `start` alone.
        length: the longest window that the network reads.
        start: what the network reads before a text.
        rows: B, at most.

    Returns:
        `perplexity` (a word between white space, as people count them), `bits_per_byte`, `perplexity_per_token`, and
        `count`, how many tokens.
    """
    count, half = len(text.ids), length // 2
    # The first window is scored whole, each later one in what the one before it did not reach.
    firsts = np.arange(0, max(count - half, 1), length - half)
    stream = np.full(int(firsts[-1]) + length + 1, start, np.int32)
    stream[1 : count + 1] = text.ids
    total, places = 0.0, np.arange(length)
    for begin in range(0, len(firsts), rows):
        chosen = firsts[begin : begin + rows, None]
        row = stream[chosen + np.arange(length + 1)]
        new = ((places >= half) | (chosen == 0)) & (places < count - chosen)
        total -= float(score(row[:, :-1], row[:, 1:])[new].sum(dtype=np.float64))
    return {
        "perplexity": _perplexity(total / max(text.words, 1)),
        "bits_per_byte": total / math.log(2) / max(text.bytes, 1),
        "perplexity_per_token": _perplexity(total / max(count, 1)),
        "count": count,
    }


def _perplexity(nats: float) -> float:
    return math.exp(min(nats, 700.0))  # beyond it is no number


def characters(ids: np.ndarray) -> Text:
    """Ids as `bits` takes them: each character counts as one."""
    return Text(ids, len(ids), 1)


def carried_bits(score: Callable[..., tuple[np.ndarray, Any]], ids: np.ndarray, rows: int = ROWS) -> float:
    """Bits per character of a network that carries a state, over the whole of a text.

    The text is cut into rows that are read side by side, each from an empty state: only their first characters are
    foretold with less before them.

    Args:
        score: (inputs (B, T), labels (B, T), state or None) -> natural log-probabilities (B, T), and the state after.
        ids: (N,).
        rows: at most; a short text is one row.
    """
    rows = rows if len(ids) >= rows * CHUNK else 1
    width = -(-len(ids) // rows)
    stream = np.full(rows * width + 1, FIRST, np.int32)  # what is before a text is a line break
    stream[1 : len(ids) + 1] = ids
    inputs = stream[:-1].reshape(rows, width)
    labels = stream[1:].reshape(rows, width)
    real = np.arange(rows * width).reshape(rows, width) < len(ids)
    total, state = 0.0, None
    for begin in range(0, width, CHUNK):
        part = slice(begin, begin + CHUNK)
        found, state = score(inputs[:, part], labels[:, part], state)
        total -= float(found[real[:, part]].sum(dtype=np.float64))
    return total / len(ids) / math.log(2)
