"""Sentiment: is a review good or bad in a network's eyes, and which of its words made it so?"""

import streamlit as st

from transformer.ui.instruments import heads, patching
from transformer.ui.parts import explorer
from transformer.ui.sentiment import page as sentiment
from transformer.ui.shell.about import about_model
from transformer.ui.shell.frame import frame

frame("pages/sentiment.py")
st.title("Sentiment")
st.markdown(
    "Type a review and press Ctrl+Enter, or click beside the box. Then compare three answers to one question: which "
    "words made the network say that?"
)
if not sentiment.names():
    st.info(
        "There is no network here that gives a text classes, labels or a score. Open one on the Models page."
    )
    st.page_link("pages/models.py", label="Open a model", icon=":material/deployed_code:")
    st.stop()

reading = sentiment.read(*sentiment.choose())
if reading:
    changed = heads.changed(reading.trace, heads.read_again(reading.question))
    sentiment.verdict(reading, changed)
    st.header("Which words?", anchor="words")
    st.caption(
        "Attention tells where a head drew from, not why the answer came out as it did: quite other attention can go "
        "with the same answer (Jain and Wallace 2019, [Attention is not Explanation]"
        "(https://arxiv.org/abs/1902.10186)), so hold it against the two others, which ask what the answer depends on."
    )
    tokens, most = len(reading.trace.source), reading.model.reads
    explorer.explore(
        reading.trace,
        titles=("What was read", ""),
        about=f"{about_model(reading.trace.model)} It reads at most {most} tokens at once; this text has {tokens}.",
        words=sentiment.drawn(reading),
        changed=changed,
        pair=patching.Pair("The film is good.", "The film is bad.", sentiment.take),
    )
