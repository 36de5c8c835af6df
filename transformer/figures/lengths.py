"""How well translators keep up as their input grows, as one line for each (the rows of `transformer.lengths`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from transformer.figures import theme as themes

HEIGHT = 320
DASHES = ("dot", "dash", "solid")


def curves(
    rows: Sequence[Any], names: Mapping[str, str], *, chosen: int | None = None, theme: str = "light"
) -> go.Figure:
    """BLEU against the number of sentences that are translated at once.

    Args:
        rows: with `model`, `sentences`, `tokens` and `bleu`.
        names: what each model that is to be drawn is called, in this order.
        chosen: a number of sentences to mark.
        theme: "light" or "dark".
    """
    look = themes.get(theme)
    # Both arms of the scale of differences and the accent: three that every kind of eye parts; dashes part them too.
    arms = [themes.hex_colour(look.difference[index]) for index in (40, 230)]
    figure = go.Figure()
    for i, (model, name) in enumerate(names.items()):
        own = sorted((row for row in rows if row.model == model), key=lambda row: row.sentences)
        if not own:
            continue
        colour = [*arms, look.text][i % 3]
        figure.add_scatter(
            x=[row.sentences for row in own],
            y=[row.bleu for row in own],
            customdata=[row.tokens for row in own],
            mode="lines+markers",
            name=name,
            line={"color": colour, "dash": DASHES[i % 3], "width": 2},
            marker={"size": 7},
            hovertemplate=f"{name}, %{{x}} at once (%{{customdata}} subwords): %{{y:.1f}} BLEU<extra></extra>",
        )
    if chosen is not None:
        figure.add_vline(x=chosen, line={"color": look.accent, "width": 1, "dash": "dot"})
    figure.update_layout(
        template=look.template,
        height=HEIGHT,
        margin={"l": 8, "r": 12, "t": 34, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
        dragmode=False,  # a drag would keep a phone from scrolling past the picture
        hovermode="closest",
    )
    figure.update_xaxes(title_text="sentences translated at once", dtick=1)
    return figure.update_yaxes(title_text="BLEU (0 to 100)", rangemode="tozero", showgrid=True)
