"""What a measurement is, and the median of some."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TypedDict


class Row(TypedDict, total=False):
    """A measured median in milliseconds, and where the row measures size, bytes."""

    name: str
    median_ms: float
    bytes: int


def median(work: Callable[[], object], runs: int = 15) -> float:
    """Median milliseconds of `work` after two runs that are not counted."""
    times = []
    for _ in range(runs + 2):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times[2:])
