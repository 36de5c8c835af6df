"""Where in a clip is nothing said? Pauses, told by energy: the network is not asked.

The level of a clip is its root mean square over 20 ms, in decibels. What lies 35 dB below the loudest 0.1 s, or in the
lowest quarter between the quietest tenth of the clip and those, is quiet; so steady noise counts as quiet, too, where
speech stands out from it by 12 dB. A run of at least 0.25 s of it is a pause: closures within words are shorter.
"""

from __future__ import annotations

import numpy as np

from transformer.audio.decode import RATE

_STEP = RATE // 50  # samples of one level: 20 ms
_LOUDEST = 5  # levels: 0.1 s, longer than a click
_BELOW, _SHARE, _CONTRAST = 35.0, 0.25, 12.0  # dB; of the way from the quietest tenth up; dB
_SHORTEST = 0.25  # seconds
_NOTHING = 1e-6  # of full scale, so that digital silence has a level


def pauses(samples: np.ndarray) -> tuple[tuple[float, float], ...]:
    """The pauses of mono samples `(N,)` at 16 kHz: (start, end) in seconds, in order; none where all is alike."""
    whole = len(samples) // _STEP
    if whole < 2:
        return ()
    power = np.square(samples[: whole * _STEP], dtype=np.float64).reshape(whole, _STEP).mean(1)
    levels = 10 * np.log10(power + _NOTHING**2)
    top = float(np.sort(levels)[-min(_LOUDEST, 1 + whole // 10)])
    floor = float(np.quantile(levels, 0.1))
    if top - floor < _CONTRAST:
        return ()
    quiet = levels < max(top - _BELOW, floor + _SHARE * (top - floor))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    seconds = len(samples) / RATE
    found = []
    for first, last in edges.reshape(-1, 2).tolist():
        # What is left behind the last level belongs to it.
        end = seconds if last == whole else last * _STEP / RATE
        if end - first * _STEP / RATE >= _SHORTEST - 1e-9:
            found.append((first * _STEP / RATE, end))
    return tuple(found)
