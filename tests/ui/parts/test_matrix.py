"""What a matrix sends to the browser, and what it lets through of its answers."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from transformer.trace import Label
from transformer.ui.parts import matrix as module
from transformer.ui.parts.matrix import matrix


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The last call of the component."""
    last: dict[str, Any] = {}
    monkeypatch.setattr(module, "_MATRIX", lambda **call: last.update(call))
    return last


def draw(values: Any, **how: Any) -> None:
    given = dict(key="m", title="A title", names=("row", "column"), low=-1.0, high=1.0)
    matrix(values, **(given | how))


def parts(data: bytes) -> tuple[dict[str, Any], np.ndarray]:
    (length,) = struct.unpack("<I", data[:4])
    return json.loads(data[4 : 4 + length]), np.frombuffer(data[4 + length :], np.float32)


def test_values_travel_as_they_are(sent: dict[str, Any]) -> None:
    values = np.random.default_rng(0).normal(size=(3, 5))
    draw(values[:, ::-1], labels=[Label("estação"), Label(""), Label("x" * 50)])
    header, numbers = parts(sent["data"])
    np.testing.assert_array_equal(numbers.reshape(3, 5), values[:, ::-1].astype(np.float32))
    assert header["shape"] == [3, 5]
    assert header["labels"] == ["estação", "∅", "x" * 19 + "…"]
    assert header["steps"] == 255 and not header["pickable"] and header["marked"] is None
    draw(values, scale="attention", low=0)
    assert parts(sent["data"])[0]["steps"] == 256


def test_a_mark_outside_is_left_out(sent: dict[str, Any]) -> None:
    for marked, expected in (((1, None), [1, -1]), ((2, 4), [2, 4]), ((3, None), None), ((0, 5), None)):
        draw(np.zeros((3, 5)), marked=marked)
        assert parts(sent["data"])[0]["marked"] == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([1, 4], [(1, 4)]),
        ([3, 0], []),
        ([0, 5], []),
        ([-1, 0], []),
        ([True, 0], []),
        ([1.0, 2], []),
        ("12", []),
        (None, []),
        ([1], []),
    ],
)
def test_only_cells_that_are_there_can_be_picked(
    sent: dict[str, Any], monkeypatch: pytest.MonkeyPatch, answer: object, expected: list[tuple[int, int]]
) -> None:
    picked: list[tuple[int, int]] = []
    draw(np.zeros((3, 5)), on_pick=lambda row, column: picked.append((row, column)))
    monkeypatch.setattr(module.st, "session_state", {"m": {"picked": answer}})
    sent["on_picked_change"]()
    assert picked == expected


def test_what_is_no_matrix_is_refused() -> None:
    for wrong in (np.zeros(3), np.zeros((0, 2)), np.zeros((2, 2, 2))):
        with pytest.raises(ValueError, match="expected a matrix"):
            draw(wrong)
    with pytest.raises(ValueError, match="1 labels"):
        draw(np.zeros((2, 2)), labels=[Label("a")])
    with pytest.raises(ValueError, match="low < high"):
        draw(np.zeros((2, 2)), low=1.0)
