"""Answers are made once, bounded by bytes, and gone with their model."""

import gc
import threading
import time
from typing import Any, NamedTuple

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from transformer import settings
from transformer.ui.models import calls
from transformer.ui.models.kept import Kept, size
from transformer.ui.models.queue import Queue


class Model:
    """Something that can be asked."""


class Found(NamedTuple):
    values: np.ndarray
    said: str


def filled(count: int) -> np.ndarray:
    return np.zeros(count, np.uint8)


def test_an_answer_is_made_once() -> None:
    kept, model, made = Kept(Queue()), Model(), list[str]()

    def make() -> str:
        made.append("made")
        return "answer"

    assert [kept.answer(model, "question", make) for _ in range(3)] == ["answer"] * 3
    assert kept.answer(Model(), "question", make) == "answer" and len(made) == 2, (
        "another model answers itself"
    )
    assert kept.answer(None, "question", make) == "answer" and len(made) == 3


def test_what_several_ask_at_once_is_made_once() -> None:
    kept, model, made, found = Kept(Queue()), Model(), list[int](), list[int]()

    def make() -> int:
        made.append(1)
        time.sleep(0.05)
        return 7

    threads = [threading.Thread(target=lambda: found.append(kept.answer(model, "q", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [7] * 8 and made == [1]


def test_errors_are_raised_and_not_kept() -> None:
    kept, model = Kept(Queue()), Model()

    def fail() -> int:
        raise ValueError("expected something, received nothing")

    for _ in range(2):
        with pytest.raises(ValueError, match="expected something"):
            kept.answer(model, "q", fail)
    assert kept.answer(model, "q", lambda: 3) == 3


def test_the_least_recently_asked_goes_first() -> None:
    kept, model, made = Kept(Queue(), 3500), Model(), list[str]()

    def ask(name: str) -> None:
        def make() -> np.ndarray:
            made.append(name)
            return filled(1000)

        kept.answer(model, name, make)

    for name in "abc":
        ask(name)
    ask("a")
    ask("d")  # b is the one that nobody asked for the longest
    assert kept.nbytes <= 3500
    made.clear()
    for name in "acd":
        ask(name)
    assert made == []
    ask("b")
    assert made == ["b"]


def test_an_answer_larger_than_the_store_is_kept_alone() -> None:
    kept, model = Kept(Queue(), 100), Model()
    kept.answer(model, "small", lambda: 1)
    kept.answer(model, "large", lambda: filled(1000))
    made = list[int]()
    kept.answer(model, "large", lambda: made.append(1))
    assert made == []
    assert kept.nbytes > 1000
    kept.answer(model, "small", lambda: 1)
    assert kept.nbytes < 100


def test_answers_go_with_their_model() -> None:
    kept, model, other = Kept(Queue()), Model(), Model()
    kept.answer(model, "q", lambda: filled(5000))
    kept.answer(other, "q", lambda: 1)
    kept.forget(model)
    assert kept.nbytes < 1000
    kept.answer(model, "q", lambda: filled(5000))
    del model
    gc.collect()
    kept.answer(other, "another", lambda: 2)  # whoever is next clears up
    assert kept.nbytes < 1000
    kept.forget()
    assert kept.nbytes == 0


def test_what_is_counted_lies_in_arrays_wherever_they_are() -> None:
    found = Found(filled(1000), "said")
    assert 1000 < size(found) < 1500
    assert 3000 < size({"a": [found, found], "b": (found,)}) < 4500


def test_the_bound_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(settings.KEPT, raising=False)
    assert settings.kept_bytes() == 600 * 2**20
    for text, expected in (("50", 50 * 2**20), (" 0.5 ", 2**19), ("0", 0)):
        monkeypatch.setenv(settings.KEPT, text)
        assert settings.kept_bytes() == expected
    for text in ("", "much", "-1", "inf", "nan"):
        monkeypatch.setenv(settings.KEPT, text)
        assert settings.kept_bytes() == 600 * 2**20


def test_who_waits_on_a_page_is_shown_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    busy, free = threading.Event(), threading.Event()

    def other() -> None:
        with calls.turn():
            busy.set()
            free.wait(30)

    def script() -> None:
        import streamlit as st

        from transformer.ui.models import calls

        st.session_state["answer"] = calls.kept(None, "a question of this test", lambda: 42)

    def told(place: Any, before: int) -> None:
        shown(place, before)
        free.set()  # it is on screen: the other one may end

    shown = calls._Place.__call__
    monkeypatch.setattr(calls._Place, "__call__", told)
    monkeypatch.setattr(calls._Place, "clear", lambda place: None)
    thread = threading.Thread(target=other)
    thread.start()
    assert busy.wait(30)
    page = AppTest.from_function(script, default_timeout=60).run()
    thread.join(30)
    assert not page.exception and page.session_state["answer"] == 42
    (caption,) = page.caption
    assert "one visitor is before you" in caption.value
    calls._answers.forget()
