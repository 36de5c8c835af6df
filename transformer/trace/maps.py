"""The arrays of a trace: attention, and the sound that it is about. All of them are read-only.

Letters for shapes: L layers, H heads, Q queries, K keys.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from transformer.trace.labels import Label, as_labels

Kind = Literal["encoder", "decoder", "cross"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FloatArray = npt.NDArray[np.float32]

# Rows that a network computed in bfloat16 or float16 sum to one within less than this.
ROW_TOLERANCE = 1e-3


def frozen_array(values: npt.ArrayLike, dims: int, name: str) -> FloatArray:
    """`values` as a read-only, finite float32 array of `dims` dimensions.

    An array that is float32 and read-only already is taken as it is; one that its owner could still write to
    is copied.
    """
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
        array = np.asarray(values, np.float32)
    if array.ndim != dims:
        raise ValueError(f"expected {name} with {dims} dimensions, received shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"expected {name} to be finite, received NaN or infinity")
    if array.flags.writeable:
        # A conversion has made an array of its own; anything else may still be someone's.
        array = array.copy() if array is values or array.base is not None else array
        array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False, repr=False)
class AttentionMap:
    """The attention of every layer and head of one stack.

    Args:
        kind: "encoder" (self-attention of the encoder), "decoder" (causal self-attention), or "cross" (the
            decoder looks at the encoder).
        weights: float32 (L, H, Q, K); each row, the weights of one query, is a distribution over keys.
        queries: Q labels, the positions that look; plain strings are accepted.
        keys: K labels, the positions that are looked at.
        windows: how many keys a query of each layer sees at most, itself and those before it, in an encoder as many
            behind it; 0: all of them. (): all layers see all.

    Raises:
        ValueError: a shape does not fit its labels, a row is not a distribution, or windows of other layers.
    """

    kind: Kind
    weights: FloatArray
    queries: tuple[Label, ...]
    keys: tuple[Label, ...]
    windows: tuple[int, ...] = ()

    def __init__(
        self,
        kind: str,
        weights: npt.ArrayLike,
        queries: Iterable[Label | str],
        keys: Iterable[Label | str],
        windows: Iterable[int] = (),
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"expected a kind out of {', '.join(KINDS)}, received {kind!r}")
        array = frozen_array(weights, 4, "weights (layers, heads, queries, keys)")
        rows, columns = as_labels(queries), as_labels(keys)
        if array.shape[2:] != (len(rows), len(columns)):
            fitting = f"(layers, heads, {len(rows)}, {len(columns)})"
            raise ValueError(f"expected weights {fitting} to fit the labels, received {array.shape}")
        if not all(array.shape):
            raise ValueError(f"expected at least one layer, head, query and key, received {array.shape}")
        if array.min() < 0:
            raise ValueError(f"expected weights of at least 0, received {array.min():.6g}")
        off = np.abs(array.sum(-1, dtype=np.float64) - 1).max()
        if off > ROW_TOLERANCE:
            raise ValueError(
                f"expected every row to sum to 1 within {ROW_TOLERANCE:g}, received a row off by {off:.6g}"
            )
        reach = tuple(windows)
        if any(type(window) is not int or window < 0 for window in reach) or len(reach) not in (
            0,
            len(array),
        ):
            raise ValueError(f"expected a window for each of {len(array)} layers, received {reach!r}")
        reach = reach if any(reach) else ()
        names = ("kind", "weights", "queries", "keys", "windows")
        for name, value in zip(names, (kind, array, rows, columns, reach), strict=True):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        layers, heads, queries, keys = self.weights.shape
        return f"<AttentionMap {self.kind}: {layers} layers x {heads} heads, {queries} queries x {keys} keys>"

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy goes through the constructor, which makes its array read-only again.
        return AttentionMap, (self.kind, self.weights, self.queries, self.keys, self.windows)

    @property
    def layers(self) -> int:
        """How many layers."""
        return int(self.weights.shape[0])

    @property
    def heads(self) -> int:
        """How many heads each layer has."""
        return int(self.weights.shape[1])


@dataclass(frozen=True, eq=False, repr=False)
class Spectrogram:
    """The picture of sound that a speech model read.

    Args:
        values: float32 (frames, bins).
        seconds_per_frame: from one frame to the next.
    """

    values: FloatArray
    seconds_per_frame: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen_array(self.values, 2, "spectrogram (frames, bins)"))
        if not (math.isfinite(self.seconds_per_frame) and self.seconds_per_frame > 0):
            raise ValueError(f"expected seconds_per_frame above 0, received {self.seconds_per_frame}")

    def __repr__(self) -> str:
        frames, bins = self.values.shape
        return f"<Spectrogram of {frames} frames x {bins} bins, {self.seconds_per_frame:g} s a frame>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Spectrogram, (self.values, self.seconds_per_frame)
