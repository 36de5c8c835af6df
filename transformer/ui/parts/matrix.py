"""A matrix of numbers as a picture: millions of cells on a canvas, each with its exact value in reach.

A plotly heatmap of 2,048 x 1,024 numbers takes a browser more than five seconds; this one sends the same float32 as
they are and paints them in a fraction of that. Where cells outnumber the screen's dots the picture blends neighbours;
what the pointer or the arrow keys read is always one cell. The component's script is `assets/components/matrix.js`.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import streamlit as st

from transformer import home
from transformer.figures.labels import display
from transformer.figures.theme import THEMES
from transformer.trace import Label

TALLEST = 420  # CSS pixels

_MATRIX = st.components.v2.component(
    "headlight.matrix",
    js="\n".join(
        (home.components() / f"{name}.js").read_text("utf-8") for name in ("common", "pixels", "matrix")
    ),
    css=(home.components() / "matrix.css").read_text("utf-8"),
    isolate_styles=True,
)

Scale = Literal["difference", "attention"]


def matrix(
    values: npt.ArrayLike,
    *,
    key: str,
    title: str,
    names: tuple[str, str],
    low: float,
    high: float,
    scale: Scale = "difference",
    unit: str = "",
    labels: Sequence[Label] = (),
    first: int = 0,
    marked: tuple[int, int | None] | None = None,
    cell: int = 0,
    row_height: int = 0,
    square: bool = False,
    missing: str = "no value",
    on_pick: Callable[[int, int], None] | None = None,
) -> None:
    """Draw `values` (rows, columns), the first row on top.

    Args:
        key: the component's name on its page.
        title: what the picture shows; it stands above it and is read to those who cannot see it.
        names: what a row and what a column is, such as ("position", "column").
        low, high: the values at the two ends of the colour scale; what lies beyond has the colour of the end.
        scale: "difference" has zero in the middle (give -x and x), "attention" at its lower end.
        unit: stands behind each value, such as " rad".
        labels: one for each row; otherwise rows, like columns, are counted from `first`.
        marked: a row, or the cell (row, column), to outline; one that is not there is left out.
        cell: CSS pixels of a cell's side where there is room; 0 fills the width there is.
        row_height: CSS pixels of a row, where the picture shall be no higher than its rows; 0: as high as others.
        square: as wide as it is high.
        missing: what NaN means.
        on_pick: called with (row, column) of a clicked cell before the page runs again.

    Raises:
        ValueError: values that are no matrix, labels that do not fit, or an empty scale.
    """
    array = np.ascontiguousarray(values, np.float32)
    if array.ndim != 2 or not array.size or len(labels) not in (0, len(array)):
        raise ValueError(
            f"expected a matrix with a label for each row or none, received shape {array.shape} "
            f"and {len(labels)} labels"
        )
    if not low < high:
        raise ValueError(f"expected low < high, received {low} and {high}")
    rows, columns = array.shape
    row, column = (-1, -1) if marked is None else (marked[0], -1 if marked[1] is None else marked[1])
    header = {
        "shape": [rows, columns],
        "title": title,
        "names": list(names),
        "low": low,
        "high": high,
        "unit": unit,
        "labels": [display(label) for label in labels],
        "first": first,
        "marked": [row, column] if 0 <= row < rows and column < columns else None,
        "tallest": min(TALLEST, row_height * rows) if row_height else TALLEST,
        "cell": cell,
        "square": square,
        "missing": missing,
        "pickable": on_pick is not None,
        "steps": len(THEMES["light"].difference if scale == "difference" else THEMES["light"].attention),
        "scale": {
            name: base64.b64encode(getattr(look, scale).tobytes()).decode() for name, look in THEMES.items()
        },
        "accent": {name: look.accent for name, look in THEMES.items()},
    }
    text = json.dumps(header, ensure_ascii=False).encode()

    def called() -> None:
        chosen = _cell(st.session_state[key].get("picked"), rows, columns)
        if chosen and on_pick:
            on_pick(*chosen)

    _MATRIX(key=key, data=struct.pack("<I", len(text)) + text + array.tobytes(), on_picked_change=called)


def _cell(value: Any, rows: int, columns: int) -> tuple[int, int] | None:
    """A cell out of what a browser sent, or None."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    if not all(isinstance(part, int) and not isinstance(part, bool) for part in value):
        return None
    row, column = value
    return (row, column) if 0 <= row < rows and 0 <= column < columns else None
