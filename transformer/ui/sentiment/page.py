"""Sentiment: a review, what networks say of it, and what each of its words has to do with that: of the shipped two, and
of those opened that give a text classes, labels or a score.

The text is the widget "text"; shuffling puts what was there aside, so that it can be taken back.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import streamlit as st

from transformer import home
from transformer.checkpoints.folder import load_config
from transformer.config import OF_TEXTS
from transformer.text.words import words
from transformer.trace import FloatArray, Trace
from transformer.ui.instruments.heads import Changed
from transformer.ui.models import calls, opened
from transformer.ui.parts.explorer import Words
from transformer.ui.parts.sentence import Cut
from transformer.ui.read.bars import Bar, Group, bars
from transformer.ui.read.page import Reading, answer
from transformer.ui.read.text import LABELS, MOST, SCORE, TICKS, class_bars, most, numbers
from transformer.ui.sentiment.tints import Row, received, table, tints
from transformer.ui.shell.markdown import line
from transformer.ui.shell.model_picker import choose_model, missing_model

EXAMPLES = {
    "A quiet film": "A quiet, funny film. The story is thin, but the two leads are wonderful, and I left smiling.",
    "Two hours": "Two hours of loud explosions and not one good line. I was bored long before the end.",
    "Not good, but bad": "The film is not good, but bad.",
    "Not bad, but good": "The film is not bad, but good.",
    "A long review": (
        "I came for the director, whose earlier work I admire, and I stayed because the cinema was warm. The first act "
        "promises a lot: a widow returns to the island where she grew up, the ferry is late, the neighbours stare, and "
        "the camera takes its time with wet ropes and empty rooms. The lead plays all of this with a wonderful, tired "
        "dignity, and for half an hour I believed every word.\n\nThen the brother turns up. From that moment the "
        "script cannot decide whether it wants to be a thriller or a family drama, and it fails at both. There is a "
        "secret in the boathouse that anybody will have guessed, a storm that arrives exactly when it is needed, and a "
        "speech about forgiveness that made the row behind me laugh. The music tells you what to feel, twice, in case "
        "you missed it. What a waste of such a cast!\n\nAnd still: there is one scene near the end, two sisters "
        "peeling potatoes in silence, that is better than most whole films of this year. If only somebody had trusted "
        "that silence. I cannot recommend it, but I will not forget that kitchen, and I look forward to whatever the "
        "lead does next."
    ),
}
FIRST = EXAMPLES["A quiet film"]
ORDERED, UNORDERED = "sentiment-en", "sentiment-en-unordered"
# How much is left out without being asked: texts x tokens x layers x width^2, about half a second on two cores.
AT_ONCE = 20_000 * 256**2
KEPT = 50  # texts that can be taken back


class Contributions(NamedTuple):
    """What words have to do with a class, label or score of a trace: by tokens (S,), and by words, once that has been
    asked for."""

    trace: Trace
    chosen: int
    gradient: FloatArray
    left_out: FloatArray | None


def names() -> list[str]:
    """The networks that answer a text: those shipped, then those that visitors opened."""
    found = [name for name in calls.shipped("encoder") if _classifies(home.models() / name)]
    for name in (name for family in calls.READERS for name in opened.names(family)):
        model = opened.get(name)
        if model and model.found and model.found.config.output in OF_TEXTS:
            found.append(name)
    return found


@cache
def _classifies(folder: Path) -> bool:
    try:
        return load_config(folder).output in OF_TEXTS
    except (OSError, ValueError):
        return False  # where it is loaded it is told what is wrong with it


def choose() -> tuple[str, str]:
    """The model and the text."""
    text = st.text_area(
        "Review", value=FIRST, max_chars=calls.LONGEST, key="text", bind="query-params", height=110
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.pills("Examples", list(EXAMPLES), key="example", on_change=_take_example, wrap=True)
        model = choose_model("encoder", width=230, names=names())
    missing_model()
    return model, text or ""


def read(model: str, text: str) -> Reading | None:
    """What was read, of a long text its beginning; or a sentence why not, and what was read before."""
    beginning = text
    if model and text.strip():
        try:
            with calls.waiting(model):
                beginning = calls.network(model).beginning(text)
        except calls.Unavailable:
            pass  # said by what follows
    reading = answer(model, beginning, key="review")
    if reading and reading.text == beginning and (rest := len(text[len(beginning) :].split())):
        gone = "word is" if rest == 1 else f"{rest} words are"
        st.info(
            f"The network reads the first {reading.model.reads} tokens of this text; the last {gone} left out."
        )
    return reading


def verdict(reading: Reading, changed: Changed | None = None) -> None:
    """How likely each class is; of the shipped networks, with and without order beside each other."""
    own = reading.model.name
    trace, title = (changed.after, f"{own}, changed") if changed else (reading.trace, own)
    output = reading.model.config.output
    if output == "score":
        st.caption(SCORE)
        numbers(trace, reading.trace)
        _ways(reading.text)
        return
    found = class_bars(trace, reading.trace)
    groups = [Group(f"{title}: {trace.output}", found[:MOST])]
    pair = {ORDERED: UNORDERED, UNORDERED: ORDERED}.get(own)
    if pair and calls.known(pair):
        try:
            with calls.waiting(pair):
                other = calls.network(pair)
            (row,) = calls.kept(other, ("classes", reading.text), lambda: other.classify([reading.text]))
            said = [Bar(name, float(p)) for name, p in zip(other.config.class_names, row, strict=True)]
            said.sort(key=lambda bar: -bar.probability)
            groups.append(Group(f"{pair}: {said[0].text}", said))
        except calls.Unavailable as error:
            st.warning(line(error))
    bars(groups, key="classes")
    below = f"{LABELS if output == 'labels' else ''}{most(found)}{TICKS if changed else ''}".strip()
    if below:
        st.caption(below)
    if pair:
        st.caption(
            f"`{UNORDERED}` has no positions: it reads the same tokens in any order and says the same. Shuffle the "
            f"words and see how little `{ORDERED}`, which knows their order, minds: these networks decide by which "
            "words there are."
        )
    _ways(reading.text)


def _ways(text: str) -> None:
    """Shuffle the words of a text, and take that back."""
    with st.container(horizontal=True):
        st.button(
            "Shuffle the words",
            icon=":material/shuffle:",
            on_click=_shuffle,
            args=(text,),
            disabled=len(text.split()) < 2,
        )
        st.button(
            "Take back",
            icon=":material/undo:",
            on_click=_take_back,
            disabled=not st.session_state.get("earlier"),
        )


def drawn(reading: Reading) -> Words:
    """What `explorer.explore` draws above its pickers: three answers to which words matter."""

    def draw(trace: Trace, kind: str, weights: FloatArray, view: str, cut: Cut) -> bool:
        shown = reading._replace(trace=trace)
        found = contributions(shown)
        place = st.container()  # what is left out stands below, and its button too
        if found.left_out is None:
            found = _leave_out(shown, found)
        with place:
            rows = rows_of(shown, found, weights, view)
            tints(trace.source, rows, key="tints")
        with st.expander("The same numbers as a table", key="tints-table", on_change="rerun") as box:
            if box.open:
                st.dataframe(table(trace.source, rows), hide_index=True, width="stretch")
        return False

    return draw


def rows_of(reading: Reading, found: Contributions, weights: FloatArray, view: str) -> list[Row]:
    """Attention received, gradient times input, and leaving words out, as rows of one text."""
    config = reading.model.config
    classes, what = config.class_names, f"the log-odds of “{config.class_names[found.chosen]}”"
    name = classes[found.chosen]
    against, towards = f"against {name}", f"for {name}"
    if config.output == "score":
        what = f"“{name}”" if len(classes) > 1 else "the score"
        against, towards = "lowers it", "raises it"
    elif config.output == "classes" and len(classes) == 2:
        against, towards = classes[1 - found.chosen], name
    left_out = None
    if found.left_out is not None:
        left_out = np.zeros(len(reading.trace.source), np.float32)
        for word, value in zip(words(reading.trace.input, reading.trace.source), found.left_out, strict=True):
            left_out[list(word.places)] = value
    return [
        Row(
            "Attention received",
            f"{view}: the share of all its attention that went to each token.",
            "0",
            "",
            False,
            received(weights),
        ),
        Row(
            "Gradient × input",
            f"An estimate of how much each token moves {what}, from the slope at this text.",
            against,
            towards,
            True,
            found.gradient,
        ),
        Row(
            "Left out",
            f"By how much {what} really {'fall' if config.output != 'score' else 'falls'} when the network reads the "
            "text without the word.",
            against,
            towards,
            True,
            left_out,
        ),
    ]


def contributions(reading: Reading) -> Contributions:
    """The gradients of a reading, and what is known of leaving words out; kept while the page shows it."""
    kept: Contributions | None = st.session_state.get("contributions")
    if kept and kept.trace is reading.trace:
        return kept
    model, config = reading.model, reading.model.config
    # Of two classes always the last, so that a hue means the same whatever the answer is; else the likeliest.
    scores = [answer.score for answer in reading.trace.answers]
    chosen = 1 if config.output == "classes" and len(scores) == 2 else int(np.argmax(scores))
    with calls.turn():
        found = Contributions(reading.trace, chosen, model.gradient_times_input(reading.trace, chosen), None)
    st.session_state["contributions"] = found
    return found


def _leave_out(reading: Reading, found: Contributions) -> Contributions:
    """Leave each word out, where that is quick or asked for."""
    config, count = reading.model.config, len(reading.words)
    layers = max(layers for layers, _ in config.attention_shapes().values())
    work = (count + 1) * len(reading.trace.source) * layers * config.width**2
    place = st.empty()
    if work > AT_ONCE and not place.button(
        f"Leave each of the {count} words out",
        icon=":material/playlist_remove:",
        help="The network reads the text once for each word: for a long one this takes a few seconds.",
    ):
        return found
    shown = place.progress(0.0, "Reading without each word in turn") if work > AT_ONCE else None

    def told(done: int, of: int) -> None:
        if shown:
            shown.progress(done / of, f"Read {done} of {of} texts")

    with calls.turn():
        found = found._replace(left_out=reading.model.leave_one_out(reading.trace, found.chosen, told))
    st.session_state["contributions"] = found
    place.empty()
    return found


def shuffled(text: str, seed: int) -> str:
    """The words between white space in another order, if there are two different ones."""
    split = text.split()
    rng = np.random.default_rng(seed)
    while len(set(split)) > 1:
        mixed = [split[i] for i in rng.permutation(len(split))]
        if mixed != split:
            return " ".join(mixed)
    return " ".join(split)


def take(text: str) -> None:
    earlier = st.session_state.setdefault("earlier", [])
    earlier.append(st.session_state["text"])
    del earlier[:-KEPT]
    st.session_state["text"] = text


def _shuffle(text: str) -> None:
    st.session_state["shuffles"] = st.session_state.get("shuffles", 0) + 1
    take(shuffled(text, st.session_state["shuffles"]))


def _take_back() -> None:
    if st.session_state.get("earlier"):
        st.session_state["text"] = st.session_state["earlier"].pop()


def _take_example() -> None:
    if chosen := st.session_state["example"]:
        st.session_state["example"] = None
        take(EXAMPLES[chosen])
