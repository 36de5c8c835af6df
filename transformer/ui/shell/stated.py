"""What browsers state of widgets, believed only in the widget's own type.

Streamlit takes a value in whatever type it is stated, and the code of a page, which asked for a text, fails over a list
of numbers. No browser does that; a forger may.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamlit.runtime.state.session_state import Serialized, WStates

# Types that stand for each other: a field for numbers states whole ones so or so.
NUMBERS = frozenset({"double_value", "int_value"})


def only_in_their_type() -> None:
    """From now on what is stated in another type than its widget's counts as not stated, in all sessions."""
    read = WStates.__getitem__
    if read.__name__ != _typed.__name__:
        WStates.__getitem__ = _typed(read)  # type: ignore[method-assign]


def _typed(read: Callable[[WStates, str], Any]) -> Callable[[WStates, str], Any]:
    def get(states: WStates, key: str) -> Any:
        state, widget = states.states.get(key), states.widget_metadata.get(key)
        if not isinstance(state, Serialized) or widget is None:
            return read(states, key)
        stated = state.value.WhichOneof("value")
        if stated not in (None, widget.value_type) and not NUMBERS.issuperset((stated, widget.value_type)):
            raise KeyError(key)  # as Streamlit says that it knows nothing of a widget
        value = read(states, key)
        states.set_widget_metadata(widget)  # what was stated, or a value that was cleared, is not its type
        return value

    get.__name__ = _typed.__name__
    return get
