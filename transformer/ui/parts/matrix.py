"""A matrix of numbers as a picture: millions of cells on a canvas, each with its exact value in reach.

A plotly heatmap of 2,048 x 1,024 numbers takes a browser more than five seconds; this one sends the same float32 as
they are and paints them in a fraction of that. Where cells outnumber the screen's dots the picture blends neighbours;
what the pointer or the arrow keys read is always one cell. The component's script is `assets/components/matrix.js`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import streamlit as st

from transformer.figures.labels import display
from transformer.figures.theme import THEMES
from transformer.trace import Label
from transformer.ui.parts.component import accents, component, pair, scales
from transformer.ui.parts.wire import headed

TALLEST = 420  # CSS pixels

_MATRIX = component("matrix", "pixels")

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
        "scale": scales(scale),
        "accent": accents(),
    }

    def called() -> None:
        chosen = pair(st.session_state[key].get("picked"), rows, columns)
        if chosen and on_pick:
            on_pick(*chosen)

    _MATRIX(key=key, data=headed(header, array.tobytes()), on_picked_change=called)
