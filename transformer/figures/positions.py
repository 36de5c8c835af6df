"""Position vectors as lines: one column along the sentence, one row across the vector, and how fast each column waves.

The whole table as a picture is `transformer.ui.parts.matrix`; everything here is small enough for plotly.
Letters for shapes: P positions, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from transformer.figures import theme as themes
from transformer.figures.lines import DASHES, framed
from transformer.formulas.positions import Pairs

# Beyond this many positions a line has no room for a dot at each.
DOTS = 80
# From the middle of one clock to that of the next; a hand is 1 long.
CLOCKS = 3.1


def along_positions(
    table: np.ndarray,
    chosen: Sequence[int],
    *,
    name: str = "column",
    value: str = "value",
    theme: str = "light",
) -> go.Figure:
    """The value of each chosen column of `table` (P, D) against the position.

    Args:
        name: what a column is called in the legend.
        value: the vertical axis, with its unit.
    """
    look = themes.get(theme)
    figure = go.Figure()
    for (colour, dash), column in zip(_strokes(look, len(chosen)), chosen, strict=True):
        figure.add_scatter(
            x=np.arange(len(table), dtype=np.int32),
            y=np.ascontiguousarray(table[:, column], np.float32),
            mode="lines+markers" if len(table) <= DOTS else "lines",
            name=f"{name} {column}",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"size": 5},
            hovertemplate=f"{name} {column}, position %{{x}}: %{{y:.4f}}<extra></extra>",
        )
    return framed(figure, look, "position", value)


def along_columns(
    table: np.ndarray, chosen: Sequence[int], *, pairs: Pairs | None = None, theme: str = "light"
) -> go.Figure:
    """The row of each chosen position of `table` (P, D) against the column.

    Args:
        pairs: where sines and cosines stand; they become lines of their own, solid and dotted, because a single line
            would jump from one to the other and back at every column.
    """
    look = themes.get(theme)
    parts = {"": np.arange(table.shape[1])} if pairs is None else {"sine": pairs.sine, "cosine": pairs.cosine}
    figure = go.Figure()
    for (colour, _), position in zip(_strokes(look, len(chosen)), chosen, strict=True):
        for part, columns in parts.items():
            place = f"position {position}"
            figure.add_scatter(
                x=columns.astype(np.int32),
                y=np.ascontiguousarray(table[position, columns], np.float32),
                mode="lines",
                name=place,
                legendgroup=place,
                showlegend=part != "cosine",
                line={"color": colour, "dash": "dot" if part == "cosine" else "solid", "width": 2},
                hovertemplate=f"{place}, column %{{x}}: %{{y:.4f}}<extra>{part}</extra>",
            )
    return framed(figure, look, "column", "value")


def waves(
    wavelengths: npt.ArrayLike,
    length: int,
    chosen: Sequence[int] = (),
    *,
    name: str = "column",
    theme: str = "light",
) -> go.Figure:
    """After how many positions each column repeats (D,), on a logarithmic axis, and the length of the sentence."""
    look = themes.get(theme)
    values = np.asarray(wavelengths, np.float32)
    figure = go.Figure(
        go.Scatter(
            x=np.arange(len(values), dtype=np.int32),
            y=values,
            mode="lines",
            name="wavelength",
            line={"color": _strokes(look, 1)[0][0], "width": 2},
            hovertemplate=f"{name} %{{x}} repeats after %{{y:,.1f}} positions<extra></extra>",
        )
    )
    figure.add_scatter(
        x=list(chosen),
        y=values[list(chosen)],
        mode="markers",
        name="chosen above",
        marker={"color": look.accent, "size": 9},
        hovertemplate=f"{name} %{{x}} repeats after %{{y:,.1f}} positions<extra></extra>",
    )
    # A line of data: shapes and notes of plotly count a logarithmic axis in two different ways.
    figure.add_scatter(
        x=[0, len(values) - 1],
        y=[length, length],
        mode="lines",
        name=f"length {length:,}",
        line={"color": look.muted, "dash": "dash", "width": 1.5},
        hovertemplate=f"the text is {length:,} positions long<extra></extra>",
    )
    framed(figure, look, name, "wavelength (positions)")
    return figure.update_yaxes(type="log", dtick=1, tickformat=",")


def alike(values: npt.ArrayLike, position: int, *, measure: str, theme: str = "light") -> go.Figure:
    """How alike one position is to every other, (P,), with that position marked."""
    look = themes.get(theme)
    along = np.asarray(values, np.float32)
    figure = go.Figure(
        go.Scatter(
            x=np.arange(len(along), dtype=np.int32),
            y=along,
            mode="lines",
            name=measure,
            line={"color": _strokes(look, 1)[0][0], "width": 2},
            hovertemplate=f"{measure} of positions {position} and %{{x}}: %{{y:.4f}}<extra></extra>",
        )
    )
    figure.add_scatter(
        x=[position],
        y=along[[position]],
        mode="markers",
        name=f"position {position}",
        marker={"color": look.accent, "size": 11},
        hovertemplate=f"position {position} with itself: %{{y:.4f}}<extra></extra>",
    )
    return framed(figure, look, "position", measure)


def circles(
    starts: npt.ArrayLike, turns: npt.ArrayLike, names: Sequence[str], *, theme: str = "light"
) -> go.Figure:
    """Pairs of columns as hands of clocks: each hand at angle `starts` (radians), and turned on by `turns`.

    Args:
        names: what stands under each clock.
    """
    look = themes.get(theme)
    begin, by = np.asarray(starts, np.float64), np.asarray(turns, np.float64)
    figure, round_ = go.Figure(), np.linspace(0, 2 * np.pi, 73)
    for i, (angle, turn, name) in enumerate(zip(begin, by, names, strict=True)):
        middle, centre = (
            CLOCKS * (i % 2),
            -CLOCKS * (i // 2),
        )  # two beside each other: a phone has no room for more
        arc = np.linspace(angle, angle + np.clip(turn, -2 * np.pi, 2 * np.pi), 60)
        figure.add_scatter(
            x=middle + np.cos(round_),
            y=centre + np.sin(round_),
            mode="lines",
            line={"color": look.grid, "width": 1.5},
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_scatter(
            x=middle + 0.55 * np.cos(arc),
            y=centre + 0.55 * np.sin(arc),
            mode="lines",
            line={"color": look.accent, "width": 1.5, "dash": "dot"},
            hoverinfo="skip",
            showlegend=False,
        )
        for label, where, colour in (
            ("before", angle, look.muted),
            ("after the shift", angle + turn, look.accent),
        ):
            figure.add_scatter(
                x=[middle, middle + np.cos(where)],
                y=[centre, centre + np.sin(where)],
                mode="lines+markers",
                name=label,
                legendgroup=label,
                showlegend=i == 0,
                line={"color": colour, "width": 2.5},
                marker={"size": [0, 10]},
                hovertemplate=f"{name}, {label}: cosine {np.cos(where):.4f}, sine {np.sin(where):.4f}<extra></extra>",
            )
        figure.add_annotation(
            x=middle,
            y=centre - 1.12,
            yanchor="top",
            text=name,
            showarrow=False,
            font={"size": 12, "color": look.text},
        )
    framed(figure, look, None, None)
    hidden = {"visible": False, "showgrid": False}
    rows, columns = (len(begin) + 1) // 2, min(len(begin), 2)
    figure.update_layout(height=60 + 190 * rows)
    figure.update_xaxes(**hidden, range=[-1.6, CLOCKS * (columns - 1) + 1.6])
    return figure.update_yaxes(**hidden, range=[-CLOCKS * (rows - 1) - 1.9, 1.2], scaleanchor="x")


def biases(slopes: npt.ArrayLike, length: int, *, head: int, theme: str = "light") -> go.Figure:
    """What ALiBi adds to a score against the distance, one line a head with slope (H,); the chosen head in accent."""
    look = themes.get(theme)
    figure, distance = go.Figure(), np.arange(length)
    values = np.asarray(slopes, np.float64)
    for number, ((colour, dash), slope) in enumerate(zip(_strokes(look, len(values)), values, strict=True)):
        chosen = number == head
        figure.add_scatter(
            x=distance.astype(np.int32),
            y=(-slope * distance).astype(np.float32),
            mode="lines",
            name=f"head {number + 1}",
            line={"color": look.accent if chosen else colour, "dash": dash, "width": 4 if chosen else 1.5},
            hovertemplate=f"head {number + 1} (slope {slope:.4g}), %{{x}} words back: %{{y:.3f}}<extra></extra>",
        )
    return framed(figure, look, "distance (positions back)", "bias added to the score")


def _strokes(look: themes.Theme, count: int) -> list[tuple[str, str]]:
    """A colour and a dash for each line: both arms of the scale of differences, parted by every kind of eye."""
    arms = np.concatenate([np.arange(254, 184, -1), np.arange(70)])
    picked = arms[np.linspace(0, len(arms) - 1, max(count, 1)).round().astype(int)]
    return [
        (themes.hex_colour(look.difference[index]), DASHES[number % len(DASHES)])
        for number, index in enumerate(picked[:count] if count else [])
    ]
