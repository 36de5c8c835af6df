"""What visitors bring along, on every page: links that lie, words that are Markdown, and choices of another page."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block, Node

from tests.pages.conftest import ROOT, SECONDS
from transformer.ui.models import calls
from transformer.ui.shell.frame import PAGES
from transformer.ui.speech import calls as speech_calls

IMAGE = "![a](http://host.example/c.png)"
# Names in the address that stand for words, or that pages read themselves.
WORDS = (
    *("text", "sentence", "beginning", "original", "target", "model"),
    *("choices", "masked", "order", "step", "table", "tint"),
)


def walk(node: Node) -> Iterator[Any]:
    """Every element and block of a page."""
    yield node
    if isinstance(node, Block):
        for child in node.children.values():
            yield from walk(child)


def bound(page: AppTest) -> set[str]:
    """Names in the address that widgets on the page have."""
    protos = (getattr(node, "proto", None) for node in walk(page._tree))
    return {name for proto in protos if (name := getattr(proto, "query_param_key", ""))}


def rendered(page: AppTest) -> str:
    """Everything on the page that Streamlit takes for Markdown."""
    said = []
    for node in walk(page._tree):
        proto = None if node.type == "text" else getattr(node, "proto", None)
        said += [str(getattr(proto, name, "") or "") for name in ("label", "help", "body", "text")]
        if node.type == "table" or node.type == "arrow_table":
            frame = node.value
            said += [*map(str, frame.index), *map(str, frame.columns), *map(str, frame.to_numpy().ravel())]
    return "\n".join(said)


def shows_no_image(page: AppTest) -> str:
    assert not page.exception
    text = rendered(page)
    assert not re.search(r"(?<!\\)!\[|\]\(http://host", text), text
    return text


def link(path: str, **query: str) -> AppTest:
    """A page as a link opens it, once what its first run has begun to load is there."""
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS)
    page.switch_page(path)
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


PATHS = [page.path for page in PAGES[1:]]


@pytest.mark.parametrize("path", PATHS)
def test_a_link_that_lies_in_everything_is_shown_as_it_is_written_or_left_out(
    path: str, network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How many letters are written changes nothing here.
    monkeypatch.setattr(calls, "characters", partial(calls.characters, count=20))
    page = link(path, **dict.fromkeys(WORDS, IMAGE))
    shows_no_image(page)
    shows_no_image(link(path, **dict.fromkeys(bound(page) - {*WORDS}, "inf")))


def test_choices_that_are_none_are_repeated_as_they_are_written(network: None) -> None:
    assert "received '\\!\\[a\\]\\(http\\:" in shows_no_image(link("pages/translate.py", choices=IMAGE))


def test_words_in_a_table_are_no_markdown(network: None) -> None:
    page = link("pages/translate.py", text=IMAGE, words="true", attention="Encoder")
    page.session_state["table"] = True
    shows_no_image(page.run())


def test_the_name_of_a_clip_and_a_language_are_no_markdown(monkeypatch: pytest.MonkeyPatch) -> None:
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS).switch_page("pages/speech.py")
    (example, *_) = speech_calls.examples().values()
    page.run()
    heard = page.session_state["heard"]
    trace = replace(heard.trace, options={**heard.trace.options, "language": IMAGE}, input=IMAGE)
    page.session_state["heard"] = heard._replace(trace=trace)
    page.session_state["clip"] = speech_calls.Clip(IMAGE, b"no sound" + example.read_bytes()[:10], IMAGE)
    text = shows_no_image(page.run())
    assert "Not transcribed" in text and "Language: \\!" in text


@pytest.mark.parametrize(
    ("path", "name", "start", "value", "more"),
    [
        ("pages/next_word.py", "seed", 1, "inf", {}),
        ("pages/recurrence.py", "seed", 1, "1e400", {}),
        ("pages/by_hand.py", "seed", 0, "-inf", {"vectors": "Random"}),
        ("pages/by_hand.py", "seed", 0, "-1", {"vectors": "Random"}),
        ("pages/by_hand.py", "empty", 2, "9" * 10_000, {"mask": "Padding"}),
        ("pages/by_hand.py", "empty", 2, "nan", {"mask": "Padding"}),
        ("pages/by_hand.py", "empty", 2, "", {"mask": "Padding"}),
        ("pages/by_hand.py", "empty", 3, "3", {"mask": "Padding"}),
    ],
)
def test_a_number_in_a_link_that_is_none_is_left_out(
    path: str, name: str, start: int, value: str, more: dict[str, str], network: None
) -> None:
    page = link(path, **{name: value}, **more)
    assert not page.exception
    assert page.number_input(name).value == start


def test_what_is_chosen_on_a_page_stays_with_it(network: None) -> None:
    page = link("pages/next_word.py")
    page.text_input("text").set_value("Once upon a time there was").run()
    page.switch_page("pages/translate.py").run()
    assert page.text_input("text").value == calls.FIRST.given
    assert page.selectbox("model").value == calls.FIRST.model
    assert not page.info and not page.warning
    page.text_input("text").set_value("O gato dorme.").run()
    page.switch_page("pages/next_word.py").run()
    assert page.text_input("text").value == "Once upon a time there was"
    page.switch_page("pages/translate.py").run()
    assert page.text_input("text").value == "O gato dorme."
