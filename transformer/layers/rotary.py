"""Queries and keys turned by angles that grow with their position (Su et al. 2021, arXiv:2104.09864, section 3.2).

Letters for shapes: B batch, T positions, H heads, K width of one head, R how many numbers of it are turned.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from transformer.config import Rotary
from transformer.formulas.rotary import dynamic_exponents, frequencies


class Turn(NamedTuple):
    """Cosine and sine of each position's angles, (B or 1, 1, T, R/2) float32."""

    cosine: Any
    sine: Any


def turn(spec: Rotary, width: int, places: Any, scale: Any = ()) -> Turn:
    """The angles of positions.

    Args:
        spec: their formula.
        width: K.
        places: (B or 1, T), where each stands; the last of them says how long the text is.
        scale: what positions are multiplied by, a number or one for each of the batch (B,); () leaves them.
    """
    size = int(width * spec.share)
    found = frequencies(
        size,
        spec.theta,
        scaling="none" if spec.scaling == "dynamic" else spec.scaling,
        factor=spec.factor,
        low=spec.low,
        high=spec.high,
        original=spec.original,
        truncate=spec.truncate,
    )
    rates = ops.convert_to_tensor(found.astype(np.float32))
    where = ops.cast(places, "float32")
    if spec.scaling == "dynamic":
        longest = ops.maximum(ops.max(where) + 1.0, float(spec.original))
        grown = spec.factor * longest / spec.original - (spec.factor - 1.0)
        rates = rates * ops.power(grown, ops.convert_to_tensor(dynamic_exponents(size).astype(np.float32)))
    if not (isinstance(scale, tuple) and not scale):
        where = where * ops.reshape(ops.cast(scale, "float32"), (-1, 1))
    angles = where[:, None, :, None] * rates  # (B, 1, T, R/2)
    return Turn(ops.cos(angles) * spec.attention_factor, ops.sin(angles) * spec.attention_factor)


def turned(x: Any, by: Turn, pairs: str) -> Any:
    """(B, H, T, K) with its first R numbers turned; pairs are i and i + R/2 ("halves"), or 2i and 2i + 1."""
    half = int(by.cosine.shape[-1])
    size, kept = 2 * half, x[..., 2 * half :]
    exact = ops.cast(x[..., :size], "float32")
    if pairs == "halves":
        first, second = exact[..., :half], exact[..., half:]
    else:
        first, second = exact[..., 0::2], exact[..., 1::2]
    first, second = first * by.cosine - second * by.sine, second * by.cosine + first * by.sine
    if pairs == "halves":
        both = ops.concatenate([first, second], axis=-1)
    else:
        both = ops.reshape(ops.stack([first, second], axis=-1), ops.shape(exact))
    both = ops.cast(both, x.dtype)
    return ops.concatenate([both, kept], axis=-1) if kept.shape[-1] else both
