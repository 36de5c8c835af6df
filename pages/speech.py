"""Speech: which moments of the sound did each head listen to while the network wrote down what was said?"""

import streamlit as st

from transformer.ui.models import calls
from transformer.ui.shell.about import about_model
from transformer.ui.shell.frame import frame
from transformer.ui.shell.markdown import line
from transformer.ui.shell.model_picker import choose_model, missing_model
from transformer.ui.speech import calls as speech_calls
from transformer.ui.speech import page as speech

frame("pages/speech.py")
st.title("Speech")
st.markdown(
    "Give a clip of somebody speaking. Then watch and hear where in the sound each head listened for each word."
)
if not calls.names("speech"):
    missing_model()
    speech.no_model()
    st.stop()

speech.clip_pickers()
with st.container(horizontal=True, vertical_alignment="bottom"):
    model = choose_model("speech", width=200)
    try:
        able = speech_calls.abilities(model)
    except calls.Unavailable as error:
        st.warning(line(error))
        st.button("Try to load it again", on_click=calls.retry)
        st.stop()
    question = speech.decoding_pickers(model, able)
missing_model()
speech.abilities(model, able)
heard = speech_calls.answer(question)
if heard:
    changed = speech.changed(heard)
    speech.transcript(heard, changed)
    for note in heard.notes:
        st.caption(line(note))
    speech.explore(heard, about_model(heard.trace.model, card=False), changed)
