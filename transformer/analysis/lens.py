"""What would a network answer if it ended after each layer? The logit lens (nostalgebraist 2020, "interpreting GPT: the
logit lens"): the stream behind any layer, through what stands above the last one.

Letters for shapes: R what is read, the embedding and each layer; N places; K guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transformer.analysis.check import PER_SCORE, TOLERANCE
from transformer.trace import FloatArray, Label


class LensCheck(NamedTuple):
    """The guesses of all layers at one place, computed again: the row and id of that which is farthest off, what its
    probability should be, by how much it is off, and what is rounding for scores of this size."""

    place: int
    row: int
    id: int
    probability: float
    largest: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether all agree within what float32 can hold."""
        return self.largest <= self.tolerance


class Lens(NamedTuple):
    """The best guesses behind each layer.

    Args:
        labels: what is said at each of the N places in the end, or the tokens there, whose classes are guessed; of a
            network that answers a whole text its one answer.
        targets: (N,), its ids.
        ids: (R, N, K), the best guesses of each layer, best first.
        probabilities: (R, N, K).
        log_probability: (R, N), natural log, of what is said in the end.
        names: what each id among them is called.
        apart: each answer has a probability of its own, as one of several labels has.
    """

    labels: tuple[Label, ...]
    targets: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int32]
    probabilities: FloatArray
    log_probability: FloatArray
    names: Mapping[int, Label]
    apart: bool = False

    def check(self, place: int, scores: npt.NDArray[np.float64]) -> LensCheck:
        """The guesses at a place beside the same from `scores` (R, V), which were made again in float64."""
        largest = scores.max(-1, keepdims=True)
        total = largest + np.log(np.exp(scores - largest).sum(-1, keepdims=True))
        if self.apart:  # 1 / (1 + exp(-score))
            total = np.logaddexp(0.0, scores)
        again = np.exp(np.take_along_axis(scores - total, self.ids[:, place], -1))  # (R, K)
        difference = np.abs(self.probabilities[:, place] - again)
        row, rank = np.unravel_index(difference.argmax(), difference.shape)
        tolerance = TOLERANCE + PER_SCORE * float(np.abs(scores).max())
        return LensCheck(
            place,
            int(row),
            int(self.ids[row, place, rank]),
            float(again[row, rank]),
            float(difference.max()),
            tolerance,
        )

    @property
    def layers(self) -> int:
        """How many layers there are; the first of the R rows is the embedding."""
        return len(self.ids) - 1

    def settled(self) -> npt.NDArray[np.int32]:
        """(N,), the first row from which on the best guess is what it is in the end."""
        same = self.ids[:, :, 0] == self.ids[-1, :, 0]
        rows: npt.NDArray[np.int32] = (len(same) - np.cumprod(same[::-1], axis=0).sum(0)).astype(np.int32)
        return rows
