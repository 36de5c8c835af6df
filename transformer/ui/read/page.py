"""Read: a text, the words that are masked in it, and what an encoder makes of both.

The state is the widgets "text" and "model" and the address's `masked`, the numbers of the masked words counted from 1.
Masking follows Devlin et al. 2018, "BERT", section 3.1, for whole words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from transformer.ask import Ask
from transformer.text.words import Word
from transformer.trace import Trace
from transformer.ui.models import calls, opened
from transformer.ui.shell.markdown import line

if TYPE_CHECKING:
    from transformer.pipeline import TextReader

FIRST = "The train left the station on time."


class Reading(NamedTuple):
    """A text that was read.

    Args:
        model: the network.
        text: as it was typed, both texts of a pair with a blank between them.
        words: the words of it.
        masked: numbers of those that a visitor masked, counted from 0.
        trace: what came of it.
        second: the second text of a pair.
    """

    model: TextReader
    text: str
    words: list[Word]
    masked: frozenset[int]
    trace: Trace
    second: str = ""

    @property
    def first(self) -> str:
        """The text without the second one."""
        return self.text[: -len(self.second) - 1] if self.second else self.text

    @property
    def question(self) -> Ask:
        """What was asked."""
        places = hidden(self.words, self.masked)
        return Ask(model=self.model.name, given=self.first, second=self.second, masked=places)

    @property
    def guesses_words(self) -> bool:
        """Whether the network has been trained to fill masks in."""
        return self.model.config.output == "masked_tokens" and self.model.config.mask_id >= 0

    @property
    def gaps(self) -> list[int]:
        """Numbers of the words that stand behind a mask, typed ones too."""
        mask = self.model.config.mask_id
        return [
            number
            for number, word in enumerate(self.words)
            if self.guesses_words and all(self.trace.source[place].id == mask for place in word.places)
        ]

    def written(self, number: int) -> str:
        """The word as it stands in the text."""
        word = self.words[number]
        return self.text[word.begin : word.end]


def hidden(words: Sequence[Word], masked: Iterable[int]) -> tuple[int, ...]:
    """The places of masked words, by their numbers."""
    return tuple(place for number in sorted(masked) for place in words[number].places)


def parse_masked(text: str) -> frozenset[int]:
    """`3_5` out of an address, words counted from 1 -> {2, 4}.

    Raises:
        ValueError: anything else.
    """
    if not text:
        return frozenset()
    if len(text) > 2500 or not re.fullmatch(r"[1-9][0-9]{0,3}(_[1-9][0-9]{0,3})*", text):
        raise ValueError(f"expected masked words such as 3_5 in the address, received {text[:40]!r}")
    return frozenset(int(number) - 1 for number in text.split("_"))


def mask(numbers: Iterable[int]) -> None:
    """Write the numbers of masked words, counted from 0, into the address."""
    if found := sorted(numbers):
        st.query_params["masked"] = "_".join(str(number + 1) for number in found)
    else:
        st.query_params.pop("masked", None)


def unmask() -> None:
    """Another text, or all masks taken off."""
    mask(())


def take_example(examples: Mapping[str, str]) -> None:
    """Put the example that was clicked into the box."""
    if chosen := st.session_state["example"]:
        st.session_state["text"] = examples[chosen]
        st.session_state["example"] = None
        unmask()


def take(text: str) -> None:
    """Put a text into the box."""
    st.session_state["text"] = text
    unmask()


def put_in(reading: Reading, number: int, guess: str) -> None:
    """Write a guess into the text where a masked word stands; the masks after it stay with their words."""
    word, (first, second) = reading.words[number], (reading.first, reading.second)
    if word.begin < len(first):
        first = first[: word.begin] + guess + first[word.end :]
    else:
        place = len(first) + 1
        second = second[: word.begin - place] + guess + second[word.end - place :]
    try:
        more = len(reading.model.words(first, second)) - len(reading.words)
    except ValueError:  # it no longer fits, and the page will say so
        more = 0
    st.session_state["text"] = first
    if reading.second:
        st.session_state["second"] = second
    mask(n + more if n > number else n for n in reading.masked if n != number)


def joins(name: str) -> bool:
    """Whether the model of this name reads two texts as a pair."""
    model = opened.get(name)
    return bool(model and model.future.result().joins)


def answer(name: str, text: str, masked: str = "", key: str = "reading", second: str = "") -> Reading | None:
    """What was read: this text, or where that fails, a sentence why and the last reading that was good.

    Args:
        name: of the model.
        text: what is read.
        masked: the numbers of masked words as the address has them.
        key: where in the session state the last reading of this page stands.
        second: the second text of a pair, which is left out where the network reads none.
    """
    problem = ""
    with st.container():  # one place for whatever is to be said: the picture below keeps its own
        try:
            st.session_state[key] = _read(name, text, masked, second)
        except ValueError as error:
            problem = f"Not read: {line(error)}."
        except calls.Unavailable as error:
            problem = line(error)
            st.button("Try to load it again", on_click=calls.retry)
        reading: Reading | None = st.session_state.get(key)
        if reading and problem and not calls.known(reading.model.name):
            reading = st.session_state[key] = None  # forgotten meanwhile: let go of it
        if problem:
            short = line(reading.text, 60) if reading else ""
            st.warning(f"{problem} Shown below: “{short}”" if reading else problem)
        elif reading and "unknown" in reading.trace.options:
            st.info(calls.never_seen(reading.trace))
    return reading


def _read(name: str, text: str, masked: str, second: str) -> Reading:
    with calls.waiting(name):
        model: TextReader = calls.network(name)
    numbers, second = parse_masked(masked), second if model.joins and second.strip() else ""
    words = model.words(text, second)
    if model.config.output != "masked_tokens" or model.config.mask_id < 0:
        numbers = frozenset()
    numbers = frozenset(number for number in numbers if number < len(words))
    question = Ask(model=name, given=text, second=second, masked=hidden(words, numbers))
    whole = f"{text} {second}" if second else text
    return Reading(model, whole, words, numbers, calls.ask(question), second)
