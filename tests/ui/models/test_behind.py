"""Nobody waits for a compilation: a length that is new is answered without XLA, and compiled behind the answer."""

import logging
import threading
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.config import END
from transformer.runtime import Runtime
from transformer.ui.models import behind as rooms
from transformer.ui.models import calls
from transformer.ui.models.behind import Behind, promptly


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Behind:
    monkeypatch.setenv("HEADLIGHT_WARM", "all")
    monkeypatch.setattr(rooms, "behind", Behind())
    return rooms.behind


def counts(runtime: Runtime) -> list[int]:
    return [pair.few.experimental_get_tracing_count() for pair in (runtime._greedy, runtime._forced)]


@pytest.mark.parametrize("warm", ["all", "first"])
def test_a_new_length_is_answered_at_once_and_compiled_behind(
    warm: str, behind: Behind, xla: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADLIGHT_WARM", warm)
    runtime = Runtime(toy.network(toy.config(encoder_layers=1, decoder_layers=1)))
    asked, going = [5, 6, END], threading.Event()
    behind(going.wait)  # whatever is compiled comes after the answer

    def answer() -> tuple[list[int], Any]:
        written = runtime.decode(asked)
        return written, runtime.record(asked, written).cross

    first = calls.kept(runtime, "first", answer)
    assert counts(runtime) == [0, 0]
    going.set()
    behind.join()
    compiled = [1, 1] if warm == "all" else [0, 0]
    assert counts(runtime) == compiled
    with calls.turn():
        again = answer()
    assert counts(runtime) == compiled  # the same lengths: there is nothing left to compile
    assert again[0] == first[0]
    np.testing.assert_allclose(again[1], first[1], atol=1e-5)


def test_a_job_that_fails_is_told_and_more_than_the_queue_takes_are_left(
    behind: Behind, caplog: pytest.LogCaptureFixture
) -> None:
    going, done = threading.Event(), []

    def broken() -> None:
        going.wait()
        raise ValueError("no")

    behind(broken)
    for number in range(rooms.MOST + 5):
        behind(lambda number=number: done.append(number))
    with caplog.at_level(logging.ERROR):
        going.set()
        behind.join()
    assert "could not be compiled" in caplog.text
    assert done[: rooms.MOST - 1] == list(range(rooms.MOST - 1)) and len(done) <= rooms.MOST


def test_who_asks_outside_pages_waits_and_has_the_fast_one(behind: Behind, xla: None) -> None:
    runtime = Runtime(toy.network(toy.config(encoder_layers=1, decoder_layers=1)))
    with promptly():
        pass
    runtime.record([5, END], [5, END])
    assert counts(runtime) == [0, 1]
