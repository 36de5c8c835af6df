"""Networks of characters as lines: what they lose as they read, and how far back their gradient reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from transformer.figures import theme as themes
from transformer.figures.lines import framed, strokes

HEIGHT = 340


class Curve(NamedTuple):
    """Bits per character against characters read; `training` is the mean since the point before."""

    characters: Sequence[float]
    training: Sequence[float]
    valid_characters: Sequence[float]
    valid: Sequence[float]


class Band(NamedTuple):
    """A share of the total at each distance from 1 on, and its quartiles over many texts, each (T,)."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def learning(curves: Mapping[str, Curve], *, training: bool = True, theme: str = "light") -> go.Figure:
    """A line for each network: on text that it has not seen, with dots, and fainter on what it learns from.

    Args:
        curves: by what each is called.
        training: whether the fainter ones are drawn.
        theme: "light" or "dark".
    """
    look, figure = themes.get(theme), go.Figure()
    for (name, curve), (colour, dash) in zip(curves.items(), strokes(look, len(curves)), strict=True):
        if training:
            figure.add_scatter(
                x=list(curve.characters),
                y=list(curve.training),
                mode="lines",
                name=f"{name}, text it learns from",
                legendgroup=name,
                line={"color": colour, "width": 1.5, "dash": "dot"},
                opacity=0.6,
                hovertemplate=f"{name}, learning, after %{{x:,.0f}} characters: %{{y:.3f}} bits<extra></extra>",
            )
        figure.add_scatter(
            x=list(curve.valid_characters),
            y=list(curve.valid),
            mode="lines+markers",
            name=f"{name}, text it never saw" if training else name,
            legendgroup=name,
            line={"color": colour, "width": 2.5, "dash": dash if not training else "solid"},
            marker={"size": 6},
            hovertemplate=f"{name}, never seen, after %{{x:,.0f}} characters: %{{y:.3f}} bits<extra></extra>",
        )
    framed(figure, look, "characters read", "bits per character", height=HEIGHT)
    return figure.update_xaxes(rangemode="tozero")


def reaches(bands: Mapping[str, Band], *, theme: str = "light") -> go.Figure:
    """The share of the gradient by distance, on logarithmic axes, with the middle half of the texts as a band."""
    look, figure = themes.get(theme), go.Figure()
    for (name, band), (colour, dash) in zip(bands.items(), strokes(look, len(bands)), strict=True):
        steps = np.arange(1, len(band.mean) + 1)
        red, green, blue = themes.rgb(colour)
        figure.add_scatter(
            x=np.concatenate([steps, steps[::-1]]),
            y=np.concatenate([band.high, band.low[::-1]]).astype(np.float32),
            fill="toself",
            fillcolor=f"rgba({red},{green},{blue},0.15)",
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        )
        figure.add_scatter(
            x=steps,
            y=np.asarray(band.mean, np.float32),
            mode="lines",
            name=name,
            legendgroup=name,
            line={"color": colour, "width": 2.5, "dash": dash},
            hovertemplate=f"{name}, %{{x}} characters back: %{{y:.3%}}<extra></extra>",
        )
    framed(figure, look, "how many characters back", "share of the whole gradient", height=HEIGHT)
    figure.update_xaxes(type="log", tickvals=[1, 2, 5, 10, 20, 50, 100, 200])
    return figure.update_yaxes(type="log", exponentformat="none", tickformat="~%")
