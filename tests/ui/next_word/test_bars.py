"""What the bars of next words send to the browser, and what they let through of its answers."""

from typing import Any

import pytest
import streamlit as st

from transformer.pipeline.writer import Word
from transformer.ui.next_word import bars as module
from transformer.ui.next_word.bars import bars

WORDS = (Word(" down", 0.25, (7,), 0.125), Word("isfied", 0.2, (8, 9), 0.1), Word(",", 0.1, (3,), 0.05))


class Mounted:
    """Stands in for the registered component: keeps what it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Any = None) -> None:
        self.taken: list[str] = []
        self.answer = answer
        monkeypatch.setattr(module, "_BARS", self)
        monkeypatch.setattr(st, "session_state", {})

    def __call__(self, *, key: str, data: dict[str, Any], on_taken_change: Any) -> None:
        self.data, self.called = data, on_taken_change

    def draw(self, text: str = "The old man sat") -> "Mounted":
        bars(text, WORDS, key="b", blocked=False, on_take=self.taken.append)
        return self

    def say(self, answer: Any) -> list[str]:
        st.session_state["b"] = {"taken": answer}
        self.called()
        return self.taken


def test_words_are_shown_as_people_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Mounted(monkeypatch).draw().data
    assert data["words"] == [
        {"start": "", "text": "down", "probability": 0.25, "own": 0.125},
        {"start": "sat", "text": "isfied", "probability": 0.2, "own": 0.1},
        {"start": "", "text": ",", "probability": 0.1, "own": 0.05},
    ]
    assert data["blocked"] is False
    long = Mounted(monkeypatch).draw("x" * 40).data["words"][1]["start"]
    assert long == "…" + "x" * 15
    assert Mounted(monkeypatch).draw("sat ").data["words"][1]["start"] == ""


def test_a_click_appends_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    for place, text in enumerate(["sat down", "satisfied", "sat,"]):
        mounted = Mounted(monkeypatch).draw("sat")
        assert mounted.say([mounted.data["list"], place]) == [text]


def test_a_click_on_a_list_that_is_gone_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Mounted(monkeypatch).draw("The old man sat").data["list"]
    new = Mounted(monkeypatch).draw("The old man sat down")
    assert new.data["list"] != old and new.say([old, 0]) == []


@pytest.mark.parametrize("answer", [None, [], 0, "0", [1], {"place": 0}, [True, True], [1.0, 0]])
def test_answers_that_name_no_word_are_dropped(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    assert Mounted(monkeypatch).draw().say(answer) == []


@pytest.mark.parametrize("place", [-1, 3, None, "0", True])
def test_places_that_are_not_in_the_list_are_dropped(monkeypatch: pytest.MonkeyPatch, place: Any) -> None:
    mounted = Mounted(monkeypatch).draw()
    assert mounted.say([mounted.data["list"], place]) == []
