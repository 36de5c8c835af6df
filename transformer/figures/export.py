"""The picture as a file: PNG for slides, SVG for papers and editing. No browser is needed; both have one layout.

SVG is written directly: its text stays text, which the viewer shapes with fonts of its own. PNG is drawn by
matplotlib's Agg, without pyplot or any other setting that threads would share.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import numpy.typing as npt

from transformer.analysis.views import View, row_sums
from transformer.figures import labels
from transformer.figures import theme as themes
from transformer.figures.heatmap import LOOKS_AT, LOOKS_FROM, MOST_MARKS, Marks, Scale, check, scale_of

# What a system may have for the scripts of the world; a character that none of them has is drawn as a box.
FAMILIES = (
    "DejaVu Sans", "Noto Sans", "Arial", "Helvetica", "Noto Sans Arabic", "Noto Sans Hebrew",
    "Noto Sans Devanagari", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Emoji", "Segoe UI Symbol", "Apple Symbols",
)  # fmt: skip
BOX = "□"
DOTS_PER_UNIT = 2

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class _Text:
    """A line of text around (x, y), turned anticlockwise by `turn` degrees."""

    text: str
    x: float
    y: float
    size: float
    colour: str
    anchor: Anchor = "start"
    turn: float = 0


@dataclass(frozen=True)
class _Layout:
    """The picture in units of one CSS pixel, y downwards."""

    width: float
    height: float
    left: float
    top: float
    cell: float
    bar_top: float
    texts: tuple[_Text, ...]


BAR_WIDTH, BAR_HEIGHT = 200.0, 10.0


def png(
    view: View,
    *,
    theme: str = "light",
    title: str | None = None,
    top: float = 1.0,
    marks: Marks | None = None,
) -> bytes:
    """A PNG file of the heatmap, two dots per CSS pixel. Arguments and errors as in `heatmap.heatmap`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    look = themes.get(theme)
    scale = scale_of(view, look, top)
    layout = _layout(view, look, title, scale)
    size = (layout.width / 100, layout.height / 100)
    figure = Figure(size, dpi=100 * DOTS_PER_UNIT, facecolor=look.background)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, layout.width), ylim=(layout.height, 0))
    axes.axis("off")
    rows, columns = view.values.shape
    right, bottom = layout.left + columns * layout.cell, layout.top + rows * layout.cell
    bar = (layout.left, layout.left + BAR_WIDTH, layout.bar_top + BAR_HEIGHT, layout.bar_top)
    style: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest"}
    axes.imshow(_colours(view.values, scale), extent=(layout.left, right, bottom, layout.top), **style)
    axes.imshow(scale.colours[None], extent=bar, **style)
    for x0, x1, y1, y0 in ((layout.left, right, bottom, layout.top), bar):
        axes.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color=look.grid, linewidth=0.7)
    half, width = _mark(layout.cell)
    for symbol, x, y in _marked(marks, layout):
        if symbol == "x":
            for way in (-half, half):
                axes.plot([x - half, x + half], [y - way, y + way], color=look.accent, linewidth=width * 0.72)
        else:
            axes.add_patch(Circle((x, y), half, fill=False, color=look.accent, linewidth=width * 0.72))
    for text in layout.texts:
        axes.text(
            text.x,
            text.y,
            drawable(text.text),
            color=text.colour,
            fontsize=text.size * 0.72,  # 72 points and 100 units to the inch
            family=families(),
            rotation=text.turn,
            rotation_mode="anchor",
            horizontalalignment={"start": "left", "middle": "center", "end": "right"}[text.anchor],
            verticalalignment="center",
            parse_math=False,
        )
    axes.set(xlim=(0, layout.width), ylim=(layout.height, 0))
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()


def svg(
    view: View,
    *,
    theme: str = "light",
    title: str | None = None,
    top: float = 1.0,
    marks: Marks | None = None,
) -> bytes:
    """An SVG file of the heatmap: a rectangle for each cell that has weight, and text as text.

    Arguments and errors as in `heatmap.heatmap`.
    """
    look = themes.get(theme)
    scale = scale_of(view, look, top)
    return "\n".join(_svg(view, _layout(view, look, title, scale), look, scale, marks)).encode()


def _svg(view: View, layout: _Layout, look: themes.Theme, scale: Scale, marks: Marks | None) -> Iterator[str]:
    size = f"{layout.width:g} {layout.height:g}"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{layout.width:g}" height="{layout.height:g}" '
        f'viewBox="0 0 {size}" font-family={quoteattr(themes.FONT)}>'
    )
    stops = (
        f'<stop offset="{at:g}" stop-color="{colour}"/>' for at, colour in themes.plotly_scale(scale.colours)
    )
    yield f'<defs><linearGradient id="weight">{"".join(stops)}</linearGradient></defs>'
    yield f'<rect width="100%" height="100%" fill="{look.background}"/>'
    cell, left, top = layout.cell, layout.left, layout.top
    rows, columns = view.values.shape
    yield '<g shape-rendering="crispEdges">'
    for (row, column), colour in _painted(view.values, scale):
        yield _rectangle(left + column * cell, top + row * cell, cell, cell, f'fill="{colour}"')
    outline = f'fill="none" stroke="{look.grid}"'
    yield _rectangle(left, top, columns * cell, rows * cell, outline)
    yield _rectangle(left, layout.bar_top, BAR_WIDTH, BAR_HEIGHT, f'fill="url(#weight)" stroke="{look.grid}"')
    yield "</g>"
    half, width = _mark(cell)
    pen = f'fill="none" stroke="{look.accent}" stroke-width="{width:g}"'
    for symbol, x, y in _marked(marks, layout):
        if symbol == "x":
            a, b, c, d = x - half, x + half, y - half, y + half
            yield f'<path d="M{a:.2f} {c:.2f}L{b:.2f} {d:.2f}M{a:.2f} {d:.2f}L{b:.2f} {c:.2f}" {pen}/>'
        else:
            yield f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{half:.2f}" {pen}/>'
    for text in layout.texts:
        turn = f' transform="rotate({-text.turn:g} {text.x:.2f} {text.y:.2f})"' if text.turn else ""
        place = f'x="{text.x:.2f}" y="{text.y:.2f}" dy="0.35em" text-anchor="{text.anchor}"{turn}'
        yield f'<text {place} font-size="{text.size:g}" fill="{text.colour}">{escape(writable(text.text))}</text>'
    yield "</svg>"


def _mark(cell: float) -> tuple[float, float]:
    """Half the size of what stands on a cell, and how thick its lines are: as on the page."""
    return max(2.0, min(16.0, 0.5 * cell)) / 2, 2.0 if cell >= 12 else 1.0


def _marked(marks: Marks | None, layout: _Layout) -> Iterator[tuple[str, float, float]]:
    """A cross or a ring, and the middle of the cell that it stands on."""
    for cells, symbol in zip(marks or (), "xo", strict=False):
        if cells.sum() <= MOST_MARKS:
            for row, column in np.argwhere(cells).tolist():
                yield (
                    symbol,
                    layout.left + (column + 0.5) * layout.cell,
                    layout.top + (row + 0.5) * layout.cell,
                )


def _rectangle(x: float, y: float, width: float, height: float, paint: str) -> str:
    return f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" {paint}/>'


def _layout(view: View, look: themes.Theme, title: str | None, scale: Scale) -> _Layout:
    check(view)
    rows, columns = view.values.shape
    cell = min(48.0, 800 / max(rows, columns))
    size = 12.0 if cell >= 16 else 10.0
    row_width, key_width = (1.1 * size * labels.width(axis) for axis in (view.queries, view.keys))
    turned = key_width > cell
    left = row_width + 44
    bar_top = 34.0 + (30 if title else 0)
    top = bar_top + BAR_HEIGHT + 26
    right, bottom = left + columns * cell, top + rows * cell
    below, sums = (0.65 * key_width + 14 if turned else 22) + 24, row_sums(view)
    texts = [_Text(title, left, 24, 16, look.text)] if title else []
    texts.append(_Text(scale.title, left, bar_top - 12, 12, look.muted))
    for i, tick in enumerate(scale.ticks):
        texts.append(
            _Text(
                f"{tick:.2g}",
                left + i / 4 * BAR_WIDTH,
                bar_top + BAR_HEIGHT + 10,
                10,
                look.muted,
                "middle",
            )
        )
    texts.append(_Text(LOOKS_FROM, 16, (top + bottom) / 2, 12, look.muted, "middle", 90))
    texts.append(_Text(LOOKS_AT, (left + right) / 2, bottom + below - 10, 12, look.muted, "middle"))
    if sums:
        texts.append(_Text(sums, left, bottom + below + 10, 12, look.muted))
    every = math.ceil(1.2 * size / cell)
    for row in range(0, rows, every):
        name = labels.display(view.queries[row])
        texts.append(_Text(name, left - 6, top + (row + 0.5) * cell, size, look.text, "end"))
    for column in range(0, columns, every):
        name, x = labels.display(view.keys[column]), left + (column + 0.5) * cell
        turn: tuple[Anchor, float] = ("end", 45) if turned else ("middle", 0)
        texts.append(_Text(name, x, bottom + (8 if turned else 12), size, look.text, *turn))
    # A narrow picture must still hold its bar, its title and what stands below it.
    needed = max(right, left + BAR_WIDTH, left + 0.62 * 16 * len(title or ""), (left + right) / 2 + 60)
    needed = max(needed, left + 0.62 * 12 * len(sums))
    return _Layout(
        math.ceil(needed + 16),
        math.ceil(bottom + below + (28 if sums else 8)),
        left,
        top,
        cell,
        bar_top,
        tuple(texts),
    )


def _colours(values: npt.NDArray[np.float32], scale: Scale) -> npt.NDArray[np.uint8]:
    """Values (...) as colours, uint8 (..., 3)."""
    last = len(scale.colours) - 1
    return scale.colours[np.clip(np.rint(scale.share(values) * last), 0, last).astype(np.uint8)]


def _painted(values: npt.NDArray[np.float32], scale: Scale) -> Iterator[tuple[tuple[int, int], str]]:
    """Position and colour of each cell that differs from the background."""
    colours, nothing = _colours(values, scale), _colours(np.zeros((), np.float32), scale)
    for row, column in np.argwhere((colours != nothing).any(-1)).tolist():
        yield (row, column), themes.hex_colour(colours[row, column])


def writable(text: str) -> str:
    """Without the characters that XML 1.0 does not allow."""
    return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)


@cache
def families() -> list[str]:
    """Those of `FAMILIES` that are installed."""
    from matplotlib import font_manager

    # Asking for a family that is not there logs a warning for every text.
    installed = set(font_manager.fontManager.get_font_names())
    return [family for family in FAMILIES if family in installed]


@cache
def _characters() -> frozenset[int]:
    """Code points that the installed families have."""
    from matplotlib import font_manager

    paths = [font_manager.findfont(family) for family in families()]
    return frozenset(point for path in paths for point in font_manager.get_font(path).get_charmap())


def drawable(text: str) -> str:
    """With a box for each character that no installed family has."""
    return "".join(c if ord(c) in _characters() else BOX for c in text)
