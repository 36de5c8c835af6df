"""The position tables that a shipped network has learned, read without building the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import safe_open

from transformer.checkpoints import folder


def learned_positions(path: Path) -> dict[str, np.ndarray]:
    """The learned tables of a model folder by side, "source" and "target", float32 (length, width).

    Empty for a network whose positions are computed, and for a folder that is no whole model.
    """
    try:
        config = folder.load_config(path)
        stacks = {"source": config.encoder, "target": config.decoder}
        learned = [side for side, stack in stacks.items() if stack and stack.table.kind == "learned"]
        with safe_open(path / folder.WEIGHTS, "numpy") as file:
            names = {side: f"{side}_embedding/positions/table" for side in learned}
            return {side: file.get_tensor(name).astype(np.float32) for side, name in names.items()}
    except Exception:  # the library raises its own kinds; a damaged folder is reported where it is loaded
        return {}
