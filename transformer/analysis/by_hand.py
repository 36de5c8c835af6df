"""Attention computed by hand: each step of Vaswani et al. 2017, section 3.2, as one pure function in float64.

What the pages show step by step, what the network's numbers are checked against, and what tests compare with Keras.

Letters for shapes: T queries, S keys, D width, H heads, K width of one head.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transformer.config import Attention

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def dot(queries: npt.ArrayLike, keys: npt.ArrayLike) -> Array:
    """Q K^T: how much two vectors point the same way, times both lengths. (..., T, K), (..., S, K) -> (..., T, S)."""
    q, k = np.asarray(queries, np.float64), np.asarray(keys, np.float64)
    if q.ndim < 2 or k.ndim < 2 or q.shape[-1] != k.shape[-1]:
        raise ValueError(f"expected queries and keys of one width, received {q.shape} and {k.shape}")
    return q @ np.swapaxes(k, -1, -2)


def cosine(queries: npt.ArrayLike, keys: npt.ArrayLike) -> Array:
    """The dot product over both lengths, -1 to 1; 0 where a vector has no length. Shapes as `dot`."""
    return dot(_unit(queries), _unit(keys))


def scale(scores: npt.ArrayLike, width: int) -> Array:
    """Scores over the root of the width of what was multiplied, sqrt(d_k) of equation 1 (section 3.2.1)."""
    if width < 1:
        raise ValueError(f"expected a width of at least 1, received {width}")
    return np.asarray(scores, np.float64) / np.sqrt(width)


def no_mask(queries: int, keys: int) -> Mask:
    """Every query may look at every key: (T, S), all true."""
    return np.ones((queries, keys), np.bool_)


def padding_mask(real: npt.ArrayLike, queries: int) -> Mask:
    """(S,) booleans, false where a key only fills up, -> (T, S): nobody looks at what fills up."""
    return np.tile(np.asarray(real, np.bool_), (queries, 1))


def causal_mask(length: int) -> Mask:
    """(T, T): a position may look at itself and at what came before (section 3.2.3)."""
    return np.tri(length, dtype=np.bool_)


def masked(scores: npt.ArrayLike, mask: Mask) -> Array:
    """Scores with minus infinity where the mask is false, so that the softmax gives exactly 0 there."""
    values = np.asarray(scores, np.float64)
    if values.shape[-2:] != mask.shape:
        raise ValueError(f"expected a mask {values.shape[-2:]}, received {mask.shape}")
    return np.where(mask, values, -np.inf)


def softmax(scores: npt.ArrayLike, temperature: float = 1.0) -> Array:
    """exp(s / t) over its sum along the last axis: each row positive and adding up to 1.

    The temperature is no part of the paper, where t = 1: below 1 the largest score takes more, above 1 rows even out.

    Raises:
        ValueError: a temperature that is not above 0, or a row that allows nothing.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"expected a temperature above 0, received {temperature}")
    values = np.asarray(scores, np.float64)
    top = values.max(-1, keepdims=True)
    if not np.isfinite(top).all():
        raise ValueError("expected a finite score in every row, received a row without one")
    # Taking the largest away first changes nothing in the result and keeps exp() from overflowing.
    powers = np.exp((values - top) / temperature)
    return powers / powers.sum(-1, keepdims=True)


def attend(weights: npt.ArrayLike, values: npt.ArrayLike) -> Array:
    """The weighted sum of equation 1: (..., T, S), (..., S, K) -> (..., T, K)."""
    return np.asarray(weights, np.float64) @ np.asarray(values, np.float64)


def attention_weights(
    queries: npt.ArrayLike,
    keys: npt.ArrayLike,
    mask: Mask | None = None,
    temperature: float = 1.0,
    factor: float = 0.0,
) -> Array:
    """softmax(Q K^T / sqrt(d_k)), the left half of equation 1: (..., T, K), (..., S, K) -> (..., T, S).

    `factor` stands in for 1 / sqrt(d_k) where it is not 0, as `Attention.scale` does.
    """
    scores = dot(queries, keys)
    scores = scores * factor if factor else scale(scores, np.shape(keys)[-1])
    return softmax(scores if mask is None else masked(scores, mask), temperature)


def entropy(weights: npt.ArrayLike) -> Array:
    """Of each row, in bits: 0 for a look at one key, log2 S for an even look at all. (..., T, S) -> (..., T)."""
    w = np.asarray(weights, np.float64)
    return 0.0 - (w * np.log2(np.where(w > 0, w, 1.0))).sum(-1)


class WidthCurve(NamedTuple):
    """Mean entropy in bits of softmax(q . k) and of softmax(q . k / sqrt(d)) for each width d."""

    widths: npt.NDArray[np.int64]
    plain: Array
    scaled: Array


def entropy_by_width(widths: npt.ArrayLike, keys: int = 8, draws: int = 200, seed: int = 0) -> WidthCurve:
    """What the division is for (section 3.2.1, footnote 4): without it, softmax hardens as vectors get wider.

    Components of q and k are independent, of mean 0 and variance 1, so q . k has variance d.

    Args:
        widths: each at least 1.
        keys: how many keys a query chooses among.
        draws: how many queries the mean is taken over.
    """
    ds = np.asarray(widths, np.int64)
    rng = np.random.default_rng(seed)
    plain, scaled = [], []
    for d in ds:
        scores = (rng.standard_normal((draws, 1, d)) * rng.standard_normal((draws, keys, d))).sum(-1)
        plain.append(entropy(softmax(scores)).mean())
        scaled.append(entropy(softmax(scale(scores, int(d)))).mean())
    return WidthCurve(ds, np.array(plain), np.array(scaled))


def moved_towards(before: npt.ArrayLike, after: npt.ArrayLike, others: npt.ArrayLike) -> Array:
    """How much nearer one vector came to each of others: change of the cosine. (K,), (K,), (S, K) -> (S,)."""
    pair = np.stack([np.asarray(before, np.float64), np.asarray(after, np.float64)])
    was, now = cosine(pair, others)
    return now - was


def shuffled(count: int, seed: int) -> npt.NDArray[np.intp]:
    """An order of `count` things that is not the one they are in (with one thing there is no other)."""
    if count < 2:
        return np.arange(count)
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(count)
        if (order != np.arange(count)).any():
            return order


class Dense(NamedTuple):
    """One learned projection, x W + b: kernel (in, out), bias (out,)."""

    kernel: Array
    bias: Array

    def __call__(self, vectors: npt.ArrayLike) -> Array:
        return np.asarray(vectors, np.float64) @ self.kernel + self.bias


class LayerWeights(NamedTuple):
    """All that one attention layer has learned, and what heads it has (section 3.2.2)."""

    query: Dense
    key: Dense
    value: Dense
    output: Dense
    spec: Attention

    @property
    def heads(self) -> int:
        """How many."""
        return self.spec.heads

    @property
    def parameters(self) -> int:
        """How many learned numbers these are."""
        return sum(part.kernel.size + part.bias.size for part in self[:4])


class MultiHead(NamedTuple):
    """Every intermediate result of multi-head attention.

    queries (H, T, K), keys and values (H, S, K), weights (H, T, S), mixed (H, T, K): each head's weighted sums,
    joined (T, H K): the heads side by side, output (T, D).
    """

    queries: Array
    keys: Array
    values: Array
    weights: Array
    mixed: Array
    joined: Array
    output: Array


def multi_head(
    inputs: npt.ArrayLike, layer: LayerWeights, mask: Mask | None = None, source: npt.ArrayLike | None = None
) -> MultiHead:
    """Multi-head attention of section 3.2.2 over one sentence.

    Args:
        inputs: (T, D), where the queries come from.
        source: (S, D), where keys and values come from; None means `inputs`.
        mask: (T, S), true where a query may look.
    """
    given = inputs if source is None else source
    queries = split(layer.query(inputs), layer.heads)
    keys, values = split(layer.key(given), layer.heads), split(layer.value(given), layer.heads)
    weights = attention_weights(queries, keys, mask, factor=layer.spec.scale)
    mixed = attend(weights, values)
    joined = join(mixed)
    return MultiHead(queries, keys, values, weights, mixed, joined, layer.output(joined))


def split(vectors: Array, heads: int) -> Array:
    """(T, H K) -> (H, T, K): head h has the columns from h K on."""
    length, width = vectors.shape
    if width % heads:
        raise ValueError(f"expected a width divisible by {heads} heads, received {width}")
    return vectors.reshape(length, heads, width // heads).transpose(1, 0, 2)


def join(mixed: Array) -> Array:
    """(H, T, K) -> (T, H K), the inverse of `split`."""
    heads, length, width = mixed.shape
    return mixed.transpose(1, 0, 2).reshape(length, heads * width)


def _unit(vectors: npt.ArrayLike) -> Array:
    values = np.asarray(vectors, np.float64)
    # By the largest number first: squares of very large or very small ones leave what a float can hold.
    largest = np.abs(values).max(-1, keepdims=True, initial=0.0)
    values = values / np.where(largest > 0, largest, 1.0)
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return values / np.where(length > 0, length, 1.0)
