"""What would a network answer if it ended after each layer? The logit lens (nostalgebraist 2020, "interpreting GPT: the
logit lens"): the stream behind any layer, through what stands above the last one.

Letters for shapes: R what is read, the embedding and each layer; N places; K guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transformer.trace import FloatArray, Label


class Lens(NamedTuple):
    """The best guesses behind each layer.

    Args:
        labels: what is said at each of the N places in the end; of a network that classifies its one answer.
        targets: (N,), its ids.
        ids: (R, N, K), the best guesses of each layer, best first.
        probabilities: (R, N, K).
        log_probability: (R, N), natural log, of what is said in the end.
        names: what each id among them is called.
    """

    labels: tuple[Label, ...]
    targets: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int32]
    probabilities: FloatArray
    log_probability: FloatArray
    names: Mapping[int, Label]

    @property
    def layers(self) -> int:
        """How many layers there are; the first of the R rows is the embedding."""
        return len(self.ids) - 1

    def settled(self) -> npt.NDArray[np.int32]:
        """(N,), the first row from which on the best guess is what it is in the end."""
        same = self.ids[:, :, 0] == self.ids[-1, :, 0]
        rows: npt.NDArray[np.int32] = (len(same) - np.cumprod(same[::-1], axis=0).sum(0)).astype(np.int32)
        return rows
