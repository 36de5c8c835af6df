"""One view of attention as a plotly heatmap: who looks (down the side) at whom (along the bottom), how much.

Colours are fixed to weights from 0 to `top`, which is 1 unless all are small, so that two heads compare. Axes are
categories named by position, and `labelalias` gives each its token: two equal tokens stay apart, every cell names its
tokens on hover, and plotly itself turns or leaves out labels that find no room, so that one figure reads at 390 and at
1280 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from transformer.analysis.views import View
from transformer.figures import labels
from transformer.figures import theme as themes
from transformer.trace import Label

# For `st.plotly_chart(figure, theme=None, width="content", config=CONFIG)`.
CONFIG: dict[str, Any] = {"displayModeBar": False, "scrollZoom": False}

LOOKS_FROM = "looks from (query)"
LOOKS_AT = "looks at (key)"

# The isolates keep a right-to-left token from reordering the sentence.
SENTENCE = "“\u2068%{y}\u2069” looks at “\u2068%{x}\u2069”: %{z:.3f}<extra></extra>"
CHANGED = "“\u2068%{y}\u2069” looks at “\u2068%{x}\u2069”: %{z:+.3f} than before<extra></extra>"


class Marks(NamedTuple):
    """What stands on cells of a heatmap: booleans (Q, K).

    barred: looks that a query must not take, a cross; dropped: whose weight is not used, a ring.
    """

    barred: npt.NDArray[np.bool_]
    dropped: npt.NDArray[np.bool_]


# So many marks are drawn at most: each is an element of the page.
MOST_MARKS = 2000


class Scale(NamedTuple):
    """What colours stand for: `colours` from the value `low` to `high`, 0 being the background of the theme."""

    low: float
    high: float
    colours: themes.Lookup
    title: str

    @property
    def ticks(self) -> list[float]:
        """Five values from one end to the other."""
        return [self.low + i * (self.high - self.low) / 4 for i in range(5)]

    def share(self, values: Any) -> Any:
        """Where values stand between the ends, 0 to 1."""
        return (values - self.low) / (self.high - self.low)


def scale_of(view: View, look: themes.Theme, top: float) -> Scale:
    """Of weights 0 to `top`; of differences -`top` to `top`. ValueError unless 0 < top <= 1."""
    if not 0 < top <= 1:
        raise ValueError(f"expected a top above 0 and at most 1, received {top}")
    if view.signed:
        return Scale(-top, top, look.difference, f"change of weight (−{top:.2g} to {top:.2g})")
    return Scale(0.0, top, look.attention, f"{view.unit or 'attention weight'} (0 to {top:.2g})")


def heatmap(
    view: View,
    *,
    theme: str = "light",
    title: str | None = None,
    compact: bool = False,
    top: float = 1.0,
    marks: Marks | None = None,
    picked: tuple[int, int] | None = None,
) -> go.Figure:
    """A heatmap of `view`, with the exact weight on hover.

    Args:
        view: values (Q, K), 0 to 1, or signed ones, -1 to 1.
        theme: "light" or "dark".
        title: a line above the picture, plain text.
        compact: smaller cells, and neither axis titles nor colour bar, for a picture beside others.
        top: the weight that has full colour.
        marks: what stands on cells; of more than 2,000 none.
        picked: (row, column) of a cell to outline.

    Raises:
        ValueError: the values are not two-dimensional, do not fit the labels, or are empty; a top not in (0, 1].
    """
    look = themes.get(theme)
    check(view)
    scale = scale_of(view, look, top)
    bar = colourbar(look, scale.title, scale.ticks, [f"{tick:.2g}" for tick in scale.ticks])
    hover = (CHANGED if view.signed else SENTENCE).replace("%{z", f"{view.unit} %{{z".lstrip())
    rows, columns = view.values.shape
    cell = min(30.0, 400 / max(rows, columns)) if compact else min(48.0, 800 / max(rows, columns))
    size = 12 if cell >= 16 else 11
    # Room for the labels is estimated, so that cells come out square; automargin mends a wrong estimate.
    left = size * labels.width(view.queries) + (14 if compact else 40)
    key_width = size * labels.width(view.keys)
    bottom = (30 if key_width < cell else 0.75 * key_width + 20) + (0 if compact else 28)
    above = (0 if compact else 64) + (36 if title else 6)
    # Plain and whole: plotly checks what is one of its objects already, or set piece by piece, several times.
    figure = go.Figure(
        dict(
            type="heatmap",
            z=np.ascontiguousarray(view.values, np.float32),
            x=_positions(columns),
            y=_positions(rows),
            zmin=scale.low,
            zmax=scale.high,
            colorscale=themes.plotly_scale(scale.colours),
            showscale=not compact,
            colorbar=bar,
            xgap=1 if cell >= 12 else 0,
            ygap=1 if cell >= 12 else 0,
            hovertemplate=hover,
        ),
        layout=dict(
            template=look.template,
            width=round(left + columns * cell + 16),
            height=round(above + bottom + max(rows * cell, 40.0)),
            margin={"l": round(left), "r": 16, "t": above, "b": round(bottom), "pad": 2},
            dragmode=False,  # a drag would keep a phone from scrolling past the picture
            xaxis=_axis(view.keys, size, None if compact else LOOKS_AT) | {"autotickangles": [0, -45, -90]},
            yaxis=_axis(view.queries, size, None if compact else LOOKS_FROM, reverse=True),
        ),
    )
    for cells, symbol in zip(marks or (), ("x-thin", "circle-open"), strict=False):
        if 0 < cells.sum() <= MOST_MARKS:
            figure.add_trace(_marked(cells, symbol, cell, look))
    if picked:
        (row, column), line = picked, {"color": look.accent, "width": 2}
        edges = dict(x0=column - 0.5, x1=column + 0.5, y0=row - 0.5, y1=row + 0.5)
        figure.add_shape(type="rect", line=line, **edges)
    if title:
        # Not layout.title: plotly 7.1 shifts that out of the picture when a colour bar lies above the plot.
        figure.add_annotation(
            text=labels.escape(title),
            x=0,
            y=1,
            xref="paper",
            yref="paper",
            xanchor="left",
            yanchor="bottom",
            yshift=above - 34,
            showarrow=False,
            font={"size": 16},
        )
    return figure


def _marked(cells: npt.NDArray[np.bool_], symbol: str, cell: float, look: themes.Theme) -> dict[str, Any]:
    rows, columns = np.nonzero(cells)
    return dict(
        type="scatter",
        mode="markers",
        x=[str(column) for column in columns],
        y=[str(row) for row in rows],
        marker={
            "symbol": symbol,
            "size": max(2.0, min(16.0, 0.5 * cell)),
            "color": look.accent,
            "line": {"width": 2 if cell >= 12 else 1, "color": look.accent},
        },
        hoverinfo="skip",  # what is read is the cell behind it
        showlegend=False,
    )


def check(view: View) -> None:
    """ValueError unless the view is one picture: values (Q, K), at least one of each, with a label for each."""
    expected = (len(view.queries), len(view.keys))
    if view.values.shape != expected or 0 in expected:
        raise ValueError(
            f"expected values {expected} of at least one query and key, received {view.values.shape}"
        )


def _positions(count: int) -> list[str]:
    return [str(position) for position in range(count)]


def _axis(tokens: Sequence[Label], size: int, title: str | None, reverse: bool = False) -> dict[str, Any]:
    ends = [-0.5, len(tokens) - 0.5]
    return {
        "type": "category",
        "range": ends[::-1] if reverse else ends,
        "labelalias": dict(
            zip(
                _positions(len(tokens)),
                (labels.escape(labels.display(token)) for token in tokens),
                strict=True,
            )
        ),
        "tickfont": {"size": size},
        "title": {"text": title},
        "showline": True,
        "mirror": True,
    }


def colourbar(
    look: themes.Theme, title: str, ticks: Sequence[float], names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Lying above the picture, where it takes no width from a narrow screen; `names` are what its ticks are called."""
    bar = {
        "title": {"text": title, "side": "top", "font": {"size": 13, "color": look.muted}},
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom",
        "ypad": 8,
        "xpad": 0,
        "len": 200,
        "lenmode": "pixels",
        "thickness": 10,
        "tickvals": list(ticks),
        "tickfont": {"size": 11, "color": look.muted},
        "outlinecolor": look.grid,
        "outlinewidth": 1,
    }
    return bar if names is None else bar | {"ticktext": list(names)}
