"""The mean of networks: of a run's last checkpoints, and of what it was each time its rate had come down to 0.

    python -m transformer.training.average FILE.safetensors [FILE.safetensors ...] --out FOLDER

writes the mean into the folder's `model.safetensors`. Vaswani et al. 2017, section 6.1, took the last checkpoints;
Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization" (arXiv:1803.05407), section
3.2, the ends of several cycles of the rate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from transformer.checkpoints import folder


def average(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """The mean of the weights in these files, float32.

    Raises:
        ValueError: no file, one that is damaged, or files of networks whose weights differ in names or shapes.
    """
    if not paths:
        raise ValueError("expected weights to average, received none")
    total: dict[str, np.ndarray] = {}
    for path in paths:
        tensors = {name: tensor.astype(np.float32) for name, tensor in folder.load_weights(path).items()}
        if total and _shapes(tensors) != _shapes(total):
            raise ValueError(f"expected weights as in {paths[0]}, received others in {path}")
        total = {name: total.get(name, np.float32(0)) + tensor for name, tensor in tensors.items()}
    return {name: tensor / np.float32(len(paths)) for name, tensor in total.items()}


def export(out: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write inference weights as float16: half the size, and far finer than the training noise."""
    folder.save_weights(out / folder.WEIGHTS, tensors, "float16")


def _shapes(tensors: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="the folder of a model")
    given = parser.parse_args()
    try:
        export(given.out, average(given.files))
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
