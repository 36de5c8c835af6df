"""What every page has around it: title, navigation, and the theme that is on screen."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import streamlit as st

from transformer.figures.theme import ThemeName
from transformer.ui.shell import door


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
    Page(
        "pages/next_word.py",
        "Next word",
        ":material/edit_note:",
        "Type how a text begins and see which words a network expects, let it write on, and replay what every head "
        "looked at on the way.",
    ),
    Page(
        "pages/read.py",
        "Read",
        ":material/menu_book:",
        "See what every head of a BERT looks at in a text, mask words, and see what the network expects there.",
    ),
    Page(
        "pages/sentiment.py",
        "Sentiment",
        ":material/reviews:",
        "Type a review, see whether a network finds it good or bad, and compare attention with what its words really "
        "change.",
    ),
    Page(
        "pages/speech.py",
        "Speech",
        ":material/hearing:",
        "Give a clip of somebody speaking, read what a network wrote down, and hear where each head listened.",
    ),
    Page(
        "pages/positions.py",
        "Positions",
        ":material/pin_drop:",
        "How a network knows the order of its words: every encoding as a picture, and a translation with its positions "
        "taken away.",
    ),
    Page(
        "pages/recurrence.py",
        "Recurrence",
        ":material/history:",
        "What came before attention: networks that carry a memory along a text, beside Transformers.",
    ),
    Page(
        "pages/by_hand.py",
        "Attention by hand",
        ":material/calculate:",
        "Follow one sentence through every step of attention, with numbers that you can change, up to a layer of a "
        "real network.",
    ),
    Page(
        "pages/models.py",
        "Models",
        ":material/deployed_code:",
        "The networks that come along, with their cards, and how to open a checkpoint of your own.",
    ),
)

ABOUT = (
    "**Headlight** shows what every attention head looks at. It runs on this computer and sends nothing away."
)

# Where the session keeps which page it is on, and what it left behind on others.
HERE, LEFT = "page-here", "pages-left"
CHOICES = (
    str,
    int,
    float,
    list,
    tuple,
)  # what a widget holds that stands in the address; not what pages keep

# Streamlit leaves room for a toolbar above and a chat below that Headlight does not have. Navigation stands beside the
# menu, on a telephone as one row that a finger moves, the page that one is on first. The sheet of heads stays in sight
# beside a picture that is taller than the window. Its cells can be clicked, which plotly does not show.
STYLE = """<style>
[data-testid=stMainBlockContainer] { padding-top: 1rem; padding-bottom: 3rem; }
[data-testid=stHeader] { background: none; }
[data-testid=stHeader], [data-testid=stHeader] :not(button, button *) { pointer-events: none; }
.st-key-heatmap .nsewdrag { cursor: pointer !important; }
.st-key-navigation { column-gap: 0; row-gap: 1rem; }
[data-testid=stHeading] h1 { padding: 0.25rem 0 0.4rem; }
@media (min-width: 641px) { .st-key-heads { position: sticky; top: 1rem; } }
@media (max-width: 640px) {
  .st-key-navigation { flex-wrap: nowrap; width: auto; margin-right: 2.5rem; padding: 0.3rem 0; }
  .st-key-navigation { overflow-x: auto; scrollbar-width: none; }
  .st-key-navigation { mask-image: linear-gradient(to right, #000 88%, transparent); }
  .st-key-navigation > * { flex: none; }
  .st-key-navigation > :has(.st-key-here), .st-key-here { order: -1; }
  [data-testid=stTable] :is(th, td) { padding: 0.3rem; font-size: 0.8rem; }
}
</style>"""


def frame(path: str) -> None:
    """Set the page of this script up and draw the navigation: the first call of every page."""
    _turn_to(path)
    page = next(page for page in PAGES if page.path == path)
    title = page.name if page is PAGES[0] else f"{page.name} · Headlight"
    st.set_page_config(page_title=title, page_icon="🔦", layout="wide", menu_items={"About": ABOUT})
    if why := door.refusal():
        st.error(why)
        st.stop()
    st.html(STYLE)
    with st.container(horizontal=True, key="navigation"):
        for other in PAGES:
            with st.container(key="here", width="content") if other is page else nullcontext():
                st.page_link(other.path, label=other.name, icon=other.icon)


def _turn_to(path: str) -> None:
    """What a visitor chose on a page, and what it keeps for itself, is put by when they leave it, and is there again.

    Pages share keys, such as "text" and "model", as these are the names in the address; Streamlit hands the value of a
    widget that stands in the address on to the next page that has one of its key. A link that says what to open finds
    no choices of before.
    """
    state = st.session_state
    if state.get(HERE) == path:
        return
    left: dict[str, dict[str, Any]] = state.get(LEFT, {})
    if HERE in state:
        left[state[HERE]] = {str(key): state[key] for key in list(state) if key not in (HERE, LEFT)}
        for key in left[state[HERE]]:
            del state[key]
        for key, value in left.pop(path, {}).items():
            if not st.query_params or not isinstance(value, CHOICES):
                state[key] = value
    state[HERE], state[LEFT] = path, left


def theme() -> ThemeName:
    """The theme on screen."""
    return "dark" if st.context.theme.type == "dark" else "light"
