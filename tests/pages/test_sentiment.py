"""The page of reviews, run without a browser, on the shipped networks."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import SECONDS
from transformer.interventions import Interventions
from transformer.pipeline import TextReader
from transformer.text.words import words
from transformer.ui.models import calls
from transformer.ui.read import bars
from transformer.ui.read.page import Reading
from transformer.ui.sentiment import page as sentiment
from transformer.ui.sentiment import tints as sentiment_tints

Visit = Callable[..., AppTest]
PAGE = "pages/sentiment.py"
TEXT = "A warm and funny film, and not a minute too long."


@pytest.fixture(scope="module", autouse=True)
def networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextReader, "warm", lambda *_, **__: None)
        for name in (sentiment.ORDERED, sentiment.UNORDERED):
            calls._loading(name).result(SECONDS)
        yield


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the rows of tints were last given."""
    last: dict[str, Any] = {}
    monkeypatch.setattr(sentiment_tints, "_TINTS", lambda **call: last.update(call["data"]))
    return last


def shown(page: AppTest) -> Reading:
    found = page.session_state["review"]
    assert isinstance(found, Reading)
    return found


def said(page: AppTest) -> str:
    assert not page.exception
    return " ".join(box.value for box in (*page.warning, *page.info))


def scale(page: AppTest) -> float:
    """The weight that has full colour in the picture of the chosen head."""
    (spec,) = (json.loads(chart.proto.spec) for chart in page.get("plotly_chart"))
    return float(spec["data"][0]["zmax"])


def test_it_opens_on_a_review_with_three_answers(visit: Visit, sent: dict[str, Any]) -> None:
    page = visit(PAGE)
    assert not said(page) and shown(page).text == sentiment.FIRST
    assert page.selectbox(key="model").options == [sentiment.ORDERED, sentiment.UNORDERED]
    assert [row["title"] for row in sent["rows"]] == ["Attention received", "Gradient × input", "Left out"]
    assert all(len(row["values"]) == len(sent["tokens"]) for row in sent["rows"])
    assert any("Attention is not Explanation" in caption.value for caption in page.caption)


def test_faint_heads_have_the_whole_scale_unless_that_is_refused(visit: Visit) -> None:
    page = visit(PAGE, text=TEXT)
    strongest = shown(page).trace["encoder"].weights.max()
    assert strongest < 0.25 and page.toggle(key="stretch").value
    assert scale(page) == pytest.approx(strongest, abs=1 / 255)
    page.toggle(key="stretch").set_value(False).run()
    assert scale(page) == 1


def test_every_row_says_what_the_network_says(visit: Visit, sent: dict[str, Any]) -> None:
    """Attention by its column means, leaving a word out by reading the ids without it once more."""
    page = visit(PAGE, text=TEXT, head="2")
    reading = shown(page)
    attention, gradient, left_out = (np.array(row["values"]) for row in sent["rows"])
    np.testing.assert_allclose(attention, reading.trace["encoder"].weights[0, 1].mean(0), atol=1e-5)
    assert attention.sum() == pytest.approx(1, abs=1e-3)
    ids = [label.id for label in reading.trace.source]
    network = reading.model.network

    def odds(row: list[Any]) -> float:
        scores = np.asarray(network.forward(np.array([row])).logits, np.float64)[0]
        return float(scores[1] - scores[0])

    for word in words(reading.trace.input, reading.trace.source):
        without = odds(ids) - odds([token for i, token in enumerate(ids) if i not in word.places])
        np.testing.assert_allclose(left_out[list(word.places)], without, atol=1e-3)
    assert left_out[-1] == 0, "the end token is no word"
    np.testing.assert_allclose(gradient, reading.model.gradient_times_input(reading.trace, 1), atol=1e-4)


def test_a_network_without_positions_says_the_same_of_shuffled_words(visit: Visit) -> None:
    page = visit(PAGE, text=TEXT, model=sentiment.UNORDERED)
    before = shown(page)
    page.button[0].click().run()
    after = shown(page)
    assert not said(page)
    assert after.text != before.text and sorted(after.text.split()) == sorted(TEXT.split())
    name = "probability of positive"
    assert after.trace.options[name] == pytest.approx(before.trace.options[name], abs=1e-5)
    page.button[1].click().run()
    assert shown(page).text == TEXT


def test_a_long_review_is_cut_and_left_out_on_demand(visit: Visit, sent: dict[str, Any]) -> None:
    text = " ".join([TEXT] * 60)
    page = visit(PAGE, text=text)
    reading = shown(page)
    assert "The network reads the first 512 tokens" in said(page)
    assert 500 < len(reading.trace.source) <= 512 and text.startswith(reading.text)
    assert not sent["rows"][2]["values"]
    button = next(box for box in page.button if "words out" in box.label)
    assert button.label == f"Leave each of the {len(reading.words)} words out"
    button.click().run()
    assert not page.exception and len(sent["rows"][2]["values"]) == len(reading.trace.source)


@pytest.mark.parametrize("text", ["", "   ", "\u200b"])
def test_nothing_to_read_is_said(visit: Visit, text: str) -> None:
    page = visit(PAGE, text=TEXT)
    page.text_area[0].set_value(text).run()
    assert "nothing to read" in said(page) and shown(page).text == TEXT


@pytest.mark.parametrize(
    "text", ["?", "ok", "日本語の映画", "<b>*good*</b> `$x$`", "x" * 3000, "🎬 🎬", "\n\nbad\n\n"]
)
def test_odd_text_is_read(visit: Visit, text: str, sent: dict[str, Any]) -> None:
    page = visit(PAGE, text=text)
    assert not page.exception and not page.warning and sent["tokens"]


def test_examples_differ_in_order_where_they_say_so() -> None:
    bad, good = (sentiment.EXAMPLES[name] for name in ("Not good, but bad", "Not bad, but good"))
    assert bad != good and sorted(bad.strip(".").replace(",", "").split()) == sorted(
        good.strip(".").replace(",", "").split()
    )


def test_an_example_can_be_taken_back(visit: Visit) -> None:
    page = visit(PAGE, text=TEXT)
    page.button_group(key="example").set_value("A long review").run()
    assert shown(page).text.startswith("I came for the director")
    page.button[1].click().run()
    assert shown(page).text == TEXT


def test_a_model_that_is_not_there_is_said(visit: Visit) -> None:
    assert "is not open on this server" in said(visit(PAGE, text=TEXT, model="bert-gone"))


@pytest.mark.parametrize("text", ["", "one", "the the the", "a b", "a b c d e"])
def test_shuffled_words_are_the_same_words_in_another_order(text: str) -> None:
    for seed in range(5):
        found = sentiment.shuffled(text, seed)
        assert sorted(found.split()) == sorted(text.split())
        assert len(set(text.split())) < 2 or found != text


def test_with_a_head_off_classes_say_how_likely_they_were(
    visit: Visit, sent: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Any] = {}
    monkeypatch.setattr(bars, "_BARS", lambda **call: drawn.update(call["data"]) or {})
    change = Interventions.parse("h:e1.1")
    page = visit(PAGE, text=TEXT, change=change.text())
    assert not said(page)
    reading = shown(page)
    after = calls.ask(replace(reading.question, interventions=change))
    own, other = drawn["groups"]
    assert own["title"] == f"{sentiment.ORDERED}, changed: {after.output}"
    for bar in own["bars"]:
        name = f"probability of {bar['text']}"
        assert bar["probability"] == pytest.approx(after.options[name], abs=1e-5)
        assert bar["before"] == pytest.approx(reading.trace.options[name], abs=1e-5)
        assert abs(bar["probability"] - bar["before"]) > 1e-4
    assert all("before" not in bar for bar in other["bars"])
