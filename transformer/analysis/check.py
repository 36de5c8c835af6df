"""Are the numbers on screen right? One head of a trace beside the same head computed again, in numpy and float64.

The network works in float32 and on many positions at once; here softmax(Q K^T / sqrt(d_k)) is taken from its own
queries and keys by `by_hand`, one head at a time, and compared with the weights that the pictures show.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transformer.analysis import by_hand
from transformer.analysis.by_hand import Array, Mask

# float32 holds about seven digits; a score of 30 with an error in the last of them moves its weight by this much.
TOLERANCE = 1e-5


class Check(NamedTuple):
    """One head, computed again.

    Args:
        weights: (T, S) float64, as they should be.
        difference: (T, S), weights on screen minus these.
        row_sums: (T,), of the weights on screen.
        leaked: (T,), weight on screen that lies on forbidden positions.
        forbidden: how many positions of the map are forbidden.
    """

    weights: Array
    difference: Array
    row_sums: Array
    leaked: Array
    forbidden: int

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
        return self.largest <= TOLERANCE and self.worst_sum <= TOLERANCE and self.leak == 0


def mask_of(kind: str, queries: int, keys: int) -> Mask:
    """What a trained encoder-decoder allows: its decoder looks back only, the others everywhere."""
    return by_hand.causal_mask(queries) if kind == "decoder" else by_hand.no_mask(queries, keys)


def check(
    weights: npt.ArrayLike, queries: npt.ArrayLike, keys: npt.ArrayLike, mask: Mask, scale: float = 0.0
) -> Check:
    """One head's weights against its own queries and keys.

    Args:
        weights: (T, S), as shown.
        queries: (T, K).
        keys: (S, K).
        mask: (T, S), true where a query may look.
        scale: that of the layer's `Attention`; 0 means 1 / sqrt(K).

    Raises:
        ValueError: shapes that do not go together, or numbers that are not finite.
    """
    shown = np.asarray(weights, np.float64)
    expected = (np.shape(queries)[0], np.shape(keys)[0])
    if shown.shape != expected or mask.shape != expected:
        raise ValueError(f"expected weights and mask {expected}, received {shown.shape} and {mask.shape}")
    if not (np.isfinite(shown).all() and np.isfinite(queries).all() and np.isfinite(keys).all()):
        raise ValueError("expected finite weights, queries and keys, received NaN or infinity")
    again = by_hand.attention_weights(queries, keys, mask, factor=scale)
    leaked = np.where(mask, 0.0, np.abs(shown)).sum(-1)
    return Check(again, shown - again, shown.sum(-1), leaked, int((~mask).sum()))
