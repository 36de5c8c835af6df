"""Attention by hand, first part: similarity, scaling, masks, softmax and the weighted sum, with nothing learned.

Each function is one step: its formula, its control, one sentence and its picture; it returns what the next one needs.
The numbers come from `analysis.by_hand`; section numbers are those of Vaswani et al. 2017.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from transformer.analysis import by_hand
from transformer.analysis.by_hand import Array, Mask
from transformer.analysis.views import View
from transformer.figures.by_hand import WRITTEN, bars, matrix, width_curve
from transformer.figures.heatmap import CONFIG, heatmap
from transformer.trace import Label
from transformer.ui.by_hand.vectors import Words, in_address
from transformer.ui.parts.explorer import number, segments
from transformer.ui.shell.frame import theme

PAPER = "Vaswani et al. 2017, section "
CHOICES = 8  # keys of the width curve
CURVE = [2**power for power in range(11)]
TEMPERATURES = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0]
MASKS = ["None", "Padding", "Causal"]


class Masked(NamedTuple):
    """Words with any empty places after them, their scores (T, T) and who may look at whom."""

    words: Words
    scores: Array
    mask: Mask


def step(number: int, title: str, section: str) -> tuple[DeltaGenerator, DeltaGenerator]:
    """The heading of a step, with the section of the paper; a place for words and one for the picture."""
    st.subheader(f"{number}. {title}", anchor=f"step-{number}")
    left, right = st.columns([5, 6], gap="large")
    left.caption(f"{PAPER}{section}")
    return left, right


def show(figure: go.Figure, key: str, alt: str) -> None:
    """A picture in the look of every page."""
    st.plotly_chart(figure, theme=None, width="content", config=CONFIG, key=key, alt=alt)


def weights_picture(weights: Array, labels: Sequence[Label], *, compact: bool = False) -> go.Figure:
    """Weights as a heatmap, with numbers in the cells of a small one."""
    view = View(weights.astype(np.float32), tuple(labels), tuple(labels))
    figure = heatmap(view, theme=theme(), compact=compact)
    if len(labels) <= WRITTEN and not compact:
        figure.update_traces(texttemplate="%{z:.2f}")
    return figure


def follow(words: Words) -> int:
    """Which word the examples are about."""
    names = words.names
    if st.session_state.get("follow", names[0]) not in names:
        st.session_state["follow"] = names[min(1, len(names) - 1)]
    chosen = st.selectbox(
        "Follow the word", names, min(1, len(names) - 1), key="follow", bind="query-params", width=220
    )
    return names.index(chosen)


def vectors(words: Words) -> None:
    left, right = step(1, "Words are vectors", "3.4")
    count, width = words.vectors.shape
    with left:
        st.latex(
            rf"X = \begin{{pmatrix}} x_1 \\ \vdots \\ x_{{n}} \end{{pmatrix}}, \quad n = {count},\; d = {width}"
        )
        st.markdown(
            f"A network cannot read letters, so each of the {count} words is a row of {width} numbers, its *vector*. "
            "Words that mean something similar should have similar rows."
        )
        if words.columns:
            columns = ", ".join(f"*{name}*" for name in words.columns)
            st.markdown(f"In this table somebody wrote down how much each word has to do with {columns}.")
    with right:
        figure = matrix(words.vectors, words.labels, theme=theme(), title="value")
        if words.columns:
            figure.update_xaxes(labelalias={str(i): name for i, name in enumerate(words.columns)})
        show(figure, "vectors-picture", "The numbers of every word's vector.")


def similarity(words: Words, chosen: int) -> Array:
    left, right = step(2, "How alike are two words?", "3.2.1")
    x, names, said = words.vectors, words.names, words.said
    scores, cosines = by_hand.dot(x, x), by_hand.cosine(x, x)
    with left:
        measure = segments("Measure", ["Dot product", "Cosine"], "measure")
        if measure == "Cosine":
            st.latex(r"\cos(x_i, x_j) = \frac{x_i \cdot x_j}{\lVert x_i \rVert \, \lVert x_j \rVert}")
        else:
            st.latex(r"s_{ij} = x_i \cdot x_j = \sum_{k=1}^{d} x_{ik}\, x_{jk}, \qquad S = X X^{\mathsf T}")
        st.markdown(
            "Multiply the two rows number by number and add up: the *dot product* is large where both are large in "
            "the same places. The *cosine* also divides by the two lengths, so that it runs from −1 to 1."
        )
        others = [i for i in range(len(names)) if names[i] != names[chosen]]
        other = max(others, key=lambda i: scores[chosen, i])
        st.markdown(f"By hand, “{said[chosen]}” with “{said[other]}”:")
        st.latex(_sum_of_products(x[chosen], x[other]))
        st.markdown("Attention goes on with the dot product. The picture is the same above and below its diagonal: "
                    "without learned weights, *a* is as like *b* as *b* is like *a*.")  # fmt: skip
    with right:
        values = cosines if measure == "Cosine" else scores
        title = "cosine" if measure == "Cosine" else "dot product"
        show(
            matrix(values, words.labels, words.labels, theme=theme(), title=title),
            "similarity",
            f"The {title} of every two words.",
        )
    return scores


def scaling(words: Words, scores: Array) -> tuple[Array, bool]:
    left, right = step(3, "Divide by the root of the width", "3.2.1 and footnote 4")
    width = words.vectors.shape[1]
    with left:
        st.latex(rf"\frac{{X X^{{\mathsf T}}}}{{\sqrt{{d}}}}, \qquad \sqrt{{{width}}} = {np.sqrt(width):.3g}")
        on = st.toggle("Divide by √d", True, key="scaled", bind="query-params")
        st.markdown(
            "The more numbers are multiplied and added, the larger the sums get: for random vectors of width *d* they "
            "spread like √*d*. The softmax of step 5 turns large sums into all or nothing; dividing keeps it soft at "
            "every width."
        )
        wide = st.select_slider("Width to compare", CURVE, 64, key="wide", bind="query-params")
    curve = _curve()
    at = CURVE.index(wide)
    with left:
        st.markdown(
            f"At width {wide}, one look at {CHOICES} random words has an entropy of **{curve.plain[at]:.2f} bits** "
            f"without the division, about {2 ** curve.plain[at]:.1f} words' worth, and **{curve.scaled[at]:.2f} bits** "
            f"with it, about {2 ** curve.scaled[at]:.1f} words' worth."
        )
    with right:
        show(
            width_curve(curve, CHOICES, wide, theme=theme()),
            "curve",
            "Entropy of the softmax against the width.",
        )
        st.caption("Computed here from 200 random looks at each width. Low is a look at one word only.")
    return (by_hand.scale(scores, width) if on else scores), on


@st.cache_data(show_spinner=False)
def _curve() -> by_hand.WidthCurve:
    return by_hand.entropy_by_width(CURVE, CHOICES)


def masking(words: Words, scores: Array, divided: bool) -> Masked:
    left, right = step(4, "Who may look at whom", "3.2.3")
    with left:
        st.latex(r"s_{ij} \leftarrow -\infty \quad\text{where } i \text{ may not look at } j")
        kind = segments("Mask", MASKS, "mask")
        if kind == "Padding":
            empty = number("Empty places", 1, 4, 2, "empty", width=160)
            st.markdown(
                "Sentences that are worked on together must be equally long, so shorter ones are filled up with empty "
                "places. Nobody may look at those: their columns are closed."
            )
            words = words._replace(
                labels=(*words.labels, *[Label("pad", special=True)] * empty),
                vectors=np.vstack([words.vectors, *[words.padding] * empty]),
            )
            scores = by_hand.dot(words.vectors, words.vectors)
            scores = by_hand.scale(scores, words.vectors.shape[1]) if divided else scores
        elif kind == "Causal":
            st.markdown(
                "A network that writes must not see the words it has yet to write: each word may look at itself and "
                "at the words before it, so everything above the diagonal is closed."
            )
        else:
            st.markdown(
                "Nothing is closed: every word may look at every word. Try the others: a score of minus infinity "
                "becomes a weight of exactly 0 in the next step."
            )
    count = len(words.labels)
    real = np.array([not label.special for label in words.labels])
    masks = {"Causal": by_hand.causal_mask(count), "Padding": by_hand.padding_mask(real, count)}
    mask = masks.get(kind, by_hand.no_mask(count, count))
    with right:
        figure = matrix(scores, words.labels, words.labels, theme=theme(), title="score", forbidden=~mask)
        show(figure, "masked", "Scores, with minus infinity where a word may not look.")
    return Masked(words, scores, mask)


def softmax(given: Masked, chosen: int) -> tuple[Array, float]:
    left, right = step(5, "Scores become weights", "3.2.1, equation 1")
    said = given.words.said
    with left:
        st.latex(r"a_{ij} = \frac{e^{s_{ij}/t}}{\sum_k e^{s_{ik}/t}}")
        temperature = st.select_slider(
            "Temperature t", TEMPERATURES, 1.0, key="temperature", bind="query-params",
            help="The paper uses 1. Lower: the largest score takes all. Higher: everybody gets the same.",
        )  # fmt: skip
        weights = by_hand.softmax(by_hand.masked(given.scores, given.mask), temperature)
        row = weights[chosen]
        best = np.argsort(-row)[:3]
        shares = ", ".join(f"“{said[i]}” {row[i]:.0%}" for i in best)
        st.markdown(
            "The *softmax* makes every score positive and every row add up to 1: a row says how a word divides its "
            f"attention. “{said[chosen]}” looks at {shares}."
        )
        bits = by_hand.entropy(weights)[chosen]
        st.markdown(
            f"The entropy of that row is {bits:.2f} bits: as spread out as an even look at {2**bits:.1f} words."
        )
        if np.trace(weights) / len(weights) > 0.95:
            st.info(
                "Nearly everything stays on the diagonal: each word is most like itself. A higher temperature shows "
                "what is left; learned weights (step 8) are the real way out."
            )
    with right:
        show(weights_picture(weights, given.words.labels), "weights", "How each word divides its attention.")
        st.caption(f"Largest difference of a row's sum from 1: {np.abs(weights.sum(-1) - 1).max():.1e}.")
    return weights, temperature


def weighted_sum(given: Masked, weights: Array, chosen: int) -> None:
    left, right = step(6, "Each word becomes a mixture", "3.2.1, equation 1")
    words, names, said = given.words, given.words.names, given.words.said
    mixed = by_hand.attend(weights, words.vectors)
    plain, now = words.vectors[chosen], mixed[chosen]
    moved = by_hand.moved_towards(plain, now, words.vectors)
    with left:
        st.latex(r"y_i = \sum_j a_{ij}\, x_j, \qquad Y = A X")
        st.markdown(
            "Add up all the vectors, each times its weight. The new vector still belongs to its word, but it has "
            "taken something from those it looked at: it *knows its context*."
        )
        best = np.argsort(-weights[chosen])[:2]
        terms = " + ".join(rf"{weights[chosen, i]:.2f}\, x_{{\text{{{_plain(names[i])}}}}}" for i in best)
        st.latex(rf"y_{{\text{{{_plain(names[chosen])}}}}} = {terms} + \dots")
        others = [
            i for i in np.argsort(-moved) if i != chosen and not words.labels[i].special and moved[i] > 1e-3
        ][:2]
        if others:
            nearer = " and ".join(f"“{said[i]}” ({moved[i]:+.2f})" for i in others)
            st.markdown(
                f"In its new vector “{said[chosen]}” has moved towards {nearer}: bars upwards are words that it "
                "came nearer to."
            )
        else:
            st.markdown(f"“{said[chosen]}” has hardly moved: nearly all of its weight is on itself.")
    with right:
        label = words.labels[chosen].text
        pair = [Label(f"{label}, plain"), Label(f"{label}, in context")]
        figure = matrix(np.stack([plain, now]), pair, theme=theme(), title="value")
        if words.columns:
            figure.update_xaxes(labelalias={str(i): name for i, name in enumerate(words.columns)})
        show(figure, "pair", "The vector before and after.")
        show(
            bars(moved, words.labels, theme=theme(), title="change of cosine", chosen=chosen),
            "moved",
            "How much nearer it came to each word.",
        )


def order(given: Masked, weights: Array, chosen: int, temperature: float, divided: bool) -> None:
    left, right = step(7, "What it cannot see: order, distance, training", "3.5")
    words, count = given.words, len(given.words.labels)
    real = [i for i, label in enumerate(words.labels) if not label.special]
    with left:
        st.button("Shuffle the words", icon=":material/shuffle:", on_click=_reshuffle)
    places = np.concatenate([by_hand.shuffled(len(real), _order_number()), np.arange(len(real), count)])
    moved = words.vectors[places]
    scores = by_hand.dot(moved, moved)
    scores = by_hand.scale(scores, moved.shape[1]) if divided else scores
    again = by_hand.softmax(by_hand.masked(scores, given.mask), temperature)
    back = np.argsort(places)
    difference = np.abs(again[back][:, back] - weights).max()
    other = int(np.argmax(np.where(np.arange(count) == chosen, -1, weights[chosen])))
    with left:
        said = words.said
        st.latex(
            r"P A P^{\mathsf T} = \operatorname{softmax}\!\left(\tfrac{(PX)(PX)^{\mathsf T}}{\sqrt d}\right)"
        )
        before, after = abs(other - chosen), abs(int(back[other]) - int(back[chosen]))
        st.markdown(
            f"**Order.** Put the words in any other order (*P* does that) and every pair keeps its weight. Largest "
            f"difference, once the words are back in their places: **{difference:.1e}**."
        )
        if difference > 1e-9:
            st.markdown(
                "That is not zero, because the causal mask says who stands before whom: it is the only thing here "
                "that knows of order."
            )
        st.markdown(
            f"**Distance.** “{said[chosen]}” and “{said[other]}” stood {before} apart and now stand {after} apart. "
            f"The weight was {weights[chosen, other]:.4f} and is {again[back[chosen], back[other]]:.4f}."
        )
        st.markdown(
            "**Training.** Steps 2 to 6 hold **0** learned numbers: they reweight what the vectors already say. "
            "Order comes from position vectors, added in step 1 (see the page *Positions*); the rest has to be "
            "learned, and that is the second part."
        )
    with right:
        st.caption("As written, and shuffled: the same colours in other places.")
        one, two = st.columns(2)
        with one:
            show(weights_picture(weights, words.labels, compact=True), "as-written", "Weights as written.")
        with two:
            labels = [words.labels[i] for i in places]
            show(weights_picture(again, labels, compact=True), "shuffled", "Weights of the shuffled words.")


def _order_number() -> int:
    if "shuffle" not in st.session_state:
        given = st.query_params.get("order", "")
        st.session_state["shuffle"] = int(given) if re.fullmatch("[0-9]{1,6}", given) else 1
    number: int = st.session_state["shuffle"]
    in_address("order", str(number), "1")
    return number


def _reshuffle() -> None:
    st.session_state["shuffle"] += 1


def _sum_of_products(one: Array, other: Array) -> str:
    """Such as `1.2 \\cdot 1.2 + 1 \\cdot (-0.4) = 1.04`; of long vectors the beginning."""
    shown = 4
    digits = 3 if len(one) <= shown else 2
    terms = [
        f"{_factor(a, digits)} \\cdot {_factor(b, digits)}"
        for a, b in zip(one[:shown], other[:shown], strict=True)
    ]
    dots = r" + \dots" if len(one) > shown else ""
    # Broken after the second term: a phone is no wider.
    first, rest = " + ".join(terms[:2]), "".join(f" + {term}" for term in terms[2:])
    return rf"\begin{{gathered}} {first} \\ {rest}{dots} = {float(one @ other):.2f} \end{{gathered}}"


def _factor(number: float, digits: int) -> str:
    text = f"{number:.{digits}g}"
    return f"({text})" if text.startswith("-") else text


def _plain(text: str) -> str:
    """A word inside a formula: what TeX would read as a command is left out."""
    return "".join(character for character in text if character not in "\\{}$%#&_^~")
