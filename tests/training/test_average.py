"""Means of weights: by numpy, and what cannot be averaged."""

import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from transformer.training.average import average, main


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three files of two tensors, the last of them as float16."""
    rng, paths = np.random.default_rng(0), [tmp_path / f"{i}.safetensors" for i in range(3)]
    for path, dtype in zip(paths, ("float32", "float32", "float16"), strict=True):
        save_file({"a": rng.normal(size=(3, 4)).astype(dtype), "b": rng.normal(size=5).astype(dtype)}, path)
    return paths


def test_the_mean_of_weights(files: list[Path]) -> None:
    found = average(files)
    assert found.keys() == {"a", "b"}
    for name, tensor in found.items():
        expected = np.mean([load_file(path)[name].astype(np.float64) for path in files], axis=0)
        np.testing.assert_allclose(tensor, expected, atol=1e-6)
        assert tensor.dtype == np.float32


def test_the_command_writes_a_model(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["average", *map(str, files), "--out", str(tmp_path)])
    main()
    written = load_file(tmp_path / "model.safetensors")
    assert all(tensor.dtype == np.float16 for tensor in written.values())
    np.testing.assert_allclose(written["a"], average(files)["a"], atol=2e-3)


def test_what_cannot_be_averaged(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="received none"):
        average([])
    save_file({"a": np.zeros((3, 4), np.float32)}, tmp_path / "less.safetensors")
    with pytest.raises(
        ValueError, match=r"expected weights as in .*0\.safetensors, received others in .*less"
    ):
        average([files[0], tmp_path / "less.safetensors"])
    monkeypatch.setattr(sys, "argv", ["average", str(tmp_path / "missing"), "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="expected a safetensors file at missing"):
        main()
