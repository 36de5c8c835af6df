"""Which words matter? The same text tinted by attention, by gradient times input, and by leaving each word out.

The component's script is `assets/components/sentiment_tints.js`. Units: attention received is a share of all attention
of the chosen view; the other two are in log-odds, ln(p / (1 - p)), of one class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from transformer.figures.labels import MARKERS, display
from transformer.figures.theme import THEMES, hex_colour
from transformer.trace import FloatArray, Label
from transformer.ui.parts.component import component

# Of the scales of the theme: a hue that text stays readable on.
SHARE, FOR, AGAINST = 150, 208, 46

_TINTS = component("sentiment_tints")


class Row(NamedTuple):
    """One answer.

    Args:
        title: what it is called.
        about: how to read it, a sentence.
        low, high: what stands at the ends of its scale.
        signed: whether values below zero mean the opposite.
        values: one a token, (S,); None: not computed yet.
    """

    title: str
    about: str
    low: str
    high: str
    signed: bool
    values: FloatArray | None


def received(weights: FloatArray) -> FloatArray:
    """The share of all attention in a view (Q, K) that each token gets, (K,): the mean of its column."""
    found: FloatArray = np.asarray(weights, np.float32).mean(0)
    return found


def tints(labels: Sequence[Label], rows: Sequence[Row], *, key: str) -> None:
    """Draw one text a row.

    Args:
        labels: the S tokens.
        rows: what they are tinted by.
        key: the component's name on its page.

    Raises:
        ValueError: a row whose values are not one a token, or are not finite.
    """
    for row in rows:
        if row.values is not None and (
            np.shape(row.values) != (len(labels),) or not np.isfinite(row.values).all()
        ):
            raise ValueError(f"expected {len(labels)} finite values, received shape {np.shape(row.values)}")
    data: dict[str, Any] = {
        "tokens": [
            {
                "text": MARKERS.get(label.text, label.text) if label.special else display(label, 60),
                "joins": label.joins,
                "special": label.special,
            }
            for label in labels
        ],
        "rows": [
            {
                **row._asdict(),
                "values": None if row.values is None else [round(float(value), 5) for value in row.values],
            }
            for row in rows
        ],
        "colours": {
            name: {
                "share": hex_colour(colours.attention[SHARE]),
                "for": hex_colour(colours.difference[FOR]),
                "against": hex_colour(colours.difference[AGAINST]),
                "accent": colours.accent,
            }
            for name, colours in THEMES.items()
        },
    }
    _TINTS(key=key, data=data)


def table(labels: Sequence[Label], rows: Sequence[Row]) -> dict[str, list[Any]]:
    """The same numbers as columns, a line a token."""
    columns: dict[str, list[Any]] = {"token": [display(label, 60) for label in labels]}
    for row in rows:
        if row.values is not None:
            columns[row.title.lower()] = [round(float(value), 4) for value in row.values]
    return columns
