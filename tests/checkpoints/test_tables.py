"""Learned position tables are read as they were saved; folders without one have none."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests import toy
from transformer.checkpoints import folder
from transformer.checkpoints.tables import learned_positions


def saved(path: Path, positions: str) -> dict[str, np.ndarray]:
    """A model folder without a tokenizer, and its weights."""
    made = toy.shared(toy.config(positions=positions))
    weights = folder.read_weights(made)
    folder.save_config(path, made.config)
    save_file({name: value.astype(np.float16) for name, value in weights.items()}, path / folder.WEIGHTS)
    return weights


def test_learned_tables(tmp_path: Path) -> None:
    weights = saved(tmp_path, "learned")
    found = learned_positions(tmp_path)
    assert list(found) == ["source", "target"]
    for side, table in found.items():
        assert table.dtype == np.float32
        np.testing.assert_allclose(table, weights[f"{side}_embedding/positions/table"], atol=1e-3)


def test_other_folders_have_none(tmp_path: Path) -> None:
    assert learned_positions(tmp_path) == {}
    saved(tmp_path, "halves")
    assert learned_positions(tmp_path) == {}
    saved(tmp_path, "learned")
    (tmp_path / folder.WEIGHTS).write_bytes(b"damaged")
    assert learned_positions(tmp_path) == {}
