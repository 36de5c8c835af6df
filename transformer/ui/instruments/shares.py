"""Where does a score come from? What every part of a network adds to it: bars, a table, and the sheet above.

Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits".
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from transformer.analysis.insides import Insides
from transformer.analysis.shares import Shares
from transformer.figures import shares as figures
from transformer.figures.labels import shown
from transformer.trace import Kind, Label, Trace
from transformer.ui.instruments import lens
from transformer.ui.models import calls
from transformer.ui.shell.frame import theme
from transformer.ui.shell.markdown import line, plain

LAST = "shared"  # in the session: the trace and the shares of its heads last, for the sheet above
PLOT = {"displayModeBar": False, "scrollZoom": False}
NOTHING = "nothing"
# Networks whose answers are no scores of words or classes.
WITHOUT = {
    "spans": "this network marks where an answer stands, by scores of places rather than of words or classes",
    "vectors": "this network only reads and answers nothing, so there is no score",
}
NOBODY = -1
ABOUT = (
    "Every part of the network adds a vector to the stream, and a score is a sum over that stream: so each part has a "
    "share of it (Elhage et al. 2021), with the scales of normalisations and curves held at what they were. This is "
    "what goes straight to the answer; what a part does by way of later layers is counted as theirs. Numbers behind a "
    "name are layer and head."
)


def last(trace: Trace) -> Shares | None:
    """What the panel said of a trace last; None where nobody has asked."""
    kept = st.session_state.get(LAST)
    return kept[1] if kept and kept[0]() is trace else None


def known(trace: Trace) -> Mapping[Kind, np.ndarray] | None:
    """The share of each head, as the panel said it last; None where nobody has asked."""
    found = last(trace)
    return found.heads if found else None


def panel(trace: Trace, given: Any = None) -> None:
    """A box that takes a score apart; nothing is computed while it is closed.

    Args:
        trace: of a model that is shipped or open; with what was changed in the network when it was made.
        given: of sound, the samples.
    """
    with st.expander("Where a score comes from", key="shares", on_change="rerun") as box:
        if box.open:
            try:
                _take_apart(trace, given)
            except (ValueError, calls.Unavailable) as error:
                st.info(f"There are no shares here: {line(error)}.")


def _take_apart(trace: Trace, given: Any) -> None:
    model = calls.network(trace.model)
    if why := WITHOUT.get(model.config.task.kind):
        st.info(f"There is nothing to take apart here: {why}.")
        return
    with st.spinner("Recording what every part adds …", show_time=False):
        inside = lens.insides(trace, given)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            place = _place(trace, inside, model.config.mask_id)
            likely = calls.along(trace, ("likely", place), partial(model.likely, inside, place))
            token, against = _tokens(inside, place, likely)
        asked = ("shares", place, token, against)
        found: Shares = calls.along(trace, asked, partial(model.shares, inside, place, token, against))
    if last(trace) is not found:  # the sheet above is drawn already
        st.session_state[LAST] = weakref.ref(trace), found
        st.rerun()
    st.caption(f"{ABOUT}{lens.altered(trace)}")
    _sum(found)
    left, right = st.columns(2, gap="large")
    listed = found.listed()
    with left:
        st.plotly_chart(
            figures.bars(listed, theme=theme()), theme=None, width="stretch", config=PLOT, key="shares-picture",
            alt="What each part adds to the score: the same numbers stand in the table.",
        )  # fmt: skip
    with right:
        st.dataframe(
            {
                "part": [figures.name(share) for share in listed],
                "adds": [round(share.value, 5) for share in listed],
            },
            hide_index=True,
            width="stretch",
            height=392,
        )


def _place(trace: Trace, inside: Insides, mask_id: int) -> int:
    """Which of the scores; a text that goes on is asked about what comes next."""
    if inside.classes:
        return 0
    count = len(inside.labels)
    if st.session_state.get("share-place") not in range(count):
        masked = [i for i, label in enumerate(trace.source) if label.id == mask_id >= 0]
        reads = list(trace) == ["encoder"]
        last = count - 1 if list(trace) == ["decoder"] and not inside.names else 0
        st.session_state["share-place"] = masked[0] if reads and masked else last  # of another answer
    chosen = st.selectbox(
        "Score at",
        range(count),
        format_func=lambda i: f"{i + 1}: {_text(inside.labels[i])}",
        key="share-place",
        width=220,
    )
    return chosen or 0


def _tokens(inside: Insides, place: int, likely: Sequence[Label]) -> tuple[int, int | None]:
    """Whose score, and whose is taken away from it."""
    said = likely[0] if inside.classes or inside.targets[place] < 0 else None
    own = int(said.id or 0) if said else inside.targets[place]
    names = {int(label.id or 0): _text(label) for label in likely}
    if own not in names:
        names = {own: _text(inside.names[own] if inside.names else inside.labels[place]), **names}
    options = sorted(names, key=lambda i: i != own)
    token = st.selectbox(
        "Of", options, format_func=lambda i: names[i], key=f"share-of-{place}-{own}", width=180
    )
    token = own if token is None else token
    # Not None: to a box that is nothing chosen, whatever it is called.
    others = [NOBODY, *(i for i in options if i != token)]
    against = st.selectbox(
        "Against",
        others,
        format_func=lambda i: NOTHING if i == NOBODY else names[i],
        key=f"share-against-{place}-{token}",
        width=180,
        help="The score of one token minus that of another: what speaks for the one rather than the other.",
    )
    return token, None if against == NOBODY else against


def _text(label: Label) -> str:
    return shown(label).strip() or "␣"


def _sum(found: Shares) -> None:
    of = f"“{plain(_text(found.label))}”"
    of += f" against “{plain(_text(found.against))}”" if found.against else ""
    verdict = (
        f":material/check_circle: The parts add up to the score of {of}."
        if found.passed
        else f":material/error: **The parts do not add up to the score of {of}.**"
    )
    st.markdown(verdict)
    with st.container(horizontal=True, gap="medium"):
        st.metric("Sum of the parts", f"{found.total:.5f}".replace("-", "−"), width="content")
        st.metric("The network says", f"{found.score:.5f}".replace("-", "−"), width="content")
        st.metric("Difference", f"{found.difference:.1e}", width="content")
