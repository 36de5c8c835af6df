"""What a click makes of the address, and how a change and what it did are told."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from transformer.interventions import Interventions
from transformer.trace import AttentionMap, Label, Step, Trace
from transformer.ui.instruments import heads
from transformer.ui.instruments.heads import Changed

END = Label("</s>", special=True, id=0)
MAP = AttentionMap("encoder", np.ones((2, 3, 1, 1), np.float32), [END], [END])


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A page's address and state."""
    here = SimpleNamespace(query_params={}, session_state={})
    monkeypatch.setattr(heads, "st", here)
    return here


def test_a_click_switches_off_and_the_next_one_takes_it_back(page: Any) -> None:
    heads.switch(MAP, 1, 2, 0.0)
    assert page.query_params["change"] == "h:e2.3"
    heads.switch(MAP, 0, None, 0.0)
    assert page.query_params["change"] == "h:e1.*,e2.3"
    heads.switch(MAP, 0, 1, 0.5)
    assert page.query_params["change"] == "h:e*.3,e1.1,e1.2=0.5"  # a column is one change
    heads.switch(MAP, None, 2, 0.0)  # the whole column is off already: back on
    assert page.query_params["change"] == "h:e1.1,e1.2=0.5"
    heads.switch(MAP, 0, 1, 0.5)
    heads.switch(MAP, 0, 0, 0.0)
    assert "change" not in page.query_params
    assert page.session_state[heads.SWITCHED] is True


def test_what_else_is_changed_stays(page: Any) -> None:
    page.query_params["change"] = "h:x1.1;x:e1.1.1.1"
    heads.switch(MAP, None, None, 2.0)
    assert page.query_params["change"] == "h:x1.1,e*.*=2;x:e1.1.1.1"
    heads.take_back()
    assert heads.asked() == Interventions()


@pytest.mark.parametrize("text", ["h:", "nonsense", "h:e1.1" * 200, "h:e1.1=nan", "‮"])
def test_a_hostile_address_changes_nothing_until_a_click_does(page: Any, text: str) -> None:
    page.query_params["change"] = text
    assert heads.asked() == Interventions()
    heads.switch(MAP, 0, 0, 0.0)
    assert page.query_params["change"] == "h:e1.1"


def test_too_many_changes_are_refused_and_those_before_stay(page: Any) -> None:
    big = AttentionMap("encoder", np.ones((24, 24, 1, 1), np.float32), [END], [END])
    for i in range(24):
        for j in range(i % 2, 24, 2):
            heads.switch(big, i, j, 0.0)
    assert "at most 256 heads" in page.session_state[heads.PROBLEM]
    assert len(Interventions.parse(page.query_params["change"]).heads) == 256


def test_many_heads_at_once_are_as_few_changes_as_can_be_or_are_refused(page: Any) -> None:
    page.query_params["change"] = "h:e1.1"
    heads.put(Interventions(), {"encoder": [[0.0, 0.0], [0.0, 1.0]], "cross": [[1.0], [0.0]]})
    assert page.query_params["change"] == "h:x2.1,e1.*,e2.1"
    heads.put(Interventions(), {"encoder": [[float((i + j) % 2) for j in range(24)] for i in range(24)]})
    assert page.query_params["change"] == "h:x2.1,e1.*,e2.1", "what was there stays"
    assert "at most 256 heads" in page.session_state[heads.PROBLEM] and page.session_state[heads.SWITCHED]


def answer(words: str, *chances: float) -> Trace:
    labels = [*(Label(word, id=len(word)) for word in words.split()), END]
    steps = [Step(label.text, math.log(p), 0.0) for label, p in zip(labels, chances, strict=True)]
    return Trace((), words, steps, target=labels)


def test_what_is_changed_is_said(page: Any) -> None:
    said = heads.said(Interventions.parse("h:x2.5,e1.*,d*.1=0.5,d3.1=3"))
    assert said == (
        "Switched off: cross-attention, layer 2, head 5; encoder self-attention, layer 1, all heads. Halved: decoder "
        "self-attention, all layers, head 1. Multiplied by 3: decoder self-attention, layer 3, head 1."
    )
    assert heads.said(Interventions.parse("h:e1.1,e1.2,e1.3,e1.4,e1.5,e1.6")).endswith(" And 2 more.")


def test_what_it_did_is_said_with_the_words_that_are_new() -> None:
    before, after = answer("the grey cat", 0.5, 0.5, 0.5, 1.0), answer("the *white* cat", 0.5, 0.25, 0.5, 1.0)
    forced = answer("the grey cat", 0.5, 0.05, 0.5, 1.0)
    change = Interventions.parse("h:x1.1")
    free = Changed(change, before, after, forced, "translation", True)
    assert heads.effect(free) == (
        r"The translation “the grey cat” becomes “the **\*white\*** cat”. The network finds the first translation "
        "10 times less likely (log-probability −4.38, before −2.08)."
    )
    held = Changed(change, before, forced, forced, "translation", True)
    assert held.held and heads.effect(held).startswith(
        "The network finds this translation 10 times less likely"
    )
    same = Changed(change, before, answer("the grey cat", 0.5, 0.5, 0.5, 1.0), before, "translation", True)
    assert heads.effect(same).startswith("The translation stays the same.")
    assert "as likely as before" in heads.effect(same)


def test_every_token_stands_in_the_table_with_its_chances() -> None:
    before, after = answer("the grey cat", 0.5, 0.4, 0.3, 1.0), answer("the white cat", 0.6, 0.7, 0.8, 1.0)
    forced = answer("the grey cat", 0.1, 0.2, 0.3, 1.0)
    change = Interventions.parse("h:x1.1")
    table = heads.table(Changed(change, before, after, forced, "translation", True))
    assert table["before"][:3] == ["the", "grey", "cat"] and table["after"][:3] == ["the", "white", "cat"]
    assert table["probability"] == [0.5, 0.4, 0.3, 1.0]
    assert table["the same with the change"] == [0.1, 0.2, 0.3, 1.0]
    assert table["its probability"] == [0.6, 0.7, 0.8, 1.0]
    held = heads.table(Changed(change, before, forced, forced, "translation", True))
    assert "the same with the change" not in held and held["its probability"] == [0.1, 0.2, 0.3, 1.0]


def test_a_network_that_only_reads_says_its_class_and_its_chances() -> None:
    def read(output: str, positive: float) -> Trace:
        chances = {"probability of positive": positive, "probability of negative": 1 - positive}
        return Trace((), output, options=chances)

    change = Interventions.parse("h:e1.1")
    found = Changed(change, read("positive", 0.905), read("negative", 0.39), None, "", True)
    assert heads.effect(found) == "The answer becomes “negative”, 61.0 %, before the change 9.5 %."
    found = Changed(change, read("positive", 0.905), read("positive", 0.6), None, "", True)
    assert heads.effect(found) == "The answer stays “positive”, 60.0 %, before the change 90.5 %."
    found = Changed(change, Trace((), "a cat"), Trace((), "a cat"), None, "", True)
    assert heads.effect(found) == "The best guesses stay the same."
