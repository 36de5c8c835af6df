"""The front door: what Headlight is, a card for each page, and pictures to begin with."""

import streamlit as st

from transformer.ui.models import calls
from transformer.ui.parts.sheet import sheet
from transformer.ui.shell.frame import PAGES, frame
from transformer.ui.shell.front import example_picture

frame("app.py")
words, picture = st.columns([5, 6], gap="large")
with words:
    st.title("See what every attention head looks at")
    st.markdown(
        "A Transformer answers by letting each word look at other words. Headlight runs one on this computer "
        "and shows all of that looking: every layer, every head, every position, with the exact numbers."
    )
    for page in PAGES[1:]:
        with st.container(border=True):
            st.page_link(page.path, label=f"**{page.name}**", icon=page.icon)
            st.markdown(page.about)
trace = calls.example()
if trace:
    with picture:
        example_picture(trace)
    st.subheader("The same sentence, each head by itself", anchor=False)
    st.caption("Click a head to open it in Translate.")
    if chosen := sheet(trace["cross"], selected=(None, None), key="sheet"):
        layer, head = (str(index + 1) for index in chosen)
        st.switch_page("pages/translate.py", query_params={"layer": layer, "head": head})
calls.start()
