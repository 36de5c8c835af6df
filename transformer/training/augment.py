"""Log-mel features changed at random while they are trained on, so that a network hears a clip twice in no one way.

SpecAugment: Park et al. 2019, "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition"
(arXiv:1904.08779), section 2, without its time warping, which the paper found to help least. Other voices: Jaitly and
Hinton 2013, "Vocal Tract Length Perturbation (VTLP) improves speech recognition", section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transformer.audio.decode import RATE
from transformer.audio.features import HOP_SECONDS, Features, floor, mel_peaks

# What `other_room` draws from evenly: nats of loudness, nats between the highest bin and the middle, nats of a noise
# (speech lies at -3 on average, what counts as silence at -6.9), Hz, seconds in which an echo fades by 60 dB (a study,
# a lecture room), and its nats at first, compared with the sound that it is of.
_GAIN, _TILT, _NOISE, _CUT = (-1.5, 1.5), (-1.5, 1.5), (-7.5, -4.0), (3000, 5000)
_FADE, _ECHO = (0.2, 0.8), (-3.5, -1.5)


@dataclass(frozen=True)
class SpecAugment:
    """How much is hidden. The widths and counts are the paper's policy LD; its time_share of 0.2 is policies SM and SS.

    A mask is at most frequency_width bins or time_width frames wide, and no time mask hides more than time_share of a
    clip: one of a second would else be gone. voice: how far from 1 the factor of `other_voice` is drawn; 0.1 is VTLP's.
    pace: the same of `other_pace`. room: the share of clips that `other_room` changes.
    """

    frequency_masks: int = 2
    frequency_width: int = 27
    time_masks: int = 2
    time_width: int = 100
    time_share: float = 0.2
    voice: float = 0.0
    pace: float = 0.0
    room: float = 0.0

    def __post_init__(self) -> None:
        for name in ("frequency_masks", "frequency_width", "time_masks", "time_width"):
            if getattr(self, name) < 0:
                raise ValueError(f"expected {name} of at least 0, received {getattr(self, name)}")
        if not 0 <= self.time_share <= 1:
            raise ValueError(f"expected a time_share from 0 to 1, received {self.time_share}")
        for name in ("voice", "pace"):
            if not 0 <= getattr(self, name) <= 0.3:
                raise ValueError(f"expected a {name} from 0 to 0.3, received {getattr(self, name)}")
        if not 0 <= self.room <= 1:
            raise ValueError(f"expected a share of rooms from 0 to 1, received {self.room}")


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


def other_voice(raw: np.ndarray, factor: float, features: Features) -> np.ndarray:
    """Features before normalisation `(frames, bins)` as a vocal tract 1 / factor as long would have made them.

    What was at the frequency f comes to lie at factor * f; above 4,800 Hz (times the smaller of factor and 1) a second
    straight line leads to the highest frequency, which stays. Between two bins the values are interpolated.

    Raises:
        ValueError: a factor that is not from 0.7 to 1.4.
    """
    if not 0.7 <= factor <= 1.4:
        raise ValueError(f"expected a factor from 0.7 to 1.4, received {factor}")
    peaks, highest = mel_peaks(features), RATE / 2
    knee = 4800 * min(factor, 1)
    sources = np.interp(peaks, [0, knee, highest], [0, knee / factor, highest])
    place = np.interp(sources, peaks, np.arange(features.bins))
    lower = np.minimum(place.astype(int), features.bins - 2)
    share = (place - lower).astype(np.float32)
    return raw[:, lower] * (1 - share) + raw[:, lower + 1] * share


def other_pace(raw: np.ndarray, frames: int) -> np.ndarray:
    """Features before normalisation `(N, bins)` said in so many frames: as high a voice, quicker or slower.

    Between two frames the values are interpolated; the first and the last stay.

    Raises:
        ValueError: no frame.
    """
    if frames < 1:
        raise ValueError(f"expected at least one frame, received {frames}")
    place = np.linspace(0, len(raw) - 1, frames)
    before = place.astype(int)
    after = np.minimum(before + 1, len(raw) - 1)
    share = (place - before).astype(np.float32)[:, None]
    return raw[before] * (1 - share) + raw[after] * share


def other_room(raw: np.ndarray, features: Features, rng: np.random.Generator) -> np.ndarray:
    """Features before normalisation `(frames, bins)` as another microphone might have given them.

    Louder or softer, brighter or darker; in every third clip with an echo; in every second one behind a steady noise of
    any colour; in every second one without what lies above 3 to 5 kHz, as over a telephone. A voice that always came
    with its own noise and its own cut would else be known by them: each bin's variance is made 1, also that of a bin
    in which there is next to nothing.

    Raises:
        ValueError: features of Whisper's convention, whose logarithms are other ones.
    """
    if features.kind != "t2t":
        raise ValueError(f"expected features of t2t, received {features.kind}")
    frames, bins = raw.shape
    tilt = rng.uniform(*_TILT) * np.linspace(-1, 1, bins)
    out = raw + (rng.uniform(*_GAIN) + tilt).astype(np.float32)
    if rng.random() < 1 / 3:
        out = _echo(out, rng.uniform(*_FADE), rng.uniform(*_ECHO))
    if rng.random() < 0.5:
        level = rng.uniform(*_NOISE) + rng.uniform(-1.5, 1.5) * np.linspace(-1, 1, bins)
        noise = level + 0.4 * rng.standard_normal((frames, bins), np.float32)
        out = np.logaddexp(out, noise.astype(np.float32))
    if rng.random() < 0.5:
        above = np.arange(bins) - np.searchsorted(mel_peaks(features), rng.uniform(*_CUT))
        out -= np.maximum(0, above * rng.uniform(0.5, 5)).astype(np.float32)
    return np.maximum(out, floor(features))


def _echo(raw: np.ndarray, fade: float, level: float) -> np.ndarray:
    """Each frame with what is left in the room of all before it: powers add up, and fade by 60 dB in `fade` seconds."""
    power, kept = np.exp(2 * raw), np.float32(10 ** (-6 * HOP_SECONDS / fade))
    out, left = np.empty_like(power), np.zeros_like(power[0])
    for i, frame in enumerate(power):
        out[i] = frame + np.float32(np.exp(2 * level)) * left
        left = kept * (left + frame)
    return np.log(out) / 2


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
