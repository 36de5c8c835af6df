"""Attention of a few fixed probes at log-spaced training steps, so that a page can show heads as they form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def log_spaced(last: int, count: int = 20) -> list[int]:
    """About `count` steps from 0 to `last`, each a constant factor after the one before."""
    return sorted({0, *(round(last ** (i / (count - 2))) for i in range(count - 1))})


class Snapshots:
    """Records the probes' attention at log-spaced steps and keeps it in one `.npz`.

    Arrays: `steps` (N,), and for probe i `{i}/encoder`, `{i}/decoder`, `{i}/cross` as far as the network has them, each
    uint8 (N, layers, H, queries, keys) holding round(255 * weight); and what `fixed` gives, such as the probes' ids.

    Args:
        path: the file.
        last: the last step of the run.
        step: the step that the run goes on from; later ones in the file are dropped, and all of them where they are of
            other probes, which `fixed` tells.
        record: a network -> weights (layers, H, queries, keys) by the names above.
        fixed: arrays that do not change.
    """

    def __init__(
        self,
        path: Path,
        last: int,
        step: int,
        record: Callable[[Any], Mapping[str, np.ndarray]],
        fixed: Mapping[str, np.ndarray],
    ) -> None:
        self.path, self.record, self.fixed = path, record, fixed
        self.wanted = set(log_spaced(last))
        self.steps: list[int] = []
        self.maps: dict[str, list[np.ndarray]] = {}
        if step and path.exists():
            with np.load(path) as saved:
                same = all(n in saved.files and np.array_equal(saved[n], a) for n, a in fixed.items())
                kept = (saved["steps"] <= step) & same
                self.steps = [int(s) for s in saved["steps"][kept]]
                names = set(saved.files) - {"steps", *fixed} if kept.any() else set()
                self.maps = {name: list(saved[name][kept]) for name in names}

    def take(self, network: Any, step: int) -> None:
        """Record if `step` is one of the wanted ones and not recorded yet."""
        if step not in self.wanted or step in self.steps:
            return
        self.steps.append(step)
        for name, weights in self.record(network).items():
            self.maps.setdefault(name, []).append(np.round(weights * 255).astype(np.uint8))

    def save(self) -> None:
        """Write what has been recorded."""
        if not self.steps:
            return
        arrays = {"steps": np.array(self.steps, np.int32)} | dict(self.fixed)
        arrays |= {name: np.stack(maps) for name, maps in self.maps.items()}
        temporary = self.path.with_name("snapshots.part.npz")
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
        temporary.replace(self.path)
