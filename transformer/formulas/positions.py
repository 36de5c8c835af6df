"""How a position becomes numbers: every encoding as the formula of its paper, in plain numpy.

Networks (`layers.positions`) and pictures use these same functions; nothing here needs a network library.

All three sinusoids hold sin(p w) and cos(p w) for width/2 rates w = b^-e, with b = 10,000 (Vaswani et al. 2017,
section 3.5). They differ in order and in the exponent e of rate i:

- `interleaved`: columns 2i and 2i+1 hold sine and cosine, e = 2i / width. The paper; The Annotated Transformer.
- `halves`: all sines, then all cosines, e = i / (width/2). The TensorFlow tutorial.
- `halves_minus_one`: the same order, e = i / (width/2 - 1). Tensor2Tensor `get_timing_signal_1d`; Whisper.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

SINUSOIDS = ("interleaved", "halves", "halves_minus_one")
BASE = 10_000.0

Reals = npt.NDArray[np.float64]


class Pairs(NamedTuple):
    """Which columns of a table belong together: `sine[i]` and `cosine[i]` have rate i."""

    sine: npt.NDArray[np.intp]
    cosine: npt.NDArray[np.intp]


def rates(width: int, kind: str = "interleaved", base: float = BASE) -> Reals:
    """Radians per position of each pair of columns, (width/2,), from 1 downwards.

    Raises:
        ValueError: unknown kind, or an odd width.
    """
    if kind not in SINUSOIDS:
        raise ValueError(f"expected one of {', '.join(SINUSOIDS)}, received {kind!r}")
    if width < 2 or width % 2:
        raise ValueError(f"expected an even width of at least 2, received {width}")
    half = width // 2
    steps = max(half - 1, 1) if kind == "halves_minus_one" else half
    return np.asarray(base ** (-np.arange(half, dtype=np.float64) / steps))


def wavelengths(width: int, kind: str = "interleaved", base: float = BASE) -> Reals:
    """Positions after which each pair of columns repeats, (width/2,): 2 pi / rate."""
    return 2 * np.pi / rates(width, kind, base)


def pairs(width: int, kind: str = "interleaved") -> Pairs:
    """Where a convention puts sine and cosine of each rate."""
    half = len(rates(width, kind))
    if kind == "interleaved":
        return Pairs(np.arange(0, width, 2), np.arange(1, width, 2))
    return Pairs(np.arange(half), np.arange(half, width))


def sinusoids(
    length: int,
    width: int,
    kind: str = "interleaved",
    base: float = BASE,
    dtype: npt.DTypeLike = np.float32,
) -> np.ndarray:
    """The position table (length, width) of one sinusoid convention, -1 to 1.

    Raises:
        ValueError: unknown kind, odd width, or a length below 1.
    """
    if kind in SINUSOIDS and (width < 2 or width % 2 or length < 1):
        raise ValueError(f"expected a length of at least 1 and an even width, received {length} and {width}")
    angles = np.arange(length, dtype=np.float64)[:, None] * rates(
        width, kind, base
    )  # (length, width/2), radians
    where = pairs(width, kind)
    table = np.empty((length, width), dtype)
    table[:, where.sine] = np.sin(angles)
    table[:, where.cosine] = np.cos(angles)
    return table


def shift(table: np.ndarray, by: int, kind: str = "interleaved", base: float = BASE) -> np.ndarray:
    """R(by) applied to every row of a sinusoid table (length, width): each pair of columns turned by `by` x its rate.

    The angle addition theorems make this the row `by` positions later (Vaswani et al. 2017, section 3.5: PE(p + k) is
    a linear function of PE(p)); R depends on the shift alone.
    """
    where, angle = pairs(table.shape[-1], kind), by * rates(table.shape[-1], kind, base)
    sine, cosine = table[..., where.sine], table[..., where.cosine]
    turned = np.empty_like(table)
    turned[..., where.sine] = sine * np.cos(angle) + cosine * np.sin(angle)
    turned[..., where.cosine] = cosine * np.cos(angle) - sine * np.sin(angle)
    return turned


def rotary_angles(length: int, width: int, base: float = BASE) -> Reals:
    """RoPE, Su et al. 2021 (arXiv:2104.09864), equation 15: radians by which position p turns pair i.

    Shape (length, width/2).
    `width` is that of one head; nothing is added to the vectors: queries and keys are turned (see `rotate`).

    Raises:
        ValueError: an odd width, or a length below 1.
    """
    if length < 1:
        raise ValueError(f"expected a length of at least 1, received {length}")
    return np.arange(length, dtype=np.float64)[:, None] * rates(width, base=base)


def rotate(vectors: np.ndarray, angles: Reals) -> np.ndarray:
    """RoPE, equation 34: pairs (2i, 2i+1) of `vectors` (..., length, width) turned by `angles` (length, width/2)."""
    even, odd = vectors[..., 0::2], vectors[..., 1::2]
    turned = np.empty(np.broadcast_shapes(vectors.shape, (len(angles), vectors.shape[-1])), np.float64)
    turned[..., 0::2] = even * np.cos(angles) - odd * np.sin(angles)
    turned[..., 1::2] = even * np.sin(angles) + odd * np.cos(angles)
    return turned


def relative_buckets(
    distances: npt.NDArray[np.int64], buckets: int, farthest: int, *, causal: bool = False
) -> npt.NDArray[np.int64]:
    """The row of a table that a distance between two positions takes, both ways apart (Raffel et al. 2020,
    arXiv:1910.10683, section 2.1): the first half of a side has a row each, the second grows by logarithms and ends
    at `farthest`, beyond which all share the last.

    Args:
        distances: of a key from its query, negative where it stands before it.
        buckets: rows of the table, half of them a side.
        farthest: the distance from which on all are one.
        causal: all rows are for what stands before; what stands behind takes the row of its own place.
    """
    half = buckets if causal else buckets // 2
    exact, size = half // 2, np.maximum(-distances, 0) if causal else np.abs(distances)
    # In float32, as those who trained such tables cut them.
    share = np.log(np.maximum(size, 1).astype(np.float32) / exact) / np.float32(np.log(farthest / exact))
    far = np.minimum(exact + (share * np.float32(half - exact)).astype(np.int64), half - 1)
    behind = np.where(distances > 0, 0 if causal else half, 0)
    return behind + np.where(size < exact, size, far)


def alibi_slopes(heads: int) -> Reals:
    """ALiBi, Press et al. 2022 (arXiv:2108.12409), section 3: one slope a head, (heads,), from steep to flat.

    For a power of two n they are 2^(-8/n), 2^(-16/n), ... 2^-8. For other counts the authors' code takes those of the
    power of two below, then every second one of the power of two above.

    Raises:
        ValueError: fewer than one head.
    """
    if heads < 1:
        raise ValueError(f"expected at least 1 head, received {heads}")
    below = 1 << (heads.bit_length() - 1)
    slopes = 2.0 ** (-8 / below * np.arange(1, below + 1))
    above = 2.0 ** (-8 / (2 * below) * np.arange(1, 2 * below + 1, 2))
    return np.concatenate([slopes, above[: heads - below]])


def alibi_bias(length: int, slope: float) -> Reals:
    """What ALiBi adds to the scores (query, key) of one head: -slope x distance, and -inf for the future.

    Raises:
        ValueError: a length below 1.
    """
    if length < 1:
        raise ValueError(f"expected a length of at least 1, received {length}")
    distance = np.arange(length)[:, None] - np.arange(length)[None]
    return np.where(distance >= 0, -slope * distance, -np.inf)
