"""Attention by hand, second part: queries, keys and values of a trained network, several heads, and second opinions.

Everything shown is computed by `analysis.by_hand` from the weights that a layer has learned and from what the network
really gives that layer for this sentence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import streamlit as st

from transformer.analysis import by_hand
from transformer.analysis.by_hand import Array, LayerWeights, Mask, MultiHead
from transformer.analysis.check import mask_of
from transformer.figures.by_hand import matrix
from transformer.trace import AttentionMap, Label, Trace
from transformer.ui.by_hand.steps import show, step, weights_picture
from transformer.ui.models import calls
from transformer.ui.parts.check import check_panel
from transformer.ui.parts.explorer import segments
from transformer.ui.parts.sheet import sheet
from transformer.ui.shell.frame import theme
from transformer.ui.shell.markdown import line, plain

STACKS = {"Decoder": "decoder", "Encoder": "encoder"}


class Layer(NamedTuple):
    """One attention layer at work: the trace it belongs to, what it was given, what it learned, what came of it."""

    trace: Trace
    kind: str
    layer: int
    head: int
    labels: tuple[Label, ...]
    inputs: Array
    mask: Mask
    learned: LayerWeights
    result: MultiHead


def learned(sentence: str, word: str) -> None:
    """The second part of the page; while the network loads behind it, a line that says so."""
    st.header("With learned weights", anchor="learned")
    name = calls.FIRST.model
    if name not in calls.shipped():
        st.warning(f"There is no trained network “{name}” to take learned weights from.")
    elif not calls.ready(name):
        _wait(name)
    else:
        _with_network(sentence, word)


@st.fragment(run_every=1.0)
def _wait(name: str) -> None:
    if calls.ready(name):
        st.rerun()
    st.caption("The network is loading. This takes a few seconds, once; the first part works meanwhile.")


@st.fragment
def _with_network(sentence: str, word: str) -> None:
    try:
        layer = _choose(sentence)
    except (ValueError, calls.Unavailable) as error:
        st.warning(line(error))
        return
    texts = [label.text for label in layer.labels]
    chosen = texts.index(word) if word in texts else min(1, len(texts) - 1)
    _projections(layer)
    _one_head(layer, chosen)
    _heads(layer)
    _together(layer)
    _second_opinions(layer)
    st.subheader("13. Check the network itself", anchor="step-13")
    check_panel(layer.trace, layer.kind, layer.layer, layer.head, key="by-hand")


def _choose(sentence: str) -> Layer:
    """Pickers for stack, layer and head, and everything about that layer."""
    st.markdown(
        f"So far words had to be alike to find each other. From here on the network `{calls.FIRST.model}` shows what "
        "it has learned to look for. It *reads* Portuguese and Spanish with its encoder and *writes* English with its "
        "decoder."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = STACKS[segments("Stack", list(STACKS), "stack")]
        original = calls.FIRST.given
        if kind == "decoder":
            original = st.text_input(
                "Being translated from", calls.FIRST.given, max_chars=300, key="original", bind="query-params",
                width=420,
                help="From the second layer on, the decoder has also looked at the sentence that it translates.",
            )  # fmt: skip
    trace = calls.ask(
        replace(calls.FIRST, given=original, beams=None, target=sentence)
        if kind == "decoder"
        else replace(calls.FIRST, given=sentence)
    )
    if kind == "encoder":
        st.caption(
            "The encoder was trained to read Portuguese and Spanish, and English words are strange to it: put "
            f"“{calls.FIRST.given}” into the box at the top to see it at its best."
        )
    with st.container(horizontal=True):
        layer = _number("Layer", "layer", trace[kind].layers)
        head = _number("Head", "head", trace[kind].heads)
    network = calls.network(calls.FIRST.model)
    with calls.turn():
        inputs = network.projections(trace)[kind].inputs[layer].astype(np.float64)
    # What the decoder reads begins with the start marker; its labels in the trace are what it writes next.
    labels = trace[kind].keys
    mask = mask_of(kind, len(labels), len(labels))
    weights = network.layer_weights(kind, layer)
    return Layer(
        trace, kind, layer, head, labels, inputs, mask, weights, by_hand.multi_head(inputs, weights, mask)
    )


def _number(label: str, key: str, count: int) -> int:
    options = [str(i + 1) for i in range(count)]
    if st.session_state.get(key, "1") not in options:
        st.session_state[key] = options[-1]
    return int(segments(label, options, key)) - 1


def _projections(layer: Layer) -> None:
    left, right = step(8, "The same sentence goes in three times", "3.2.1 and 3.2.2")
    width, size = layer.inputs.shape[1], layer.learned.spec.head_width
    with left:
        st.latex(r"Q = X W^Q,\quad K = X W^K,\quad V = X W^V")
        st.markdown(
            "A word plays three parts. As a **query** it asks what it is looking for; as a **key** it says what it "
            "has to offer; as a **value** it hands that over. One vector cannot be good at all three, so three learned "
            "matrices make three different vectors of it. In *self*-attention all three come from the same sentence; "
            "in cross-attention the queries come from the translation, keys and values from the original."
        )
        st.markdown(
            f"This head has {width} × {size} learned numbers for each part (and {size} more that "
            f"are added). What goes in, *X*, is what the network really gives this layer: "
            + (
                "the word vectors plus their positions, brought to one scale."
                if layer.layer == 0
                else "what the layers below have made of the words, brought to one scale."
            )
        )
    with right:
        for name, parts in (
            ("queries", layer.result.queries),
            ("keys", layer.result.keys),
            ("values", layer.result.values),
        ):
            show(
                matrix(
                    parts[layer.head],
                    layer.labels,
                    theme=theme(),
                    title=f"{name}, {parts.shape[-1]} numbers a word",
                ),
                name,
                f"The {name} of every word.",
            )


def _one_head(layer: Layer, chosen: int) -> None:
    left, right = step(9, "One head looks", "3.2.1, equation 1")
    width = layer.learned.spec.head_width
    scores = by_hand.dot(layer.result.queries[layer.head], layer.result.keys[layer.head])
    alike = by_hand.dot(layer.inputs, layer.inputs)
    weights = layer.result.weights[layer.head]
    row = weights[chosen]
    best = np.argsort(-row)[:3]
    with left:
        softmax = r"\operatorname{softmax}\!\left(\frac{Q K^{\mathsf T}}{\sqrt{d_k}}\right)"
        st.latex(rf"\operatorname{{Attention}}(Q, K, V) = {softmax} V")
        st.markdown(f"The same steps as before, with *Q* and *K* in place of *X* and *d* = {width}.")
        looks = ", ".join(f"“{plain(layer.labels[i].text)}” {row[i]:.0%}" for i in best)
        st.markdown(f"“{plain(layer.labels[chosen].text)}” looks at {looks}.")
        st.markdown(
            "Now it matters who asks: the score of *a* for *b* need not be that of *b* for *a*. Largest difference "
            f"between the two: **{np.abs(scores - scores.T).max():.2f}** here, "
            f"{np.abs(alike - alike.T).max():.2g} without learned weights."
        )
        if layer.kind == "decoder":
            st.markdown("The decoder writes, so its mask is causal, and its first word is the start marker.")
    with right:
        show(weights_picture(weights, layer.labels), "head-weights", "Weights of the chosen head.")


def _heads(layer: Layer) -> None:
    left, right = step(10, "Several heads look at once", "3.2.2")
    heads = layer.learned.heads
    bits = by_hand.entropy(layer.result.weights).mean(-1)
    with left:
        st.latex(r"\operatorname{head}_h = \operatorname{Attention}(X W^Q_h,\; X W^K_h,\; X W^V_h)")
        st.markdown(
            f"One head can only look one way at a time. This layer has {heads}, each with its own three matrices and "
            f"{layer.learned.spec.head_width} of the {layer.inputs.shape[1]} numbers: one may look at the word "
            "before, another at a word it belongs with. Click one to follow it."
        )
        st.markdown(
            f"The most focused is head {bits.argmin() + 1} ({bits.min():.2f} bits a row), the most spread out head "
            f"{bits.argmax() + 1} ({bits.max():.2f} bits)."
        )
    with right:
        attention = AttentionMap(
            layer.kind, layer.result.weights[None].astype(np.float32), layer.labels, layer.labels
        )
        sheet(
            attention, selected=(0, layer.head), key="layer-heads", title=f"The heads of layer {layer.layer + 1}",
            on_select=_select,
        )  # fmt: skip


def _select(layer: int, head: int) -> None:
    st.session_state["head"] = str(head + 1)


def _together(layer: Layer) -> None:
    left, right = step(11, "Side by side, and mixed", "3.2.2")
    size = layer.learned.spec.head_width
    with left:
        heads = r"\text{head}_1, \dots, \text{head}_H"
        st.latex(rf"\operatorname{{MultiHead}} = \operatorname{{Concat}}({heads})\, W^O")
        st.markdown(
            f"What the heads found is put side by side ({layer.learned.heads} × {size} = {layer.learned.spec.joined} "
            "numbers; the lines mark the heads). A last learned matrix mixes them, so that what one head found can "
            "change any number of the word's vector. This is what the layer adds to each word."
        )
        st.markdown(f"Learned numbers of the whole layer: **{layer.learned.parameters:,}**.")
    with right:
        show(
            matrix(layer.result.joined, layer.labels, theme=theme(), title="heads side by side", breaks=size),
            "joined",
            "The heads side by side.",
        )
        show(
            matrix(layer.result.output, layer.labels, theme=theme(), title="output of the layer"),
            "output",
            "The output of the layer.",
        )


def _second_opinions(layer: Layer) -> None:
    left, right = step(12, "The same numbers out of Keras", "3.2")
    with left:
        st.markdown(
            "Everything above was computed by a few lines of numpy with 16 digits. Here are the same sentence and the "
            "same learned weights in `keras.layers.MultiHeadAttention`, and in the layer that this project's networks "
            "are built of. Both calculate with 7 digits, so differences around 10⁻⁶ are rounding."
        )
    network = calls.network(layer.trace.model)
    rows = []
    with calls.turn():
        opinions = network.opinions(layer.kind, layer.layer, layer.inputs, layer.mask)
    for name, opinion in opinions.items():
        rows.append(
            {
                "computed by": "Keras" if name.startswith("keras") else "Headlight",
                "weights": f"{np.abs(opinion.weights - layer.result.weights).max():.1e}",
                "outputs": f"{np.abs(opinion.output - layer.result.output).max():.1e}",
            }
        )
    with right:
        st.caption("Largest difference from the numbers above.")
        st.table(rows, border="horizontal", hide_index=True)
