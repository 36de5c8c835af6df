"""Heads as dots: what an estimate says of each, beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from transformer.analysis.importance import HeadEffect
from transformer.figures import theme as themes
from transformer.figures.labels import MAP_NAMES
from transformer.figures.lines import framed, strokes

SYMBOLS = {"cross": "circle", "encoder": "square", "decoder": "diamond"}


def scatter(heads: Sequence[HeadEffect], *, theme: str = "light", unit: str = "nats") -> go.Figure:
    """Estimate (across) against measurement (up), a colour and a symbol for each map; `unit` of both, "" for none.

    Raises:
        ValueError: a head that was not measured, or none at all.
    """
    if not heads or any(head.measured is None for head in heads):
        raise ValueError("expected heads that were measured, received one that was not")
    look = themes.get(theme)
    figure = go.Figure()
    ends = [min(head.estimate for head in heads), max(head.estimate for head in heads)]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", name="equal", line={"color": look.grid, "dash": "dot"}, hoverinfo="skip"
    )
    kinds = list(dict.fromkeys(head.kind for head in heads))
    for kind, (colour, _) in zip(kinds, strokes(look, len(kinds)), strict=True):
        own = [head for head in heads if head.kind == kind]
        figure.add_scatter(
            x=[head.estimate for head in own],
            y=[head.measured for head in own],
            customdata=[(head.layer + 1, head.head + 1) for head in own],
            mode="markers",
            name=MAP_NAMES[kind],
            marker={"color": colour, "symbol": SYMBOLS[kind], "size": 8, "opacity": 0.8},
            hovertemplate=(
                f"{MAP_NAMES[kind]}, layer %{{customdata[0]}}, head %{{customdata[1]}}: estimated %{{x:.3f}}, "
                "measured %{y:.3f}<extra></extra>"
            ),
        )
    said = f" ({unit})" if unit else ""
    return framed(figure, look, f"estimated{said}", f"measured{said}")
