"""Where a token stands: the three sinusoid conventions in use, a learned table, or nothing.

All three sinusoids hold sin(p / b^e) and cos(p / b^e) for width/2 frequencies, with b = 10,000 (Vaswani et al. 2017,
section 3.5). They differ in order and in the exponent e of frequency i:

- `interleaved`: columns 2i and 2i+1 hold sine and cosine, e = 2i / width. The paper; The Annotated Transformer.
- `halves`: all sines, then all cosines, e = i / (width/2). The TensorFlow tutorial.
- `halves_minus_one`: the same order, e = i / (width/2 - 1). Tensor2Tensor `get_timing_signal_1d`; Whisper.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

SINUSOIDS = ("interleaved", "halves", "halves_minus_one")


def sinusoids(length: int, width: int, kind: str = "interleaved", base: float = 10_000.0) -> np.ndarray:
    """The position table (length, width), float32, of one sinusoid convention.

    Raises:
        ValueError: unknown kind, odd width, or a length below 1.
    """
    if kind not in SINUSOIDS:
        raise ValueError(f"expected one of {', '.join(SINUSOIDS)}, received {kind!r}")
    if width < 2 or width % 2 or length < 1:
        raise ValueError(f"expected a length of at least 1 and an even width, received {length} and {width}")
    half = width // 2
    steps = max(half - 1, 1) if kind == "halves_minus_one" else half
    rates = base ** (-np.arange(half, dtype=np.float64) / steps)
    angles = np.arange(length, dtype=np.float64)[:, None] * rates  # (length, width/2), radians
    if kind == "interleaved":
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, width)
    else:
        table = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
    return table.astype(np.float32)


class PositionTable(keras.layers.Layer):
    """The rows that are added to a sequence: a fixed sinusoid table, a learned one, or none.

    Args:
        length: how many positions the table has.
        width: D.
        kind: a sinusoid convention, `learned` or `none`.

    Call arguments:
        inputs: (B, T, D).
        start: position of the first row of `inputs`; a number or a scalar tensor.

    Returns:
        `inputs` with their positions added, (B, T, D).

    Raises:
        ValueError: an unknown kind, or a sequence longer than the table.
    """

    def __init__(self, length: int, width: int, kind: str, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        if kind not in (*SINUSOIDS, "learned", "none"):
            raise ValueError(f"expected {', '.join(SINUSOIDS)}, learned or none, received {kind!r}")
        self.length, self.width, self.kind = length, width, kind
        self.fixed = sinusoids(length, width, kind) if kind in SINUSOIDS else None

    def build(self, input_shape: Any) -> None:
        if self.kind == "learned":
            self.learned = self.add_weight(
                (self.length, self.width),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
                name="table",
            )
        self.built = True

    def table(self) -> np.ndarray | None:
        """The whole table as numpy (length, width) float32, or None where there is none."""
        if self.kind == "none":
            return None
        if self.fixed is not None:
            return self.fixed
        return np.asarray(self.learned, np.float32)

    def call(self, inputs: Any, start: Any = None) -> Any:
        if self.kind == "none":
            return inputs
        if inputs.shape[1] is not None and inputs.shape[1] > self.length:
            raise ValueError(f"expected at most {self.length} positions, received {inputs.shape[1]}")
        table = ops.convert_to_tensor(self.fixed if self.fixed is not None else self.learned)
        table = ops.cast(table, inputs.dtype)
        if start is None:
            rows = table[: ops.shape(inputs)[1]]
        else:
            rows = ops.take(table, start + ops.arange(ops.shape(inputs)[1]), axis=0)
        return inputs + rows[None]
