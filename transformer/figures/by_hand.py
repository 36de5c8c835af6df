"""Pictures of attention by hand: a matrix of numbers above and below zero, one bar a word, and a curve over widths.

Weights themselves are drawn by `heatmap`; here is what comes before and after them. All in the look of `theme`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from transformer.analysis.by_hand import Mask, WidthCurve
from transformer.figures import labels
from transformer.figures import theme as themes
from transformer.figures.heatmap import colourbar
from transformer.trace import Label

# Up to so many columns there is room for each number to be written into its cell.
WRITTEN = 10
VECTOR = "“\u2068%{y}\u2069”, number %{x}: %{z:.3f}<extra></extra>"
PAIR = "“\u2068%{y}\u2069” with “\u2068%{x}\u2069”: %{z:.3f}<extra></extra>"


def matrix(
    values: npt.ArrayLike,
    rows: Sequence[Label],
    columns: Sequence[Label] | None = None,
    *,
    theme: str = "light",
    title: str,
    forbidden: Mask | None = None,
    breaks: int = 0,
    compact: bool = False,
) -> go.Figure:
    """Numbers of both signs as colours, zero being the background; written into the cells where there is room.

    Args:
        values: (R, C).
        rows: R labels.
        columns: C labels; None numbers the columns from 1, as the numbers of a vector.
        title: what the numbers are, above the colour bar.
        forbidden: (R, C), true where minus infinity stands instead of the number.
        breaks: a thin line after every so many columns; 0 for none.
        compact: without the colour bar, for a picture beside others.

    Raises:
        ValueError: shapes that do not fit, or no numbers.
    """
    look = themes.get(theme)
    numbers = np.asarray(values, np.float32)
    count = len(columns) if columns is not None else (numbers.shape[1] if numbers.ndim == 2 else 0)
    if numbers.shape != (len(rows), count) or not numbers.size:
        raise ValueError(f"expected numbers ({len(rows)}, {count}), at least one, received {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError("expected finite numbers, received NaN or infinity")
    barred = np.zeros(numbers.shape, np.bool_) if forbidden is None else forbidden
    limit = float(np.abs(np.where(barred, 0, numbers)).max()) or 1.0
    written = count <= WRITTEN
    cell = min(56.0, max(30.0, 520 / count)) if written else max(1.0, min(34.0, 560 / count))
    row = 32 if written else min(30.0, max(14.0, 560 / len(rows)))
    traces = [
        dict(
            type="heatmap",
            z=np.where(barred, np.nan, numbers),
            x=_positions(count),
            y=_positions(len(rows)),
            zmin=-limit,
            zmax=limit,
            colorscale=themes.plotly_scale(look.difference),
            showscale=not compact,
            colorbar=colourbar(look, title, (-limit, 0, limit), (f"{-limit:.3g}", "0", f"{limit:.3g}")),
            xgap=1 if cell >= 12 else 0,
            ygap=1,
            texttemplate="%{z:.2f}" if written else None,
            hovertemplate=VECTOR if columns is None else PAIR,
            hoverongaps=False,
        )
    ]
    if barred.any():
        traces.append(
            dict(
                type="heatmap",
                z=np.where(barred, np.float32(1), np.float32(np.nan)),
                x=_positions(count),
                y=_positions(len(rows)),
                colorscale=[(0, look.grid), (1, look.grid)],
                showscale=False,
                xgap=1,
                ygap=1,
                # Of its own for each cell: a template alone would be written into the empty ones, too.
                text=np.where(barred, "−∞", ""),
                texttemplate="%{text}" if cell >= 18 else None,
                textfont={"color": look.muted},
                hovertemplate="“\u2068%{y}\u2069” may not look at “\u2068%{x}\u2069”<extra></extra>",
                hoverongaps=False,
            )
        )
    size = 13
    left = size * labels.width(rows) + 14
    turned = columns is not None and size * labels.width(columns) > cell
    below = 24 if columns is None or not turned else 0.75 * size * labels.width(columns) + 16
    top = 8 if compact else 62
    layout = dict(
        template=look.template,
        width=round(left + count * cell + 16),
        height=round(top + len(rows) * row + below),
        margin={"l": round(left), "r": 16, "t": top, "b": round(below), "pad": 2},
        dragmode=False,
        xaxis=_names(columns, count) | {"autotickangles": [0, -45, -90]},
        yaxis=_names(rows, len(rows)) | {"autorange": "reversed"},
    )
    figure = go.Figure(traces, layout=layout)  # plain dicts, see `heatmap`
    for start in range(breaks, count, breaks) if breaks else ():
        figure.add_vline(x=start - 0.5, line={"color": look.muted, "width": 1})
    return figure


def bars(
    values: npt.ArrayLike,
    words: Sequence[Label],
    *,
    theme: str = "light",
    title: str,
    chosen: int | None = None,
) -> go.Figure:
    """One bar a word, up for more and down for less; `chosen` is in the accent colour.

    Raises:
        ValueError: not one finite number for each word.
    """
    look = themes.get(theme)
    heights = np.asarray(values, np.float32)
    if heights.shape != (len(words),) or not heights.size or not np.isfinite(heights).all():
        raise ValueError(f"expected {len(words)} finite numbers, received shape {heights.shape}")
    colours = [look.accent if place == chosen else _rising(look) for place in range(len(words))]
    bar = dict(
        type="bar",
        x=_positions(len(words)),
        y=heights,
        marker={"color": colours},
        hovertemplate="“\u2068%{x}\u2069”: %{y:+.3f}<extra></extra>",
    )
    layout = dict(
        template=look.template,
        width=min(600, 110 + 48 * len(words)),
        height=260,
        margin={"l": 56, "r": 16, "t": 12, "b": 60},
        dragmode=False,
        xaxis=_names(words, len(words)) | {"autotickangles": [0, -45, -90]},
        yaxis={
            "title": {"text": title}, "showgrid": True, "zeroline": True, "zerolinecolor": look.muted, "nticks": 5,
        },
    )  # fmt: skip
    return go.Figure(bar, layout=layout)


def width_curve(curve: WidthCurve, keys: int, chosen: int, *, theme: str = "light") -> go.Figure:
    """Entropy of the softmax against the width of the vectors, with and without the division by its root.

    Raises:
        ValueError: `chosen` is none of the curve's widths.
    """
    look = themes.get(theme)
    at = np.flatnonzero(curve.widths == chosen)
    if not at.size:
        raise ValueError(f"expected a width of the curve, received {chosen}")
    lines = (
        ("divided by √d", curve.scaled, _rising(look), "top"),
        ("not divided", curve.plain, look.accent, "bottom"),
    )
    traces, annotations = [], []
    for name, heights, colour, side in lines:
        traces.append(
            dict(
                type="scatter",
                x=curve.widths,
                y=heights.astype(np.float32),
                name=name,
                mode="lines+markers",
                line={"color": colour, "width": 2.5},
                marker={"size": [13 if width == chosen else 5 for width in curve.widths]},
                hovertemplate=f"width %{{x}}, {name}: %{{y:.2f}} bits<extra></extra>",
            )
        )
        annotations.append(dict(
            x=1, xref="paper", y=float(heights[-1]), text=name, font={"color": colour}, showarrow=False,
            xanchor="right", yanchor=side, yshift=8 if side == "bottom" else -8,
        ))  # fmt: skip
    even = math.log2(keys)
    annotations.append(dict(
        x=0, xref="x domain", y=even, yref="y", text=f"an even look at all {keys}: {even:.0f} bits",
        font={"color": look.muted}, showarrow=False, xanchor="left", yanchor="bottom",
    ))  # fmt: skip
    layout = dict(
        template=look.template,
        height=300,
        margin={"l": 56, "r": 20, "t": 30, "b": 56},
        showlegend=False,
        dragmode=False,
        xaxis={
            "type": "log",
            "title": {"text": "width d of the vectors"},
            "tickvals": curve.widths[::2],
            "showgrid": True,
        },
        yaxis={
            "title": {"text": "entropy of the softmax (bits)"},
            "range": [0, even * 1.15],
            "showgrid": True,
        },
        annotations=annotations,
        shapes=[dict(
            type="line", x0=0, x1=1, xref="x domain", y0=even, y1=even, yref="y",
            line={"dash": "dot", "color": look.muted},
        )],
    )  # fmt: skip
    return go.Figure(traces, layout=layout)


def _rising(look: themes.Theme) -> str:
    """The colour of what lies well above zero."""
    return themes.hex_colour(look.difference[round(0.8 * (len(look.difference) - 1))])


def _positions(count: int) -> list[str]:
    return [str(position) for position in range(count)]


def _names(names: Sequence[Label] | None, count: int) -> dict[str, Any]:
    """A category axis that shows labels, or without any the numbers from 1."""
    texts = (
        [str(i + 1) for i in range(count)]
        if names is None
        else [labels.escape(labels.display(n)) for n in names]
    )
    axis: dict[str, Any] = {
        "type": "category",
        "labelalias": dict(zip(_positions(count), texts, strict=True)),
    }
    if names is None and count > 32:
        # One for each would be a grey stripe.
        step = 2 ** math.ceil(math.log2(count / 8))
        axis |= {"tickvals": [str(i - 1) for i in range(step, count + 1, step)]}
    return axis
