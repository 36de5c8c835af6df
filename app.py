"""The front door: what Headlight is, a card for each page, and one picture to begin with."""

import streamlit as st

from transformer.analysis import views
from transformer.figures.heatmap import CONFIG, heatmap
from transformer.ui import calls
from transformer.ui.frame import PAGES, frame, theme

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
with picture:
    trace = calls.example()
    st.markdown(f"“{trace.input}” became **“{trace.output}”**")
    st.plotly_chart(
        heatmap(views.hide_special(views.merge_words(views.combine(trace["cross"]))), theme=theme()),
        theme=None,
        width="content",
        config=CONFIG,
        alt="Cross-attention of the example sentence, averaged over all layers and heads.",
    )
    st.caption(
        "Each row is a word being written; its bright cells are the input words it drew on. Cross-attention of the "
        f"network `{trace.model}` that comes with Headlight, averaged over layers and heads."
    )
calls.start()
