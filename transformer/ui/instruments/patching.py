"""What another text had is put into this one, at one place at a time: which part of the network carries the difference?

Sources: Vig et al. 2020, arXiv:2004.12265; Meng et al. 2022, arXiv:2202.05262; Heimersheim and Nanda 2024,
arXiv:2404.15255.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from transformer.analysis.patching import Contest, Patched, TwoRuns
from transformer.ask import MAX_CHARACTERS
from transformer.figures.labels import MAP_NAMES, shown
from transformer.interventions import Kind, Site
from transformer.trace import Label, Trace
from transformer.ui.instruments import heads
from transformer.ui.models import calls
from transformer.ui.parts.matrix import matrix
from transformer.ui.shell.markdown import line, plain

OTHER, CELL = "other", "patch-cell"  # in the session: the other text, and the cell that was clicked last
NEARLY = 0.9
AT_ONCE = 3e10  # products of numbers that nobody is asked to wait for: well below a second
SITES: dict[str, Site] = {"Stream": "stream", "Heads": "head", "Feed-forward": "feed_forward"}
MEANT = {
    "stream": "the whole stream of vectors behind a layer, at one token",
    "head": "what one head hands over, at all tokens together",
    "feed_forward": "what a layer’s feed-forward writes, at one token",
}
INTO, OUT_OF = "Into this text (denoising)", "Into the other text (noising)"
ABOUT = (
    "Two texts of equally many tokens that are answered differently. One of them runs, and at one place it gets what "
    "the other had there: where its answer changes, that place carried the difference (activation patching, Vig et al. "
    "2020, Meng et al. 2022)."
)
READING = {
    INTO: "Denoising: this text runs with parts of the other. 1 is all the way to the other’s answer: that part alone "
    "was enough for it.",
    OUT_OF: "Noising: the other text runs with parts of this one. 1 is all the way to this text’s answer: without that "
    "part the other’s answer is gone, so it was needed (Heimersheim and Nanda 2024).",
}


class Pair(NamedTuple):
    """Two texts to begin with, and what puts one of them on the page."""

    first: str
    second: str
    take: Callable[[str], None]


def panel(trace: Trace, pair: Pair | None = None) -> None:
    """A box that puts parts of one run into another; nothing is computed while it is closed, or without another text.

    Args:
        trace: of a model that is shipped or open, as it is.
        pair: two texts to begin with.
    """
    with st.expander("What another text had instead", key="patching", on_change="rerun") as box:
        if box.open:
            st.caption(ABOUT)
            other = _other(trace, pair)
            if other.strip():
                try:
                    _draw(trace, other)
                except (ValueError, calls.Unavailable) as error:
                    st.info(f"The two texts cannot be compared: {line(error)}.")


def _other(trace: Trace, pair: Pair | None) -> str:
    """The box for the other text, and a button for two that suit each other."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        other = st.text_input(
            "The other text",
            key=OTHER,
            bind="query-params",
            max_chars=MAX_CHARACTERS,
            placeholder="one word of this text replaced by another",
            width=420,
        )
        if pair and (trace.input, other) != (pair.first, pair.second):
            st.button(
                "A ready pair",
                icon=":material/compare_arrows:",
                on_click=_take,
                args=(pair,),
                help=f"“{plain(pair.first)}” and “{plain(pair.second)}”",
            )
    return other or ""


def _take(pair: Pair) -> None:
    pair.take(pair.first)
    st.session_state[OTHER] = pair.second
    st.session_state[heads.SWITCHED] = True


def _draw(trace: Trace, other: str) -> None:
    model = calls.network(trace.model)
    with st.spinner("Running both texts …", show_time=False):
        runs: TwoRuns = calls.along(trace, ("two-runs", other), lambda: model.two_runs(trace, other))
    asked = _asked(runs)
    _say(trace, other, runs, asked)
    kinds: list[Kind] = [kind for kind in ("encoder", "decoder", "cross") if kind in trace]
    with st.container(horizontal=True, gap="medium"):
        site = SITES[
            st.segmented_control("Put in", list(SITES), default="Stream", required=True, key="patch-site")
            or "Stream"
        ]
        own = [kind for kind in kinds if site == "head" or kind != "cross"]
        names = {MAP_NAMES[kind] if site == "head" else kind.capitalize(): kind for kind in own}
        kind = own[0]
        if len(own) > 1:
            key = f"patch-of-{site}"
            chosen = st.segmented_control(
                "Of", list(names), default=next(iter(names)), required=True, key=key, wrap=True
            )
            kind = names[chosen or next(iter(names))]
        way = st.segmented_control(
            "Direction", [INTO, OUT_OF], default=INTO, required=True, key="patch-way", wrap=True
        )
    noising = way == OUT_OF
    found = _measured(trace, model, runs, (other, site, kind, noising, asked))
    if found is None:
        return
    st.caption(
        f"{READING[way or INTO]} A cell is {MEANT[site]}; the number is how far the odds of the two answers went."
    )
    _picture(found)
    _cell(found, runs, asked, other)


def _asked(runs: TwoRuns) -> Contest:
    """Pickers for the two answers whose odds are asked."""
    options = list(runs.names)
    key = f"{runs.asked.answer}-{runs.asked.against}"
    with st.container(horizontal=True):
        answer = st.selectbox(
            "How likely is",
            sorted(options, key=lambda i: i != runs.asked.answer),
            format_func=lambda i: _text(runs.names[i]),
            key=f"patch-answer-{key}",
            width=180,
        )
        answer = runs.asked.answer if answer is None else answer
        others = [i for i in sorted(options, key=lambda i: i != runs.asked.against) if i != answer]
        against = st.selectbox(
            "Against",
            others,
            format_func=lambda i: _text(runs.names[i]),
            key=f"patch-against-{key}-{answer}",
            width=180,
        )
    return Contest(runs.asked.place, answer, others[0] if against is None else against)


def _say(trace: Trace, other: str, runs: TwoRuns, asked: Contest) -> None:
    """What both texts are answered, and after what."""
    said = []
    for text, scores in zip((trace.input, other), runs.scores, strict=True):
        chances = " and ".join(
            f"{_name(runs, i)} {_percent(scores[i])}" for i in (asked.answer, asked.against)
        )
        said.append(f"- “{line(text, 120)}”: {chances}")
    written = [label.id for label in trace.target[: asked.place]] if "cross" in trace else []
    if written:
        begin = calls.network(trace.model).tokenizer.decode(written)
        st.markdown(f"Both answers begin with “{plain(begin)}”. Then the network says:")
    st.markdown("\n".join(said))


def _measured(
    trace: Trace, model: Any, runs: TwoRuns, key: tuple[str, Site, Kind, bool, Contest]
) -> Patched | None:
    """The picture's numbers; where they take a while only once somebody asks for them."""
    _, site, kind, noising, asked = key
    known: Patched | None = calls.told(trace, ("patched", key))
    if known is not None:
        return known
    layers, count = model.config.attention_shapes()[kind]
    cells = layers * (count if site == "head" else len(runs.compared.labels[kind]))
    tokens = sum(len(row) for row in runs.compared.rows[0])
    place = st.empty()
    if cells * tokens * model.parameters > AT_ONCE and not place.button(
        f"Measure: run it {cells} times", icon=":material/speed:", key="patch-measure"
    ):
        return None
    bar = place.progress(0.0, "Putting in one part after the other")

    def told(done: int, of: int) -> None:
        bar.progress(done / of, f"{done} of {of} places")

    work = partial(model.patched, runs, site, kind, noising=noising, asked=asked, progress=told)
    found: Patched = calls.along(trace, ("patched", key), work)
    place.empty()
    return found


def _picture(found: Patched) -> None:
    moved, of_heads = found.moved, found.site == "head"
    values = moved if of_heads else moved.T
    rows = [Label(f"layer {i + 1}") for i in range(len(moved))] if of_heads else list(found.rows)
    matrix(
        values,
        key="patches",
        title="How far the answer went: 0 not at all, 1 all the way",
        names=("layer", "head") if of_heads else ("token", "layer"),
        low=-1.0,
        high=1.0,
        labels=rows,
        first=1,
        cell=34,
        marked=_chosen(found),
        on_pick=_pick,
    )
    with st.expander("The same as a table", key="patch-table", on_change="rerun") as table:
        if table.open:
            columns = {
                f"{'head' if of_heads else 'layer'} {j + 1}": values[:, j].round(4)
                for j in range(values.shape[1])
            }
            names = [label.text for label in rows]
            st.dataframe(
                {"layer" if of_heads else "token": names} | columns, hide_index=True, width="stretch"
            )


def _pick(row: int, column: int) -> None:
    st.session_state[CELL] = row, column


def _chosen(found: Patched) -> tuple[int, int]:
    """Row and column of the picture: what was clicked, or of the first layer that moves the answer nearly most."""
    values = found.moved if found.site == "head" else found.moved.T
    row, column = st.session_state.get(CELL, (-1, -1))
    if 0 <= row < values.shape[0] and 0 <= column < values.shape[1]:
        return row, column
    size = np.abs(found.moved)
    layer = int((size.max(-1) >= NEARLY * size.max()).argmax())  # the first where it goes nearly that far
    best = int(size[layer].argmax())
    return (layer, best) if found.site == "head" else (best, layer)


def _cell(found: Patched, runs: TwoRuns, asked: Contest, other: str) -> None:
    """The numbers of the chosen cell, and a button that changes the answer above so."""
    row, column = _chosen(found)
    if found.site == "head":
        layer, place = row, column
        what = f"{MAP_NAMES[found.kind]}, layer {layer + 1}, head {place + 1}, at all tokens"
    else:
        layer, place = column, row
        name = "the stream behind" if found.site == "stream" else "the feed-forward of"
        what = f"{name} {found.kind} layer {layer + 1} at “{_text(found.rows[place])}” (token {place + 1})"
    told = "; ".join(
        f"{_name(runs, i)} {_percent(now)} (without it {_percent(was)}, in the other run {_percent(end)})"
        for i, now, was, end in zip(
            (asked.answer, asked.against), found.chances[layer, place], *found.runs, strict=True
        )
    )
    st.markdown(
        f"With {what} from {'this text' if found.noising else 'the other text'}: {told}. "
        f"That is **{found.moved[layer, place]:.2f}** of the way.".replace("-", "−")
    )
    now = heads.asked()
    if now.heads or now.edges:
        st.caption(
            "These numbers are of the network without the heads and looks that are changed above; what is put in comes "
            "on top of them."
        )
    if found.noising:
        st.caption("To see the whole answer so, swap the two texts and put it into this one.")
        return
    change = found.change(layer, place, other)

    def made() -> None:
        heads.change(lambda: dataclasses.replace(heads.asked(), patches=change.patches, other=change.other))

    if change.patches[0] in now.patches and now.other == other:
        st.caption("It is in: both answers stand beside each other above.")
        take = partial(heads.take_out, change.patches[0])
        st.button("Take it out", icon=":material/undo:", on_click=take, key="patch-take")
    else:
        st.button("Put it in and answer again", icon=":material/move_item:", on_click=made, key="patch-put")


def _percent(log_probability: float) -> str:
    chance = 100 * float(np.exp(log_probability))
    return f"{chance:.1f}\u00a0%" if chance >= 0.05 else "under 0.1\u00a0%"


def _name(runs: TwoRuns, i: int) -> str:
    return f"“{plain(_text(runs.names[i]))}”"


def _text(label: Label) -> str:
    return shown(label).strip() or "␣"
