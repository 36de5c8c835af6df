"""Where a token stands: a sinusoid table, a learned one, or nothing. Formulas: `transformer.formulas.positions`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from transformer.config import Relative
from transformer.formulas.positions import SINUSOIDS, relative_buckets, sinusoids

__all__ = ["SINUSOIDS", "PositionTable", "RelativeTable", "sinusoids"]


class PositionTable(keras.layers.Layer):
    """The rows that are added to a sequence: a fixed sinusoid table, a learned one, or none.

    Args:
        length: how many positions the table has.
        width: D.
        kind: a sinusoid convention, `learned` or `none`.
        offset: the row that the first position takes; the table has as many rows more.

    Call arguments:
        inputs: (B, T, D).
        start: position of the first row of `inputs`; a number or a scalar tensor.
        places: (B, T), the position of each input, instead of counting from `start`.
        scale: what the rows are multiplied by before they are added, a number or one for each of the batch (B,); ()
            leaves them.

    Returns:
        `inputs` with their positions added, (B, T, D).

    Raises:
        ValueError: an unknown kind, or a sequence longer than the table.
    """

    def __init__(
        self, length: int, width: int, kind: str, *, offset: int = 0, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        if kind not in (*SINUSOIDS, "learned", "none"):
            raise ValueError(f"expected {', '.join(SINUSOIDS)}, learned or none, received {kind!r}")
        self.length, self.width, self.kind, self.offset = length, width, kind, offset
        self.fixed = sinusoids(offset + length, width, kind) if kind in SINUSOIDS else None

    def build(self, input_shape: Any) -> None:
        if self.kind == "learned":
            self.learned = self.add_weight(
                (self.offset + self.length, self.width),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
                name="table",
            )
        self.built = True

    def table(self) -> np.ndarray | None:
        """The rows from the first position on as numpy (length, width) float32, or None where there is none."""
        if self.kind == "none":
            return None
        if self.fixed is not None:
            return self.fixed[self.offset :]
        return np.asarray(self.learned, np.float32)[self.offset :]

    def call(self, inputs: Any, start: Any = None, places: Any = None, scale: Any = ()) -> Any:
        if self.kind == "none":
            return inputs
        if inputs.shape[1] is not None and inputs.shape[1] > self.length:
            raise ValueError(f"expected at most {self.length} positions, received {inputs.shape[1]}")
        table = ops.convert_to_tensor(self.fixed if self.fixed is not None else self.learned)
        table = ops.cast(table, inputs.dtype)
        if places is not None:
            rows = ops.take(table, places + self.offset, axis=0)  # (B, T, D)
        elif start is None:
            rows = table[None, self.offset : self.offset + ops.shape(inputs)[1]]
        else:
            rows = ops.take(table, self.offset + start + ops.arange(ops.shape(inputs)[1]), axis=0)[None]
        if not (isinstance(scale, tuple) and not scale):
            rows = rows * ops.reshape(ops.cast(scale, rows.dtype), (-1, 1, 1))
        return inputs + rows


class RelativeTable(keras.layers.Layer):
    """What is added to scores by how far apart two positions are, a number a head: one table for a stack (Raffel et al.
    2020, T5, section 2.1; Song et al. 2020, MPNet, arXiv:2004.09297).

    Args:
        spec: how distances become rows of the table.
        heads: H.
        length: S of the longest text.
        causal: whether queries see only what stands before them.
    """

    def __init__(
        self,
        spec: Relative,
        heads: int,
        length: int,
        *,
        causal: bool,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.spec, self.heads, self.length = spec, heads, length
        distances = np.arange(1 - length, length)
        self.rows = relative_buckets(distances, spec.buckets, spec.farthest, causal=causal)

    def build(self, input_shape: Any = None) -> None:
        self.table = self.add_weight(
            (self.spec.buckets, self.heads),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="table",
        )
        self.built = True

    def by_distance(self) -> Any:
        """(2 S - 1, H) for the longest text: of each distance of a key from its query, the most negative first."""
        return ops.take(self.table, ops.convert_to_tensor(self.rows), axis=0)

    def between(self, queries: Any, keys: Any, scale: Any = ()) -> Any:
        """(1, H, T, S) of queries and keys at these places, (T,) and (S,); times a `scale`, see `PositionTable`: then
        (B, H, T, S)."""
        apart = keys[None, :] - queries[:, None] + (self.length - 1)
        bias = ops.transpose(ops.take(self.by_distance(), apart, axis=0), (2, 0, 1))[None]
        if isinstance(scale, tuple) and not scale:
            return bias
        return bias * ops.reshape(ops.cast(scale, bias.dtype), (-1, 1, 1, 1))
