"""What every page has around it: title, navigation, and the theme that is on screen."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from transformer.figures.theme import ThemeName


class Page(NamedTuple):
    """A page: its script, its name, an icon (a Material symbol that Streamlit brings along), and what it is for."""

    path: str
    name: str
    icon: str
    about: str


PAGES = (
    Page("app.py", "Headlight", ":material/flare:", "See what every attention head looks at."),
    Page(
        "pages/translate.py",
        "Translate",
        ":material/translate:",
        "Type a Portuguese or Spanish sentence, read it in English, and see every head of the network that "
        "translated it.",
    ),
)

ABOUT = "**Headlight** shows what every attention head looks at. It runs on this computer and sends nothing away."

# Streamlit leaves room for a toolbar above the page that Headlight does not have.
STYLE = "<style>[data-testid=stMainBlockContainer] { padding-top: 4rem; }</style>"


def frame(path: str) -> None:
    """Set the page of this script up and draw the navigation: the first call of every page."""
    page = next(page for page in PAGES if page.path == path)
    title = page.name if page is PAGES[0] else f"{page.name} · Headlight"
    st.set_page_config(page_title=title, page_icon="🔦", layout="wide", menu_items={"About": ABOUT})
    st.html(STYLE)
    with st.container(horizontal=True, gap="medium", key="navigation"):
        for other in PAGES:
            st.page_link(other.path, label=other.name, icon=other.icon)


def theme() -> ThemeName:
    """The theme on screen."""
    return "dark" if st.context.theme.type == "dark" else "light"
