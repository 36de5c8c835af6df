"""What the parts of the Positions page share: where every control starts, sliders that mend what an address holds."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from transformer.figures.heatmap import CONFIG
from transformer.ui.parts import explorer

LONGEST, WIDEST = 2048, 1024
# A square picture of so many positions says all that a larger one would: it repeats along its diagonals.
SQUARE = 512

START: dict[str, Any] = {
    "encoding": "Paper",
    "length": 128,
    "width": 512,
    "minus": "Nothing",
    "ordered": False,
    "columns": [1, 5, 15, 20],
    "rows": [0, 1, 10, 100],
    "position": 50,
    "measure": "dot product",
    "shift": 3,
    "heads": 8,
    "bias": 3,
    "sentence": "O trem saiu da estação na hora.",
    "scale": 1.0,
    "order": "As written",
    "attention": "Encoder",
    "layer": "1",
    "head": "1",
}


def restart(*keys: str) -> None:
    """A button that puts these controls back to where they started."""

    def back() -> None:
        for key in keys:
            if key in st.session_state:
                st.session_state[key] = START[key]

    st.button(
        "Start values",
        key=f"restart-{keys[-1]}",
        icon=":material/restart_alt:",
        type="tertiary",
        on_click=back,
    )


def draw(figure: go.Figure, key: str, alt: str) -> None:
    """A plotly figure as wide as there is room."""
    st.plotly_chart(figure, theme=None, width="stretch", config=CONFIG, key=key, alt=alt)


def sizes(width: bool = True) -> tuple[int, int]:
    """Sliders for length and width; the width is even. `width=False`: it is given and cannot be chosen."""
    left, right = st.columns(2, gap="large")
    with left:
        length = slider("Length (positions)", 2, LONGEST, "length")
    with right:
        wide = slider("Width d (numbers for each position)", 2, WIDEST, "width", step=2, disabled=not width)
    return length, wide - wide % 2


def slider(label: str, low: int, high: int, key: str, *, step: int = 1, disabled: bool = False) -> int:
    """A whole number that stands in the address; one that a shorter range lacks becomes the nearest it has."""
    if low == high:
        return low
    found = st.session_state.get(key)
    if isinstance(found, int) and not low <= found <= high:
        st.session_state[key] = min(max(found, low), high)
    value = min(max(int(START[key]), low), high)
    return int(st.slider(label, low, high, value, step, key=key, bind="query-params", disabled=disabled))


def several(label: str, count: int, most: int, key: str) -> list[int]:
    """Some of the numbers below `count`; larger ones stay chosen, for when there is room for them again."""
    chosen = st.multiselect(
        label, list(range(most)), default=START[key], key=key, bind="query-params", max_selections=12
    )
    if any(number >= count for number in chosen):
        st.caption(f"Shown are those below {count}.")
    return sorted(number for number in chosen if number < count)


def one_of(label: str, options: list[str], key: str) -> str:
    """A row of choices; one that the options lack becomes the first."""
    if st.session_state.get(key, options[0]) not in options:
        st.session_state[key] = options[0]
    return explorer.segments(label, options, key)
