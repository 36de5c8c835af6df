"""Are the numbers on screen right? One head of a trace beside the same head computed again, in numpy and float64.

The network works in float32 and on many positions at once; here the weights are made again by `scores` from the queries
and keys that it projected, and compared with those that the pictures show.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transformer.analysis.by_hand import Array, Mask
from transformer.analysis.scores import NOTHING, Learned, mask_of, spared, weights_of
from transformer.config import Attention

__all__ = ["TOLERANCE", "Check", "Learned", "check_layer", "mask_of"]

# float32 holds about seven digits; a score of 30 with an error in the last of them moves its weight by this much.
TOLERANCE = 1e-5
# Scores that are larger are off by more.
PER_SCORE = 4 * float(np.finfo(np.float32).eps)


class Check(NamedTuple):
    """One head, computed again.

    Args:
        weights: (T, S) float64, as they should be.
        difference: (T, S), weights on screen minus these.
        row_sums: (T,), of the weights on screen.
        leaked: (T,), weight on screen that lies on forbidden positions.
        forbidden: how many positions of the map are forbidden.
        tolerance: what is rounding, for scores of this size.
    """

    weights: Array
    difference: Array
    row_sums: Array
    leaked: Array
    forbidden: int
    tolerance: float = TOLERANCE

    @property
    def largest(self) -> float:
        """The largest difference of any weight."""
        return float(np.abs(self.difference).max())

    @property
    def largest_at(self) -> tuple[int, int]:
        """Where it is: (query, key)."""
        row, column = np.unravel_index(np.abs(self.difference).argmax(), self.difference.shape)
        return int(row), int(column)

    @property
    def worst_sum(self) -> float:
        """How far the sum of a row is from 1, at most."""
        return float(np.abs(self.row_sums - 1).max())

    @property
    def leak(self) -> float:
        """The most weight that a row has on forbidden positions."""
        return float(self.leaked.max())

    @property
    def passed(self) -> bool:
        """Whether everything agrees within what float32 can hold; forbidden positions have to be exactly 0."""
        return self.largest <= self.tolerance and self.worst_sum <= self.tolerance and self.leak == 0


def check_layer(
    weights: npt.ArrayLike,
    queries: npt.ArrayLike,
    keys: npt.ArrayLike,
    spec: Attention,
    mask: Mask,
    learned: Learned = NOTHING,
    position_scale: float = 1.0,
    barred: Mask | None = None,
) -> list[Check]:
    """The weights of each head of a layer against its own queries and keys.

    Args:
        weights: (H, T, S), as shown.
        queries, keys, spec, mask, learned, position_scale, barred: see `weights_of`.

    Raises:
        ValueError: shapes that do not go together, or numbers that are not finite.
    """
    shown = np.asarray(weights, np.float64)
    expected = (np.shape(queries)[1], np.shape(keys)[1])
    if shown.shape[1:] != expected or mask.shape != expected:
        raise ValueError(f"expected weights and mask {expected}, received {shown.shape[1:]} and {mask.shape}")
    if not (np.isfinite(shown).all() and np.isfinite(queries).all() and np.isfinite(keys).all()):
        raise ValueError("expected finite weights, queries and keys, received NaN or infinity")
    found = weights_of(queries, keys, spec, mask, learned, position_scale, barred)
    tolerance = TOLERANCE + PER_SCORE * found.largest
    allowed = np.broadcast_to(mask, shown.shape)
    if barred is not None:
        allowed = allowed & ~(barred & ~spared(mask, barred)[..., None])
    return [
        Check(
            again,
            head - again,
            head.sum(-1),
            np.where(seen, 0.0, np.abs(head)).sum(-1),
            int((~seen).sum()),
            tolerance,
        )
        for head, again, seen in zip(shown, found.weights, allowed, strict=True)
    ]
