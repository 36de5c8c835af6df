"""Which heads matter to an answer? An estimate at once, a measurement on request, and what comes of switching many off.

Sources: Michel et al. 2019, arXiv:1905.10650; McGrath et al. 2023, arXiv:2307.15771.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from transformer.analysis.compare import times
from transformer.analysis.importance import HeadEffect, agreement, ranked
from transformer.config import OF_TOKENS
from transformer.figures.by_hand import matrix
from transformer.figures.importance import scatter
from transformer.figures.labels import MAP_NAMES, shown
from transformer.interventions import NONE
from transformer.trace import Kind, Label, Trace
from transformer.ui.instruments.heads import put
from transformer.ui.models import calls
from transformer.ui.shell.frame import theme
from transformer.ui.shell.markdown import line, plain

NAMED = 5  # heads of which a sentence is said
MANY = 10  # heads that one button switches off
ORDER = ("cross", "encoder", "decoder")
SCORE = "the score"
PLOT = {"displayModeBar": False, "scrollZoom": False}


class Objective(NamedTuple):
    """What heads are asked about: what it is called, how it stands in a sentence, the weights (N,) of what a trace
    says, and whether that is a number, not the logarithm of a probability."""

    name: str
    phrase: str
    weights: np.ndarray
    number: bool = False


LAST = "ranked"  # in the session: the trace and what was said of its heads last, for the sheet above


def known(trace: Trace) -> Mapping[Kind, np.ndarray] | None:
    """What the answer loses without each head, as the panel said it last; None where nobody has asked."""
    last = st.session_state.get(LAST)
    return last[1] if last and last[0]() is trace else None


def panel(trace: Trace, given: Any = None) -> None:
    """A box that ranks heads; nothing is computed while it is closed.

    Args:
        trace: of a model that is shipped or open.
        given: of sound, the samples.
    """
    with st.expander("Which heads matter", key="ranking", on_change="rerun") as box:
        if box.open:
            try:
                _rank(trace, given)
            except (ValueError, calls.Unavailable) as error:
                st.info(f"Heads cannot be ranked here: {line(error)}.")


def objectives(trace: Trace, labels: Sequence[Label]) -> list[Objective]:
    """What can be asked about, what one would ask first at the beginning."""
    kind = trace.options.get("answers", "classes")

    def one(index: int, name: str) -> Objective:
        weights = np.zeros(len(labels))
        weights[index] = 1.0
        said = plain(shown(labels[index]).strip() or "␣")
        score = kind == "score"
        return Objective(name, SCORE if score and len(labels) == 1 else f"“{said}”", weights, score)

    texts = [shown(label).strip() or "␣" for label in labels]
    if kind == "spans":
        whole = Objective("The answer", f"“{plain(trace.output)}”", np.ones(len(labels)))
        return [whole, *(one(i, f"It {text}") for i, text in enumerate(texts))]
    reads = len(trace) == 1 and not trace.steps and (trace.answers or "encoder" in trace)
    if reads and kind == "score":
        return [
            one(i, f"The number “{text}”" if len(texts) > 1 else "The score") for i, text in enumerate(texts)
        ]
    if reads:
        what = "label" if kind == "labels" else "class"
        first = max(trace.answers, key=lambda answer: answer.score).name if trace.answers else trace.output
        classes = [one(i, f"The {what} “{text}”") for i, text in enumerate(texts)]
        return sorted(classes, key=lambda objective: objective.name != f"The {what} “{first}”")
    single = [one(i, f"{i + 1}: “{text}”") for i, text in enumerate(texts)]
    whole = Objective("The whole answer", "its answer", np.ones(len(labels)))
    if kind in OF_TOKENS:
        places = np.arange(len(labels))
        own = [np.array((a.begin or 0) <= places, float) * (places < (a.end or 0)) for a in trace.answers]
        stretches = [
            Objective(
                f"{plain(answer.name)} at {(answer.begin or 0) + 1} to {answer.end}", "these classes", weights
            )
            for answer, weights in zip(trace.answers, own, strict=True)
        ]
        return [Objective("All classes", "its classes", np.ones(len(labels))), *stretches, *single]
    if "encoder" in trace and len(trace) == 1:
        masked = [i for i, label in enumerate(trace.source) if label.text == "[MASK]"]
        weights = np.isin(np.arange(len(labels)), masked).astype(float)
        guesses = Objective("The guesses under the masks", "its guesses", weights)
        return [*([guesses] if masked else []), whole, *single]
    if list(trace) == ["decoder"] and len(labels) == len(trace["decoder"].keys):
        text = Objective("The whole text", "this text", np.arange(len(labels)) < len(labels) - 1)
        return [one(len(labels) - 1, f"What comes next: “{texts[-1]}”"), text, *single[:-1]]
    return [whole, *single]


def _rank(trace: Trace, given: Any) -> None:
    model = calls.network(trace.model)
    with st.spinner("Asking how steeply the answer depends on each head …", show_time=False):
        options = objectives(trace, calls.along(trace, "sayings", lambda: model.sayings(trace)))
    if st.session_state.get("objective") not in range(len(options)):
        st.session_state["objective"] = 0  # of another answer
    place = st.container(horizontal=True, vertical_alignment="bottom")
    number = place.selectbox(
        "What should depend on them?",
        range(len(options)),
        format_func=lambda i: options[i].name,
        key="objective",
        width=320,
    )
    objective = options[number or 0]
    # The first time a graph is built.
    with st.spinner("Asking how steeply the answer depends on each head …", show_time=False):
        slopes = calls.along(
            trace, ("slopes", objective.name), lambda: model.slopes(trace, objective.weights, given)
        )
    count = sum(values.size for values in slopes.values())
    asked = ("measured", objective.name)
    measured = calls.told(trace, asked)
    button = place.empty()
    if measured is None and button.button(
        f"Measure: switch each of {count} heads off" if count > 1 else "Measure: switch it off",
        icon=":material/speed:",
    ):
        button.empty()
        bar = st.progress(0.0, "Switching heads off, one by one")

        def told(done: int, of: int) -> None:
            bar.progress(done / of, f"{done} of {of} heads")

        work = partial(model.without_each, trace, objective.weights, given, told)
        measured = calls.along(trace, asked, work)
        bar.empty()
    effects: Mapping[Kind, np.ndarray] = slopes if measured is None else measured
    last = known(trace)
    if last is None or last is not effects:  # the sheet above is drawn already
        st.session_state[LAST] = weakref.ref(trace), effects
        st.rerun()
    found = ranked(slopes, measured)
    _say(found, objective, measured is not None)
    _draw(found, effects, objective)
    _many(found, effects)


def _say(found: list[HeadEffect], objective: Objective, measured: bool) -> None:
    if measured:
        how = "Measured: the network said the same again, once without each head."
        if (agreed := agreement(found)) is not None:
            how += f" The estimate correlates with that by {agreed:.2f}.".replace("-", "−")
    else:
        how = (
            f"An estimate by one backward pass: how steeply {_what(objective)} falls as a head is turned down (Michel "
            "et al. 2019). Measuring is slower and exact."
        )
    st.caption(
        f"{how} Where a head is missing, later ones can step in for it (McGrath et al. 2023): what is said here is "
        "what the network does without it, not its share."
    )
    about = "finds" if measured else "would find"
    for head in found[:NAMED]:
        if objective.number:
            lost = f"{abs(head.effect):.2g} {'lower' if head.effect > 0 else 'higher'}"
            st.markdown(
                f"- Without {_name(head)} {objective.phrase} {'is' if measured else 'would be'} {lost}."
            )
        else:
            st.markdown(
                f"- Without {_name(head)} the network {about} {objective.phrase} {times(-head.effect)}."
            )


def _what(objective: Objective) -> str:
    return SCORE if objective.number else "the log-probability"


def _name(head: HeadEffect) -> str:
    return f"{MAP_NAMES[head.kind].lower()}, layer {head.layer + 1}, head {head.head + 1},"


def _draw(found: list[HeadEffect], effects: Mapping[Kind, np.ndarray], objective: Objective) -> None:
    left, right = st.columns(2, gap="large")
    unit = "" if objective.number else "nats"
    # One scale for all, so that maps compare.
    limit = max(max(float(np.abs(values).max()) for values in effects.values()), 1e-6)
    with left:
        st.caption(
            f"By how much {_what(objective)} falls without each head{', in nats' if unit else ''}; orange is below 0, "
            "where it rises. "
            f"Full colour is {limit:.2g}."
        )
        for kind, values in sorted(effects.items(), key=lambda item: ORDER.index(item[0])):
            st.markdown(f"**{MAP_NAMES[kind]}**")
            rows = [Label(f"Layer {i + 1}") for i in range(len(values))]
            columns = [Label(str(j + 1)) for j in range(values.shape[1])]
            figure = matrix(values, rows, columns, theme=theme(), compact=True, title="")
            hover = f"%{{y}}, head %{{x}}: %{{z:.3f}} {unit}<extra></extra>"
            figure.update_traces(texttemplate=None, hovertemplate=hover, zmin=-limit, zmax=limit)
            st.plotly_chart(
                figure, theme=None, width="content", config=PLOT, key=f"ranking-{kind}",
                alt=f"{MAP_NAMES[kind]}: the same numbers stand in the table.",
            )  # fmt: skip
    with right:
        if found[0].measured is not None and len(found) > 2:
            st.plotly_chart(
                scatter(found, theme=theme(), unit=unit), theme=None, width="stretch", config=PLOT,
                key="ranking-scatter",
                alt="Estimate and measurement of each head: the same numbers stand in the table.",
            )  # fmt: skip
        st.dataframe(table(found), hide_index=True, width="stretch", height=320)


def table(found: list[HeadEffect]) -> dict[str, list[Any]]:
    """All heads in order as columns."""
    columns: dict[str, list[Any]] = {
        "attention": [MAP_NAMES[head.kind] for head in found],
        "layer": [head.layer + 1 for head in found],
        "head": [head.head + 1 for head in found],
        "estimated": [round(head.estimate, 4) for head in found],
    }
    if found[0].measured is not None:
        columns["measured"] = [round(head.measured or 0.0, 4) for head in found]
    return columns


def _many(found: list[HeadEffect], effects: Mapping[Kind, np.ndarray]) -> None:
    if len(found) <= MANY:
        return
    shapes = {kind: values.shape for kind, values in effects.items()}
    with st.container(horizontal=True):
        st.button(
            f"Switch the {MANY} least important off",
            on_click=partial(_switch_off, shapes, sorted(found, key=lambda head: abs(head.effect))[:MANY]),
            help="Those whose absence changes it least, either way.",
            icon=":material/toggle_off:",
        )
        st.button(
            f"Keep only the {MANY} most important",
            on_click=partial(_switch_off, shapes, found[MANY:]),
            icon=":material/filter_list:",
        )


def _switch_off(shapes: Mapping[Kind, tuple[int, ...]], off: Sequence[HeadEffect]) -> None:
    factors = {kind: NONE.factors(kind, layers, heads) for kind, (layers, heads) in shapes.items()}
    for head in off:
        factors[head.kind][head.layer][head.head] = 0.0
    put(NONE, factors)
