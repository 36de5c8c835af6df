"""Which words come next, as bars that can be clicked: what the browser is sent, and what of its answer counts.

The component's script is `assets/components/next_word_bars.js`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from transformer.ui.parts.component import accents, component, integers

if TYPE_CHECKING:
    from transformer.pipeline.writer import Word

START_SHOWN = 16  # letters of a broken-off word that stand before its end

_BARS = component("next_word_bars")


def bars(
    text: str,
    words: Sequence[Word],
    *,
    key: str,
    blocked: bool,
    on_take: Callable[[str], None],
    before: Mapping[str, float] | None = None,
) -> None:
    """Draw the words, the likeliest first.

    Args:
        text: what they stand after.
        words: as `Writer.next_words` gives them.
        key: the component's name on its page.
        blocked: they can be seen but not appended.
        on_take: called with the text and the word that was clicked, before the page runs again.
        before: the network's own probability of words before something was changed in it, as far as it is known.
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
                **({"before": round(before[word.text], 6)} if before and word.text in before else {}),
            }
            for word in words
        ],
        "blocked": blocked,
        "accent": accents(),
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
    numbers = integers(answer, 2)
    if numbers is None or numbers[0] != number or not 0 <= numbers[1] < count:
        return None
    return numbers[1]
