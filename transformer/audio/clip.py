"""A clip in whatever form somebody has it -> mono float32 samples at 16 kHz, full scale 1."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from transformer.audio.decode import RATE, AudioLimits, Sound, decode, resample

_LOUDEST = 2.0  # of full scale: floats beyond are in units of their own
_SLOWEST, _FASTEST = 4_000, 768_000  # samples a second, as of a file


def samples_of(clip: Any, rate: int = RATE) -> np.ndarray:
    """The samples `(N,)` of a clip.

    Args:
        clip: the path of a sound file, a file's bytes, what `decode` made of them, or mono samples `(N,)`: floats from
            -1 to 1, or whole numbers of 8, 16 or 32 bits, which are scaled to that.
        rate: of samples, in Hz; files know their own.

    Raises:
        ValueError: another kind of thing, an empty clip, samples of another shape, kind or scale, an impossible rate,
            or a file as `decode` refuses it.
        OSError: a path that cannot be read.
    """
    if isinstance(clip, str | os.PathLike):
        path = Path(clip).expanduser()
        if (size := path.stat().st_size) > AudioLimits().bytes:
            raise ValueError(
                f"expected a file of at most {AudioLimits().bytes / 1e6:g} MB, received {size / 1e6:.1f} MB"
            )
        clip = path.read_bytes()
    if isinstance(clip, bytes):
        clip = decode(clip)
    if isinstance(clip, Sound):
        clip, rate = clip.samples, RATE
    if not isinstance(clip, np.ndarray):
        raise ValueError(
            f"expected a clip as a path, bytes, Sound or samples, received {type(clip).__name__}"
        )
    if clip.ndim != 1:
        raise ValueError(f"expected mono samples (N,), received shape {clip.shape}")
    if not len(clip):
        raise ValueError("expected a clip with sound, received an empty one")
    if isinstance(rate, bool) or not isinstance(rate, int | np.integer) or not _SLOWEST <= rate <= _FASTEST:
        raise ValueError(f"expected a rate from {_SLOWEST:,} to {_FASTEST:,} Hz, received {str(rate)[:40]}")
    samples = _scaled(clip)
    return samples if rate == RATE else resample(samples, int(rate))


def _scaled(samples: np.ndarray) -> np.ndarray:
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if kind == "u" and size == 1:  # as 8-bit files have it: 128 is silence
        return (samples.astype(np.float32) - 128) / 128
    if kind == "i" and size <= 4:
        return samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    if kind != "f":
        raise ValueError(
            f"expected samples as floats or whole numbers of 8, 16 or 32 bits, received {samples.dtype}"
        )
    with np.errstate(over="ignore"):
        found = samples.astype(np.float32, copy=False)
    loudest = float(np.abs(found).max())
    if not loudest <= _LOUDEST:
        raise ValueError(f"expected finite samples from -1 to 1, received one of {loudest:,.6g}")
    return found
