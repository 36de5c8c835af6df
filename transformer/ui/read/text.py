"""Read: the text as chips that can be masked, and what the network holds likely, drawn above the heads."""

from __future__ import annotations

import streamlit as st

from transformer.trace import FloatArray, Trace
from transformer.ui.parts.explorer import Words
from transformer.ui.parts.sentence import maskable
from transformer.ui.read import page as read
from transformer.ui.read.bars import Bar, Group, bars
from transformer.ui.read.page import Reading
from transformer.ui.shell.model_picker import MISSING, missing_model

TICKS = " A dotted tick is how likely it was before the change."
CLASS = "probability of "  # how a trace's options call the probability of a class


def nothing_open() -> None:
    """What to do where there is no encoder to ask."""
    if asked := st.query_params.get("model"):
        st.session_state[MISSING] = asked
        missing_model()
        return
    st.info(
        "There is no network here yet that reads. Open a BERT, RoBERTa or DistilBERT on the Models page, from a folder "
        "or by its hub id: then it can be chosen here.",
        icon=":material/menu_book:",
    )
    st.page_link("pages/models.py", label="Open a model", icon=":material/deployed_code:")


def drawn(reading: Reading) -> Words:
    """What `explorer.explore` draws above its pickers for a reading, whose own trace is the network as it is."""

    def draw(trace: Trace, kind: str, weights: FloatArray, view: str) -> bool:
        shown = reading._replace(trace=trace)
        masked = _text(shown, kind, weights, view)
        taken = _said(shown, reading)
        return masked or taken

    return draw


def _text(reading: Reading, kind: str, weights: FloatArray, view: str) -> bool:
    places: list[int | None] = [None] * len(reading.trace.source)
    if reading.guesses_words:
        for number, word in enumerate(reading.words):
            # A mask that is typed stays; a space of its own has nothing to hide.
            if reading.written(number) and (number in reading.masked or number not in reading.gaps):
                for place in word.places:
                    places[place] = number
    hidden = {
        place: reading.written(number) for number in reading.masked for place in reading.words[number].places
    }
    clicked = maskable(
        reading.trace,
        key="sentence",
        kind=kind,
        weights=weights,
        view=view,
        title="What was read",
        words=places,
        hidden=hidden,
        on_mask=lambda number: read.mask(reading.masked ^ {number}),
    )
    return clicked is not None


def _said(reading: Reading, before: Reading) -> bool:
    """What the network says of the text, as bars; true once one was clicked."""
    if reading.trace.options and (classes := class_bars(reading.trace, before.trace)):
        st.caption(
            "What the network takes the text for, and how sure it is. Words can be masked where a network was trained "
            f"to fill them in, as a BERT is that you open under Models.{ticks(reading, before)}"
        )
        return bars([Group(reading.trace.output, classes)], key="classes")
    if not reading.guesses_words:
        st.caption("This network guesses neither words nor classes: what it looks at is all there is to see.")
        return False
    if not reading.gaps:
        st.caption("Click a word to mask it: the network then guesses what could stand there.")
        return False
    groups = [guess_group(reading, number, before) for number in reading.gaps]

    def take(group: int, bar: int) -> None:
        read.put_in(reading, reading.gaps[group], groups[group].bars[bar].text)

    with st.container(horizontal=True, vertical_alignment="center"):
        several = any(len(reading.words[number].places) > 1 for number in reading.gaps)
        product = " Several masks in one word are guessed one by one, and multiplied." if several else ""
        st.caption(
            f"What could stand under each mask. Click a guess to put it in.{product}{ticks(reading, before)}",
            width="content",
        )
        cleared = bool(reading.masked) and st.button(
            "Take the masks off", on_click=read.unmask, icon=":material/undo:", type="tertiary"
        )
    return bars(groups, key="guesses", verb="Put in", on_take=take) or cleared


def ticks(shown: Reading, before: Reading) -> str:
    """What the ticks on bars mean, where there are some."""
    return TICKS if shown.trace is not before.trace else ""


def guess_group(reading: Reading, number: int, before: Reading | None = None) -> Group:
    """What could stand in the place of a masked word; the word itself, where it is among that, says so. Of a changed
    network each guess says how likely it was `before`, where it was among the first."""
    written = reading.written(number)
    typed = number not in reading.masked
    places = reading.words[number].places
    found = reading.model.guesses(reading.trace, places)
    was: dict[str, float] = {}
    if before and before.trace is not reading.trace:
        was = {guess.text: guess.probability for guess in reading.model.guesses(before.trace, places)}
    return Group(
        "At the mask you typed" if typed else f"Instead of “{written}”",
        [
            Bar(
                guess.text,
                guess.probability,
                "what stood there" if not typed and guess.text.casefold() == written.casefold() else "",
                was.get(guess.text),
            )
            for guess in found
        ],
    )


def class_bars(trace: Trace, before: Trace | None = None) -> list[Bar]:
    """The classes of a trace, most likely first; empty where its network does not classify. Of a changed network each
    says how likely it was `before`."""
    was = _classes(before) if before and before is not trace else {}
    found = [Bar(name, p, before=was.get(name)) for name, p in _classes(trace).items()]
    return sorted(found, key=lambda bar: -bar.probability)


def _classes(trace: Trace) -> dict[str, float]:
    return {
        name.removeprefix(CLASS): float(value)
        for name, value in trace.options.items()
        if name.startswith(CLASS) and isinstance(value, int | float)
    }
