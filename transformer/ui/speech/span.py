"""A span of time that the decoder, or one head of it, may not listen to: drawn over the sound, or set on a slider.

Its places are keys of cross-attention in a row: one edge, however long the span is.
"""

from __future__ import annotations

from math import ceil, floor, isfinite
from typing import Any

import streamlit as st

from transformer.ask import done_to
from transformer.interventions import ALL, Edge
from transformer.trace import AttentionMap, Trace
from transformer.ui.instruments import cutting, looks
from transformer.ui.speech.player import Span

BOX, SECONDS = "span", "span-seconds"  # in the session: an open box, and what is set on its slider
ROUNDING = 1e-4  # of a position


def pick(start: float, end: float) -> None:
    """Open the box on these seconds of the clip."""
    st.session_state[BOX], st.session_state[SECONDS] = True, (round(start, 2), round(end, 2))


def spans(trace: Trace, length: float, offset: float) -> list[Span]:
    """What of a clip is not heard in a trace, and what is chosen to be.

    Args:
        trace: what the decoder wrote.
        length: seconds of the clip.
        offset: seconds that lie before it, where it is a part of a longer one.
    """
    found = []
    for edge in done_to(trace.options).edges:
        first, last = edge.bounds()[3]
        keys = [key for key in trace["cross"].keys[first : last + 1] if not key.special]
        if edge.kind != "cross" or edge.query != ALL or not keys:
            continue
        start, end = keys[0].start, keys[-1].end
        if start is not None and end is not None:
            name = f"{looks.where(edge)}: {looks.look(edge, trace, offset)}"
            found.append(Span(start, min(end, length), name.replace("\\", ""), True))
    if st.session_state.get(BOX):
        length = _heard(trace["cross"], length)
        start, end = (second - offset for second in _seconds(length, offset))
        found.append(Span(start, end, "to be cut", False))
    return found


def box(
    cross: AttentionMap, layer: int | None, head: int | None, length: float, offset: float, *, ctc: bool
) -> None:
    """Where a span is set and cut.

    Args:
        cross: the map over the sound.
        layer, head: of cross-attention on screen, from 0; None: all of them.
        length, offset: see `spans`.
        ctc: the search goes by a second output of the encoder, too.
    """
    with st.expander(
        "Cut a span of time", icon=":material/content_cut:", key=BOX, on_change="rerun"
    ) as opened:
        if not opened.open:
            return
        length = _heard(cross, length)
        st.session_state[SECONDS] = _seconds(length, offset)
        # Two ends, of which the types of Streamlit know nothing.
        ends: Any = st.slider(
            "Seconds that must not be heard: draw over the sound above, or move the ends",
            round(offset, 2),
            round(offset + length, 2),
            step=0.01,
            format="%.2f s",
            key=SECONDS,
        )
        start, end = ends
        chosen = cutting.choose(layer, head, BOX, widest=True)
        places = [key for key in cross.keys if not key.special]
        first, last = covered(start - offset, end - offset, places[0].end or 1.0, len(places))
        edge = Edge("cross", chosen.layer, chosen.head, ALL, first, chosen.how, last_key=last)
        whole = last - first + 1 == len(cross.keys) and chosen.how == "bar"
        why = "This is all there is to hear: a query's last visible key is never cut." if whole else ""
        cutting.button(edge, why, BOX)
        if ctc:
            st.caption(
                "The encoder still hears the span, and its CTC output has its share in the search: the words may stay "
                "where the decoder alone would lose them, which its probabilities show."
            )


def covered(start: float, end: float, step: float, count: int) -> tuple[int, int]:
    """The first and the last of `count` positions of `step` seconds that a span touches; at least one."""
    first = min(max(0, floor(start / step + ROUNDING)), count - 1)
    return first, min(max(first, ceil(end / step - ROUNDING) - 1), count - 1)


def _heard(cross: AttentionMap, length: float) -> float:
    """Seconds of a clip that are in the network's positions: what is too short for a last one is in none."""
    ends = [key.end for key in cross.keys if not key.special and key.end is not None]
    return min([length, *ends[-1:]])


def _seconds(length: float, offset: float) -> tuple[float, float]:
    """What is set, within the clip: at first its second fifth."""
    low, high = round(offset, 2), round(offset + length, 2)
    fifth = (high - low) / 5
    chosen: Any = st.session_state.get(SECONDS)
    # A browser has written it.
    good = isinstance(chosen, tuple) and len(chosen) == 2 and all(map(isfinite, chosen))
    start, end = sorted(chosen) if good else (round(low + fifth, 2), round(low + 2 * fifth, 2))
    return min(max(start, low), high), min(max(end, low), high)
