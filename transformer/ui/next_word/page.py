"""Next word: what is read, how words are drawn, and what every button does to the text.

The text is the widget "text"; before a button changes it, it is put aside, so that every step can be taken back.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import streamlit as st

from transformer.search.sampling import Drawing
from transformer.trace import Trace
from transformer.ui.instruments import heads
from transformer.ui.models import calls
from transformer.ui.next_word.bars import bars
from transformer.ui.next_word.replay import forget
from transformer.ui.parts import explorer
from transformer.ui.shell.markdown import line
from transformer.ui.shell.model_picker import choose_model, missing_model

EXAMPLES = {
    "An old man": "The old man sat",
    "A stormy night": "It was a dark and stormy night; the rain fell in",
    "Somebody speaks": 'He shook his head. "I do not',
    "A name": "Mr. Wickham smiled at Elizabeth. She had never liked Mr.",
    "Broken off": "I was aston",
}
FIRST = EXAMPLES["An old man"]
ALL = "All"
MOST_LIKELY = ("1", "2", "3", "5", "10", "20", "40", "100", ALL)
START: dict[str, Any] = {"temperature": 0.8, "top_k": "40", "top_p": 0.95, "seed": 1}
LAST_SEED = 9999
WORDS = 20  # that one click writes
ROOM = 400  # letters that these may have
KEPT = 50  # texts that can be taken back


class Shown(NamedTuple):
    """What is on screen: the model, the text, and the part of it that the network read."""

    model: str
    text: str
    read: str


def choose() -> tuple[str, str]:
    """The model and the text."""
    text = st.text_input(
        "Text",
        value=FIRST,
        max_chars=calls.LONGEST,
        key="text",
        bind="query-params",
        live=True,
        on_change=forget,
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.pills("Examples", list(EXAMPLES), key="example", on_change=_take_example, wrap=True)
        model = choose_model("decoder", forget, width=180)
    missing_model()
    return model, text or ""


def settings() -> tuple[Drawing, int]:
    """How words are drawn, and the seed."""
    temperature = st.slider(
        "Temperature",
        0.1,
        2.0,
        START["temperature"],
        0.05,
        key="temperature",
        bind="query-params",
        help="Below 1 likely words get likelier, above 1 unlikely ones get their chance.",
    )
    top_k = st.select_slider(
        "Top-k",
        MOST_LIKELY,
        START["top_k"],
        key="top_k",
        bind="query-params",
        help="Only this many tokens can be drawn, the likeliest.",
    )
    top_p = st.slider(
        "Top-p",
        0.05,
        1.0,
        START["top_p"],
        0.05,
        key="top_p",
        bind="query-params",
        help="Only the fewest tokens that together have this much of the probability can be drawn.",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = explorer.number(
            "Seed",
            0,
            LAST_SEED,
            START["seed"],
            "seed",
            help="The same text, settings and seed give the same words; another seed gives others.",
            width=140,
        )
        st.button("Start values", icon=":material/restart_alt:", type="tertiary", on_click=_restart)
    return Drawing(temperature, None if top_k == ALL else int(top_k), top_p), seed


def foretell(model: str, text: str, how: Drawing) -> Shown | None:
    """The bars of the next words; what is on screen, or where the text is no good, what was there before."""
    try:
        if not model:
            raise calls.Unavailable("There is no network here that writes text.")
        with calls.waiting(model):
            read = calls.tail(model, text)
            words = calls.next_words(model, read, how)
    except ValueError as error:
        last: Shown | None = st.session_state.get("next_word")
        if last and not calls.known(last.model):  # somebody has forgotten it
            last = None
        below = f" Shown below: “{line(last.text[-60:])}”" if last else ""
        st.warning(f"Not read: {line(error)}.{below}")
        return last
    except calls.Unavailable as error:
        st.warning(line(error))
        st.button("Try to load it again", on_click=calls.retry)
        return None
    before = None
    if change := heads.asked():
        try:
            before = {word.text: word.own for word in words}
            words = calls.next_words(model, read, how, interventions=change)
        except ValueError:
            before = None  # a change that cannot be, which is told where it is taken back
    if not words:
        st.info("No word is foretold here.")
    bars(
        read,
        words,
        key="bars",
        blocked=full(text),
        on_take=partial(_take, text[: len(text) - len(read)]),
        before=before,
    )
    changed = " Dotted: the same before the change, where the word was among the first." if before else ""
    st.caption(
        "Bar: how likely a word is drawn with these settings. Tick: how likely the network itself holds it."
        f"{changed} Click a word to append it."
    )
    st.session_state["next_word"] = Shown(model, text, read)
    return Shown(model, text, read)


def buttons(model: str, text: str, how: Drawing, seed: int) -> None:
    """Write on, and take back."""
    with st.container(horizontal=True):
        st.button(
            f"Continue by {WORDS} words",
            icon=":material/edit_note:",
            on_click=_go_on,
            args=(model, text, how, seed),
            disabled=not text.strip() or full(text),
        )
        st.button(
            "Take back",
            icon=":material/undo:",
            on_click=_take_back,
            disabled=not st.session_state.get("earlier"),
        )
    if full(text):
        st.caption(f"The text is full: {calls.LONGEST:,} characters at most. Take something away to go on.")
    if problem := st.session_state.pop("not_written", ""):
        st.warning(f"Not written: {line(problem)}.")


def notes(shown: Shown, trace: Trace) -> None:
    """What the network did not read as it was typed."""
    if left_out := len(shown.text[: len(shown.text) - len(shown.read)].split()):
        words = "word is" if left_out == 1 else f"{left_out} words are"
        st.info(
            f"The network reads the last {len(trace['decoder'].keys)} tokens of this text; the first {words} left out."
        )
    if "unknown" in trace.options:
        st.info(calls.never_seen(trace))


def full(text: str) -> bool:
    """Whether the box has no room for more words."""
    return len(text) > calls.LONGEST - ROOM


def take(text: str) -> None:
    """Put another text into the box, and the one that was there aside."""
    earlier = st.session_state.setdefault("earlier", [])
    earlier.append(st.session_state["text"])
    del earlier[:-KEPT]
    st.session_state["text"] = text
    forget()


def _take(left_out: str, text: str) -> None:
    take(left_out + text)


def _take_example() -> None:
    if chosen := st.session_state["example"]:
        st.session_state["example"] = None
        take(EXAMPLES[chosen])


def _take_back() -> None:
    if st.session_state.get("earlier"):
        st.session_state["text"] = st.session_state["earlier"].pop()
        forget()


def _go_on(model: str, text: str, how: Drawing, seed: int) -> None:
    try:
        take(calls.go_on(model, text, WORDS, how, seed, heads.asked()))
    except (ValueError, calls.Unavailable) as error:
        st.session_state["not_written"] = str(error)


def _restart() -> None:
    for key, value in START.items():
        st.session_state[key] = value
