"""The front door's picture: a recorded translation, averaged over all heads."""

from __future__ import annotations

import streamlit as st

from transformer.analysis import views
from transformer.figures.heatmap import CONFIG, heatmap
from transformer.trace import Trace
from transformer.ui.shell.frame import theme
from transformer.ui.shell.markdown import line


def example_picture(trace: Trace) -> None:
    """The cross-attention of a translation, with a sentence on how to read it."""
    st.markdown(f"“{line(trace.input)}” became **“{line(trace.output)}”**")
    st.plotly_chart(
        heatmap(views.hide_special(views.merge_words(views.combine(trace["cross"]))), theme=theme()),
        theme=None,
        width="content",
        config=CONFIG,
        alt="Cross-attention of the example sentence, averaged over all layers and heads.",
    )
    st.caption(
        "Each row is a word being written; its bright cells are the input words it drew on. This is an average "
        f"over all heads of `{trace.model}`, a network that comes with Headlight."
    )
