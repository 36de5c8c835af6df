"""Looks that are cut: what they are called, which cells they mark, and what a click on words makes of the address."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from transformer.interventions import Interventions
from transformer.trace import AttentionMap, Label, Trace
from transformer.ui.instruments import cutting, heads, looks

WORDS = [Label("the"), Label("sta"), Label("tion", joins=True), Label("</s>", special=True)]
TIMES = [Label(f"{i / 2:.2f} s", start=i / 2, end=(i + 1) / 2) for i in range(4)]


def trace(change: str = "") -> Trace:
    causal = np.tri(4, dtype=np.float32) / np.arange(1, 5)[:, None]
    maps = (
        AttentionMap("decoder", np.broadcast_to(causal, (2, 3, 4, 4)), WORDS, WORDS),
        AttentionMap("cross", np.full((1, 2, 4, 4), 0.25), WORDS, TIMES),
    )
    return Trace(maps, "the station", target=WORDS, options={"interventions": change} if change else {})


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A page's address and state."""
    here = SimpleNamespace(query_params={}, session_state={})
    for module in (heads, cutting):
        monkeypatch.setattr(module, "st", here)
    return here


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x:d1.2.3.1", "“tion” does not see “the”"),
        ("x:d1.2.3.1!", "“tion” gets nothing from “the”"),
        ("x:d*.*.*.1", "nobody sees “the”"),
        ("x:d*.*.*.1!", "nobody gets anything from “the”"),
        ("x:d1.1.2-3.1", "“station” does not see “the”"),
        ("x:d1.1.1-2.1", "“the sta” does not see “the”"),
        ("x:d1.1.1-3.1", "“the … tion” does not see “the”"),
        ("x:d1.1.4.*", r"“⏎ end” does not see anything"),
        ("x:d1.1.90.1", "place 90 (there is none) does not see “the”"),
        ("x:x1.*.*.2-3", "nobody hears 0.50 to 1.50 s"),
        ("x:x1.*.*.2-3!", "nobody gets anything from 0.50 to 1.50 s"),
        ("x:x1.*.1.2-99999", "“the” does not hear 0.50 to 2.00 s"),
    ],
)
def test_a_look_is_said_in_words(text: str, said: str) -> None:
    (edge,) = Interventions.parse(text).edges
    assert looks.look(edge, trace()) == said
    later = said.replace("0.50", "10.50").replace("1.50", "11.50").replace("2.00", "12.00")
    assert looks.look(edge, trace(), 10.0) == later, "a part of a longer clip"


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("x:d*.*.*.*", [False]),  # nothing would be left of any row
        ("x:d*.*.*.*!", [True]),
        ("x:d1.1.1.1", [False]),
        ("x:d1.1.2.1", [True]),
        ("x:d1.1.2.1,d1.1.2.2", [False, False]),
        ("x:d1.1.1.3", [False]),  # what comes later is not seen anyway
    ],
)
def test_what_is_asked_for_and_not_done_is_told_from_what_is_cut(text: str, taken: list[bool]) -> None:
    made = trace(text)
    assert [looks.taken(edge, made) for edge in Interventions.parse(text).edges] == taken


def test_what_is_cut_marks_its_cells_and_what_is_spared_none() -> None:
    places = [(i, i) for i in range(4)]
    made = trace("h:d1.1;x:d1.1.*.1,d1.2.3-4.2!,x1.1.1.1")
    marks = cutting.marks(made, "decoder", 0, 0, places, places)
    assert marks is not None
    assert marks.barred[:, 0].tolist() == [False, True, True, True]  # the first row sees nothing else
    assert marks.barred.sum() == 3 and not marks.dropped.any()
    together = cutting.marks(made, "decoder", None, None, places, places)
    assert together is not None and np.argwhere(together.dropped).tolist() == [[2, 1], [3, 1]]
    merged = cutting.marks(made, "decoder", 0, 0, [(0, 0), (1, 2)], [(0, 0), (1, 2)])
    assert merged is not None and merged.barred.tolist() == [[False, False], [True, False]]
    other = cutting.marks(made, "decoder", 1, 0, places, places)
    assert other is not None and not other.barred.any()
    assert cutting.marks(trace("h:d1.1"), "decoder", 0, 0, places, places) is None


def test_two_clicks_on_words_cut_and_two_more_put_back(page: Any) -> None:
    cut = cutting.by_words(trace()["decoder"], 1, 2)
    cut(2, 1)
    assert page.query_params["change"] == "x:d2.3.3.2" and page.session_state[heads.SWITCHED]
    page.session_state |= {"cut-how": cutting.DROP, "cut-in": "The whole layer"}
    cut(2, 1)
    assert page.query_params["change"] == "x:d2.*.3.2!,d2.3.3.2"
    cut(2, 1)
    assert page.query_params["change"] == "x:d2.3.3.2"
    page.session_state["cut-in"] = "Head 9 of all layers"  # of another view
    cutting.by_words(trace()["decoder"], None, 0)(3, 0)
    assert page.query_params["change"] == "x:d*.1.4.1!,d2.3.3.2"


@pytest.mark.parametrize(
    ("query", "key", "why"), [(0, 2, "does not see"), (0, 0, "last visible key is never cut")]
)
def test_a_cut_that_changes_nothing_is_not_made(page: Any, query: int, key: int, why: str) -> None:
    cutting.by_words(trace()["decoder"], 0, 0)(query, key)
    assert "change" not in page.query_params and why in page.session_state[heads.PROBLEM]


def test_too_many_looks_are_refused_and_those_before_stay(page: Any) -> None:
    page.query_params["change"] = "x:" + ",".join(f"x1.1.{i}.1" for i in range(5, 37))
    before = page.query_params["change"]
    cutting.by_words(trace()["cross"], 0, 0)(0, 0)
    assert page.query_params["change"] == before and "at most 32 edges" in page.session_state[heads.PROBLEM]
