"""Attention by hand: which sentence, and where its vectors come from. Whatever is chosen stands in the address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from transformer import home
from transformer.analysis import typed
from transformer.analysis.by_hand import Array
from transformer.checkpoints.embeddings import Embeddings
from transformer.trace import Label
from transformer.ui.by_hand import table as by_hand_table
from transformer.ui.models import calls
from transformer.ui.parts.explorer import number, segments
from transformer.ui.shell.markdown import line, plain

LONGEST = 20  # words; the pictures stay readable
SOURCES = ["Typed", "Learned", "Random"]
WIDTHS = [2, 4, 8, 16, 32, 64, 128, 256, 512]

# What "Start again" puts back beside the sentence and its table. Keys are those of the widgets and so the names in the
# address.
STARTS: dict[str, Any] = {
    "vectors": "Typed",
    "width": 64,
    "seed": 0,
    "follow": "train",
    "measure": "Dot product",
    "scaled": True,
    "wide": 64,
    "mask": "None",
    "empty": 2,
    "temperature": 1.0,
    "stack": "Decoder",
    "layer": "1",
    "head": "1",
    "original": calls.FIRST.given,
}


class Words(NamedTuple):
    """A sentence as vectors.

    Args:
        labels: T labels.
        vectors: (T, D).
        padding: (D,), what a place that holds no word has.
        columns: names of the D numbers; () where they have none.
        text: the sentence.
    """

    labels: tuple[Label, ...]
    vectors: Array
    padding: Array
    columns: tuple[str, ...]
    text: str

    @property
    def names(self) -> list[str]:
        """A name of its own for each position: `the (4)` where `the` has been before."""
        texts = [label.text for label in self.labels]
        return [text if texts.index(text) == i else f"{text} ({i + 1})" for i, text in enumerate(texts)]

    @property
    def said(self) -> list[str]:
        """The names, ready for Markdown."""
        return [plain(name) for name in self.names]


def start_again() -> None:
    """Every control at its start, the table too."""
    for key, value in STARTS.items():
        if key in st.session_state:
            st.session_state[key] = value
    st.session_state["shuffle"] = 1
    by_hand_table.start_again()


def in_address(name: str, value: str, start: str) -> None:
    """A value that the session keeps, in the address too, unless it is the one that is there without.

    It is written only, and read once, when a visitor comes: a message that was on its way brings an older address.
    """
    if value == start:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def choose() -> Words | None:
    """The controls; the words to go on with, or the last good ones where what is chosen is no good."""
    by_hand_table.take()
    key, text = by_hand_table.sentence()
    in_address("sentence", text, by_hand_table.SENTENCE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Sentence",
            text,
            max_chars=by_hand_table.LETTERS,
            key=key,
            on_change=by_hand_table.refill,
            args=(key,),
            width=420,
        )
        source = segments("Vectors", SOURCES, "vectors")
        st.button("Start again", icon=":material/restart_alt:", on_click=start_again)
    makers: dict[str, Callable[[str], Words]] = {"Typed": _typed, "Learned": _learned, "Random": _random}
    with st.container():  # one place for all of it: the pictures below keep theirs, whatever is to be said
        try:
            st.session_state["good"] = makers[source](text)
        except ValueError as error:
            st.warning(
                f"{line(error)} Shown below: the last words that were good."
                if "good" in st.session_state
                else line(error)
            )
    words: Words | None = st.session_state.get("good")
    return words


def _typed(text: str) -> Words:
    now = by_hand_table.draft() or by_hand_table.put(_first_rows(text))
    st.caption(
        "Every number is yours to change, and every word: click a cell and type. The last row adds a word, × takes "
        "one away."
    )
    by_hand_table.show(now)
    address = typed.encode(now.rows)
    typed.decode(address)  # a table that no link can hold is refused
    # Written before it is read: what is wrong in a table can be put right after the page has been loaded again, too.
    in_address("table", address, typed.encode(typed.rows_for(typed.words_of(text))))
    table = typed.read(now.rows, now.columns)
    labels = tuple(Label(word) for word in table.words)
    return Words(
        labels, table.vectors, np.zeros(len(now.columns)), now.columns, typed.sentence_of(table.words)
    )


def _first_rows(text: str) -> typed.Rows:
    """The table of a link, or one for the words of a sentence."""
    given = st.query_params.get("table")
    return typed.decode(given) if given else typed.rows_for(_split(text))


def _split(text: str) -> list[str]:
    words = typed.words_of(text)
    _fits(len(words), typed.MAX_WORDS)
    return words


def _fits(count: int, most: int) -> None:
    if not 2 <= count <= most:
        raise ValueError(f"Attention needs 2 to {most} words here; the sentence has {count}.")


@st.cache_resource(show_spinner=False)
def _embeddings(name: str) -> Embeddings:
    return Embeddings(home.models() / name)


def _learned(text: str) -> Words:
    if calls.FIRST.model not in calls.shipped():
        raise ValueError(f"There is no trained network “{calls.FIRST.model}” whose vectors could be shown.")
    embeddings = _embeddings(calls.FIRST.model)
    labels, vectors = embeddings(text)
    _fits(len(labels), LONGEST)
    st.caption(
        f"The vectors that `{calls.FIRST.model}` learned for these words while it was trained to translate, "
        f"{vectors.shape[1]} numbers each, as its layers are given them (times √{vectors.shape[1]})."
    )
    return Words(labels, vectors.astype(np.float64), embeddings.padding.astype(np.float64), (), text)


def _random(text: str) -> Words:
    texts = typed.words_of(text)
    _fits(len(texts), LONGEST)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        width = st.select_slider(
            "Numbers in a vector", WIDTHS, 64, key="width", bind="query-params", width=260
        )
        seed = number("Seed", 0, 9999, 0, "seed", width=140)
    st.caption(
        "Numbers drawn at random (mean 0, variance 1): they mean nothing. Equal words have equal vectors."
    )
    rng = np.random.default_rng(seed)
    drawn = {word: rng.standard_normal(width) for word in dict.fromkeys(word.lower() for word in texts)}
    vectors = np.stack([drawn[word.lower()] for word in texts])
    return Words(tuple(Label(word) for word in texts), vectors, rng.standard_normal(width), (), text)
