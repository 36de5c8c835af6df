"""How do the weights of all heads get to the browser in little time?

One byte each, and of long texts only the strongest of each block: 12 x 12 heads of 512 x 512 are 151 MB of float32,
38 MB of bytes and 2.4 MB of blocks of 4 x 4, which is still more than the thumbnails have pixels.

Letters for shapes: L layers, H heads, Q queries, K keys.
"""

from __future__ import annotations

import hashlib
import json
import struct
import weakref
from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transformer.trace import AttentionMap, FloatArray

# What the browser draws rounds to this; rows of weights computed in half precision may pass 1 by a little.
TOLERANCE = 1e-3

# So many weights are sent at most.
MOST = 4 * 2**20


def quantise(weights: npt.ArrayLike) -> bytes:
    """Weights from 0 to 1 as one byte each, round(255 * w), in C order.

    Args:
        weights: any shape; values may pass the range by 1e-3 (half precision) and are clipped.

    Raises:
        ValueError: a value is not finite or farther outside 0 to 1.
    """
    array = np.asarray(weights, np.float32)
    if array.size and not (array.min() >= -TOLERANCE and array.max() <= 1 + TOLERANCE):  # also false for NaN
        raise ValueError(f"expected weights from 0 to 1, received {array.min():.6g} to {array.max():.6g}")
    scaled = np.multiply(array, np.float32(255))
    np.rint(scaled, out=scaled)
    return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8).tobytes()


def headed(header: Mapping[str, Any], body: bytes) -> bytes:
    """What common.js unpacks: the length of a JSON header (4 bytes, little end first), the header, then `body`."""
    text = json.dumps(header, ensure_ascii=False).encode(
        "utf-8", "replace"
    )  # a text may hold half a character
    return struct.pack("<I", len(text)) + text + body


class Packed(NamedTuple):
    """A map as it travels: a 16-byte digest, one byte per weight, and the side of the blocks that share a cell.

    strongest: the largest weight, 0 to 1, as exactly as a byte has it, and never less than a byte's one step.
    """

    digest: bytes
    weights: bytes
    side: int
    strongest: float


# A page runs again on every click; a map's bytes are made once and live as long as the map.
_packed: weakref.WeakKeyDictionary[AttentionMap, Packed] = weakref.WeakKeyDictionary()


def packed(attention: AttentionMap) -> Packed:
    """A map as it travels; made once, however often it is asked for."""
    found = _packed.get(attention)
    if found is None:
        side = _side(attention.weights.shape)
        weights = quantise(_strongest(_strongest(attention.weights, side, 2), side, 3))
        largest = max(1, int(np.frombuffer(weights, np.uint8).max(initial=0)))
        found = Packed(hashlib.blake2b(weights, digest_size=16).digest(), weights, side, largest / 255)
        _packed[attention] = found
    return found


# Of the last runs that were compared; a map's difference lives as long as the map.
_differences: weakref.WeakKeyDictionary[AttentionMap, tuple[weakref.ref[AttentionMap], Packed]] = (
    weakref.WeakKeyDictionary()
)


def packed_difference(now: AttentionMap, before: AttentionMap) -> Packed:
    """How weights differ from those of another run, as they travel: 127 is no change, 0 and 254 are the largest
    change of either sign, which `strongest` says. Of a block the farthest from 0 stands for all.

    Raises:
        ValueError: maps of other shapes.
    """
    if now.weights.shape != before.weights.shape:
        raise ValueError(f"expected weights {now.weights.shape}, received shape {before.weights.shape}")
    found = _differences.get(now)
    if found is None or found[0]() is not before:
        side = _side(now.weights.shape)
        change = now.weights - before.weights
        for axis in (2, 3):
            high, low = _strongest(change, side, axis), -_strongest(-change, side, axis)
            change = np.where(high >= -low, high, low)
        largest = max(float(np.abs(change).max(initial=0)), 1 / 255)
        weights = np.rint(127 + 127 * change / largest).astype(np.uint8).tobytes()
        digest = hashlib.blake2b(weights, digest_size=16, key=b"difference").digest()
        found = weakref.ref(before), Packed(digest, weights, side, largest)
        _differences[now] = found
    return found[1]


def _side(shape: tuple[int, ...]) -> int:
    """The smallest side of square blocks with which weights (L, H, Q, K) come down to at most MOST."""
    layers, heads, queries, keys = shape
    sides = range(1, max(queries, keys) + 1)
    fits = (n for n in sides if layers * heads * ceil(queries / n) * ceil(keys / n) <= MOST)
    return next(fits, sides[-1])


def _strongest(weights: FloatArray, side: int, axis: int) -> FloatArray:
    """The largest of every `side` weights along an axis: no bright cell gets lost, as it would in an average."""
    if side == 1:
        return weights
    rows = np.swapaxes(weights, 0, axis)
    largest = rows[::side].copy()
    for offset in range(1, side):
        others = rows[offset::side]
        np.maximum(largest[: len(others)], others, out=largest[: len(others)])
    return np.swapaxes(largest, 0, axis)
