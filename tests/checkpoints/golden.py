"""Recorded folders, opened once, and what the library said of them."""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from transformer.pipeline.checkpoint import open_checkpoint

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def named(*stems: str) -> list[str]:
    """The folders with recorded numbers whose names begin with one of these and a hyphen."""
    found = (path.parent.name for path in GOLDEN.glob("*/expected.npz"))
    return sorted(name for name in found if name.startswith(tuple(f"{stem}-" for stem in stems)))


@functools.cache
def opened(name: str) -> Any:
    return open_checkpoint(GOLDEN / name)


@functools.cache
def expected(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / name / "expected.npz") as arrays:
        return dict(arrays)
