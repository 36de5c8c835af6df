"""Which words come next, as bars that can be clicked: what the browser is sent, and what of its answer counts.

The component's script is `assets/components/next_word_bars.js`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from transformer import home
from transformer.figures.theme import THEMES

if TYPE_CHECKING:
    from transformer.pipeline.writer import Word

START_SHOWN = 16  # letters of a broken-off word that stand before its end

_BARS = st.components.v2.component(
    "headlight.next_word_bars",
    js="\n".join(
        (home.components() / f"{name}.js").read_text("utf-8") for name in ("common", "card", "next_word_bars")
    ),
    css=(home.components() / "next_word_bars.css").read_text("utf-8"),
    isolate_styles=True,
)


def bars(
    text: str, words: Sequence[Word], *, key: str, blocked: bool, on_take: Callable[[str], None]
) -> None:
    """Draw the words, the likeliest first.

    Args:
        text: what they stand after.
        words: as `Writer.next_words` gives them.
        key: the component's name on its page.
        blocked: they can be seen but not appended.
        on_take: called with the text and the word that was clicked, before the page runs again.
    """
    # Tells one list from another, so that a click on a list that is gone does nothing.
    number = zlib.crc32("\0".join([text, *(word.text for word in words)]).encode("utf-8", "replace"))
    data = {
        "list": number,
        "words": [
            {
                **_spelled(text, word.text),
                "probability": round(word.probability, 6),
                "own": round(word.own, 6),
            }
            for word in words
        ],
        "blocked": blocked,
        "accent": {name: colours.accent for name, colours in THEMES.items()},
    }

    def called() -> None:
        place = _place(st.session_state[key].get("taken"), number, len(words))
        if place is not None:
            on_take(text + words[place].text)

    _BARS(key=key, data=data, on_taken_change=called)


def _spelled(text: str, word: str) -> dict[str, str]:
    """A word as people read it, and before it what is typed of it already: "happ" and "ening"."""
    begun = re.search(r"\S*$", text)
    joins = not word[:1].isspace() and any(letter.isalnum() for letter in word)
    start = begun[0] if joins and begun else ""
    return {
        "start": start if len(start) <= START_SHOWN else "…" + start[1 - START_SHOWN :],
        "text": word.strip(),
    }


def _place(answer: Any, number: int, count: int) -> int | None:
    """The word of this list that a browser named, or None."""
    if not isinstance(answer, list) or len(answer) != 2:
        return None
    if not all(isinstance(part, int) and not isinstance(part, bool) for part in answer):
        return None
    return answer[1] if answer[0] == number and 0 <= answer[1] < count else None
