"""What the sheet sends to the browser, and what it lets through of its answers."""

import json

import pytest

from tests.ui.parts.conftest import Mounted
from transformer.trace import Trace
from transformer.ui.parts import component, wire
from transformer.ui.parts import sheet as module
from transformer.ui.parts.sheet import sheet


def mount(monkeypatch: pytest.MonkeyPatch, selected: object = None) -> Mounted:
    """What is called instead of the sheet, and of the part that brings its weights."""
    mounted = Mounted(selected=selected)
    monkeypatch.setattr(module, "_SHEET", mounted)
    monkeypatch.setattr(component, "_CARRIER", mounted)
    return mounted


def test_a_sheet_sends_its_weights_once_and_apart(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = mount(monkeypatch, [1, 2])
    for selected in ((0, 0), (1, 2)):
        assert sheet(trace["cross"], selected=selected, key="k") == (1, 2)
    control, weights, again, same = (call["data"] for call in mounted.calls)
    assert weights is not control and weights == same and len(weights) == 16 + 2 * 3 * 4 * 3
    assert control["digest"] == weights[:16].hex()
    assert (control["selected"], again["selected"]) == ([0, 0], [1, 2])
    assert {name: value for name, value in control.items() if name != "selected"} == {
        name: value for name, value in again.items() if name != "selected"
    }
    assert control["shape"] == [2, 3, 4, 3]
    assert control["queries"] == ["the", "tr", "ain", "⏎ end"]
    json.dumps(control)  # a dict with anything else in it would arrive as its repr


def test_blocks_are_named_by_their_first_and_last_word(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = mount(monkeypatch)
    monkeypatch.setattr(wire, "MOST", 2 * 3 * 2 * 2)
    sheet(trace["cross"], selected=(0, 0), key="k")
    control, weights = (call["data"] for call in mounted.calls)
    assert control["shape"] == [2, 3, 2, 2] and len(weights) == 16 + 2 * 3 * 2 * 2
    assert control["queries"] == ["the … tr", "ain … ⏎ end"] and control["keys"] == ["o … trem", "⏎ end"]


def test_a_selection_outside_the_map_is_clipped(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = mount(monkeypatch)
    assert sheet(trace["cross"], selected=(9, -1), key="k") is None
    assert mounted.calls[0]["data"]["selected"] == [1, 0]


def test_a_selection_can_be_a_row_a_column_or_all(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = mount(monkeypatch)
    for selected in ((1, None), (None, 7), (None, None)):
        sheet(trace["cross"], selected=selected, key="k")
    assert [call["data"]["selected"] for call in mounted.calls[::2]] == [[1, None], [None, 2], [None, None]]


@pytest.mark.parametrize(
    "answer", [None, 3, "1,2", [1], [2, 0], [0, 3], [-1, 0], [1.0, 2], [True, 0], [0, 1, 2], {"0": 1}]
)
def test_answers_that_name_no_head_are_dropped(
    answer: object, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount(monkeypatch, answer)
    assert sheet(trace["cross"], selected=(0, 0), key="k") is None
