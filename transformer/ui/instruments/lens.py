"""What would each layer answer? The logit lens as a picture, a table and files.

Sources: nostalgebraist 2020, "interpreting GPT: the logit lens"; Belrose et al. 2023, arXiv:2303.08112.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from transformer.analysis.insides import Insides
from transformer.analysis.lens import Lens
from transformer.figures import lens as figures
from transformer.figures.heatmap import CONFIG
from transformer.figures.lens import Grid
from transformer.trace import Label, Trace
from transformer.ui.models import calls
from transformer.ui.shell.frame import theme
from transformer.ui.shell.markdown import line

TOGETHER = 40  # places that one picture has; of more a slider chooses
# Networks that have no lens, by what they answer with.
WITHOUT = {
    "score": "this network answers with a number, and the lens shows how likely each layer finds an answer",
    "spans": "this network marks where an answer stands, and the lens shows which word or class each layer would say",
    "vectors": "this network only reads and answers nothing, so no layer of it would",
}
ANSWER, LETTERS = "The decoder’s tokens", "The encoder’s letters"
ABOUT = (
    "What the network would answer if it ended after each layer: the stream of vectors behind a layer, put through "
    "what stands above the last one (the logit lens, nostalgebraist 2020). In early layers take it with care: they "
    "write in terms of their own, which the last step was not made to read (Belrose et al. 2023)."
)


def panel(trace: Trace, given: Any = None) -> None:
    """A box that shows what each layer would answer; nothing is computed while it is closed.

    Args:
        trace: of a model that is shipped or open; with what was changed in the network when it was made.
        given: of sound, the samples.
    """
    with st.expander("What each layer would answer", key="lens", on_change="rerun") as box:
        if box.open:
            try:
                _draw(trace, given)
            except (ValueError, calls.Unavailable) as error:
                st.info(f"There is no lens here: {line(error)}.")


def altered(trace: Trace) -> str:
    """Which network this is about, where something was changed in it."""
    return " Here with the change." if "interventions" in trace.options else ""


def insides(trace: Trace, given: Any = None) -> Insides:
    """What the network computed on the way to a trace, once for all that asks for it."""
    model = calls.network(trace.model)
    found: Insides = calls.along(trace, "insides", lambda: model.insides(trace, given))
    return found


def _draw(trace: Trace, given: Any) -> None:
    model = calls.network(trace.model)
    if why := WITHOUT.get(model.config.task.kind):
        st.info(f"There is nothing to show here: {why}.")
        return
    with st.spinner("Asking each layer …", show_time=False):
        inside = insides(trace, given)
        hears = inside.recording.heard is not None
        chosen = ANSWER
        if hears:
            chosen = (
                st.segmented_control("Of", [ANSWER, LETTERS], default=ANSWER, required=True, key="lens-of")
                or ANSWER
            )
        of = "letters" if chosen == LETTERS else "lens"
        lens: Lens = calls.along(trace, of, lambda: getattr(model, of)(inside))
    st.caption(f"{ABOUT} {_reading(trace, inside, of)}{altered(trace)}")
    if inside.classes:
        _picture(figures.of_classes(lens), trace)
        return
    if of == "letters":
        _texts(lens, model.tokenizer.decode)
    goes_on = list(trace) == ["decoder"] and not inside.names
    grid = _part(lens, list(trace.source) if of == "letters" else None, goes_on)
    _picture(grid, trace)
    settled = lens.settled()
    if of == "lens":
        median = sorted(settled.tolist())[len(settled) // 2]
        early = "before the first layer" if median == 0 else f"from layer {median} on"
        st.caption(f"Half of all places have their last guess {early}.")


def _reading(trace: Trace, inside: Insides, of: str) -> str:
    if inside.classes:
        return "A cell is the probability of a class or label; bold is the likeliest."
    if inside.names:
        return "A row is a token; a cell has its likeliest class, its colour is how likely; bold is what the last says."
    rows = "a token of the answer" if "cross" in trace else "a token of the text"
    if of == "letters":
        rows = "a moment of the sound"
    elif list(trace) == ["decoder"]:
        rows = "a token, and a cell foretells it from those before it; the last foretells what comes next"
    cells = "A cell has the best guess, its colour is how likely that is; bold is what the last layer says."
    return f"A row is {rows}. {cells}"


def _part(lens: Lens, rows: list[Label] | None, goes_on: bool) -> Grid:
    """The places that are drawn: all, or those from a slider on."""
    count = len(lens.labels)
    if count <= TOGETHER:
        return figures.of_tokens(lens, rows)
    last = count - TOGETHER + 1
    if not 1 <= st.session_state.get("lens-first", 1) <= last:
        st.session_state["lens-first"] = last  # of another text
    # A text that goes on is looked at where it ends.
    begins = last if goes_on else 1
    first = st.slider(f"First of {TOGETHER} rows shown, of {count}", 1, last, begins, key="lens-first")
    return figures.of_tokens(lens, rows, first - 1, TOGETHER)


def _picture(grid: Grid, trace: Trace) -> None:
    st.plotly_chart(
        figures.heatmap(grid, theme=theme()), theme=None, width="content", config=CONFIG, key="lens-picture",
        alt="The best guess of each layer at each place: the same stands in the table below.",
    )  # fmt: skip
    with st.expander("The same as a table", key="lens-table", on_change="rerun") as table:
        if table.open:
            st.dataframe(_table(grid), hide_index=True, width="stretch")
    title, name = "What each layer would answer", "lens"
    with st.container(horizontal=True, gap="small"):
        _file("PNG", f"{name}.png", lambda: figures.png(grid, theme=theme(), title=title))
        _file("SVG", f"{name}.svg", lambda: figures.svg(grid, theme=theme(), title=title))
        _file("CSV", f"{name}.csv", lambda: figures.csv(grid).encode())


def _table(grid: Grid) -> dict[str, list[str]]:
    columns = {"place": [label.text for label in grid.rows]}
    for j, column in enumerate(grid.columns):
        columns[column] = [
            text if text.endswith("%") else f"{text} {value:.1%}"
            for text, value in zip((row[j] for row in grid.texts), grid.values[:, j], strict=True)
        ]
    return columns


def _texts(lens: Lens, decode: Callable[[list[int]], str]) -> None:
    """What each layer would write: its best path, repeats and blanks left out (Graves et al. 2006)."""
    lines = []
    for row, ids in enumerate(lens.ids[:, :, 0].tolist()):
        fresh = [i for i, before in zip(ids, [None, *ids[:-1]], strict=True) if i != before]
        said = decode([i for i in fresh if not lens.names[i].special])
        lines.append({"behind": "embedding" if row == 0 else f"layer {row}", "it would write": said})
    st.dataframe(lines, hide_index=True, width="stretch")


def _file(label: str, name: str, content: Callable[[], bytes]) -> None:
    st.download_button(
        label,
        data=content,
        file_name=name,
        on_click="ignore",
        key=f"lens-{label}",
        icon=":material/download:",
    )
