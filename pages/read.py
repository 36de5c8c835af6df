"""Read: which words does each head look at in a network that reads a text, and what does it say of the text?"""

import streamlit as st

from transformer.ui.instruments import heads, patching
from transformer.ui.models import calls
from transformer.ui.parts import explorer
from transformer.ui.read import page as read
from transformer.ui.read import text as read_text
from transformer.ui.shell.about import about_model
from transformer.ui.shell.frame import frame
from transformer.ui.shell.model_picker import choose_model, missing_model

EXAMPLES = {
    "The train": read.FIRST,
    "A capital": "The capital of France is Paris.",
    "Which it?": "The dog chased the cat until it was tired.",
    "Two banks": "She sat on the bank of the river and thought of the money in the bank.",
    "A film": "The film was slow, but I loved every minute of it.",
}

frame("pages/read.py")
st.title("Read")
st.markdown(
    "Type a text and press Enter. Then look at what each head drew on and what the network says of the text: its "
    "classes, labels or score, the class of each token, or what it expects in the place of words that you mask."
)
if not calls.names(*calls.READERS):
    read_text.nothing_open()
    st.stop()

text = st.text_input(
    "Text",
    value=read.FIRST,
    max_chars=calls.LONGEST,
    key="text",
    bind="query-params",
    on_change=read.unmask,
)
place = st.container()
with st.container(horizontal=True, vertical_alignment="bottom"):
    st.pills(
        "Examples",
        list(EXAMPLES),
        key="example",
        on_change=read.take_example,
        args=(EXAMPLES,),
        wrap=True,
    )
    model = choose_model("encoder", width=230, names=calls.names(*calls.READERS))
missing_model()
second = ""
if read.joins(model):
    with place:
        second = st.text_input(
            "Second text",
            max_chars=calls.LONGEST,
            key="second",
            bind="query-params",
            on_change=read.unmask,
            placeholder="of a pair, such as a passage beside a question; it may stay empty",
        )

reading = read.answer(model, text, st.query_params.get("masked", ""), second=second or "")
if reading:
    tokens, most = len(reading.trace.source), reading.model.reads
    explorer.explore(
        reading.trace,
        titles=("What was read", ""),
        about=f"{about_model(reading.trace.model)} It reads at most {most} tokens at once; this text has {tokens}.",
        words=read_text.drawn(reading),
        changed=heads.changed(reading.trace, heads.read_again(reading.question)),
        pair=patching.Pair("The film is good.", "The film is bad.", read.take),
    )
