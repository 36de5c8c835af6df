"""How well translators keep up as their input grows, one line for each (rows of `transformer.evaluation.lengths`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from transformer.figures import theme as themes
from transformer.figures.lines import framed, strokes


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
    figure = go.Figure()
    for (model, name), (colour, dash) in zip(names.items(), strokes(look, len(names)), strict=True):
        own = sorted((row for row in rows if row.model == model), key=lambda row: row.sentences)
        if not own:
            continue
        figure.add_scatter(
            x=[row.sentences for row in own],
            y=[row.bleu for row in own],
            customdata=[row.tokens for row in own],
            mode="lines+markers",
            name=name,
            line={"color": colour, "dash": dash, "width": 2},
            marker={"size": 7},
            hovertemplate=f"{name}, %{{x}} at once (%{{customdata}} subwords): %{{y:.1f}} BLEU<extra></extra>",
        )
    if chosen is not None:
        figure.add_vline(x=chosen, line={"color": look.accent, "width": 1, "dash": "dot"})
    framed(figure, look, "sentences translated at once", "BLEU (0 to 100)")
    figure.update_xaxes(dtick=1)
    return figure.update_yaxes(rangemode="tozero")
