"""The page of encoders, run without a browser, on tiny published checkpoints with random weights."""

import base64
import json
import shutil
import string
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import ROOT, SECONDS
from transformer import settings
from transformer.ask import Ask
from transformer.interventions import Interventions
from transformer.ui.models import calls, opened
from transformer.ui.read import bars
from transformer.ui.read.page import Reading

Visit = Callable[..., AppTest]
PAGE = "pages/read.py"
TEXT = "The cat sat near the old log."
GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture(scope="module", autouse=True)
def forget() -> Iterator[None]:
    yield
    for model in opened.opened():
        calls.forget(model.name)


@pytest.fixture
def models() -> None:
    """Tiny encoders, opened as a visitor opens them: two that guess words, and one that came without a tokenizer."""
    for name in ("bert-masked", "bert-roberta", "bert-alone"):
        if not calls.known(name):
            calls.open_model(GOLDEN / name).future.result(SECONDS)


@pytest.fixture
def open_page(visit: Visit, models: None) -> Visit:
    return lambda **query: visit(PAGE, **{"model": "bert-masked", **query})


def with_tokenizer(name: str, folder: Path) -> Path:
    """A folder that came without a tokenizer, with one that spells words letter by letter."""
    shutil.copytree(GOLDEN / name, folder)
    letters = list(string.ascii_lowercase)
    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        ".",
        *letters,
        *(f"##{letter}" for letter in letters),
    ]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    return folder


def shown(page: AppTest) -> Reading:
    found = page.session_state["reading"]
    assert isinstance(found, Reading)
    return found


def said(page: AppTest) -> str:
    assert not page.exception
    return " ".join(box.value for box in (*page.warning, *page.info))


def captions(page: AppTest) -> str:
    return " ".join(caption.value for caption in page.caption)


def values(page: AppTest) -> np.ndarray[Any, Any]:
    (chart,) = page.get("plotly_chart")
    z = json.loads(chart.proto.spec)["data"][0]["z"]
    rows, columns = (int(n) for n in z["shape"].split(","))
    return np.frombuffer(base64.b64decode(z["bdata"]), z["dtype"]).reshape(rows, columns)


def test_it_opens_on_a_text_that_is_read(open_page: Visit) -> None:
    page = open_page(text=TEXT)
    assert not said(page)
    reading = shown(page)
    assert reading.trace.input == TEXT and not reading.masked and not reading.gaps
    np.testing.assert_array_equal(values(page), reading.trace["encoder"].weights[0, 0])
    assert "Click a word to mask it" in captions(page)
    assert f"at most 34 tokens at once; this text has {len(reading.trace.source)}" in captions(page)


def test_the_address_masks_words_and_restores_a_view(open_page: Visit) -> None:
    page = open_page(text=TEXT, masked="2_3", layer="2", head="All", combine="Maximum", plain="true")
    reading = shown(page)
    assert not said(page) and reading.masked == {1, 2}
    places = [place for number in (1, 2) for place in reading.words[number].places]
    assert [i for i, label in enumerate(reading.trace.source) if label.text == "[MASK]"] == places
    weights = reading.trace["encoder"].weights[1].max(0)
    np.testing.assert_array_equal(values(page), weights[1:-1, 1:-1])  # masks stay when markers are hidden
    assert reading.gaps == [1, 2] and "What could stand under each mask" in captions(page)


def test_the_masks_can_be_taken_off(open_page: Visit) -> None:
    page = open_page(text=TEXT, masked="2")
    next(button for button in page.button if button.label == "Take the masks off").click().run()
    assert not shown(page).masked and "masked" not in page.query_params


def test_another_text_or_example_has_no_masks(open_page: Visit) -> None:
    page = open_page(text=TEXT, masked="2")
    page.text_input(key="text").set_value("The dog sat.").run()
    assert shown(page).text == "The dog sat." and not shown(page).masked
    page.button_group(key="example").set_value("Which it?").run()
    assert (
        shown(page).text == page.text_input(key="text").value == "The dog chased the cat until it was tired."
    )


def test_words_behind_the_last_are_not_masked(open_page: Visit) -> None:
    assert shown(open_page(text="The cat.", masked="1_9")).masked == {0}


@pytest.mark.parametrize("masked", ["x", "0", "1_", "-1", "1.2", "٣", "1_" * 3000 + "1", "99999"])
def test_masks_that_are_none_say_so(open_page: Visit, masked: str) -> None:
    page = open_page(text=TEXT, masked=masked)
    assert "Not read: expected masked words" in said(page).replace("\\", "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "nothing to read"),
        ("  \u200b ", "nothing to read"),
        ("cat " * 60, "at most 34 tokens, received 62"),
    ],
)
def test_bad_input_says_why_and_loses_nothing(open_page: Visit, text: str, says: str) -> None:
    page = open_page(text=TEXT)
    before = values(page)
    page.text_input(key="text").set_value(text).run()
    assert says in said(page).replace("\\", "") and "The cat sat" in said(page)
    np.testing.assert_array_equal(values(page), before)


@pytest.mark.parametrize(
    "text", ["你好，世界。", "the 👋🏽 cat", "<b>the</b> &amp; `*_", "שלום the", "a\x00b\x07 c", "[MASK]"]
)
@pytest.mark.parametrize("model", ["bert-masked", "bert-roberta"])
def test_odd_characters_are_read_as_far_as_they_are_known(open_page: Visit, text: str, model: str) -> None:
    page = open_page(text=text, model=model, masked="1")
    assert not page.exception and not page.warning
    assert shown(page).text == text and ("unknown" in shown(page).trace.options) == bool(page.info)


def test_a_mask_that_is_typed_is_guessed(open_page: Visit) -> None:
    page = open_page(text="The [MASK] sat.")
    assert shown(page).gaps == [1] and not shown(page).masked
    assert "What could stand under each mask" in captions(page)


def test_a_folder_without_a_tokenizer_says_so(open_page: Visit) -> None:
    assert "expected tokenizer files" in said(open_page(text=TEXT, model="bert-alone"))


def test_a_plain_encoder_shows_what_it_looks_at(visit: Visit, tmp_path: Path) -> None:
    calls.open_model(with_tokenizer("bert-pooled", tmp_path / "plain")).future.result(SECONDS)
    page = visit(PAGE, text=TEXT, model="plain", masked="2")
    calls.forget("plain")
    assert not said(page) and not shown(page).masked
    assert "neither words nor classes" in captions(page)
    np.testing.assert_array_equal(values(page), shown(page).trace["encoder"].weights[0, 0])


def test_a_classifier_shows_its_classes(visit: Visit, tmp_path: Path) -> None:
    from transformer.ui.read.text import class_bars

    calls.open_model(with_tokenizer("bert-classifier", tmp_path / "judge")).future.result(SECONDS)
    page = visit(PAGE, text=TEXT, model="judge", masked="2")
    calls.forget("judge")
    assert not said(page) and not shown(page).masked
    assert "What the network takes the text for" in captions(page)
    found = class_bars(shown(page).trace)
    assert found[0].text == shown(page).trace.output and len(found) == 3
    assert sum(bar.probability for bar in found) == pytest.approx(1, abs=1e-5)


def test_the_numbers_can_be_checked(open_page: Visit) -> None:
    page = open_page(text=TEXT, masked="2")
    from transformer.ui.parts import check as check_panel

    (found,) = check_panel._checks(shown(page).trace, "encoder", 1, 2).values()
    assert found.passed and found.largest < 1e-5


def test_without_a_model_it_says_how_to_get_one(visit: Visit) -> None:
    for model in opened.opened():
        calls.forget(model.name)
    if calls.shipped("encoder"):
        pytest.skip("a network that reads is shipped")
    page = visit(PAGE)
    assert "Open a BERT" in said(page) and not page.text_input
    page = visit(PAGE, model="gone")
    assert "gone" in said(page)


def test_a_model_that_is_forgotten_meanwhile(visit: Visit) -> None:
    calls.open_model(GOLDEN / "bert-masked").future.result(SECONDS)
    page = visit(PAGE, text=TEXT)
    calls.forget("bert-masked")
    page.run()
    assert not page.exception


def test_answers_are_kept_up_to_a_size(models: None, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = calls.network("bert-masked")
    calls._answers.forget()
    question = Ask(model="bert-masked", given=TEXT)
    first = calls.ask(question)
    assert calls.ask(question) is first
    monkeypatch.setenv(settings.KEPT, str((first.nbytes + 1) / 2**20))
    other = calls.ask(replace(question, given="The dog."))
    assert calls.ask(replace(question, given="The dog.")) is other
    assert calls._answers.nbytes <= first.nbytes
    assert calls.ask(question) is not first and model.name == first.model


def test_with_heads_off_guesses_stand_beside_those_before(
    open_page: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, Any] = {}
    monkeypatch.setattr(bars, "_BARS", lambda **call: sent.update(call["data"]) or {})
    change = Interventions.parse("h:e*.*")
    page = open_page(text=TEXT, masked="2", change=change.text())
    assert not said(page)
    reading = shown(page)
    places = reading.words[1].places
    after = calls.ask(replace(reading.question, interventions=change))
    was = {guess.text: guess.probability for guess in reading.model.guesses(reading.trace, places)}
    found = reading.model.guesses(after, places)
    (group,) = sent["groups"]
    assert [bar["text"] for bar in group["bars"]] == [guess.text for guess in found]
    for bar, guess in zip(group["bars"], found, strict=True):
        assert bar["probability"] == pytest.approx(guess.probability, abs=1e-5)
        assert bar.get("before") == (pytest.approx(was[guess.text], abs=1e-5) if guess.text in was else None)
    assert not np.allclose(after["encoder"].weights, reading.trace["encoder"].weights)
