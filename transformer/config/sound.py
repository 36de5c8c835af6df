"""What makes positions of sound: the convolutions below a speech Transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transformer.config.records import Record, at_least, need

SoundKind = Literal["t2t", "whisper", "waveform"]


@dataclass(frozen=True, kw_only=True)
class Convolution(Record):
    """One convolution over samples."""

    channels: int
    kernel: int
    stride: int

    def __post_init__(self) -> None:
        at_least(self, 1, "channels", "kernel", "stride")


@dataclass(frozen=True, kw_only=True)
class Sound(Record):
    """A stem over log-mel pictures (see `layers/stem.py`), or over samples as they are."""

    kind: SoundKind
    bins: int = 80  # of the log-mel picture
    channels: int = 128  # of the convolutions of t2t
    scale: float = 1.0  # of what the convolutions of t2t found; sqrt(width) in Tensor2Tensor
    prior_frames: int = 0  # of ordinary speech, counted with a clip's own: see `audio.features.normalise`
    convolutions: tuple[Convolution, ...] = ()  # of a waveform

    def __post_init__(self) -> None:
        at_least(self, 1, "bins", "channels")
        at_least(self, 0, "prior_frames")
        need(0 < self.scale < 1e6, "a scale above 0 and below a million", self.scale)
