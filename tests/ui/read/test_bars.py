"""What bars send to the browser, and which of its answers they let through."""

import json
from typing import Any

import pytest

from transformer.ui.read import bars as read_bars
from transformer.ui.read.bars import Bar, Group, bars

GROUPS = [
    Group("Instead of “cat”", [Bar("dog", 0.75, "what stood there"), Bar("<b>", 0.2)]),
    Group("none", []),
]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([0, 1], [(0, 1)]),
        ([0, 0], [(0, 0)]),
        ([0, 2], []),
        ([1, 0], []),
        ([2, 0], []),
        ([-1, 0], []),
        ([True, 0], []),
        ([0.0, 1], []),
        ([0], []),
        ("01", []),
        (None, []),
    ],
)
def test_a_click_takes_a_bar_that_there_is(
    answer: object, expected: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, Any]] = []

    def mounted(**call: Any) -> dict[str, object]:
        calls.append(call)
        return {"taken": answer}

    monkeypatch.setattr(read_bars, "_BARS", mounted)
    monkeypatch.setattr("streamlit.session_state", {"k": {"taken": answer}})
    heard: list[tuple[int, int]] = []
    taken = bars(GROUPS, key="k", verb="Put in", on_take=lambda group, bar: heard.append((group, bar)))
    calls[0]["on_taken_change"]()
    assert heard == expected and taken is bool(expected)
    sent = json.loads(
        json.dumps(calls[0]["data"])
    )  # a dict with anything else in it would arrive as its repr
    assert sent["verb"] == "Put in"
    assert sent["groups"][0]["title"] == "Instead of “cat”"
    assert sent["groups"][0]["bars"][0] == {"text": "dog", "probability": 0.75, "note": "what stood there"}
