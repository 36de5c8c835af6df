"""Which model is asked: those of a family, shipped or opened, and a word where the one in the address is not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from transformer.ui.models import calls
from transformer.ui.shell.markdown import line

MISSING = "missing-model"


def choose_model(
    family: str,
    on_change: Callable[[], None] | None = None,
    width: int = 160,
    names: Sequence[str] | None = None,
) -> str:
    """The picker of a page for models of a family; its choice stands in the address as `model`.

    A link may name a model that somebody has forgotten since: then the first is taken, and `missing_model` says so.

    Args:
        family: "seq2seq", "decoder", "encoder" or "speech".
        on_change: called when another is chosen, before the page runs again.
        width: of the picker, CSS pixels.
        names: those of the family that the page has use for; None: all.
    """
    options = calls.names(family) if names is None else list(names)
    asked = st.session_state.get("model") or st.query_params.get("model")
    if asked and asked not in options:
        st.session_state[MISSING] = str(asked)
        st.session_state.pop("model", None)
    elif asked and asked != options[0]:
        st.session_state.pop(MISSING, None)

    def changed() -> None:
        st.session_state.pop(MISSING, None)
        if on_change:
            on_change()

    return (
        st.selectbox("Model", options, key="model", bind="query-params", on_change=changed, width=width) or ""
    )


def missing_model() -> None:
    """A sentence on a model that the address named and that is not there, and the way to open it."""
    if name := st.session_state.get(MISSING):
        why = (
            "is of another kind than this page is for."
            if calls.known(name)
            else "is not open on this server: it may have been forgotten, or the server was started anew."
        )
        st.info(f"The model “{line(name, 60)}” {why}")
        st.page_link("pages/models.py", label="See the models", icon=":material/deployed_code:")
