"""One look is cut: which one, by a click on the heatmap or by two boxes, in which heads, and how.

Attention knockout after Geva et al. 2023, arXiv:2304.14767. What is cut stands in the address's `change`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from transformer.analysis.scores import cut_of, mask_of, spared
from transformer.ask import done_to
from transformer.figures.heatmap import Marks
from transformer.figures.labels import display
from transformer.interventions import ALL, Edge, How
from transformer.trace import AttentionMap, Label, Trace
from transformer.ui.instruments import heads
from transformer.ui.instruments.looks import name
from transformer.ui.parts.component import pair, unseen

BOX, QUERY, KEY = "cut", "cut-query", "cut-key"  # in the session: an open box, and the first places of a look
BAR, DROP = "Out of the softmax", "Weight dropped"
WAYS: dict[str, How] = {BAR: "bar", DROP: "drop"}
MEANT = {
    "bar": "The look is forbidden before the softmax: the rest of the row shares its weight.",
    "drop": "The weight stays as it is, and nothing of the value comes through.",
}

Span = tuple[int, int]  # the first and the last of neighbours
Spans = Sequence[Span]


class Chosen(NamedTuple):
    """Heads that something is cut in, from 0, `ALL` being each of them; and how."""

    layer: int
    head: int
    how: How


_CELLS = unseen("cells", "common")


def pick(query: int, key: int) -> None:
    """Open the box on this look."""
    st.session_state[BOX], st.session_state[QUERY], st.session_state[KEY] = True, query, key


def clicks(chart: str, rows: Spans, columns: Spans) -> None:
    """A click on a cell of the heatmap in the container `chart` opens the box on it.

    Args:
        chart: its key.
        rows, columns: which places each of its rows and columns stands for.
    """

    def called() -> None:
        if cell := pair(st.session_state[f"{chart}-cells"].get("picked"), len(rows), len(columns)):
            pick(rows[cell[0]][0], columns[cell[1]][0])

    _CELLS(key=f"{chart}-cells", data={"chart": chart}, on_picked_change=called)


def picked(rows: Spans, columns: Spans) -> tuple[int, int] | None:
    """Which cell the box is about, while it is open and about one: the same look whether words are whole or not."""
    if not st.session_state.get(BOX) or st.session_state.get(QUERY) == ALL:
        return None
    return _row(QUERY, rows), _row(KEY, columns)


def _row(key: str, spans: Spans) -> int:
    """The row or column of what was chosen; what is not in this view is its first."""
    place = st.session_state.get(key)
    row = next(
        (i for i, (first, last) in enumerate(spans) if place is not None and first <= place <= last), 0
    )
    st.session_state[key] = spans[row][0]
    return row


def box(
    attention: AttentionMap,
    layer: int | None,
    head: int | None,
    labels: tuple[Sequence[Label], ...],
    rows: Spans,
    columns: Spans,
) -> None:
    """Where a look is chosen and cut.

    Args:
        attention: the map on screen.
        layer, head: as chosen on the page, from 0; None: all of them.
        labels: of the rows and the columns of the view.
        rows, columns: which places each of them stands for.
    """
    with st.expander("Cut one look", icon=":material/content_cut:", key=BOX, on_change="rerun") as opened:
        if not opened.open:
            return
        all_rows = st.session_state.get(QUERY) == ALL
        row, column = 0 if all_rows else _row(QUERY, rows), _row(KEY, columns)
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            for key, text, spans, names in (
                (QUERY, "Who", rows, labels[0]),
                (KEY, "must not see", columns, labels[1]),
            ):
                first = [place for place, _ in spans]
                options = [ALL, *first] if key == QUERY else first
                st.selectbox(text, options, format_func=_namer(first, names), key=key, width=190)
        chosen, whom = choose(layer, head), name(labels[1][column])
        if all_rows:
            edge = _edge(attention, chosen, (ALL, ALL), columns[column])
            why = _useless(attention, edge, "everybody", whom)
        else:
            edge = _edge(attention, chosen, rows[row], columns[column])
            why = _useless(attention, edge, f"“{name(labels[0][row])}”", whom)
        button(edge, why)


def choose(layer: int | None, head: int | None, key: str = BOX, *, widest: bool = False) -> Chosen:
    """Pickers for the heads that something is cut in, and for how.

    Args:
        layer, head: on screen, from 0; None: all of them.
        key: what their own keys begin with.
        widest: all heads come first.
    """
    places = _heads(layer, head)
    names = list(reversed(places)) if widest else list(places)
    if st.session_state.get(f"{key}-in") not in places:
        st.session_state[f"{key}-in"] = names[0]  # another head is on screen
    with st.container(horizontal=True, gap="medium"):
        st.segmented_control("In", names, required=True, key=f"{key}-in", wrap=True)
        st.segmented_control("How", list(WAYS), default=BAR, required=True, key=f"{key}-how", wrap=True)
    return _chosen(layer, head, key)


def button(edge: Edge, why: str, key: str = BOX) -> None:
    """Cuts a look, or puts it back; `why` says why there is nothing to cut."""
    cut = edge in heads.asked().edges
    st.button(
        "Put back" if cut else "Cut",
        type="primary",
        icon=":material/undo:" if cut else ":material/content_cut:",
        on_click=heads.cut,
        args=(edge,),
        disabled=bool(why) and not cut,
        key=f"{key}-now",
    )
    st.caption(why or MEANT[edge.how])


def _namer(places: list[int], labels: Sequence[Label]) -> Callable[[int], str]:
    """What places are called in a list; words may be the same."""
    return lambda place: (
        "everybody" if place == ALL else f"{place + 1}: {display(labels[places.index(place)])}"
    )


def by_words(attention: AttentionMap, layer: int | None, head: int | None) -> Callable[[int, int], None]:
    """Cuts the look of a query at a key at once, as the box would while it is about these heads."""

    def cut(query: int, key: int) -> None:
        edge = _edge(attention, _chosen(layer, head, BOX), (query, query), (key, key))
        why = _useless(attention, edge, f"“{name(attention.queries[query])}”", name(attention.keys[key]))
        if why and edge not in heads.asked().edges:
            heads.tell(f"Nothing was cut: {why}")
        else:
            heads.cut(edge)

    return cut


def _chosen(layer: int | None, head: int | None, key: str) -> Chosen:
    """The heads and the way that the pickers say, or would by themselves."""
    places, how = _heads(layer, head), WAYS[st.session_state.get(f"{key}-how") or BAR]
    return Chosen(*places.get(st.session_state.get(f"{key}-in", ""), next(iter(places.values()))), how)


def _edge(attention: AttentionMap, chosen: Chosen, query: Span, key: Span) -> Edge:
    return Edge(attention.kind, chosen.layer, chosen.head, query[0], key[0], chosen.how, query[1], key[1])


def _heads(layer: int | None, head: int | None) -> dict[str, tuple[int, int]]:
    """Heads that a look can be cut in, those on screen first, by what they are called."""
    found: dict[str, tuple[int, int]] = {}
    if layer is not None and head is not None:
        found["This head"] = (layer, head)
    elif head is not None:
        found[f"Head {head + 1} of all layers"] = (ALL, head)
    if layer is not None:
        found["The whole layer"] = (layer, ALL)
    return found | {"Everywhere": (ALL, ALL)}


def _useless(attention: AttentionMap, edge: Edge, query: str, key: str) -> str:
    """Why a cut would change nothing; "" where it would."""
    windows = attention.windows or (0,) * attention.layers
    seen = np.any(
        [
            mask_of(attention.kind, len(attention.queries), len(attention.keys), window)
            for window in set(windows)
        ],
        axis=0,
    )
    (_, _, (first, last), (left, right)) = edge.bounds()
    rows = seen[first : last + 1]
    if not rows[:, left : right + 1].any():
        return f"{query} does not see “{key}” anyway: it comes later, or is too far away."
    hidden = np.zeros(seen.shape[1], bool)
    hidden[left : right + 1] = True
    if edge.how == "bar" and not (rows & ~hidden).any(-1).any():
        return f"“{key}” is all that {query} sees: a query's last visible key is never cut."
    return ""


def marks(
    trace: Trace, kind: str, layer: int | None, head: int | None, rows: Spans, columns: Spans
) -> Marks | None:
    """What is cut in a trace, on the cells of a view of it; of several heads what any of them must not see."""
    attention = trace[kind]
    edges = tuple(edge for edge in done_to(trace.options).edges if edge.kind == kind)
    if not edges:
        return None
    shape = attention.weights.shape[1:]
    found = {how: np.zeros(shape[1:], bool) for how in WAYS.values()}
    chosen = slice(None) if head is None else slice(head, head + 1)
    windows = attention.windows or (0,) * attention.layers
    for i in range(attention.layers) if layer is None else (layer,):
        seen = mask_of(kind, len(attention.queries), len(attention.keys), windows[i])
        for how, cells in found.items():
            cut = cut_of(edges, kind, i, shape, how) & seen
            if how == "bar":
                cut &= ~spared(seen, cut)[..., None]
            cells |= cut[chosen].any(0)

    def shown(cells: Any) -> Any:
        """Any of the places that a cell of the view stands for."""
        below = np.array([cells[first : last + 1].any(0) for first, last in rows])
        return np.array([below[:, first : last + 1].any(-1) for first, last in columns]).T

    return Marks(shown(found["bar"]), shown(found["drop"]))
