"""Attention by hand: the sentence and the table of its words, which a visitor edits. How is no edit ever lost?

The table is a component, `assets/components/table.js`: it keeps what stands in its cells itself and sends all of them
with every edit, so that an edit cannot be dropped by a run of the page that is stopped, or by one that knew less.
Each table that the page puts on screen, for a link, another sentence or a fresh start, has a number, its generation,
which comes back with every edit. So an edit that was on its way while another sentence was typed is recognised, and
its numbers stay with their words.

The box with the sentence and the table say the same words. Words edited in the table make the box anew, under another
key: until the browser has its new text, a box goes on sending the old one, which must not look as if somebody had
typed that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import streamlit as st

from transformer.analysis import typed
from transformer.analysis.typed import Rows
from transformer.ui.parts.component import component

SENTENCE = "The train left the station on time."
KEY = "typed-table"
LETTERS = 300  # of a sentence
MOST = (32, typed.MAX_WIDTH + 2, 60)  # rows, cells of a row and letters of a cell that the component can send

_TABLE = component("table")


class Sent(NamedTuple):
    """What the browser has sent: the generation of a table, and all of its rows."""

    generation: int
    rows: Rows


class Draft(NamedTuple):
    """The table as it stands.

    Args:
        generation: counts the tables that were put on screen.
        oldest: edits of generations before it do not count: there was a fresh start since.
        columns: names of the columns of numbers.
        rows: as read from a link or a sentence, or as edited; cells are text.
        seen: what the browser had sent when `rows` was made.
    """

    generation: int
    oldest: int
    columns: tuple[str, ...]
    rows: Rows
    seen: Sent | None


def sentence() -> tuple[str, str]:
    """The key of the box and its text; to begin with what the address says."""
    boxes = st.session_state.setdefault("boxes", {})
    if not boxes:
        say(st.query_params.get("sentence", SENTENCE)[:LETTERS])
    key, text = next(reversed(boxes.items()))
    return key, text


def say(text: str) -> None:
    """Another text in the box, which therefore is another box."""
    boxes: dict[str, str] = st.session_state.setdefault("boxes", {})
    boxes[f"sentence-{len(boxes) + 1}"] = text


def draft() -> Draft | None:
    """The table; None before its first one."""
    found: Draft | None = st.session_state.get("draft")
    return found


def put(rows: Rows, *, fresh: bool = False) -> Draft:
    """Another table on the screen; after a fresh start edits of the ones before no longer count."""
    before = draft()
    generation = before.generation + 1 if before else 1
    oldest = before.oldest if before and not fresh else generation
    made = Draft(generation, oldest, tuple(typed.columns_for(rows)), rows, _sent())
    st.session_state["draft"] = made
    return made


def take() -> None:
    """Take over what the browser has sent since: call it before anything is drawn."""
    now, sent = draft(), _sent()
    if now is None or sent is None or sent == now.seen or not now.oldest <= sent.generation <= now.generation:
        return
    if sent.generation < now.generation:  # it did not know yet that there is another sentence
        put(typed.rows_for(_words(now.rows), sent.rows))
        return
    st.session_state["draft"] = now._replace(rows=sent.rows, seen=sent)
    words = _words(sent.rows)
    if words and words != _words(now.rows) and words != typed.words_of(sentence()[1]):
        say(typed.sentence_of(words)[:LETTERS])


def refill(key: str) -> None:
    """Another sentence in a box: a row for each of its words; words that the table has keep their numbers."""
    text, boxes = st.session_state[key], st.session_state["boxes"]
    if text == boxes[key]:
        return  # Streamlit calls this, too, when a box that has been replaced sends its old text once more
    boxes[key] = text
    take()  # an edit may come with the same message
    if sentence() != (key, text):
        say(text)
    words, now = typed.words_of(text), draft()
    if 2 <= len(words) <= typed.MAX_WORDS:
        put(typed.rows_for(words, now.rows if now else ()))


def start_again() -> None:
    """The sentence of the beginning, and a table that nobody has edited."""
    say(SENTENCE)
    put(typed.rows_for(typed.words_of(SENTENCE)), fresh=True)


def show(now: Draft) -> None:
    """Draw the table. What is edited in it arrives with the next run, through `take`."""
    width = 1 + len(now.columns)
    rows = [[*row[:width], *[""] * (width - len(row))] for row in now.rows]
    _TABLE(
        key=KEY,
        data={"generation": now.generation, "columns": list(now.columns), "rows": rows},
        on_edited_change=lambda: None,
    )


def _words(rows: Rows) -> list[str]:
    return [row[0].strip() for row in rows if row[0].strip()]


def _sent() -> Sent | None:
    """The last table that the browser has sent, if it is one."""
    value: Any = st.session_state.get(KEY) or {}
    edited = value.get("edited")
    if not isinstance(edited, dict):
        return None
    generation, rows = edited.get("generation"), edited.get("rows")
    if not isinstance(generation, int) or not isinstance(rows, list) or len(rows) > MOST[0]:
        return None
    for row in rows:
        if not isinstance(row, list) or not 1 <= len(row) <= MOST[1]:
            return None
        if not all(isinstance(cell, str) and len(cell) <= MOST[2] for cell in row):
            return None
    return Sent(generation, rows)
