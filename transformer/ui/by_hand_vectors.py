"""Attention by hand: which sentence, and where its vectors come from. Whatever is chosen stands in the address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from transformer.analysis import typed
from transformer.analysis.by_hand import Array
from transformer.embeddings import Embeddings
from transformer.trace import Label
from transformer.ui import calls
from transformer.ui.explorer import segments
from transformer.ui.markdown import plain

SENTENCE = "The train left the station on time."
LONGEST = 20  # words; the pictures stay readable
SOURCES = ["Typed", "Learned", "Random"]
WIDTHS = [2, 4, 8, 16, 32, 64, 128, 256, 512]

# What "Start again" puts back. Keys are those of the widgets and so the names in the address.
STARTS: dict[str, Any] = {
    "sentence": SENTENCE,
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
    "original": calls.FIRST.text,
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
    st.query_params.pop("order", None)
    _put_table(typed.rows_for(typed.words_of(SENTENCE)))


def choose() -> Words | None:
    """The controls; the words to go on with, or the last good ones where what is chosen is no good."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Sentence",
            SENTENCE,
            max_chars=300,
            key="sentence",
            bind="query-params",
            on_change=_refill,
            width=420,
        )
        source = segments("Vectors", SOURCES, "vectors", _keep_table)
        st.button("Start again", icon=":material/restart_alt:", on_click=start_again)
    makers: dict[str, Callable[[str], Words]] = {"Typed": _typed, "Learned": _learned, "Random": _random}
    try:
        st.session_state["words"] = makers[source](text)
    except ValueError as error:
        st.warning(
            f"{plain(str(error))} Shown below: the last words that were good."
            if "words" in st.session_state
            else plain(str(error))
        )
    words: Words | None = st.session_state.get("words")
    return words


def _typed(text: str) -> Words:
    rows = _rows(text)
    columns = typed.columns_for(rows)
    st.caption(
        "Every number is yours to change, and every word: double-click a cell. The last row adds a word."
    )
    edited: list[dict[str, str]] = st.data_editor(
        [dict(zip(["word", *columns], row, strict=False)) for row in rows],
        num_rows="dynamic",
        hide_index=True,
        width="content",
        key=_table_key(),
        on_change=_retitle,
        column_config={"word": st.column_config.TextColumn("word", pinned=True, width=90)}
        | {
            name: st.column_config.TextColumn(name, width=90, alignment="right", default="0")
            for name in columns
        },
    )
    now = [[row.get(name) for name in ("word", *columns)] for row in edited]
    ragged = any(len(row) != len(columns) + 1 for row in rows)
    table = typed.read(rows if ragged else now, columns)
    st.session_state["rows"] = typed.decode(typed.encode(now))
    _remember(now, text)
    labels = tuple(Label(word) for word in table.words)
    return Words(
        labels, table.vectors, np.zeros(len(columns)), tuple(columns), typed.sentence_of(table.words)
    )


def _rows(text: str) -> typed.Rows:
    """What the editor starts from: it must not change while somebody edits, or their edits are lost."""
    if "base" not in st.session_state:
        given = st.query_params.get("table")
        _put_table(typed.decode(given) if given else typed.rows_for(_split(text)))
    rows: typed.Rows = st.session_state["base"]
    return rows


def _put_table(rows: typed.Rows) -> None:
    st.session_state["base"] = st.session_state["rows"] = rows
    st.session_state["version"] = st.session_state.get("version", 0) + 1


def _refill() -> None:
    """Another sentence: a row for each of its words; words that the table has keep their numbers."""
    words = typed.words_of(st.session_state["sentence"])
    if 2 <= len(words) <= typed.MAX_WORDS:
        _put_table(typed.rows_for(words, st.session_state.get("rows", ())))


def _keep_table() -> None:
    """Another source: an editor that is not drawn forgets its edits, the table does not."""
    if "rows" in st.session_state:
        _put_table(st.session_state["rows"])


def _table_key() -> str:
    return f"table-{st.session_state['version']}"


def _retitle() -> None:
    """Words that were edited in the table change the sentence, too."""
    edits, words = st.session_state[_table_key()], [row[0] for row in st.session_state["base"]]
    for place, row in edits["edited_rows"].items():
        words[place] = str(row.get("word", words[place]) or "")
    words = [word for place, word in enumerate(words) if place not in edits["deleted_rows"]]
    words = [word.strip() for word in (*words, *(str(row.get("word") or "") for row in edits["added_rows"]))]
    if words != typed.words_of(st.session_state["sentence"]):
        st.session_state["sentence"] = typed.sentence_of([word for word in words if word])


def _remember(rows: Sequence[Sequence[object]], text: str) -> None:
    """The table in the address, unless it is the one that the sentence gives anyway."""
    written = typed.encode(rows)
    if written == typed.encode(typed.rows_for(typed.words_of(text))):
        st.query_params.pop("table", None)
    elif st.query_params.get("table") != written:
        st.query_params["table"] = written


def _split(text: str) -> list[str]:
    words = typed.words_of(text)
    _fits(len(words), typed.MAX_WORDS)
    return words


def _fits(count: int, most: int) -> None:
    if not 2 <= count <= most:
        raise ValueError(f"Attention needs 2 to {most} words here; the sentence has {count}.")


@st.cache_resource(show_spinner=False)
def _embeddings(name: str) -> Embeddings:
    return Embeddings(calls.MODELS / name)


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
        seed = st.number_input("Seed", 0, 9999, 0, key="seed", bind="query-params", width=140)
    st.caption(
        "Numbers drawn at random (mean 0, variance 1): they mean nothing. Equal words have equal vectors."
    )
    rng = np.random.default_rng(seed)
    drawn = {word: rng.standard_normal(width) for word in dict.fromkeys(word.lower() for word in texts)}
    vectors = np.stack([drawn[word.lower()] for word in texts])
    return Words(tuple(Label(word) for word in texts), vectors, rng.standard_normal(width), (), text)
