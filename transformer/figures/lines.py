"""What pictures of curves have in common: strokes that every kind of eye parts, and the frame around them."""

from __future__ import annotations

import plotly.graph_objects as go

from transformer.figures.theme import Theme, hex_colour

DASHES = ("solid", "dash", "dot", "dashdot")


def strokes(look: Theme, count: int) -> list[tuple[str, str]]:
    """Colours with dashes: both arms of the scale of differences, the text's colour, the accent; then again."""
    colours = [*(hex_colour(look.difference[index]) for index in (40, 230)), look.text, look.accent]
    return [(colours[i % 4], DASHES[i % 4]) for i in range(count)]


def framed(figure: go.Figure, look: Theme, x: str | None, y: str | None, *, height: int = 320) -> go.Figure:
    """The figure with the theme's template, the legend above, and titles of both axes."""
    figure.update_layout(
        template=look.template,
        height=height,
        margin={"l": 8, "r": 12, "t": 34, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
        dragmode=False,  # a drag would keep a phone from scrolling past the picture
        hovermode="closest",
    )
    figure.update_xaxes(title_text=x)
    return figure.update_yaxes(title_text=y, showgrid=True)
