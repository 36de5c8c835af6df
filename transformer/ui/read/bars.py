"""What does the network hold likely? Groups of possibilities as bars, each of which can be a button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import streamlit as st

from transformer.ui.parts.component import accents, component, integers

_BARS = component("read_bars")


class Bar(NamedTuple):
    """A possibility, its probability (0 to 1), what is remarkable about it, if anything, and its probability before
    something was changed in the network, where that is known."""

    text: str
    probability: float
    note: str = ""
    before: float | None = None


class Group(NamedTuple):
    """Possibilities under a title; most exclude each other, labels do not."""

    title: str
    bars: Sequence[Bar]


def bars(
    groups: Sequence[Group], *, key: str, verb: str = "", on_take: Callable[[int, int], None] | None = None
) -> bool:
    """Draw groups beside each other.

    Args:
        groups: what to draw.
        key: the component's name on its page.
        verb: what a click does, such as "Put in"; empty: bars are no buttons.
        on_take: called with (group, bar) that was clicked before the page runs again.

    Returns:
        True in the one run that follows a click.
    """

    def called() -> None:
        taken = _pair(st.session_state[key].get("taken"), groups)
        if taken and on_take:
            on_take(*taken)

    data = {
        "groups": [
            {
                "title": group.title,
                "bars": [
                    {
                        "text": bar.text,
                        "probability": round(bar.probability, 6),
                        "note": bar.note,
                        **({} if bar.before is None else {"before": round(bar.before, 6)}),
                    }
                    for bar in group.bars
                ],
            }
            for group in groups
        ],
        "verb": verb,
        "accent": accents(),
    }
    result = _BARS(key=key, data=data, on_taken_change=called)
    return _pair(result.get("taken"), groups) is not None


def _pair(value: object, groups: Sequence[Group]) -> tuple[int, int] | None:
    """(group, bar) out of what a browser sent, or None."""
    numbers = integers(value, 2)
    if numbers is None:
        return None
    group, bar = numbers
    if 0 <= group < len(groups) and 0 <= bar < len(groups[group].bars):
        return group, bar
    return None
