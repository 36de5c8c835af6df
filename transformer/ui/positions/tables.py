"""Tables of position vectors: as a picture, by columns and rows, and what they are good for.

Everything here is a formula of `formulas.positions` under sliders, or a table that training found; no network runs.
Lines and uses are fragments of their own: moving a slider there does not send the large picture again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import streamlit as st

from transformer import home
from transformer.analysis import positions as measures
from transformer.checkpoints.tables import learned_positions
from transformer.figures import positions as figures
from transformer.formulas import positions
from transformer.ui.models import calls
from transformer.ui.parts.matrix import matrix
from transformer.ui.positions.controls import (
    LONGEST,
    SQUARE,
    WIDEST,
    draw,
    one_of,
    restart,
    several,
    sizes,
    slider,
)
from transformer.ui.shell.frame import theme

NOTHING = "Nothing"


class Convention(NamedTuple):
    """A sinusoid convention: its name in `transformer.formulas.positions`, its formulas, and where it comes from."""

    kind: str
    formula: str
    wave: str
    source: str


CONVENTIONS = {
    "Paper": Convention(
        "interleaved",
        r"\begin{aligned} PE_{p,\,2i} &= \sin(p \,/\, 10000^{\,2i/d}) \\ "
        r"PE_{p,\,2i+1} &= \cos(p \,/\, 10000^{\,2i/d}) \end{aligned}",
        r"\lambda_i = 2\pi \cdot 10000^{\,2i/d}",
        "p is the position, d the width, i = 0 … d/2 − 1 counts pairs of columns. [Vaswani et al. 2017]"
        "(https://arxiv.org/abs/1706.03762), section 3.5; also in The Annotated Transformer.",
    ),
    "TF tutorial": Convention(
        "halves",
        r"\begin{aligned} PE_{p,\,i} &= \sin(p \,/\, 10000^{\,i/(d/2)}) \\ "
        r"PE_{p,\,d/2+i} &= \cos(p \,/\, 10000^{\,i/(d/2)}) \end{aligned}",
        r"\lambda_i = 2\pi \cdot 10000^{\,i/(d/2)}",
        "The same numbers in another order: all sines first, then all cosines. TensorFlow's tutorial “Neural "
        "machine translation with a Transformer and Keras”.",
    ),
    "Tensor2Tensor": Convention(
        "halves_minus_one",
        r"\begin{aligned} PE_{p,\,i} &= \sin(p \,/\, 10000^{\,i/(d/2-1)}) \\ "
        r"PE_{p,\,d/2+i} &= \cos(p \,/\, 10000^{\,i/(d/2-1)}) \end{aligned}",
        r"\lambda_i = 2\pi \cdot 10000^{\,i/(d/2-1)}",
        "Sines first, and waves that lengthen a little faster: the exponent runs to 1 instead of almost 1. "
        "`get_timing_signal_1d` of Tensor2Tensor; also Whisper.",
    ),
}


class Table(NamedTuple):
    """A table of position vectors (length, width), and the convention it follows (None: it was learned)."""

    name: str
    values: np.ndarray
    convention: Convention | None


def learned() -> dict[str, np.ndarray]:
    """The learned tables of the shipped models by what they are called here."""
    return {
        f"Learned by {name} ({side})": table
        for name in calls.shipped()
        for side, table in learned_positions(home.models() / name).items()
    }


def table_section(name: str) -> Table:
    """The table as a picture, and where it differs from another convention."""
    convention = CONVENTIONS.get(name)
    if convention:
        st.latex(convention.formula)
        st.caption(convention.source)
        length, width = sizes()
        table = Table(name, positions.sinusoids(length, width, convention.kind), convention)
    else:
        st.caption("A table of numbers that training found; no formula stands behind it.")
        length, _ = sizes(width=False)
        table = Table(name, learned()[name][:length], None)
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        other = one_of(
            "Subtract another convention", [NOTHING, *(key for key in CONVENTIONS if key != name)], "minus"
        )
        ordered = other != NOTHING and st.toggle(
            "Both in the paper's order",
            key="ordered",
            bind="query-params",
            help="Puts each sine beside its cosine, the fastest first, so that only real differences remain.",
        )
        restart("encoding", "length", "width", "minus", "ordered")
    if other == NOTHING:
        _plain(table)
    else:
        _difference(table, other, bool(ordered))
    return table


def _plain(table: Table) -> None:
    top = 1.0 if table.convention else round(float(np.abs(table.values).max()), 2) or 1.0
    matrix(
        table.values,
        key="table",
        title=f"{table.name}: position by column",
        names=("position", "column"),
        low=-top,
        high=top,
    )
    reading = (
        "On the left the numbers swing fast from row to row, on the right slowly, like the hands of a clock from "
        "seconds to days; together they make every row different."
        if table.convention
        else "Neighbouring rows that look alike are positions that the network treats alike."
    )
    many = " Where cells outnumber the dots of the screen, neighbours blend." if _large(table) else ""
    st.caption(
        f"Each row is one position, each column one of its numbers. {reading} Point at a cell, or use the arrow keys, "
        f"for its exact value.{many}"
    )


def _large(table: Table) -> bool:
    return table.values.size > 2**18


def _difference(table: Table, other: str, ordered: bool) -> None:
    rival = CONVENTIONS[other]
    values = table.values[:, : table.values.shape[1] // 2 * 2]
    against = positions.sinusoids(len(values), values.shape[1], rival.kind)
    if ordered:
        against = measures.in_paper_order(against, rival.kind)
        values = measures.in_paper_order(values, table.convention.kind) if table.convention else values
    difference = values - against
    largest = float(np.abs(difference).max())
    top = max(largest, 1e-6)
    matrix(
        difference,
        key="table",
        title=f"{table.name} minus {other}",
        names=("position", "column"),
        low=-top,
        high=top,
    )
    st.caption(
        f"Each cell is the difference of two tables; cells of the page's own colour are equal: "
        f"{float((np.abs(difference) < 1e-6).mean()):.1%} of them. The largest difference is {largest:.3g}. "
        + (
            "Nothing is left: this is one table with its columns in another order."
            if largest < 1e-6
            else "A network that was trained with one of the two cannot be given the other."
        )
    )


@st.fragment
def lines_section(table: Table) -> None:
    """Single columns and rows, and how fast each column waves."""
    length, width = table.values.shape
    pairs = positions.pairs(width, table.convention.kind) if table.convention else None
    chosen = several("Columns (counted from 0)", width, WIDEST, "columns")
    draw(
        figures.along_positions(table.values, chosen, theme=theme()),
        "along-positions",
        "The value of each chosen column against the position.",
    )
    st.caption(
        "Each line is one column of the picture above, read from top to bottom. Fast columns, to the left, tell "
        "neighbours apart; slow ones tell the beginning of a long text from its end."
    )
    left, right = st.columns(2, gap="large")
    with left:
        rows = several("Positions (counted from 0)", length, LONGEST, "rows")
        draw(
            figures.along_columns(table.values, rows, pairs=pairs, theme=theme()),
            "along-columns",
            "The vector of each chosen position against the column.",
        )
        st.caption(
            "Each line is one row of the picture: the vector that a word at this position is given."
            + (" Solid: its sines; dotted: its cosines." if pairs else "")
        )
        restart("columns", "rows")
    with right:
        if table.convention:
            _waves(table.convention, length, width, chosen)


def _waves(convention: Convention, length: int, width: int, chosen: list[int]) -> None:
    found = np.empty(width)
    for side in positions.pairs(width, convention.kind):
        found[side] = positions.wavelengths(width, convention.kind)
    st.latex(convention.wave)
    draw(
        figures.waves(found, length, chosen, theme=theme()),
        "waves",
        "After how many positions each column repeats, on a logarithmic axis.",
    )
    st.caption(
        "After how many positions a column repeats; each step of the axis is ten times the one below. Columns above "
        f"the dashed line never come round within {length:,} positions: {float((found > length).mean()):.0%} of them."
    )


@st.fragment
def uses_section(table: Table) -> None:
    """How alike positions are, which lie nearest, and the shift as a rotation."""
    length = len(table.values)
    st.markdown(
        "**Near positions get similar vectors.** Pick a position and see which others its vector resembles. The dot "
        "product of two vectors is large where they point the same way; the cosine is the same for vectors of length 1."
    )
    left, right = st.columns(2, gap="large")
    with left:
        picked = slider("Picked position", 0, length - 1, "position")
    with right:
        measure: measures.Measure = "cosine"
        if one_of("Measure", ["dot product", "cosine"], "measure") == "dot product":
            measure = "dot product"
    with left:
        _square(table, measure, picked)
    with right:
        _neighbours(table, measure, picked)
    if table.convention:
        _rotation(table.convention, length, table.values.shape[1], picked)
    restart("position", "measure", "shift")


def _square(table: Table, measure: measures.Measure, picked: int) -> None:
    alike = measures.similarity(table.values[:SQUARE], measure)
    top = float(np.abs(alike).max()) or 1.0
    matrix(
        alike,
        key="alike",
        title=f"{measure.capitalize()} of two positions",
        names=("position", "position"),
        low=-top,
        high=top,
        marked=(picked, None),
        square=True,
        on_pick=_pick,
    )
    cut = f" The first {SQUARE} positions are shown." if len(table.values) > SQUARE else ""
    st.caption(f"Each cell compares two positions. Click a row to pick its position.{cut}")


def _pick(row: int, column: int) -> None:
    st.session_state["position"] = row


def _neighbours(table: Table, measure: measures.Measure, picked: int) -> None:
    draw(
        figures.alike(
            measures.similarity_to(table.values, picked, measure), picked, measure=measure, theme=theme()
        ),
        "alike-line",
        f"{measure} of position {picked} with every other.",
    )
    st.caption(
        "The outlined row as a line: highest at the position itself, lower to both sides, and the same shape wherever "
        "you pick, because of the product only the distance is left: "
        r"$PE_p \cdot PE_q = \sum_i \cos((p - q)\,\omega_i)$, where $\omega_i = 2\pi/\lambda_i$."
        if table.convention
        else "The outlined row as a line."
    )
    near = measures.nearest(table.values, picked)
    st.markdown(f"**Nearest to position {picked}**, by the distance between the ends of the vectors")
    st.table(
        {
            "position": [str(n.position) for n in near],
            "dot product": [f"{n.dot:.2f}" for n in near],
            "cosine": [f"{n.cosine:.4f}" for n in near],
            "distance": [f"{n.distance:.2f}" for n in near],
        }
    )


def _rotation(convention: Convention, length: int, width: int, picked: int) -> None:
    st.markdown(
        "**A shift is a rotation.** To move a position vector k places on, turn every pair of columns like the hand of "
        "a clock, by an angle that depends on k alone and not on where you start. So a head can learn to look “three "
        "words back” once, for every position."
    )
    st.latex(
        r"\begin{aligned} PE_{p+k} &= R(k)\, PE_p \\[6pt] R_i(k) &= "
        r"\begin{pmatrix} \cos k\omega_i & \sin k\omega_i \\ -\sin k\omega_i & \cos k\omega_i \end{pmatrix}"
        r"\end{aligned}"
    )
    by = slider("Shift k (positions)", 1, 256, "shift")
    where, rates = positions.pairs(width, convention.kind), positions.rates(width, convention.kind)
    chosen = sorted(
        {width // 2 * part // 16 for part in (0, 1, 2, 4)}
    )  # fast to slow, and still seen to move
    names = [
        f"columns {where.sine[i]}, {where.cosine[i]}<br>turned by {by * rates[i]:.3g} rad" for i in chosen
    ]
    draw(
        figures.circles(picked * rates[chosen], by * rates[chosen], names, theme=theme()),
        "circles",
        f"Pairs of columns as hands of clocks at position {picked}, turned on to position {picked + by}.",
    )
    count = min(length, SQUARE)
    error = measures.rotation_error(count, width, convention.kind, by)
    st.caption(
        "Each clock is one pair of columns, the fastest first: how far right a hand points is its cosine, how far up "
        f"its sine. Turned on from position {picked}, each hand points where position {picked + by} has it."
    )
    st.markdown(
        f"Checked for {count:,} positions and all {width:,} columns in float64: the largest difference between "
        rf"$R({by})\,PE_p$ and $PE_{{p+{by}}}$ is **{error:.1e}**, which is rounding."
    )
