"""What the sentence sends to the browser, and what it lets through of its answers."""

import json
import math
import struct
from types import SimpleNamespace
from typing import Any

import pytest

from tests.ui.parts.conftest import END, Mounted, uniform
from transformer.trace import Label, Step, Trace
from transformer.ui.parts import sentence as module
from transformer.ui.parts.sentence import Beside, maskable, sentence
from transformer.ui.parts.wire import quantise


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [0, 1],
        {},
        {"step": 0},
        {"step": 4, "alternative": 0},
        {"step": 0, "alternative": 2},
        {"step": "0", "alternative": 1},
        {"step": -1, "alternative": 0},
        {"step": 0, "alternative": None},
    ],
)
def test_answers_that_name_no_alternative_are_dropped(
    answer: object, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SENTENCE", Mounted(chosen=answer))
    assert sentence(trace, key="k") is None


def unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<I", data[:4])
    return json.loads(data[4 : 4 + length]), data[4 + length :]


def test_a_sentence_sends_words_and_the_weights_of_one_view(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = Mounted(chosen={"step": 1, "alternative": 1})
    monkeypatch.setattr(module, "_SENTENCE", mounted)
    view = trace["cross"].weights[1, 2]
    chosen = sentence(trace, key="k", kind="cross", weights=view, titles=("Português", "English"))
    assert chosen == (1, 1) and chosen is not None and chosen.step == 1
    header, body = unpack(mounted.calls[0]["data"])
    assert body == quantise(view)
    assert (header["queries"], header["keys"], header["shape"]) == ("target", "source", [4, 3])
    assert header["places"] == {"queries": [0, 1, 2, 3], "keys": [0, 1, 2]}
    assert header["sides"]["source"]["title"] == "Português"
    target = header["sides"]["target"]
    assert [token["text"] for token in target["tokens"]] == ["the", "tr", "ain", "⏎ end"]
    assert [token["joins"] for token in target["tokens"]] == [False, False, True, False]
    assert target["tokens"][0]["probability"] == 0.5 and target["tokens"][0]["entropy"] == 1.25
    assert [other["written"] for other in target["tokens"][0]["alternatives"]] == [True, False]
    assert target["lead"] == "▸ start"  # the decoder's map shows it


def test_what_a_decoder_reads_is_placed_before_what_it_writes(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = Mounted()
    monkeypatch.setattr(module, "_SENTENCE", mounted)
    sentence(trace, key="k", kind="decoder", weights=trace["decoder"].weights[0, 0])
    header, _ = unpack(mounted.calls[0]["data"])
    assert header["places"] == {"queries": [0, 1, 2, 3], "keys": [-1, 0, 1, 2]}


def test_a_sentence_says_what_does_not_fit(trace: Trace) -> None:
    with pytest.raises(ValueError, match="kind and weights together"):
        sentence(trace, key="k", kind="cross")
    with pytest.raises(ValueError, match=r"expected weights \(4, 3\), received shape \(3, 4\)"):
        sentence(trace, key="k", kind="cross", weights=trace["cross"].weights[0, 0].T)
    stranger = Trace([uniform("encoder", (Label("x"), END), (Label("x"), END))], "", source=("a", "b"))
    with pytest.raises(ValueError, match="labels of an axis"):
        sentence(stranger, key="k", kind="encoder", weights=stranger["encoder"].weights[0, 0])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(0, [0]), (7, [7]), (2, []), (None, []), (True, []), ("0", []), (-1, []), ([0], [])],
)
def test_a_click_masks_a_word_that_there_is(
    answer: object, expected: list[int], trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = Mounted(masked=answer)
    monkeypatch.setattr(module, "_SENTENCE", mounted)
    monkeypatch.setattr("streamlit.session_state", {"k": {"masked": answer}})
    heard: list[int] = []
    found = maskable(
        trace, key="k", kind="encoder", weights=trace["encoder"].weights[0, 0], words=(0, 7, None),
        hidden={1: "comboio"}, on_mask=heard.append,
    )  # fmt: skip
    mounted.calls[0]["on_masked_change"]()
    assert heard == expected and found == (expected[0] if expected else None)
    header, body = unpack(mounted.calls[0]["data"])
    assert body == quantise(trace["encoder"].weights[0, 0])
    tokens = header["sides"]["source"]["tokens"]
    assert [token.get("word") for token in tokens] == [0, 7, None]
    assert [token.get("hidden") for token in tokens] == [None, "comboio", None]
    assert header["sides"]["target"]["tokens"] == []


def test_another_answer_stands_beside_and_both_say_what_changed(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = Mounted()
    monkeypatch.setattr(module, "_SENTENCE", mounted)
    target = (Label("the"), Label("bus"), END)
    steps = [Step("the", math.log(0.25), 1.0), Step("bus", math.log(0.5), 1.0), Step("</s>", 0.0, 0.0)]
    other = Trace((), "the bus", steps, source=trace.source, target=target)
    sentence(trace, key="k", beside=Beside(other, "As it was", True))
    sides = unpack(mounted.calls[0]["data"])[0]["sides"]
    assert (sides["beside"]["title"], sides["beside"]["above"]) == ("As it was", True)
    here, there = sides["target"]["tokens"], sides["beside"]["tokens"]
    assert [token.get("changed", False) for token in here] == [False, True, True, False]
    assert [token.get("changed", False) for token in there] == [False, True, False]
    assert (here[0]["other"], there[0]["other"]) == (0.25, 0.5)
    assert "other" not in here[1] and "alternatives" in here[0] and "alternatives" not in there[0]


@pytest.mark.parametrize(
    ("value", "look"),
    [([3, 0], (3, 0)), ([0, 2], (0, 2)), ([4, 0], None), ([0, 3], None), ([-1, 0], None), ([True, 0], None),
     (["0", 0], None), ([0], None), ({"query": 0}, None), (None, None)],
)  # fmt: skip
def test_two_clicks_on_words_name_a_look_of_the_weights_or_nothing(
    trace: Trace, monkeypatch: pytest.MonkeyPatch, value: object, look: tuple[int, int] | None
) -> None:
    mounted, cuts = Mounted(), list[tuple[int, int]]()
    monkeypatch.setattr(module, "_SENTENCE", mounted)
    monkeypatch.setattr(module, "st", SimpleNamespace(session_state={"k": {"cut": value}}))
    shown: dict[str, Any] = dict(key="k", kind="cross", weights=trace["cross"].weights[0, 0])
    sentence(trace, **shown, on_cut=lambda query, key: cuts.append((query, key)))
    assert unpack(mounted.calls[0]["data"])[0]["cuttable"] is True
    mounted.calls[0]["on_cut_change"]()
    assert cuts == ([look] if look else [])
    sentence(trace, **shown)
    assert unpack(mounted.calls[1]["data"])[0]["cuttable"] is False
    mounted.calls[1]["on_cut_change"]()  # nobody cuts
    maskable(trace, **(shown | {"kind": "encoder", "weights": trace["encoder"].weights[0, 0]}), on_cut=print)
    assert unpack(mounted.calls[2]["data"])[0]["cuttable"] is True
