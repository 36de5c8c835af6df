"""The synthetic sound behind the recorded Whisper features: which samples did the reference library hear?

A chirp from 100 Hz to 7 kHz with a swell, and noise. numpy alone repeats it, so no sound is stored.
"""

import numpy as np
import numpy.typing as npt

RATE = 16000  # samples a second


def chirp(seconds: float, seed: int = 0) -> npt.NDArray[np.float32]:
    """float32 samples within -1..1: 0.5 sin(phase) (0.2 + 0.8 sin²(pi t / seconds)) + noise of +-0.05.

    The frequency rises in a straight line, so with t in seconds phase = 2 pi (100 t + 6900 t² / (2 seconds)).
    """
    count = round(seconds * RATE)
    t = np.arange(count) / RATE
    phase = 2 * np.pi * (100 * t + 6900 * t**2 / (2 * seconds))
    swell = 0.2 + 0.8 * np.sin(np.pi * t / seconds) ** 2
    noise = np.random.default_rng(seed).uniform(-0.05, 0.05, count)
    return (0.5 * np.sin(phase) * swell + noise).astype(np.float32)
