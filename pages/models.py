"""Models: which networks are there to look into, and how does one's own join them?"""

import streamlit as st

from transformer.ui.models import calls
from transformer.ui.models import page as models
from transformer.ui.shell.frame import frame

frame("pages/models.py")
st.title("Models")
st.markdown(
    "The networks that there are to look into, and how to open one of your own, so that the pages work on it."
)
st.header("Shipped with Headlight", anchor="shipped")
models.shipped_models()
st.header("Open your own", anchor="open")
models.open_your_own()
st.header("Opened models", anchor="opened")
models.opened_models()
calls.start()
