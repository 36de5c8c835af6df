"""How far back does a network look? Norms of gradients as shares of their total, so that two networks compare."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Reach(NamedTuple):
    """Over many windows, by distance 1 to T: the mean share of the total, and its lower and upper quartile, each (T,).

    half, most: within how many characters half and nine tenths of the mean lie. windows: how many.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    half: int
    most: int
    windows: int


def summed_up(norms: np.ndarray) -> Reach:
    """Norms (N, T), nearest first, as shares.

    Raises:
        ValueError: no windows, or one in which nothing reaches back.
    """
    norms = np.asarray(norms, np.float64)
    if norms.ndim != 2 or not norms.size or not (norms.sum(-1) > 0).all():
        raise ValueError(f"expected norms (N, T) with something in each row, received shape {norms.shape}")
    shares = norms / norms.sum(-1, keepdims=True)
    mean = shares.mean(0)
    low, high = np.quantile(shares, (0.25, 0.75), axis=0)
    within = np.cumsum(mean)
    half, most = (int(np.searchsorted(within, share - 1e-12)) + 1 for share in (0.5, 0.9))
    return Reach(mean, low, high, half, most, len(norms))
