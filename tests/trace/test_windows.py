"""As far as a layer's window reaches: what a map and files keep of it, and what figures of a head take from it."""

import copy
from pathlib import Path

import numpy as np
import pytest

from transformer.analysis.check import mask_of
from transformer.analysis.statistics import entropy
from transformer.trace import AttentionMap, Trace

LABELS = ["a", "b", "c", "d", "e"]


def even(*windows: int) -> AttentionMap:
    """Even looks at all that each query of each layer sees."""
    masks = np.stack([mask_of("decoder", 5, 5, window) for window in windows])[:, None]
    return AttentionMap("decoder", masks / masks.sum(-1, keepdims=True), LABELS, LABELS, windows)


def test_what_a_window_lets_through() -> None:
    np.testing.assert_array_equal(
        mask_of("decoder", 4, 4, 2), [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    )
    assert mask_of("decoder", 4, 4, 9).sum() == mask_of("decoder", 4, 4).sum() == 10


def test_an_even_look_within_a_window_is_even() -> None:
    np.testing.assert_allclose(entropy(even(2, 0, 3), normalised=True), 1)
    without = AttentionMap("decoder", even(2).weights, LABELS, LABELS)
    assert entropy(without, normalised=True)[0, 0] < 0.9
    np.testing.assert_array_equal(entropy(even(1), normalised=True), [[0]])


@pytest.mark.parametrize("name", ["x.npz", "x.json"])
def test_files_keep_windows(name: str, tmp_path: Path) -> None:
    Trace([even(2, 0)], "").save(tmp_path / name)
    again = Trace.load(tmp_path / name)["decoder"]
    assert again.windows == (2, 0) and copy.deepcopy(again).windows == (2, 0)
    Trace([even(0, 0)], "").save(tmp_path / name)
    assert Trace.load(tmp_path / name)["decoder"].windows == ()


@pytest.mark.parametrize("windows", [(1,), (1, -1), (1, 2.0), (1, 2, 3)])
def test_other_windows_are_refused(windows: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a window for each of 2 layers"):
        AttentionMap("decoder", even(0, 0).weights, LABELS, LABELS, windows)
