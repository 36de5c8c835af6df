"""Next word: what does a network expect after these words, and how did the text come about in its eyes?"""

from functools import partial

import streamlit as st

from transformer.ask import Ask
from transformer.ui.instruments import heads, patching
from transformer.ui.models import calls
from transformer.ui.next_word import page as next_word
from transformer.ui.next_word.replay import replay
from transformer.ui.parts import explorer
from transformer.ui.shell.about import about_model
from transformer.ui.shell.frame import frame

frame("pages/next_word.py")
st.title("Next word")
st.markdown(
    "Type how a text begins. The network says which words it expects next: click one, or let it write on."
)
model, text = next_word.choose()
left, right = st.columns([3, 2], gap="large")
with right:
    how, seed = next_word.settings()
with left:
    shown = next_word.foretell(model, text, how)
    next_word.buttons(model, text, how, seed)
if shown:
    question = Ask(model=shown.model, given=shown.read)
    trace = calls.ask(question)
    next_word.notes(shown, trace)
    st.header("How it came about", anchor="replay")
    st.caption(
        "Surprise is −log₂ of the probability that the network itself gave to a token before it came: 1 bit is a coin "
        "toss. Move the slider to see the text as it stood, what its last token looked at, and what was foretold."
    )
    explorer.explore(
        trace,
        titles=("", ""),
        about=about_model(shown.model),
        words=partial(replay, key="replay"),
        changed=heads.changed(trace, heads.read_again(question), writes="text", own=False),
        pair=patching.Pair("The man said that", "The woman said that", next_word.take),
    )
