"""Before attention: what did recurrent networks do, how far did they get, and why did attention replace them?"""

import streamlit as st

from transformer.ui.parts import explorer
from transformer.ui.recurrence.characters import characters_section, why_section
from transformer.ui.recurrence.translation import translation
from transformer.ui.shell.frame import frame

frame("pages/recurrence.py")
st.title("Before attention: recurrence")
st.markdown(
    "Before the Transformer, networks read a text from left to right and carried all they knew in one memory. Here "
    "such networks stand beside Transformers, with what was measured for both."
)
SECTIONS = {"Characters": characters_section, "Translation": translation, "Why": why_section}
SECTIONS[explorer.segments("Section", list(SECTIONS), "section")]()
