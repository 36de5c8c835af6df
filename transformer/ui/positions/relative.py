"""Encodings that add nothing to the words: rotary angles (RoPE) and biases by distance (ALiBi)."""

from __future__ import annotations

import numpy as np
import streamlit as st

from transformer.analysis import positions as measures
from transformer.figures import positions as figures
from transformer.formulas import positions
from transformer.ui.parts.matrix import matrix
from transformer.ui.positions.controls import LONGEST, SQUARE, WIDEST, draw, restart, several, sizes, slider
from transformer.ui.shell.frame import theme

ROTARY, ALIBI = "Rotary", "ALiBi"
# By so many places both words are moved to show that their score stays.
MOVED = 7


def rotary_section() -> None:
    """RoPE: the angles, and scores that know the distance alone."""
    st.latex(
        r"\begin{aligned} x_{2i} + \mathrm{i}\,x_{2i+1} &\mapsto (x_{2i} + \mathrm{i}\,x_{2i+1})\, "
        r"e^{\mathrm{i}\,p\,\theta_i} \\ \theta_i &= 10000^{-2i/d} \end{aligned}"
    )
    st.caption(
        "Each pair of numbers in a query or key x at position p is turned by p·θ. d is the width of one head. "
        "[Su et al. 2021](https://arxiv.org/abs/2104.09864), equations 13 to 15 and 34."
    )
    length, width = sizes()
    restart("encoding", "length", "width")
    angles = positions.rotary_angles(length, width)
    wrapped = (angles + np.pi) % (2 * np.pi) - np.pi
    matrix(
        wrapped,
        key="table",
        title="Rotary: angle by position and pair",
        names=("position", "pair"),
        low=-np.pi,
        high=np.pi,
        unit=" rad",
    )
    st.caption(
        "Each row is one position, each column one pair of numbers, each cell the angle by which the pair is turned, "
        "from −π to π: half a turn either way. Pairs on the left have gone round many times, the others hardly move."
    )
    st.header("One pair at a time", anchor="lines")
    chosen = several("Pairs (counted from 0)", width // 2, WIDEST, "columns")
    left, right = st.columns(2, gap="large")
    with left:
        draw(
            figures.along_positions(wrapped, chosen, name="pair", value="angle (rad)", theme=theme()),
            "along-positions",
            "The angle of each chosen pair against the position.",
        )
        st.caption("Each line is one column of the picture: every pair turns at a steady rate of its own.")
        restart("columns")
    with right:
        draw(
            figures.waves(positions.wavelengths(width), length, chosen, name="pair", theme=theme()),
            "waves",
            "After how many positions each pair has gone round once.",
        )
        st.caption(
            "After how many positions a pair has gone round once. The rates are the paper's sinusoids'."
        )
    st.header("What it is good for", anchor="uses")
    st.markdown(
        "Take any query and any key, and turn each by its position. Their score then depends on the **distance** "
        "between them alone: every diagonal of this picture has one colour."
    )
    count = min(length, 128)
    vectors = np.random.default_rng(0).normal(size=(2, 1, width))
    turns = positions.rotary_angles(count + MOVED, width)
    queries, keys = positions.rotate(vectors, turns)
    scores = queries @ keys.T / np.sqrt(width)
    top = float(np.abs(scores).max())
    matrix(
        scores[:count, :count],
        key="alike",
        title="Score of one random query and one random key",
        names=("query at position", "key at position"),
        low=-top,
        high=top,
        square=True,
    )
    error = float(np.abs(scores[MOVED:, MOVED:] - scores[:count, :count]).max())
    st.caption(
        f"Each cell is the score of the same two vectors at two positions (the first {count}). Moving both {MOVED} "
        f"places on changes no score by more than {error:.0e}, which is rounding in float64."
    )


def alibi_section() -> None:
    """ALiBi: what is added to the scores, head by head, and the window that it makes."""
    st.latex(
        r"\begin{aligned} \mathrm{score}_h(p, s) &= q_p \cdot k_s / \sqrt{d} - m_h\,(p - s) \\ "
        r"m_h &= 2^{-8h/H} \end{aligned}"
    )
    st.caption(
        "The score of a word that lies p − s places back is lowered in proportion; each of the H heads has its own "
        "slope m. [Press et al. 2022](https://arxiv.org/abs/2108.12409), section 3."
    )
    left, middle, right = st.columns(3, gap="large")
    with left:
        length = slider("Length (positions)", 2, LONGEST, "length")
    with middle:
        heads = slider("Heads H", 1, 32, "heads")
    with right:
        head = slider("Head h", 1, heads, "bias")
    restart("encoding", "length", "heads", "bias")
    slopes, count = positions.alibi_slopes(heads), min(length, SQUARE)
    slope = float(slopes[head - 1])
    bias = positions.alibi_bias(count, slope)
    bias[np.isinf(bias)] = np.nan
    cut = f" The first {SQUARE} positions are shown." if length > SQUARE else ""
    one, other = st.columns(2, gap="large")
    with one:
        top = slope * (count - 1)
        matrix(
            bias,
            key="table",
            title=f"Bias of head {head}, slope {slope:.4g}",
            names=("query", "key"),
            low=-top,
            high=top,
            square=True,
            missing="the future, masked",
        )
        st.caption(f"What is added to the score of each query (row) with each earlier key (column).{cut}")
    with other:
        window = measures.alone(count, slope)
        matrix(
            window,
            key="alike",
            title="Attention where all words are alike",
            names=("query", "key"),
            low=0,
            high=round(float(window[-1].max()), 3),
            scale="attention",
            square=True,
        )
        st.caption(
            "The bias after the softmax: a window that looks back, short for steep heads, long for flat ones. The "
            "first rows have few words to share among and go beyond the scale."
        )
    draw(
        figures.biases(slopes, min(length, 256), head=head - 1, theme=theme()),
        "biases",
        "The bias of every head against the distance.",
    )
    st.caption(
        "One line a head: the farther back a word lies, the more its score is lowered. Some heads see a few words, "
        "others nearly all. Nothing is tied to a length: a network can read longer texts than those it was trained on."
    )
