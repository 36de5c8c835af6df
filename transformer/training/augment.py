"""Log-mel features changed at random while they are trained on, so that a network hears a clip twice in no one way.

SpecAugment: Park et al. 2019, "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition"
(arXiv:1904.08779), section 2, without its time warping, which the paper found to help least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SpecAugment:
    """How much is hidden. The widths and counts are the paper's policy LD; its time_share of 0.2 is policies SM and SS.

    A mask is at most frequency_width bins or time_width frames wide, and no time mask hides more than time_share of a
    clip: one of a second would else be gone.
    """

    frequency_masks: int = 2
    frequency_width: int = 27
    time_masks: int = 2
    time_width: int = 100
    time_share: float = 0.2

    def __post_init__(self) -> None:
        for name in ("frequency_masks", "frequency_width", "time_masks", "time_width"):
            if getattr(self, name) < 0:
                raise ValueError(f"expected {name} of at least 0, received {getattr(self, name)}")
        if not 0 <= self.time_share <= 1:
            raise ValueError(f"expected a time_share from 0 to 1, received {self.time_share}")


def spec_augment(features: np.ndarray, policy: SpecAugment, rng: np.random.Generator) -> np.ndarray:
    """Normalised features `(frames, bins)` -> the same with whole bins and whole frames set to 0, their mean.

    Each mask's width is drawn evenly from 0 to the widest that is allowed, then its place from all that fit.
    """
    frames, bins = features.shape
    out = features.copy()
    for _ in range(policy.frequency_masks):
        width = rng.integers(0, min(policy.frequency_width, bins) + 1)
        first = rng.integers(0, bins - width + 1)
        out[:, first : first + width] = 0
    for _ in range(policy.time_masks):
        width = rng.integers(0, min(policy.time_width, int(policy.time_share * frames)) + 1)
        first = rng.integers(0, frames - width + 1)
        out[first : first + width] = 0
    return out


def join(clips: Sequence[np.ndarray], pauses: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Clips joined with pauses of so many frames before, between and behind them: `(sum of frames, bins)`.

    clips: features before normalisation, each `(frames, bins)`; pauses: one more than there are clips. A pause is made
    of frames drawn from the quietest tenth of these same clips, so that it holds the noise of their room.

    Raises:
        ValueError: another number of pauses.
    """
    if len(pauses) != len(clips) + 1:
        raise ValueError(f"expected {len(clips) + 1} pauses for {len(clips)} clips, received {len(pauses)}")
    every = np.concatenate(clips)
    loudness = every.sum(axis=1, dtype=np.float64)
    quiet = every[np.argsort(loudness, kind="stable")[: max(1, len(every) // 10)]]
    silences = [quiet[rng.integers(0, len(quiet), pause)] for pause in pauses]
    pieces = [silences[0]]
    for clip, silence in zip(clips, silences[1:], strict=True):
        pieces += [clip, silence]
    return np.concatenate(pieces)
