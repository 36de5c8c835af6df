"""What each layer would answer, as a picture: places down the side, layers across, the best guess in every cell.

Places run down, so that a long text scrolls as a page does, on a phone too. Colour is the probability of the guess.
"""

from __future__ import annotations

import csv as csv_files
import io
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import plotly.graph_objects as go

from transformer.analysis.lens import Lens
from transformer.figures import labels
from transformer.figures import theme as themes
from transformer.figures.export import DOTS_PER_UNIT, drawable, families, writable
from transformer.figures.heatmap import colourbar
from transformer.trace import FloatArray, Label

TITLE = "probability"
BAR = 228  # room for the colour bar
LIMIT = 12  # letters of a guess in a cell
SIZE, ROW = 12, 26  # of letters and of a row, in pixels
HEAD, HEAD_OF_FILE, BELOW = 28, 84, 62  # what stands above the rows, and below them the colour bar


class Grid(NamedTuple):
    """The picture as numbers and texts.

    Args:
        rows: N labels, the places; or classes.
        columns: R names, the embedding and each layer.
        values: (N, R), 0 to 1.
        texts: N rows of R, what stands in a cell.
        final: (N, R) booleans, whether a cell says what is said in the end.
        hovers: N rows of R, lines that are told of a cell.
    """

    rows: tuple[Label, ...]
    columns: tuple[str, ...]
    values: FloatArray
    texts: list[list[str]]
    final: np.ndarray
    hovers: list[list[list[str]]]

    @property
    def cell(self) -> float:
        """How wide a cell is."""
        widest = max(labels.width(map(Label, texts)) for texts in (self.columns, *self.texts))
        return min(112.0, SIZE * widest + 12)

    @property
    def left(self) -> float:
        """The room for names of rows."""
        return SIZE * labels.width(self.rows) + 16


def of_tokens(
    lens: Lens, rows: Sequence[Label] | None = None, first: int = 0, count: int | None = None
) -> Grid:
    """The best guess at each place.

    Args:
        lens: of tokens.
        rows: what places are called; None: what is said there in the end.
        first, count: which of them; None: all from there on.
    """
    at = slice(first, None if count is None else first + count)
    names = tuple(lens.labels if rows is None else rows)[at]
    ids, chances = lens.ids[:, at].swapaxes(0, 1), lens.probabilities[:, at].swapaxes(0, 1)  # (N, R, K)
    texts = [[_cut(lens.names[int(guesses[0])]) for guesses in row] for row in ids]
    hovers = [
        [
            [
                f"{labels.display(name)}, {column}",
                *(f"{_shown(lens.names[int(i)])} {p:.1%}" for i, p in zip(cell, likely, strict=True)),
            ]
            for column, cell, likely in zip(_columns(lens), row, chance, strict=True)
        ]
        for name, row, chance in zip(names, ids, chances, strict=True)
    ]
    final = ids[:, :, 0] == ids[:, -1:, 0]
    return Grid(names, _columns(lens), np.ascontiguousarray(chances[..., 0]), texts, final, hovers)


def of_classes(lens: Lens) -> Grid:
    """The probability of each class, the answer first."""
    order = lens.ids[-1, 0]
    by_id = [
        dict(zip(map(int, i), p, strict=True))
        for i, p in zip(lens.ids[:, 0], lens.probabilities[:, 0], strict=True)
    ]
    values = np.array([[row.get(int(i), 0.0) for row in by_id] for i in order], np.float32)
    names = tuple(lens.names[int(i)] for i in order)
    texts = [[f"{p:.0%}" for p in row] for row in values]
    hovers = [
        [
            [f"{labels.display(name)}, {column}: {p:.2%}"]
            for column, p in zip(_columns(lens), row, strict=True)
        ]
        for name, row in zip(names, values, strict=True)
    ]
    return Grid(names, _columns(lens), values, texts, values == values.max(0), hovers)


def heatmap(grid: Grid, *, theme: str = "light") -> go.Figure:
    """The picture, with the five best guesses on hover; what is said in the end is bold.

    Raises:
        ValueError: no places.
    """
    if not grid.rows:
        raise ValueError("expected at least one place, received none")
    look = themes.get(theme)
    bold = [
        [
            f"<b>{labels.escape(text)}</b>" if final else labels.escape(text)
            for text, final in zip(*row, strict=True)
        ]
        for row in zip(grid.texts, grid.final, strict=True)
    ]
    count = len(grid.columns)
    cells = count * grid.cell
    right = max(16.0, BAR - cells)  # beside a picture that is narrower than its colour bar
    return go.Figure(
        dict(
            type="heatmap",
            z=np.asarray(grid.values, np.float32),
            x=[str(i) for i in range(count)],
            y=[str(i) for i in range(len(grid.rows))],
            zmin=0,
            zmax=1,
            colorscale=themes.plotly_scale(look.attention),
            colorbar=colourbar(look, TITLE, (0, 0.5, 1)) | {"y": 0, "yanchor": "top"},
            xgap=1,
            ygap=1,
            text=bold,
            texttemplate="%{text}",
            textfont={"size": SIZE},  # whose colour plotly chooses by that of the cell
            customdata=[["<br>".join(map(labels.escape, cell)) for cell in row] for row in grid.hovers],
            hovertemplate="%{customdata}<extra></extra>",
        ),
        layout=dict(
            template=look.template,
            width=round(grid.left + cells + right),
            height=HEAD + len(grid.rows) * ROW + BELOW,
            margin={"l": round(grid.left), "r": round(right), "t": HEAD, "b": BELOW, "pad": 2},
            dragmode=False,
            xaxis=_axis(grid.columns) | {"side": "top"},
            yaxis=_axis([labels.escape(labels.display(row)) for row in grid.rows])
            | {"autorange": "reversed"},
        ),
    )


def svg(grid: Grid, *, theme: str = "light", title: str) -> bytes:
    """The picture as SVG, whose text stays text; colours and errors as of `heatmap`."""
    return "\n".join(_svg(grid, themes.get(theme), title)).encode()


def png(grid: Grid, *, theme: str = "light", title: str) -> bytes:
    """The picture as PNG, two dots per CSS pixel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    look = themes.get(theme)
    width, height = _size(grid, title)
    figure = Figure((width / 100, height / 100), dpi=100 * DOTS_PER_UNIT, facecolor=look.background)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    right, bottom = grid.left + len(grid.columns) * grid.cell, HEAD_OF_FILE + len(grid.rows) * ROW
    axes.imshow(
        _colours(grid, look),
        extent=(grid.left, right, bottom, HEAD_OF_FILE),
        aspect="auto",
        interpolation="nearest",
    )
    for text, x, y, size, colour, anchor, weight in _texts(grid, look, title):
        axes.text(
            x, y, drawable(text), color=colour, fontsize=size * 0.72, family=families(), weight=weight,
            horizontalalignment={"start": "left", "middle": "center", "end": "right"}[anchor],
            verticalalignment="center", parse_math=False,
        )  # fmt: skip
    axes.set(xlim=(0, width), ylim=(height, 0))
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()


def csv(grid: Grid) -> str:
    """A line for each place and two columns for each layer, the guess and its probability (RFC 4180)."""
    file = io.StringIO()
    write = csv_files.writer(file, lineterminator="\r\n").writerow
    write(["place", *(name for column in grid.columns for name in (column, f"probability, {column}"))])
    for row, texts, values in zip(grid.rows, grid.texts, grid.values, strict=True):
        cells = [
            cell
            for pair in zip(map(labels.harmless, texts), (f"{v:.7g}" for v in values), strict=True)
            for cell in pair
        ]
        write([labels.harmless(labels.display(row, 1000)), *cells])
    return file.getvalue()


def _columns(lens: Lens) -> tuple[str, ...]:
    return ("embedding", *(f"layer {i + 1}" for i in range(lens.layers)))


def _shown(label: Label) -> str:
    return labels.display(Label(labels.shown(label).strip() or label.text))


def _cut(label: Label) -> str:
    text = _shown(label)
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"


def _axis(names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "category",
        "labelalias": {str(i): name for i, name in enumerate(names)},
        "tickvals": [str(i) for i in range(len(names))],
        "tickfont": {"size": SIZE},
        "tickangle": 0,
        "automargin": False,  # all room is counted: it would shrink the cells
    }


def _colours(grid: Grid, look: themes.Theme) -> np.ndarray:
    """uint8 (N, R, 3)."""
    found: np.ndarray = look.attention[np.clip(np.rint(grid.values * 255), 0, 255).astype(np.uint8)]
    return found


def _size(grid: Grid, title: str) -> tuple[int, int]:
    width = max(grid.left + len(grid.columns) * grid.cell, 20 + 0.62 * 16 * len(title))
    return round(width + 16), HEAD_OF_FILE + len(grid.rows) * ROW + 12


def _texts(
    grid: Grid, look: themes.Theme, title: str
) -> Iterator[tuple[str, float, float, float, str, str, str]]:
    """text, x, y, size, colour, anchor and weight of every piece of text."""
    yield title, 12, 24, 16, look.text, "start", "normal"
    yield f"colour: {TITLE}, 0 to 1; bold: what is said in the end", 12, 46, 12, look.muted, "start", "normal"
    light = themes.to_lab(_colours(grid, look))[..., 0]
    for j, column in enumerate(grid.columns):
        yield column, grid.left + (j + 0.5) * grid.cell, HEAD_OF_FILE - 12, 12, look.text, "middle", "normal"
    for i, row in enumerate(grid.rows):
        y = HEAD_OF_FILE + (i + 0.5) * ROW
        yield labels.display(row), grid.left - 8, y, 12, look.text, "end", "normal"
        for j, text in enumerate(grid.texts[i]):
            colour = "#000000" if light[i, j] > 55 else "#ffffff"
            weight = "bold" if grid.final[i, j] else "normal"
            yield text, grid.left + (j + 0.5) * grid.cell, y, 12, colour, "middle", weight


def _svg(grid: Grid, look: themes.Theme, title: str) -> Iterator[str]:
    width, height = _size(grid, title)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f"font-family={quoteattr(themes.FONT)}>"
    )
    yield f'<rect width="100%" height="100%" fill="{look.background}"/>'
    for i, row in enumerate(_colours(grid, look)):
        for j, colour in enumerate(row):
            yield (
                f'<rect x="{grid.left + j * grid.cell:.2f}" y="{HEAD_OF_FILE + i * ROW}" width="{grid.cell - 1:.2f}" '
                f'height="{ROW - 1}" fill="{themes.hex_colour(colour)}"/>'
            )
    for text, x, y, size, colour, anchor, weight in _texts(grid, look, title):
        yield (
            f'<text x="{x:.2f}" y="{y:.2f}" dy="0.35em" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(writable(text))}</text>'
        )
    yield "</svg>"
