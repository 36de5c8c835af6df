"""Snapshots of a run that goes on: what is kept of the ones before."""

from pathlib import Path

import numpy as np
import pytest

from transformer.training.snapshots import Snapshots


def take(path: Path, begun: int, probe: list[int], steps: range) -> None:
    ids = np.array(probe, np.int32)

    def record(network: float) -> dict[str, np.ndarray]:
        return {"0/encoder": np.full((1, 1, len(probe), len(probe)), network, np.float32)}

    snapshots = Snapshots(path, 64, begun, record, {"0/ids": ids})
    for step in steps:
        snapshots.take(step / 64, step)
    snapshots.save()


@pytest.mark.parametrize(
    ("probe", "first"), [([5, 6, 7], 0), ([5, 6, 8], 17), ([5, 6], 17)], ids=["same", "other", "shorter"]
)
def test_a_run_that_goes_on_keeps_those_of_its_own_probes(
    tmp_path: Path, probe: list[int], first: int
) -> None:
    """Of other probes, such as those of other data, nothing can be laid beside what follows."""
    path = tmp_path / "snapshots.npz"
    take(path, 0, [5, 6, 7], range(33))
    take(path, 16, probe, range(17, 65))  # what lies after step 16 was of a run that was cut off
    with np.load(path, allow_pickle=False) as saved:
        steps, maps = saved["steps"], saved["0/encoder"]
        np.testing.assert_array_equal(saved["0/ids"], probe)
    assert steps.min() >= first and steps.max() == 64 and len(set(steps.tolist())) == len(steps)
    assert (0 in steps) == (first == 0)
    expected = np.round(steps / 64 * 255).astype(np.uint8)
    np.testing.assert_array_equal(maps, np.broadcast_to(expected[:, None, None, None, None], maps.shape))
    assert maps.shape[1:] == (1, 1, len(probe), len(probe))
