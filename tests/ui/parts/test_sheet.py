"""What the sheet sends to the browser, and what it lets through of its answers."""

import base64
import json

import numpy as np
import pytest

from tests.ui.parts.conftest import Mounted
from transformer.trace import AttentionMap, Trace
from transformer.ui.parts import component, wire
from transformer.ui.parts import sheet as module
from transformer.ui.parts.sheet import sheet, switch_of


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


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ([1, 2, 0], (1, 2, 0.0)),
        ([0, -1, 1], (0, None, 0.5)),
        ([-1, 2, 2], (None, 2, 2.0)),
        ([-1, -1, 0], (None, None, 0.0)),
        ([2, 0, 0], None),
        ([0, 3, 0], None),
        ([-2, 0, 0], None),
        ([0, 0, 3], None),
        ([0, 0, -1], None),
        ([0, 0], None),
        ([0, True, 0], None),
        ("off", None),
    ],
)
def test_a_head_is_switched_only_by_what_there_is(answer: object, asked: object) -> None:
    assert switch_of(answer, 2, 3) == asked


def test_a_sheet_marks_what_heads_are_multiplied_by(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = mount(monkeypatch)
    sheet(trace["cross"], selected=(0, 0), key="k")
    factors = [[1.0, 0.0, 1.0], [1.0, 1.0, 0.5]]
    sheet(trace["cross"], selected=(0, 0), key="k", factors=factors, on_switch=lambda *_: None)
    plain, changed = (call["data"] for call in mounted.calls[::2])
    assert (plain["factors"], plain["switchable"]) == (None, False)
    assert (changed["factors"], changed["switchable"]) == (factors, True)
    json.dumps(changed)


def test_a_sheet_of_differences_has_a_scale_of_its_own(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = mount(monkeypatch)
    before = trace["cross"]
    weights = before.weights.copy()
    weights[1, 2, 0] = [1 / 3 + 0.2, 1 / 3 - 0.14, 1 / 3 - 0.06]
    now = AttentionMap("cross", weights, before.queries, before.keys)
    for _ in range(2):
        sheet(now, selected=(0, 0), key="k", before=before)
    control, sent, _, again = (call["data"] for call in mounted.calls)
    assert sent == again and control["digest"] == sent[:16].hex()
    assert control["signed"] == pytest.approx(0.2) and control["top"] == 255
    values = np.frombuffer(sent[16:], np.uint8).reshape(weights.shape)
    assert values[1, 2, 0].tolist() == [254, 127 - 89, 127 - 38]  # 0.14 and 0.06 of 0.2
    assert (np.delete(values.reshape(-1, 3), 20, axis=0) == 127).all()
    sheet(before, selected=(0, 0), key="k", before=now)
    assert np.frombuffer(mounted.calls[-1]["data"][16:], np.uint8).min() == 0


def test_of_a_block_of_differences_the_largest_stands_for_all(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MOST", 2 * 3 * 2 * 2)
    before = trace["cross"]
    weights = before.weights.copy()
    weights[0, 0, :2] = [[0.4, 0.05, 0.55], [1 / 3, 1 / 3, 1 / 3]]
    found = wire.packed_difference(AttentionMap("cross", weights, before.queries, before.keys), before)
    values = np.frombuffer(found.weights, np.uint8).reshape(2, 3, 2, 2)
    assert found.side == 2 and found.strongest == pytest.approx(1 / 3 - 0.05)
    assert values[0, 0].tolist() == [[0, 127 + round(127 * (0.55 - 1 / 3) / (1 / 3 - 0.05))], [127, 127]]


def test_a_figure_a_head_can_be_drawn_instead(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = mount(monkeypatch)
    figures = np.array([[0.5, -1.25, 0.0], [2.00004, 1 / 3, -0.1]])
    sheet(trace["cross"], selected=(0, 0), key="k", tints=figures, note="Numbers.")
    control = mounted.calls[0]["data"]
    assert control["tints"] == [[0.5, -1.25, 0.0], [2.0, 0.3333, -0.1]]
    assert control["note"] == "Numbers."
    assert len(base64.b64decode(control["arms"]["light"])) == 3 * 255, "zero is its middle, the 128th"
    json.dumps(control)
