"""Which heads matter to an answer? An estimate at once, a measurement on request, and what comes of switching many off.

Sources: Michel et al. 2019, arXiv:1905.10650; McGrath et al. 2023, arXiv:2307.15771.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from transformer.analysis.compare import times
from transformer.analysis.importance import Against, HeadEffect, agreement, ranked
from transformer.config import NAMED, OF_TEXTS, OF_TOKENS
from transformer.figures.by_hand import matrix
from transformer.figures.importance import scatter
from transformer.figures.labels import MAP_NAMES, shown
from transformer.interventions import NONE
from transformer.trace import Kind, Label, Trace
from transformer.ui.instruments import lens
from transformer.ui.instruments.heads import put
from transformer.ui.models import calls
from transformer.ui.shell.frame import theme
from transformer.ui.shell.markdown import line, plain

TOLD = 5  # heads of which a sentence is said
MANY = 10  # heads that one button switches off
ORDER = ("cross", "encoder", "decoder")
SCORE = "the score"
THIS, OTHER = "This", "Rather than"
PLOT = {"displayModeBar": False, "scrollZoom": False}


class Objective(NamedTuple):
    """What heads are asked about: what it is called, how it stands in a sentence, the weights (N,) of what a trace
    says, or one answer against another, and whether that is a number, not the logarithm of a probability."""

    name: str
    phrase: str
    about: np.ndarray | Against
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
    if _goes_on(trace, labels):
        text = Objective("The whole text", "this text", np.arange(len(labels)) < len(labels) - 1)
        return [one(len(labels) - 1, f"What comes next: “{texts[-1]}”"), text, *single[:-1]]
    return [whole, *single]


def _rank(trace: Trace, given: Any) -> None:
    model = calls.network(trace.model)
    with st.spinner("Asking how steeply the answer depends on each head …", show_time=False):
        said: list[Label] = calls.along(trace, "sayings", lambda: model.sayings(trace))
    options = objectives(trace, said)
    names = [option.name for option in options]
    if pair := _pair_name(model.config.task.kind, said):
        names.insert(1, pair)  # behind what one would ask first: there can be many more
    if st.session_state.get("objective") not in range(len(names)):
        st.session_state["objective"] = 0  # of another answer
    place = st.container(horizontal=True, vertical_alignment="bottom")
    number = place.selectbox(
        "What should depend on them?",
        range(len(names)),
        format_func=lambda i: names[i],
        key="objective",
        width=320,
    )
    name = names[number or 0]
    objective = (
        _pair(place, trace, model, said) if name == pair else options[max((number or 0) - bool(pair), 0)]
    )
    if objective is None:
        return
    # The first time a graph is built.
    with st.spinner("Asking how steeply the answer depends on each head …", show_time=False):
        slopes = calls.along(
            trace, ("slopes", objective.name), lambda: model.slopes(trace, objective.about, given)
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

        work = partial(model.without_each, trace, objective.about, given, told)
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


def _pair_name(task: str, said: Sequence[Label]) -> str:
    """What it is called that one answer is asked about against another; "" where there is no other, or a number."""
    if task in ("spans", "score") or (task in OF_TEXTS and len(said) < 2):
        return ""
    return f"One {('label' if task == 'labels' else 'class') if task in NAMED else 'word'} against another"


def _pair(place: Any, trace: Trace, model: Any, said: Sequence[Label]) -> Objective | None:
    """One answer against another, as it is chosen or typed; None where it is not, and the page says why."""
    task = model.config.task.kind
    at = 0 if task in OF_TEXTS else _at(place, trace, model, said)
    found = _classes(place, trace, model, at) if task in NAMED else _words(place, trace, model, said, at)
    if found is None:
        return None
    (one, token), (other, against) = found
    phrase = f"“{plain(one)}” rather than “{plain(other)}”"
    return Objective(f"{at}: {token} against {against}", phrase, Against(at, token, against))


def _classes(place: Any, trace: Trace, model: Any, at: int) -> list[tuple[str, int]]:
    names = list(model.config.class_names)
    own = trace.steps[at].token if trace.steps else max(trace.answers, key=lambda answer: answer.score).name
    chosen = place.selectbox(
        THIS,
        range(len(names)),
        names.index(own) if own in names else 0,
        lambda i: names[i],
        key=f"ranked-of-{at}-{own}",
        width=180,
    )
    others = [i for i in range(len(names)) if i != chosen]
    other = place.selectbox(
        OTHER, others, format_func=lambda i: names[i], key=f"ranked-against-{at}-{chosen}", width=180
    )
    return [(names[i], i) for i in (chosen, other)]


def _words(
    place: Any, trace: Trace, model: Any, said: Sequence[Label], at: int
) -> list[tuple[str, int]] | None:
    known = _likely(trace, model, said, at)
    first = [*known, "", ""][:2]
    words = [
        place.text_input(name, value, key=f"ranked-{name}-{at}-{value}", max_chars=60, width=140).strip()
        for name, value in zip((THIS, OTHER), first, strict=True)
    ]
    if len(known) > 1:
        st.caption(f"Likely there: {', '.join(f'“{plain(text)}”' for text in known)}.")
    if not all(words):
        st.info("Two words are needed: one, and another that could stand in its place.")
        return None
    try:
        ids = [known[word] if word in known else model.token(word, goes_on=said[at].joins) for word in words]
    except ValueError as error:
        st.info(f"These cannot be compared: {line(error)}.")
        return None
    if ids[0] == ids[1]:
        st.info("Both are the same word: nothing speaks for the one rather than the other.")
        return None
    return list(zip(words, ids, strict=True))


def _at(place: Any, trace: Trace, model: Any, said: Sequence[Label]) -> int:
    """Where both words could stand: under a mask, behind a text that goes on, or at the beginning of an answer."""
    masked = [i for i, label in enumerate(trace.source) if label.id == model.config.mask_id >= 0]
    first = masked[0] if masked else (len(said) - 1 if list(trace) == ["decoder"] else 0)
    if st.session_state.get("ranked-at") not in range(len(said)):
        st.session_state["ranked-at"] = first  # of another answer
    at = place.selectbox(
        "Where it says",
        range(len(said)),
        format_func=lambda i: _place_name(trace, said, i),
        key="ranked-at",
        width=180,
    )
    return at or 0


def _place_name(trace: Trace, said: Sequence[Label], i: int) -> str:
    text = shown(said[i]).strip() or "␣"
    return f"Next: {text}" if _goes_on(trace, said) and i == len(said) - 1 else f"{i + 1}: {text}"


def _goes_on(trace: Trace, said: Sequence[Label]) -> bool:
    """Whether the last that is said is what comes next."""
    return list(trace) == ["decoder"] and len(said) == len(trace["decoder"].keys)


def _likely(trace: Trace, model: Any, said: Sequence[Label], at: int) -> dict[str, int]:
    """Words that could stand at a place, with their ids, what is said there first."""
    if at < len(trace.steps):
        labels = [
            dataclasses.replace(model.tokenizer.label(other.id), id=other.id)
            for other in trace.steps[at].alternatives
            if other.id is not None
        ]
    else:  # what comes next
        labels = calls.along(trace, ("likely", at), lambda: model.likely(lens.insides(trace), at))
    found: dict[str, int] = {}
    for label in (said[at], *(label for label in labels if not label.special)):
        if (text := shown(label).strip()) and label.id is not None:
            found.setdefault(text, label.id)
    return found


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
    for head in found[:TOLD]:
        if objective.number:
            lost = f"{abs(head.effect):.2g} {'lower' if head.effect > 0 else 'higher'}"
            st.markdown(
                f"- Without {_name(head)} {objective.phrase} {'is' if measured else 'would be'} {lost}."
            )
        elif isinstance(objective.about, Against):
            odds = times(-head.effect)
            st.markdown(
                f"- Without {_name(head)} {objective.phrase} {'is' if measured else 'would be'} {odds}."
            )
        else:
            st.markdown(
                f"- Without {_name(head)} the network {about} {objective.phrase} {times(-head.effect)}."
            )


def _what(objective: Objective) -> str:
    if isinstance(objective.about, Against):
        return f"the log-odds of {objective.phrase}"
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
        height = min(320, 38 + 35 * len(found))  # a row has 35 pixels
        st.dataframe(table(found), hide_index=True, width="stretch", height=height)


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
