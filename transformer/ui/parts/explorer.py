"""All heads, the chosen head, its numbers, and its files: the part of a page that any trace of any model has.

The state of the view lives in the page's address, through widgets bound to query parameters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

import numpy as np
import streamlit as st

from transformer.analysis import rollout, views
from transformer.analysis.handed import Weighted
from transformer.analysis.views import Combination, View
from transformer.ask import done_to
from transformer.figures.heatmap import CONFIG, Marks, heatmap
from transformer.figures.labels import MAP_NAMES
from transformer.trace import AttentionMap, FloatArray, Label, Trace
from transformer.ui.instruments import cutting, lens, patching, ranking, shares
from transformer.ui.instruments.heads import Changed, asked, panel, switch, tokens, whole_page_if_switched
from transformer.ui.models import calls
from transformer.ui.parts.sentence import Beside, Choice, Cut, sentence
from transformer.ui.parts.sheet import sheet
from transformer.ui.parts.wire import packed
from transformer.ui.shell.frame import theme
from transformer.ui.shell.markdown import line, plain

ALL = "All"
KIND_NAMES = {"Cross": "cross", "Encoder": "encoder", "Decoder": "decoder"}
TABLE_CELLS = 2500  # beyond, a table of the browser's own would be slow
FAINT = 0.25  # where no weight is above it, colours from 0 to 1 would be one dark field
READABLE = 10_000_000  # weights; beyond, a web page would have 30 MB and JSON 80
How = Combination | Literal["rollout"]
COMBINATIONS: dict[str, How] = {"Average": "mean", "Maximum": "max"}
ROLLOUT = "Rollout"
HINTS = {
    "encoder": "Each row is a word of the input; its bright cells are the input words it drew on.",
    "decoder": "Each row is a word being written; its bright cells are the words written before it that it drew on.",
    "cross": "Each row is a word being written; its bright cells are the input words it drew on.",
    "alone": "Each row is a token that was read; its bright cells are the tokens that it drew on to foretell the next.",
    "reads": "Each row is a token that was read; its bright cells are the tokens up to it that it drew on.",
}

ABOUT_ROLLOUT = (
    "Rollout (Abnar and Zuidema 2020): which tokens a row has seen by way of all layers below, half of each layer’s "
    "flow going past its attention. Values and feed-forwards are left out."
)
CORRECTED = (
    " Early tokens are seen by more rows: this is held against a network that looks at all of them alike, which would "
    "give even rows."
)

LENGTHS = "Weight × length"  # of what is handed over for it

# What the sheet shows of each head, once heads have been ranked, or a score has been taken apart.
WEIGHTS, LOSSES, SHARES = "Weights", "What is lost without it", "Its share of the score"
NOTES = {
    LOSSES: "Numbers: by how much the log-probability falls without the head, in nats.",
    SHARES: "Numbers: how much the head adds to the score that was taken apart below.",
}

# Which run pictures show, where something was changed in a network.
AFTER, BEFORE, DIFFERENCE = "With the change", "As it was", "Difference"

# Draws what stands above the pickers, from (trace, kind, weights (Q, K), name of the view, what cuts a look of a query
# at a key); true once a click has changed the page.
Words = Callable[[Trace, str, FloatArray, str, Cut], bool]


class Shown(NamedTuple):
    """The run that pictures show, and the one that it is compared with, where they show how the two differ."""

    trace: Trace
    before: Trace | None = None
    weighted: Weighted | None = None  # drawn instead of the chosen map of the trace

    def map(self, kind: str) -> AttentionMap:
        """What is drawn."""
        return self.weighted or self.trace[kind]

    def axes(self, kind: str) -> tuple[tuple[Label, ...], tuple[Label, ...]]:
        """The labels of a map's rows and columns."""
        return self.trace[kind].queries, self.trace[kind].keys

    def view(self, kind: str, how: How, layer: int | None, head: int | None) -> View:
        """The chosen heads; errors as of `views.combine`."""
        found = rollout.chosen(self.map(kind), how, layer, head, done_to(self.trace.options))
        if self.weighted:
            return found._replace(unit=LENGTHS.lower())
        if self.before is None:
            return found
        return views.difference(found, rollout.chosen(self.before[kind], how, layer, head))


@st.fragment
def explore(
    trace: Trace,
    *,
    titles: tuple[str, str],
    about: str,
    on_choose: Callable[[Choice], None] | None = None,
    words: Words | None = None,
    changed: Changed | None = None,
    pair: patching.Pair | None = None,
) -> None:
    """Input and output, all heads, and the chosen one: everything that a click on a head changes.

    Args:
        trace: what to look at.
        titles: what stands above input and output.
        about: a sentence on the network, shown under its heads.
        on_choose: called with the alternative that was clicked, before the whole page runs again.
        words: draws the words itself, in the place of input and output.
        changed: what becomes of it with heads changed.
        pair: two texts to put parts of one into the other.
    """
    whole_page_if_switched()
    above = st.container()  # the pickers, whose view it shows
    with st.container(horizontal=True):
        kind = choose_kind(trace)
        layer, head, how = choose_head(trace, kind)
        shown = choose_run(trace, changed, kind)
        if shown.before is None and how != "rollout":
            shown = shown._replace(weighted=choose_lengths(shown.trace, kind))
        top = choose_top(shown.map(kind)) if shown.before is None else 1.0
    with above:
        weights = rollout.chosen(shown.trace[kind], how, layer, head, done_to(shown.trace.options)).values
        name = name_of(kind, layer, head, how)
        cut = cutting.by_words(shown.trace[kind], layer, head)
        if words:
            clicked = words(shown.trace, kind, weights, name, cut)
        else:
            chosen = sentence(
                shown.trace,
                key="sentence",
                kind=kind,
                weights=weights,
                view=name,
                titles=titles if changed is None else (titles[0], _title(titles[1], changed, shown.trace)),
                beside=_beside(titles[1], changed, shown.trace),
                on_choose=on_choose if shown.trace is trace else None,
                on_cut=cut,
            )
            clicked = chosen is not None and shown.trace is trace
        if clicked:
            st.rerun()
    left, right = st.columns([5, 6], gap="large")
    with left, st.container(key="heads"):
        heads_sheet(shown, kind, layer, head, top, tints(trace, shown))
        if changed:
            panel(changed)
        st.caption(about)
    with right:
        picture(shown, kind, layer, head, how, top)
    if changed:
        tokens(changed)
    lens.panel(shown.trace)
    shares.panel(shown.trace)
    ranking.panel(trace)
    patching.panel(trace, pair)
    check_numbers(shown.trace, kind, layer, head)


def choose_run(trace: Trace, changed: Changed | None, kind: str) -> Shown:
    """A picker for the run that pictures show, where there are two: the changed one first."""
    if changed is None:
        return Shown(trace)
    alike = views.same_axes(changed.before[kind], changed.after[kind])
    options = [AFTER, BEFORE, DIFFERENCE] if alike else [AFTER, BEFORE]
    if st.session_state.get("show") not in (None, *options):
        st.session_state["show"] = AFTER  # another answer has other rows, which have no counterparts
    show = segments("Pictures show", options, "show")
    if show == DIFFERENCE:
        return Shown(changed.after, changed.before)
    return Shown(changed.before if show == BEFORE else changed.after)


def _title(title: str, changed: Changed, trace: Trace) -> str:
    return f"{title}, {'as it was' if trace is changed.before else 'with the change'}"


def _beside(title: str, changed: Changed | None, shown: Trace) -> Beside | None:
    """The answer that is not shown."""
    if changed is None:
        return None
    above = shown is changed.after
    other = changed.before if above else changed.after
    return Beside(other, _title(title, changed, other), above)


def check_numbers(trace: Trace, kind: str, layer: int | None, head: int | None) -> None:
    """A box that computes the chosen weights again; nothing is computed while it is closed."""
    with st.expander("Check the numbers", key="check", on_change="rerun") as box:
        if box.open:
            from transformer.ui.parts.check import check_panel

            check_panel(trace, kind, layer, head, key="check")


def choose_kind(trace: Trace) -> str:
    """Which attention to look at; cross-attention first where there is one."""
    names = {name: kind for name, kind in KIND_NAMES.items() if kind in trace}
    if len(names) == 1:
        return next(iter(names.values()))
    return names[segments("Attention", list(names), "attention")]


def choose_head(trace: Trace, kind: str) -> tuple[int | None, int | None, How]:
    """Pickers for layer and head, counted from 0 (None: all of them), and how several are put together; all heads of
    self-attention may be followed down through the layers."""
    attention = trace[kind]
    layer = _number("Layer", "layer", attention.layers)
    head = _number("Head", "head", attention.heads)
    if layer is not None and head is not None:
        return layer, head, "mean"
    ways = COMBINATIONS | ({ROLLOUT: "rollout"} if head is None and rollout.follows(attention) else {})
    if st.session_state.get("combine") not in (None, *ways):
        st.session_state["combine"] = next(iter(ways))  # it was of another map, or of all heads
    return layer, head, ways[segments("Together as", list(ways), "combine")]


def choose_lengths(trace: Trace, kind: str) -> Weighted | None:
    """Weights times the lengths of what is handed over for them, where colours are to be that; None: weights."""
    if not calls.known(trace.model):
        return None
    if segments("Colours are", [WEIGHTS, LENGTHS], "colours") == WEIGHTS:
        return None
    try:
        with calls.waiting(trace.model):
            model = calls.network(trace.model)
        projected = calls.along(trace, "projections", lambda: model.projections(trace))
        handed = calls.along(trace, "handed", lambda: model.handed(trace, projected))
        found: Weighted = calls.along(trace, ("weighted", kind), lambda: Weighted(trace[kind], handed[kind]))
    except (ValueError, calls.Unavailable) as error:
        st.info(f"There are no lengths here: {line(error)}.")
        return None
    return found


def choose_top(attention: AttentionMap) -> float:
    """The weight that has full colour: 1; where all weights are faint the strongest of them, unless that is refused."""
    strongest = packed(attention).strongest
    if strongest > FAINT:
        return 1.0
    stretched = st.toggle(
        "Stretch colours",
        value=True,
        key="stretch",
        bind="query-params",
        help=f"No weight here is above {strongest:.2g}: full colour stands for that instead of for 1.",
    )
    return strongest if stretched else 1.0


def _number(label: str, key: str, count: int) -> int | None:
    options = [*(str(i + 1) for i in range(count)), ALL]
    if st.session_state.get(key, "1") not in options:
        # Another stack can have fewer layers: stay with the last one there is.
        st.session_state[key] = str(count)
    chosen = segments(label, options, key)
    return None if chosen == ALL else int(chosen) - 1


def segments(label: str, options: list[str], key: str, on_change: Callable[[], None] | None = None) -> str:
    """A row of choices, one of which is always taken and stands in the address."""
    # The address holds what a segment is called, so the options are the names themselves.
    chosen = st.segmented_control(
        label,
        options,
        default=options[0],
        required=True,
        key=key,
        on_change=on_change,
        bind="query-params",
        wrap=True,
    )
    return chosen or options[0]


def number(label: str, low: int, high: int, start: int, key: str, **options: Any) -> int:
    """A whole number that stands in the address; one that is none, or out of range there, is left out.

    To Streamlit it is a float: what is not finite in a link it refuses of those, and fails over with whole numbers.
    """
    found = st.number_input(
        label,
        float(low),
        float(high),
        float(start),
        1.0,
        format="%.0f",
        key=key,
        bind="query-params",
        **options,
    )
    return int(found)


def select_head(layer: int, head: int) -> None:
    """Make the pickers agree with a click on the sheet; both counted from 0."""
    st.session_state["layer"], st.session_state["head"] = str(layer + 1), str(head + 1)


def tints(trace: Trace, shown: Shown) -> dict[str, Mapping[Any, FloatArray]]:
    """What can be drawn of heads instead of weights, by kind (layers, heads): of what panels below have said last."""
    found = {LOSSES: ranking.known(trace), SHARES: shares.known(shown.trace)}
    return {name: values for name, values in found.items() if values is not None}


def heads_sheet(
    shown: Shown,
    kind: str,
    layer: int | None,
    head: int | None,
    top: float = 1.0,
    figures: Mapping[str, Mapping[Any, FloatArray]] | None = None,
) -> None:
    """The sheet of all heads, with the chosen ones outlined; a head that is switched runs the whole page again.

    Args:
        shown, kind, layer, head, top: as chosen.
        figures: see `tints`.
    """
    attention, before = shown.map(kind), shown.before[kind] if shown.before else None
    side = packed(attention).side
    shared = f" The text is long: a dot is the strongest of {side} × {side} weights." if side > 1 else ""
    st.caption(
        "Every head at once: click one, or use the arrow keys and Enter. Choose *Switch off* to see what the network "
        f"does without one.{shared}"
    )
    tinted = {
        name: values[attention.kind] for name, values in (figures or {}).items() if attention.kind in values
    }
    chosen = WEIGHTS
    if tinted:
        if st.session_state.get("sheet-shows") not in (None, WEIGHTS, *tinted):
            st.session_state["sheet-shows"] = WEIGHTS  # another map has none
        chosen = segments("Sheet shows", [WEIGHTS, *tinted], "sheet-shows")
    sheet(
        attention,
        selected=(layer, head),
        top=top,
        before=before,
        measure=LENGTHS.lower() if shown.weighted else "weight",
        tints=tinted.get(chosen),
        note=NOTES.get(chosen, ""),
        reads=_case(shown.trace, attention.kind) == "reads",
        factors=asked().factors(attention.kind, attention.layers, attention.heads),
        key="sheet",
        on_select=select_head,
        on_switch=partial(switch, attention),
    )


def name_of(kind: str, layer: int | None, head: int | None, how: How) -> str:
    """Such as "Cross-attention, layer 2, head 5" or "Encoder self-attention, layer 1, average of all heads"."""
    if how == "rollout":
        up_to = "all layers" if layer is None else f"layers 1 to {layer + 1}" if layer else "layer 1"
        return f"{MAP_NAMES[kind]}, rollout of {up_to}"
    word = "average" if how == "mean" else "maximum"
    parts = [MAP_NAMES[kind]]
    if layer is None and head is None:
        return f"{parts[0]}, {word} of all layers and heads"
    parts.append(f"{word} of all layers" if layer is None else f"layer {layer + 1}")
    parts.append(f"{word} of all heads" if head is None else f"head {head + 1}")
    return ", ".join(parts)


def picture(shown: Shown, kind: str, layer: int | None, head: int | None, how: How, top: float = 1.0) -> None:
    """The chosen attention as a heatmap, a table and files."""
    with st.container(horizontal=True, gap="medium"):
        words = st.toggle("Whole words", value=False, key="words", bind="query-params")
        hide = st.toggle(
            "Hide markers", value=False, key="plain", bind="query-params", help="Leave out start and end"
        )
    view = shown.view(kind, how, layer, head)
    if words:
        view = views.merge_words(view)
    if hide:
        view = views.hide_special(view)
    name = name_of(kind, layer, head, how)
    if shown.weighted:
        name = f"{name}: {LENGTHS.lower()}"
    if shown.before:
        name = f"{name}: the change"
        # On a scale of its own: a head's weights may change by hundredths.
        top = min(1.0, max(float(np.abs(view.values).max(initial=0)), 0.01))
    if not view.values.size:
        st.info("Nothing is left to draw once the markers are hidden.")
        return
    with st.container(key="view"):  # not the figure's own title, which a narrow figure would cut
        st.markdown(f"**{name}**")
    rows, columns = (views.spans(labels, words=words, hide=hide) for labels in shown.axes(kind))
    marks = cutting.marks(shown.trace, kind, layer, head, rows, columns)
    with st.container(gap=None):  # the part that draws nothing must not leave a gap
        st.plotly_chart(
            heatmap(view, theme=theme(), top=top, marks=marks, picked=cutting.picked(rows, columns)),
            theme=None,
            width="content",
            config=CONFIG,
            key="heatmap",
            alt=f"{name}: the same numbers stand in the table below.",
        )
        cutting.clicks("heatmap", rows, columns)
    if shown.before and not np.abs(view.values).max() >= 5e-4:
        sums = "Here heads look where they looked before: what was changed does not reach them."
    elif shown.before:
        sums = (
            "A cell says how much more, or less, a row looks at that word than before. Each row adds up to 0."
        )
    elif shown.weighted:
        sums = (
            "A number is a weight times the length of the vector that is handed over for it (Kobayashi et al. 2020), "
            f"as a share of the largest of all these heads, {shown.weighted.longest:.3g}. Rows do not add up to 1: a "
            "large weight on a short vector brings little."
        )
    elif hide:
        sums = "Hidden markers keep their share: rows need not add up to 1."
    elif how == "max":
        sums = "Each cell is the strongest of several heads: rows add up to more than 1."
    else:
        sums = "The weights of a row add up to 1."
    hint = HINTS[_case(shown.trace, kind)]
    if how == "rollout":
        hint = ABOUT_ROLLOUT + (CORRECTED if kind == "decoder" else "")
    crossed = f"{_crossed(marks)} Click a cell to cut that look."
    st.caption(f"{sums if shown.before else f'{hint} {sums}'}{_off(shown, kind, layer, head)}{crossed}")
    cutting.box(shown.trace[kind], layer, head, (view.queries, view.keys), rows, columns)
    with st.expander("The same numbers as a table", key="table", on_change="rerun") as table:
        if table.open:
            _table(view)
    _files(shown.trace, view, name, (kind, layer, head), top, marks)


def _case(trace: Trace, kind: str) -> str:
    """Which of the hints is true of a map: a decoder alone foretells a token in each row but the last, or it reads."""
    if list(trace) != ["decoder"]:
        return kind
    return "alone" if len(trace.steps) == len(trace["decoder"].keys) - 1 else "reads"


def _off(shown: Shown, kind: str, layer: int | None, head: int | None) -> str:
    """What is to be said of a head whose weights are shown though nothing of it is used."""
    attention = shown.trace[kind]
    if layer is None or head is None or "interventions" not in shown.trace.options:
        return ""
    off = asked().factors(attention.kind, attention.layers, attention.heads)[layer][head] == 0
    return " It is switched off: none of this reaches the network." if off else ""


def _crossed(marks: Marks | None) -> str:
    """What is to be said of cells that are marked."""
    said = ""
    if marks and marks.barred.any():
        said += " A cross is a look that is cut."
    if marks and marks.dropped.any():
        said += " Of a cell with a ring nothing comes through."
    return said


def _table(view: View) -> None:
    from transformer.figures import tables  # brings pandas, which no other part of a page needs

    table = tables.table(view).round(4)
    if view.values.size > TABLE_CELLS:
        st.dataframe(table)
    else:  # which takes what stands in it for Markdown
        st.table(table.rename(index=plain, columns=plain))


def _files(
    trace: Trace,
    view: View,
    name: str,
    chosen: tuple[str, int | None, int | None],
    top: float,
    marks: Marks | None,
) -> None:
    with st.container(horizontal=True, gap="small"):
        with st.popover("Download", icon=":material/download:", key="files", on_change="rerun") as files:
            if files.open:
                _downloads(trace, view, name, chosen, top, marks)
        with st.popover("Link", icon=":material/link:", key="link", on_change="rerun") as link:
            if link.open:
                st.caption("Opens this view again: model, text, options, layer and head.")
                query = urlencode(st.query_params.to_dict())
                st.code(
                    f"{st.context.url or ''}{'?' + query if query else ''}", language=None, wrap_lines=True
                )


def _downloads(
    trace: Trace,
    view: View,
    name: str,
    chosen: tuple[str, int | None, int | None],
    top: float,
    marks: Marks | None,
) -> None:
    from transformer.figures import export, standalone, tables

    kind, layer, head = chosen
    stem, look = _file_name(f"{trace.input[:40]} {name}"), theme()
    whole = _file_name(trace.input[:40] or trace.model)
    drawn: dict[str, Any] = dict(theme=look, title=name, top=top, marks=marks)
    st.caption("This picture")
    with st.container(horizontal=True):
        _file("PNG", f"{stem}.png", lambda: export.png(view, **drawn))
        _file("SVG", f"{stem}.svg", lambda: export.svg(view, **drawn))
        _file("CSV", f"{stem}.csv", lambda: tables.csv(view).encode())
    st.caption("Every layer and head")
    readable = sum(trace[kind].weights.size for kind in trace) <= READABLE
    with st.container(horizontal=True):
        if readable:
            _file(
                "Web page",
                f"{whole}.html",
                lambda: standalone.html(trace, kind=kind, layer=layer, head=head).encode(),
            )
            _file("JSON", f"{whole}.json", lambda: trace.to_bytes("json"))
        _file("NPZ", f"{whole}.npz", lambda: trace.to_bytes("npz"))
    if not readable:
        st.caption("These are too many numbers for a web page or JSON.")


def _file(label: str, name: str, content: Callable[[], bytes]) -> None:
    # The content is made when somebody asks for it, not on every run of the page.
    st.download_button(label, data=content, file_name=name, on_click="ignore", key=f"download-{label}")


def _file_name(text: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only.lower()).strip("-") or "attention"
