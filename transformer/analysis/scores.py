"""The weights of an attention layer computed again in float64, from what it projected, by the record of the layer.

Everything between projection and weights: norms of queries and keys, the turn of each position, heads that share keys,
scale, soft cap, biases by distance, and the mask. The check of a network and the reference of its tests are this
function.
Letters for shapes: T queries, S keys, H heads, G heads of keys, K width of one head.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transformer.analysis.by_hand import Array, Mask, masked, softmax
from transformer.config import Attention, Norm
from transformer.formulas.positions import alibi_slopes
from transformer.formulas.rotary import frequencies
from transformer.interventions import Edge, How


class Learned(NamedTuple):
    """Scales and shifts of the norms of queries and keys, each as wide as what it normalises; None where there is none.

    norm: of what kind they are. relative: what is added to scores by distance, (2 L - 1, H), from the key that stands
    farthest before its query to the one farthest behind it.
    """

    query_scale: npt.NDArray[np.floating] | None = None
    key_scale: npt.NDArray[np.floating] | None = None
    query_shift: npt.NDArray[np.floating] | None = None
    key_shift: npt.NDArray[np.floating] | None = None
    norm: Norm = Norm()
    relative: npt.NDArray[np.floating] | None = None


NOTHING = Learned()


class Scored(NamedTuple):
    """weights (H, T, S), and the largest score of any pair that is allowed, without its sign."""

    weights: Array
    largest: float


def mask_of(kind: str, queries: int, keys: int, window: int = 0) -> Mask:
    """What a trained network allows, so far as a window reaches: its decoder looks back only, its encoder to both
    sides, and from one to the other everywhere."""
    distance = np.arange(queries)[:, None] - np.arange(keys)[None]
    if kind != "decoder":
        return np.abs(distance) < window if window else np.ones((queries, keys), np.bool_)
    return (distance >= 0) & (distance < (window or keys))


def cut_of(
    edges: Iterable[Edge], kind: str, layer: int, shape: tuple[int, int, int], how: How = "bar"
) -> Mask:
    """The looks (H, T, S) that edges forbid in one layer, in one of the two ways."""
    found = np.zeros(shape, np.bool_)
    for edge in edges:
        (first, last), *places = edge.bounds()
        if edge.kind == kind and edge.how == how and first <= layer <= last:
            found[tuple(slice(first, last + 1) for first, last in places)] = True
    return found


def spared(mask: Mask, barred: Mask) -> Mask:
    """The rows (H, T) of which nothing would be left if all looks (H, T, S) were barred that are to be: nothing of
    them is."""
    found: Mask = np.asarray((mask & barred).any(-1) & ~(mask & ~barred).any(-1))
    return found


def normalised(
    x: npt.ArrayLike,
    norm: Norm,
    scale: npt.ArrayLike | None,
    shift: npt.ArrayLike | None = None,
) -> Array:
    """Rows of x over their last axis, by layer (Ba et al. 2016) or by root mean square (Zhang and Sennrich 2019)."""
    rows = np.asarray(x, np.float64)
    if norm.kind == "layer":
        rows = rows - rows.mean(-1, keepdims=True)
    rows = rows / np.sqrt((rows**2).mean(-1, keepdims=True) + norm.epsilon)
    rows = rows if scale is None else rows * np.asarray(scale, np.float64)
    return rows if shift is None else rows + np.asarray(shift, np.float64)


def turned(x: Array, spec: Attention, position_scale: float = 1.0) -> Array:
    """(heads, T, K) with each position's pairs of numbers turned as the rotation says, positions counted from 0."""
    rotary = spec.rotary
    if rotary is None:
        return x
    size, count = int(spec.head_width * rotary.share), x.shape[1]
    rates = frequencies(
        size,
        rotary.theta,
        scaling=rotary.scaling,
        factor=rotary.factor,
        low=rotary.low,
        high=rotary.high,
        original=rotary.original,
        truncate=rotary.truncate,
        length=count,
    )
    angles = position_scale * np.arange(count)[:, None] * rates  # (T, R/2)
    half = len(rates)
    if rotary.pairs == "halves":
        first, second = np.arange(half), np.arange(half, 2 * half)
    else:
        first, second = np.arange(0, 2 * half, 2), np.arange(1, 2 * half, 2)
    cosine, sine = rotary.attention_factor * np.cos(angles), rotary.attention_factor * np.sin(angles)
    found = x.copy()
    found[..., first] = x[..., first] * cosine - x[..., second] * sine
    found[..., second] = x[..., second] * cosine + x[..., first] * sine
    return found


def weights_of(
    queries: npt.ArrayLike,
    keys: npt.ArrayLike,
    spec: Attention,
    mask: Mask,
    learned: Learned = NOTHING,
    position_scale: float = 1.0,
    barred: Mask | None = None,
) -> Scored:
    """The weights of one layer.

    Args:
        queries: (H, T, K), as they were projected.
        keys: (G, S, K), likewise.
        spec: what the layer is made of.
        mask: (T, S), true where a query may look.
        learned: its norms of queries and keys.
        position_scale: what positions are multiplied by.
        barred: (H, T, S), looks that are taken out of the softmax, but for rows that would be left with nothing; None:
            none are.

    Raises:
        ValueError: shapes that the layer does not have.
    """
    q, k = np.asarray(queries, np.float64), np.asarray(keys, np.float64)
    shapes = (spec.heads, spec.heads // spec.groups)
    if (len(q), len(k)) != shapes or q.shape[-1] != k.shape[-1] or q.ndim != 3 or k.ndim != 3:
        raise ValueError(f"expected queries and keys of {shapes} heads, received {q.shape} and {k.shape}")
    q = turned(_normed(q, spec, learned.norm, learned.query_scale, learned.query_shift), spec, position_scale)
    k = turned(_normed(k, spec, learned.norm, learned.key_scale, learned.key_shift), spec, position_scale)
    scores = q @ np.swapaxes(np.repeat(k, spec.groups, axis=0), -1, -2) * spec.factor  # (H, T, S)
    if spec.softcap:
        scores = np.tanh(scores / spec.softcap) * spec.softcap
    if spec.alibi:
        distance = np.arange(q.shape[1])[:, None] - np.arange(k.shape[1])[None]
        scores = scores - position_scale * alibi_slopes(spec.heads)[:, None, None] * distance
    if learned.relative is not None:
        apart = np.arange(k.shape[1])[None] - np.arange(q.shape[1])[:, None] + len(learned.relative) // 2
        scores = scores + position_scale * np.asarray(learned.relative, np.float64)[apart].transpose(2, 0, 1)
    largest = float(np.abs(scores[:, mask]).max())
    if barred is not None:
        scores = np.where(barred & ~spared(mask, barred)[..., None], -np.inf, scores)
    return Scored(softmax(masked(scores, mask)), largest)


def _normed(
    x: Array,
    spec: Attention,
    norm: Norm,
    scale: npt.NDArray[np.floating] | None,
    shift: npt.NDArray[np.floating] | None,
) -> Array:
    """(heads, T, K), each head normalised or all heads of a position as one vector."""
    if spec.qk_norm == "none":
        return x
    if spec.qk_norm == "head":
        return normalised(x, norm, scale, shift)
    heads, count, size = x.shape
    joined = np.swapaxes(x, 0, 1).reshape(count, heads * size)
    return np.swapaxes(normalised(joined, norm, scale, shift).reshape(count, heads, size), 0, 1)
