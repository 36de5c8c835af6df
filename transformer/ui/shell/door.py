"""Does a guard stand before the app (`ui/server.py`)? `streamlit run app.py` starts it without one."""

from __future__ import annotations

import streamlit as st

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

guarded = False  # set by whoever puts the guard there


def refusal() -> str:
    """Why no page is shown: an app that listens to other machines needs the guard; "" where all is well."""
    address = str(st.get_option("server.address") or "")
    if guarded or address.lower() in LOCAL:
        return ""
    return (
        "Headlight was started without its guard, and listens to other machines. "
        "Start it with `make app ADDRESS=…`, or with `python -m transformer.ui.server --address …`."
    )
