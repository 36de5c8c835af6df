"""A test fixture, not a page of the app: both components on made-up numbers.

The numbers come from closed formulas, so that tests can tell what must be on the screen. The address chooses the size:
?layers=4&heads=8&tokens=12&words=latin|mixed|rtl&kind=cross|decoder|encoder; top is the weight of full colour.
"""

import time

import numpy as np
import streamlit as st

from transformer.trace import Alternative, AttentionMap, Label, Step, Trace
from transformer.ui.parts.sentence import sentence
from transformer.ui.parts.sheet import sheet

WORDS = {
    "latin": "The train lef|t the stat|ion on time and no|body on the plat|form had notic|ed it be|fore noon .",
    "mixed": "The word שלום עולם means hello world 👋🏽 <b>not</b> bold &amp; naïve 東京 مرحبا بالعالم .",
    "rtl": "القط|ار غادر المحط|ة في الموعد اليوم 👋🏽 12:30 .",
}


def labels(kind: str, count: int) -> tuple[Label, ...]:
    """`count` labels, the last one the end marker; a | in the list above marks a cut into subwords."""
    made: list[Label] = []
    while len(made) < count - 1:
        for word in WORDS[kind].split():
            parts = word.split("|")
            made += [Label(part, joins=i > 0) for i, part in enumerate(parts)]
    made = made[: count - 1]
    return (*made, Label("</s>", special=True))


@st.cache_resource
def example(kind: str, words: str, layers: int, heads: int, tokens: int) -> Trace:
    """Head h of layer l looks mainly (0.6) at the position h after its own, the rest falls off around it."""
    source = labels("latin" if words == "latin" else words, tokens)
    target = labels(words, tokens + 1)
    queries = source if kind == "encoder" else target
    keys = (Label("<s>", special=True), *target[:-1]) if kind == "decoder" else source
    q, k = np.arange(len(queries))[:, None], np.arange(len(keys))[None, :]
    weights = np.empty((layers, heads, len(queries), len(keys)), np.float32)
    for layer in range(layers):
        for head in range(heads):
            peak = (q + head) % len(keys)
            around = np.exp(-np.abs(k - peak) / (0.5 + layer)).astype(np.float32)
            around[k == peak] = 0
            around *= 0.4 / around.sum(-1, keepdims=True)
            weights[layer, head] = around + 0.6 * (k == peak)
    if kind == "decoder":
        weights = np.tril(weights[..., :, :]) + 1e-9 * (k == 0)
        weights /= weights.sum(-1, keepdims=True)
    steps = []
    for i, label in enumerate(target):
        probability = (0.92, 0.41, 0.12)[i % 3]
        others = [Alternative(f"other{i}.{j}", (1 - probability) / 2**j / 2) for j in range(1, 5)]
        ranked = sorted([Alternative(label.text, probability), *others], key=lambda other: -other.probability)
        steps.append(Step(label.text, float(np.log(probability)), 0.5 + i % 3, tuple(ranked)))
    return Trace([AttentionMap(kind, weights, queries, keys)], "made up", steps, source=source, target=target)


def select(layer: int, head: int) -> None:
    """What a page does with a click: the pickers agree with the sheet before it runs again."""
    st.session_state.layer, st.session_state.head = layer, head


st.set_page_config("Components", layout="wide", menu_items={"About": "A test fixture."})
asked = st.query_params
kind = asked.get("kind", "cross")
trace = example(
    kind,
    asked.get("words", "latin"),
    int(asked.get("layers", 4)),
    int(asked.get("heads", 8)),
    int(asked.get("tokens", 12)),
)
attention = trace[kind]
st.session_state.setdefault("layer", 0)
st.session_state.setdefault("head", 0)

left, right = st.columns(2)
layer = left.selectbox("Layer", range(attention.layers), key="layer", format_func=lambda i: str(i + 1))
head = right.selectbox("Head", range(attention.heads), key="head", format_func=lambda i: str(i + 1))

chosen = sentence(
    trace,
    key="sentence",
    kind=kind,
    weights=attention.weights[layer, head],
    view=f"Layer {layer + 1}, head {head + 1}",
    titles=("Portuguese", "English"),
)
top = float(st.query_params.get("top", "1"))
clicked = sheet(attention, selected=(layer, head), top=top, key="sheet", on_select=select)
st.text(f"selected: layer {layer + 1} head {head + 1}")
st.text(f"clicked: {clicked}")
if chosen:
    st.session_state.chosen = f"chosen: step {chosen.step} alternative {chosen.alternative}"
st.text(st.session_state.get("chosen", "chosen: nothing"))
st.text(f"run: {time.monotonic_ns()}")
