"""Samples as a sound file that everything plays: RIFF WAVE, PCM of 16 bits, one channel."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from transformer.audio.decode import RATE


def wav(samples: npt.NDArray[np.floating]) -> bytes:
    """Samples (N,) at 16 kHz as a wav file of 16 bits."""
    data = np.rint(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()
    form = struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    riff = struct.pack("<I", 36 + len(data))
    return b"RIFF" + riff + b"WAVEfmt " + form + b"data" + struct.pack("<I", len(data)) + data
