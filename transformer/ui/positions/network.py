"""Positions in a shipped network: what goes into it, and what becomes of it without them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from transformer.analysis import order as orders
from transformer.analysis import positions as measures
from transformer.analysis import views
from transformer.ask import Ask
from transformer.figures.heatmap import CONFIG, heatmap
from transformer.trace import AttentionMap, Trace
from transformer.ui.models import calls
from transformer.ui.parts import explorer
from transformer.ui.parts.matrix import matrix
from transformer.ui.positions.controls import START, one_of, restart
from transformer.ui.shell.frame import theme
from transformer.ui.shell.markdown import line, plain

if TYPE_CHECKING:
    from transformer.pipeline import Embedded

ORDERS = ["As written", "Reversed", "Shuffled 1", "Shuffled 2", "Shuffled 3"]
KINDS = {"Encoder": "encoder", "Cross": "cross", "Decoder": "decoder"}
CELL = 22  # CSS pixels: a row of the pictures of vectors


def network_section() -> None:
    """A sentence, its vectors, and the attention and the translation with other positions beside the original."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.selectbox("Model", calls.names("seq2seq"), key="model", bind="query-params", width=160)
        text = st.text_input(
            "Sentence", START["sentence"], max_chars=calls.LONGEST, key="sentence", bind="query-params"
        )
    left, right = st.columns(2, gap="large")
    with left:
        scale = st.slider(
            "Scale of the positions (1: as trained, 0: taken away)",
            0.0,
            2.0,
            START["scale"],
            0.05,
            key="scale",
            bind="query-params",
        )
    with right:
        order = one_of("Order of the words", ORDERS, "order")
    restart("sentence", "scale", "order")
    scale = min(max(scale, 0.0), 2.0)
    changed_text, words = orders.reorder(text, order)
    try:
        original = calls.ask(Ask(model=model, given=text, beams=1))
        question = Ask(model=model, given=changed_text, beams=1, position_scale=scale)
        changed = calls.ask(question)
        # The same output on both sides, id by id, so that every row of attention has a counterpart.
        ids = tuple(label.id for label in original.target if label.id is not None)
        forced = calls.ask(replace(question, beams=None, target_ids=ids))
        parts = calls.embedded(model, changed_text, scale)
    except ValueError as error:
        st.warning(f"Not translated: {line(error)}.")
        return
    except calls.Unavailable as error:
        st.warning(line(error))
        st.button("Try to load it again", on_click=calls.retry)
        return
    _vectors(parts, scale)
    st.subheader("What the network makes of it")
    _translations(original, changed, scale, order)
    places = orders.token_places(original.source, changed.source, words)
    _attention(original, forced, places, scale, order)


def _vectors(parts: Embedded, scale: float) -> None:
    """Words, positions and their sum, in the same colours."""
    labels, tokens, added, total = parts
    top = float(np.quantile(np.abs(np.concatenate([tokens, added, total])), 0.995)) or 1.0
    pictures = {
        "words": ("Word vectors", tokens, "What each token means: its row of the learned table, times √d."),
        "added": (
            f"+ positions × {scale:g}" if scale != 1 else "+ positions",
            added,
            "Where it stands: the first rows of the table at the top of this page."
            if scale
            else "Taken away: every token is given the same nothing.",
        ),
        "sum": ("= what the encoder reads", total, "Their sum. From here on the network has only this."),
    }
    for key, (title, values, reading) in pictures.items():
        matrix(
            values,
            key=key,
            title=title,
            names=("token", "column"),
            labels=labels,
            low=-round(top, 2),
            high=round(top, 2),
            row_height=CELL,
        )
        st.caption(reading)
    st.caption(
        f"Real vectors of this network: one row a token, {total.shape[1]} columns, one colour scale for all three. A "
        f"word vector is {_length(tokens):.1f} long on average, a position vector {_length(added):.1f}."
    )


def _length(vectors: np.ndarray) -> float:
    return float(np.linalg.norm(vectors, axis=1).mean())


def _translations(original: Trace, changed: Trace, scale: float, order: str) -> None:
    left, right = st.columns(2, gap="large")
    for column, title, trace in (
        (left, "Original: positions as trained", original),
        (right, f"Changed: positions × {scale:g}, {order.lower()}", changed),
    ):
        with column, st.container(border=True):
            st.caption(title)
            st.text(trace.input)
            st.subheader(plain(trace.output) or "(nothing)", anchor=False)
    if scale == 1 and order == "As written":
        st.info(
            "Both sides are the same so far. Move the scale, or choose another order of the words, and compare."
        )
    elif scale == 0:
        st.caption(
            "Without positions the encoder sees a bag of words: choose any order, and the translation stays what it "
            "is. The decoder still writes one word after the other and can count on its own mask alone."
        )


def _attention(original: Trace, forced: Trace, places: list[int] | None, scale: float, order: str) -> None:
    kind = KINDS[one_of("Attention", list(KINDS), "attention")]
    before, after = original[kind], forced[kind]
    if places is not None:
        after = _put_back(after, kind, places, before)
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        layer, head = (
            int(one_of(label, [str(i + 1) for i in range(count)], label.lower())) - 1
            for label, count in (("Layer", before.layers), ("Head", before.heads))
        )
        restart("attention", "layer", "head")
    left, right = st.columns(2, gap="large")
    for column, title, attention in ((left, "Original", before), (right, "Changed", after)):
        with column:
            st.plotly_chart(
                heatmap(views.select(attention, layer, head), theme=theme(), title=title, compact=True),
                theme=None,
                width="content",
                config=CONFIG,
                key=f"head-{title}",
                alt=f"{title}: attention of layer {layer + 1}, head {head + 1}.",
            )
    back = " The words of the changed side are put back in their old places." if order != "As written" else ""
    same = " Both sides record the attention for the original translation." if kind != "encoder" else ""
    st.caption(f"{explorer.HINTS[kind]}{same}{back}")
    if after.weights.shape != before.weights.shape or (order != "As written" and places is None):
        st.info(
            "The tokenizer cuts this sentence differently in the new order: its cells have no counterparts."
        )
        return
    moved = measures.total_variation(before.weights, after.weights).mean(-1)  # (L, H)
    first, second, third = st.columns(3)
    first.metric(
        "This head moved", f"{moved[layer, head]:.1%}", help="of its attention, on average over its rows"
    )
    second.metric("All heads moved", f"{moved.mean():.1%}")
    third.metric("Largest change of a weight", f"{np.abs(before.weights - after.weights).max():.2g}")
    st.caption(
        "How much of its attention a row gives to other words than before, half the summed change (total variation): "
        "0 % is the same attention, 100 % an entirely different one."
    )
    matrix(
        moved,
        key="moved",
        title="Which heads depend on positions?",
        names=("layer", "head"),
        first=1,
        low=0,
        high=1,
        scale="attention",
        marked=(layer, head),
        cell=44,
        on_pick=explorer.select_head,
    )
    st.caption(
        "One cell a head: the stronger its colour, the more of its attention moved. Click one to see it."
    )
    if scale == 0 and order != "As written" and kind == "encoder":
        written = calls.ask(Ask(model=original.model, given=original.input, beams=1, position_scale=0.0))
        difference = float(np.abs(written[kind].weights - after.weights).max())
        st.markdown(
            "**A check.** Without positions, shuffling the words must do nothing but reorder rows and columns. Between "
            f"this encoder and the one that reads the words as written, the largest difference is **{difference:.0e}**."
        )


def _put_back(attention: AttentionMap, kind: str, places: list[int], before: AttentionMap) -> AttentionMap:
    """The source's tokens where they stood before."""
    if kind == "decoder" or attention.weights.shape != before.weights.shape:
        return attention
    weights = attention.weights[..., places]
    if kind == "encoder":
        weights = weights[..., places, :]
    return AttentionMap(kind, weights, before.queries, before.keys)
