"""Read: the text as chips that can be masked, and what the network holds likely, drawn above the heads."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from transformer.config import OF_TOKENS
from transformer.trace import FloatArray, Trace
from transformer.ui.parts.explorer import Words
from transformer.ui.parts.sentence import Cut, maskable
from transformer.ui.read import page as read
from transformer.ui.read.bars import Bar, Group, bars
from transformer.ui.read.classes import classes, table
from transformer.ui.read.page import Reading
from transformer.ui.shell.markdown import line, plain
from transformer.ui.shell.model_picker import MISSING, missing_model

TICKS = " A dotted tick is how likely it was before the change."
CLASS = (
    "probability of "  # how options call the probability of a class in traces from before they had answers
)
CLASSES = (
    "What the network takes the text for, and how sure it is. Words can be masked where a network was trained to fill "
    "them in, as a BERT is that you open under Models."
)
LABELS = (
    "How likely each label is. Each is judged by itself, so that several or none may hold, and they need not add up to "
    "100 %."
)
SCORE = "The network gives the text a number. It is no probability: what is much or little, other texts tell."
TOKENS = (
    "The class of each token: the fuller the tint, the surer the network; the figure beside a stretch is the mean of "
    "its tokens."
)
SPANS = (
    "Where the answer to the first text stands in the second one, and how likely the best answers are: that one begins "
    "there, times that one ends there."
)
ALONE = " There is no second text: the answer is looked for in the first."
MOST = 20  # bars or numbers


def nothing_open() -> None:
    """What to do where there is no encoder to ask."""
    if asked := st.query_params.get("model"):
        st.session_state[MISSING] = asked
        missing_model()
        return
    st.info(
        "There is no network here yet that reads. Open a BERT, RoBERTa or DistilBERT, or a decoder that gives classes, "
        "on the Models page, from a folder or by its hub id: then it can be chosen here.",
        icon=":material/menu_book:",
    )
    st.page_link("pages/models.py", label="Open a model", icon=":material/deployed_code:")


def drawn(reading: Reading) -> Words:
    """What `explorer.explore` draws above its pickers for a reading, whose own trace is the network as it is."""

    def draw(trace: Trace, kind: str, weights: FloatArray, view: str, cut: Cut) -> bool:
        shown = reading._replace(trace=trace)
        masked = _text(shown, kind, weights, view, cut)
        taken = _said(shown, reading)
        return masked or taken

    return draw


def _text(reading: Reading, kind: str, weights: FloatArray, view: str, cut: Cut) -> bool:
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
        on_cut=cut,
    )
    return clicked is not None


def _said(reading: Reading, before: Reading) -> bool:
    """What the network says of the text; true once something of it was clicked."""
    config = reading.model.config
    if config.output in OF_TOKENS:
        st.caption(f"{TOKENS}{_dotted(reading, before)}")
        classes(reading.trace, before.trace, key="token-classes")
        with st.expander("The same as a table", key="classes-table", on_change="rerun") as box:
            if box.open:
                st.dataframe(table(reading.trace), hide_index=True, width="stretch")
        return False
    if config.output == "spans":
        st.caption(f"{SPANS}{'' if reading.second else ALONE}{ticks(reading, before)}")
        classes(reading.trace, before.trace, key="token-classes")
        was = {(a.begin, a.end): a.probability for a in before.trace.answers}
        changed = reading.trace is not before.trace
        found = [
            Bar(a.name, a.probability or 0.0, before=was.get((a.begin, a.end)) if changed else None)
            for a in reading.trace.answers
        ]
        return bars([Group("The best answers", found)], key="classes")
    if config.output == "score":
        st.caption(SCORE)
        numbers(reading.trace, before.trace)
        return False
    if found := class_bars(reading.trace, before.trace):
        st.caption(f"{LABELS if config.output == 'labels' else CLASSES}{most(found)}{ticks(reading, before)}")
        return bars([Group(reading.trace.output, found[:MOST])], key="classes")
    if config.task.left_out:
        st.caption(
            f"The head of this network, {line(config.task.left_out)}, is left out: below is what the network behind it "
            "looks at."
        )
        return False
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
    """The classes or labels of a trace, most likely first; empty where its network gives none. Of a changed network
    each says how likely it was `before`."""
    was = _chances(before) if before and before is not trace else {}
    found = [Bar(name, p, before=was.get(name)) for name, p in _chances(trace).items()]
    return sorted(found, key=lambda bar: -bar.probability)


def most(found: Sequence[Bar]) -> str:
    """What is said where there are more classes than bars."""
    return f" Shown are the {MOST} likeliest of {len(found):,}." if len(found) > MOST else ""


def numbers(trace: Trace, before: Trace) -> None:
    """The scores of a trace as numbers, and by how much a change in the network moved them."""
    was = {answer.name: answer.score for answer in before.answers} if before is not trace else {}
    with st.container(horizontal=True):
        for answer in trace.answers[:MOST]:
            name = answer.name if len(trace.answers) > 1 or answer.name not in ("0", "LABEL_0") else "Score"
            moved = None
            if answer.name in was:
                moved = f"{answer.score - was[answer.name]:+.3f} by the change".replace("-", "−")
            st.metric(
                plain(name),
                f"{answer.score:.3f}",
                moved,
                delta_color="off",
                delta_arrow="off",
                width="content",
            )


def _dotted(shown: Reading, before: Reading) -> str:
    return " A dotted line stands under tokens that had another class before." if ticks(shown, before) else ""


def _chances(trace: Trace) -> dict[str, float]:
    if trace.answers:
        return {a.name: a.probability for a in trace.answers if a.probability is not None and a.begin is None}
    return {
        name.removeprefix(CLASS): float(value)
        for name, value in trace.options.items()
        if name.startswith(CLASS) and isinstance(value, int | float)
    }
