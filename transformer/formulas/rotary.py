"""By how much a position turns each pair of numbers of a query or key, and how that is stretched for longer texts.

Su et al. 2021 (RoPE, arXiv:2104.09864), equation 15; stretched as positions are interpolated (Chen et al. 2023,
arXiv:2306.15595), by a base that grows with the text (dynamic NTK), by parts (Peng et al. 2023, YaRN, arXiv:2309.00071,
section 3.2), or by wavelength, as Llama 3.1 does (Grattafiori et al. 2024, arXiv:2407.21783).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]


def frequencies(
    width: int,
    theta: float = 10_000.0,
    *,
    scaling: str = "none",
    factor: float = 1.0,
    low: float = 1.0,
    high: float = 4.0,
    original: int = 0,
    truncate: bool = True,
    length: int = 0,
) -> Reals:
    """Radians per position of each pair, (width/2 rounded up,).

    Args:
        width: how many numbers of a head are turned.
        theta: the base.
        scaling: none, linear, dynamic, yarn or llama3.
        factor: how many times longer texts may be.
        low, high: llama3: the wavelengths `original / high` to `original / low` lie between both; yarn: so many turns
            within the original length.
        original: the length that was trained on; dynamic: the length from which on the base grows.
        truncate: yarn: between whole pairs.
        length: dynamic: that of the text.

    Raises:
        ValueError: an unknown scaling, or no width.
    """
    if width < 1:
        raise ValueError(f"expected a width of at least 1, received {width}")
    steps = np.arange(0, width, 2, dtype=np.float64) / width
    plain = theta**-steps
    if scaling == "none":
        return plain
    if scaling == "linear":
        return plain / factor
    if scaling == "dynamic":
        return plain * growth(length, factor, original) ** dynamic_exponents(width)
    if scaling == "llama3":
        kept = np.clip((original * plain / (2 * np.pi) - low) / (high - low), 0, 1)
        return plain * (kept + (1 - kept) / factor)
    if scaling != "yarn":
        raise ValueError(f"expected none, linear, dynamic, yarn or llama3, received {scaling!r}")

    def pair(turns: float) -> float:
        """The pair that turns so often within the original length."""
        return float(width * np.log(original / (turns * 2 * np.pi)) / (2 * np.log(theta)))

    first, last = pair(high), pair(low)
    if truncate:
        first, last = np.floor(first), np.ceil(last)
    first, last = max(first, 0), min(last, width - 1)
    last += 0.001 if first == last else 0.0
    stretched = np.clip((np.arange(len(plain)) - first) / (last - first), 0, 1)
    return plain * (1 - stretched + stretched / factor)


def growth(length: float, factor: float, original: int) -> float:
    """Dynamic: what the base is multiplied by, to the power of width / (width - 2)."""
    return factor * max(length, original) / original - (factor - 1)


def dynamic_exponents(width: int) -> Reals:
    """Dynamic: the powers of `growth` that the plain frequencies are multiplied by."""
    return -np.arange(0, width, 2, dtype=np.float64) / max(width - 2, 1)
