"""What position vectors are good for: how alike they are, which lie nearest, and what changes without them.

Letters for shapes: P positions, D width, Q queries, K keys.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from transformer.formulas.positions import alibi_bias, pairs, shift, sinusoids

Measure = Literal["dot product", "cosine"]
Reals = npt.NDArray[np.float64]


def similarity(table: npt.ArrayLike, measure: Measure = "dot product") -> Reals:
    """Every position with every other, (P, P), in float64; the cosine is -1 to 1, and 0 where a vector is 0.

    Raises:
        ValueError: no such measure.
    """
    rows = _comparable(table, measure)
    return np.asarray(rows @ rows.T)


def similarity_to(table: npt.ArrayLike, position: int, measure: Measure = "dot product") -> Reals:
    """One position with every other, (P,): a row of `similarity` without the rest."""
    rows = _comparable(table, measure)
    return np.asarray(rows @ rows[position])


def _comparable(table: npt.ArrayLike, measure: Measure) -> Reals:
    if measure not in get_args(Measure):
        raise ValueError(f"expected a measure out of {', '.join(get_args(Measure))}, received {measure!r}")
    rows = np.asarray(table, np.float64)
    if measure == "dot product":
        return rows
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


class Neighbour(NamedTuple):
    """Another position, how alike it is, and how far away its vector ends (Euclidean)."""

    position: int
    dot: float
    cosine: float
    distance: float


def nearest(table: npt.ArrayLike, position: int, count: int = 6) -> list[Neighbour]:
    """The `count` positions whose vectors end nearest to that of `position`, itself left out, nearest first.

    Raises:
        ValueError: no such position.
    """
    rows = np.asarray(table, np.float64)
    if not 0 <= position < len(rows):
        raise ValueError(f"expected a position from 0 to {len(rows) - 1}, received {position}")
    dots, cosines = similarity_to(rows, position), similarity_to(rows, position, "cosine")
    distances = np.linalg.norm(rows - rows[position], axis=1)
    # Rounded, so that two neighbours at one distance come in the order of their positions.
    order = [int(p) for p in np.argsort(np.round(distances, 5), kind="stable") if p != position]
    return [Neighbour(p, float(dots[p]), float(cosines[p]), float(distances[p])) for p in order[:count]]


def in_paper_order(table: np.ndarray, kind: str) -> np.ndarray:
    """The columns of a sinusoid convention in the paper's order: each sine followed by its cosine, fastest first."""
    return table[:, np.stack(pairs(table.shape[1], kind), axis=-1).reshape(-1)]


def rotation_error(length: int, width: int, kind: str, by: int) -> float:
    """The largest |PE(p + by) - R(by) PE(p)| over all p below `length` and all columns, in float64."""
    table = sinusoids(length + by, width, kind, dtype=np.float64)
    return float(np.abs(table[by:] - shift(table[:length], by, kind)).max())


def alone(length: int, slope: float) -> Reals:
    """The attention (Q, K) that ALiBi's bias makes by itself, where all words are equally alike: its softmax."""
    raised = np.exp(alibi_bias(length, slope))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def total_variation(before: npt.ArrayLike, after: npt.ArrayLike) -> Reals:
    """How much of its weight each query moved, (..., Q): half the summed absolute change, 0 (none) to 1 (all).

    Raises:
        ValueError: attentions (..., Q, K) of different shapes.
    """
    one, other = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if one.shape != other.shape:
        raise ValueError(f"expected attentions of one shape, received {one.shape} and {other.shape}")
    return np.asarray(np.abs(one - other).sum(-1) / 2)
