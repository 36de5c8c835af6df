"""Event files hold what was logged, as TensorFlow's own reader sees them."""

from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.util import event_pb2

from transformer.training.tensorboard import Writer


def events(folder: Path) -> list:
    """Every event of the one file in the folder; a wrong checksum raises."""
    (path,) = folder.iterdir()
    assert ".tfevents." in path.name
    return [event_pb2.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]


def test_scalars_come_back_with_their_steps(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "deep" / "logs")
    writer.add(0, {"loss": 9.5})
    writer.add(1_234_567, {"loss": 1.25, "perda de validação": -3e-5})
    found = events(tmp_path / "deep" / "logs")  # on disk before it is closed
    writer.close()
    assert found[0].file_version == "brain.Event:2"
    values = [(event.step, {v.tag: v.simple_value for v in event.summary.value}) for event in found[1:]]
    assert values == [
        (0, {"loss": 9.5}),
        (1_234_567, {"loss": 1.25, "perda de validação": pytest.approx(-3e-5)}),
    ]
    times = [event.wall_time for event in found]
    assert times == sorted(times)
    assert times[0] > 1.5e9


def test_an_event_longer_than_a_one_byte_length_is_whole(tmp_path: Path) -> None:
    values = {f"figure/{i}": float(i) for i in range(100)}
    writer = Writer(tmp_path / "logs")
    writer.add(7, values)
    writer.close()
    assert {v.tag: v.simple_value for v in events(tmp_path / "logs")[1].summary.value} == values


def test_each_writer_has_a_file_of_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        Writer(tmp_path).close()
    assert len(list(tmp_path.iterdir())) == 2


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="expected a writable folder"):
        Writer(tmp_path / "file")
    writer = Writer(tmp_path / "logs")
    with pytest.raises(ValueError, match="expected a step of at least 0, received -1"):
        writer.add(-1, {})
    writer.close()
