"""Positions: how does a network know the order of its words, and what happens without it?"""

import streamlit as st

from transformer.ui.models import calls
from transformer.ui.positions.controls import one_of
from transformer.ui.positions.network import network_section
from transformer.ui.positions.relative import ALIBI, ROTARY, alibi_section, rotary_section
from transformer.ui.positions.tables import (
    CONVENTIONS,
    learned,
    lines_section,
    table_section,
    uses_section,
)
from transformer.ui.shell.frame import frame

frame("pages/positions.py")
st.title("Positions")
st.markdown(
    "Attention compares words with words and never asks where they stand. To it “the dog bit the man” and “the man "
    "bit the dog” are one and the same bag of words. So every Transformer is told the order. Here you see how: the "
    "numbers that stand for a position, what they are good for, and what becomes of a translation without them."
)


@st.fragment
def encodings() -> None:
    """Everything that is a formula."""
    st.header("A pattern for every position", anchor="pattern")
    st.markdown(
        "Each position gets a vector of its own, as long as the vector of a word, and the two are **added**. The "
        "first three encodings below do this, each in its own way. Two later inventions add nothing to the words: "
        "**Rotary** turns queries and keys, **ALiBi** lowers the scores of words that lie far back."
    )
    name = one_of("Encoding", [*CONVENTIONS, ROTARY, ALIBI, *learned()], "encoding")
    if name == ROTARY:
        rotary_section()
    elif name == ALIBI:
        alibi_section()
    else:
        table = table_section(name)
        st.header("One column, one row", anchor="lines")
        lines_section(table)
        st.header("What the pattern is good for", anchor="uses")
        uses_section(table)


@st.fragment
def network() -> None:
    """Everything that asks a network."""
    st.header("In a real network", anchor="network")
    st.markdown(
        "The network that comes with Headlight adds such a table to its words. Take it away, make it weaker or "
        "stronger, or shuffle the words, and compare."
    )
    network_section()


encodings()
network()
calls.start()
