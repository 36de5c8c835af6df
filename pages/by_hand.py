"""Attention by hand: how does a word get to know its neighbours? Every step, with numbers that can be changed."""

import streamlit as st

from transformer.ui.by_hand import steps
from transformer.ui.by_hand import vectors as by_hand_vectors
from transformer.ui.by_hand.learned import learned
from transformer.ui.models import calls
from transformer.ui.shell.frame import frame

frame("pages/by_hand.py")
st.title("Attention by hand")
st.markdown(
    "How does a word get to know the words around it? Follow one sentence through every step, from a table of numbers "
    "to a layer of a real network. Change anything: everything below it follows."
)
words = by_hand_vectors.choose()
if words:
    chosen = steps.follow(words)
    st.header("With nothing learned", anchor="by-hand")
    steps.vectors(words)
    scores = steps.similarity(words, chosen)
    scores, divided = steps.scaling(words, scores)
    masked = steps.masking(words, scores, divided)
    weights, temperature = steps.softmax(masked, chosen)
    steps.weighted_sum(masked, weights, chosen)
    steps.order(masked, weights, chosen, temperature, divided)
    learned(words.text, words.labels[chosen].text)
calls.start()
