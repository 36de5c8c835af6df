"""Heads that are switched off, halved or doubled, and looks that are cut: what the address says, and both answers
beside each other.

The state is the address's `change`, the canonical text of `interventions`, and `hold`. What a click on the sheet asks
for is written there before the page runs again, so that a link opens the same view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import streamlit as st

from transformer.analysis.compare import Pair, log_probability, paired, times
from transformer.ask import Ask
from transformer.config import OF_TOKENS
from transformer.figures.labels import display
from transformer.interventions import NONE, Edge, Interventions, Kind, Patch
from transformer.trace import Answer, AttentionMap, Trace, spelt, word_starts
from transformer.ui.instruments import looks
from transformer.ui.models import calls
from transformer.ui.shell.markdown import line, plain

CHANGE, HOLD = "change", "hold"  # in the address
PROBLEM = "change-problem"  # what a click could not do, for the run that follows it
SWITCHED = "change-made"  # a click has changed the address, and the page has not run since
NAMED = 4  # heads that are named one by one
MOST_LOOKS = 8  # looks that are
ENDS = (".", "!", "?", "…")  # where the last of these ends a quotation, it ends the sentence around it
WAYS = {0.0: "Switched off", 0.5: "Halved", 2.0: "Doubled"}

# Answers again: with these changes, and writing these ids; () leaves the words to the network.
Again = Callable[[Interventions, tuple[int, ...]], Trace]


class Changed(NamedTuple):
    """An answer, and what became of it.

    Args:
        interventions: what was changed.
        before: the network as it is.
        after: what it answers with the change.
        forced: the first answer as the changed network finds it, token by token: `after` itself where the answer is
            held; None where a network writes nothing.
        writes, own: see `changed`.
    """

    interventions: Interventions
    before: Trace
    after: Trace
    forced: Trace | None
    writes: str
    own: bool

    @property
    def held(self) -> bool:
        """Whether both write the same because the second was made to."""
        return self.after is self.forced

    @property
    def ids(self) -> tuple[int, ...]:
        """What the network was made to write in `after`; () where it wrote what it would."""
        return _ids(self.before) if self.held else ()

    @property
    def pairs(self) -> list[Pair]:
        """The tokens of both outputs beside each other."""
        return paired(self.before.target, self.after.target)


def switch(attention: AttentionMap, layer: int | None, head: int | None, factor: float) -> None:
    """Multiply heads by `factor` from now on; what has that factor already is as it was before again.

    Args:
        attention: the map that they belong to.
        layer, head: from 0; None: all of them.
    """
    now, kind = asked(), attention.kind
    factors = now.factors(kind, attention.layers, attention.heads)
    rows = range(attention.layers) if layer is None else (layer,)
    columns = range(attention.heads) if head is None else (head,)
    cells = [(i, j) for i in rows for j in columns]
    taken_back = all(factors[i][j] == factor for i, j in cells)
    for i, j in cells:
        factors[i][j] = 1.0 if taken_back else factor
    put(now, {kind: factors})


def put(now: Interventions, factors: Mapping[Kind, Sequence[Sequence[float]]]) -> None:
    """Change this from now on, with the heads of these maps multiplied so, (layers, heads) each; see `change`."""

    def made() -> Interventions:
        found = now
        for kind, rows in factors.items():
            found = found.with_factors(kind, rows)
        return found

    change(made)


def cut(edge: Edge) -> None:
    """Forbid a look from now on; one that is forbidden already is allowed again."""
    now = asked()
    edges = tuple(other for other in now.edges if other != edge)
    change(lambda: replace(now, edges=edges if len(edges) < len(now.edges) else (*edges, edge)))


def take_out(patch: Patch) -> None:
    """From now on what the run itself has at that place."""
    now = asked()
    left = tuple(other for other in now.patches if other != patch)
    change(lambda: replace(now, patches=left, other=now.other if left else ""))


def change(made: Callable[[], Interventions]) -> None:
    """Change what `made` returns from now on; where those are more changes than there may be, what was there stays, and
    the page says why. Called inside a fragment that begins with `whole_page_if_switched`."""
    st.session_state[SWITCHED] = True
    try:
        now = made()
    except ValueError as error:
        tell(f"Nothing more was changed: {line(error)}.")
        return
    take_back()
    if now:
        st.query_params[CHANGE] = now.text()


def tell(problem: str) -> None:
    """Say on the page, which runs again, why a click changes nothing."""
    st.session_state[PROBLEM], st.session_state[SWITCHED] = problem, True


def whole_page_if_switched() -> None:
    """First in a fragment whose sheet switches heads: the answers stand outside of it."""
    if st.session_state.pop(SWITCHED, False):
        st.rerun()


def take_back() -> None:
    """The network as it is."""
    st.query_params.pop(CHANGE, None)


def asked() -> Interventions:
    """What the address asks for; nothing where that cannot be read."""
    try:
        return Interventions.parse(st.query_params.get(CHANGE, ""))
    except ValueError:
        return NONE


def changed(before: Trace, again: Again, *, writes: str = "", own: bool = True) -> Changed | None:
    """Both answers, where the address asks for a change; where that cannot be, says why.

    Args:
        before: the answer of the network as it is.
        again: asks it again; errors as of `calls.ask`.
        writes: what it writes, such as "translation"; "" where it writes nothing.
        own: the words are the network's own, so that with a change it may write others.
    """
    if problem := st.session_state.pop(PROBLEM, ""):
        st.warning(problem)
    text = st.query_params.get(CHANGE, "")
    if not text:
        return None
    try:
        interventions = Interventions.parse(text)
        if not interventions:  # such as a head times 1
            return None
        ids = _ids(before) if writes else ()
        forced = again(interventions, ids) if ids else None
        after = forced if forced is not None and (_holds() or not own) else again(interventions, ())
    except (ValueError, calls.Unavailable) as error:
        st.warning(f"Nothing is changed: {line(error)}.")
        st.button("Take the change back", icon=":material/undo:", on_click=take_back)
        return None
    return Changed(interventions, before, after, forced, writes, own)


def _ids(trace: Trace) -> tuple[int, ...]:
    return tuple(label.id for label in trace.target if label.id is not None)


def _holds() -> bool:
    return st.query_params.get(HOLD) == "true"


def panel(found: Changed, offset: float = 0.0) -> None:
    """What is changed and what came of it, in words, and the ways back; inside a fragment that begins with
    `whole_page_if_switched`. `offset`: seconds that lie before the sound that it is about."""
    edges, patches = found.interventions.edges, found.interventions.patches
    with st.container(key="change", border=True):
        heads = f"**{said(found.interventions)}** " if found.interventions.heads else ""
        icon = "tune" if heads else "content_cut" if edges else "move_item"
        st.markdown(f":material/{icon}: {heads}{effect(found)}")
        for edge in edges[:MOST_LOOKS]:
            how = "Cut" if looks.taken(edge, found.after) else "Asked for, but not cut"
            cut_said = f"{how}: {looks.where(edge)}: {looks.look(edge, found.after, offset)}."
            key = f"put-back-{Interventions(edges=(edge,)).text()}"
            _with_way_back(cut_said, "Put back", key, partial(cut, edge))
        if len(edges) > MOST_LOOKS:
            st.caption(f"And {len(edges) - MOST_LOOKS} more looks.")
        for patch in patches[:MOST_LOOKS]:
            said_of = f"From “{line(found.interventions.other, 60)}”: {looks.put(patch, found.after)}."
            key = f"take-out-{Interventions(patches=(patch,)).text()}"
            _with_way_back(said_of, "Take out", key, partial(take_out, patch))
        if len(patches) > MOST_LOOKS:
            st.caption(f"And {len(patches) - MOST_LOOKS} more places.")
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            if found.own and found.writes:
                st.session_state["held"] = _holds()
                st.toggle(
                    "Hold the answer",
                    key="held",
                    on_change=_hold,
                    help=f"Keep the first {found.writes}, so that every token, and every row of the pictures, has its "
                    "counterpart.",
                )
            st.button("Take all back", icon=":material/undo:", on_click=_take_back_here)


def _with_way_back(text: str, label: str, key: str, back: Callable[[], None]) -> None:
    """A line on one change, and a button that undoes it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(text, width="stretch")
        st.button(label, icon=":material/undo:", type="tertiary", key=key, on_click=back)


def _hold() -> None:
    st.query_params.pop(HOLD, None)
    if st.session_state["held"]:
        st.query_params[HOLD] = "true"
    st.session_state[SWITCHED] = True


def _take_back_here() -> None:
    take_back()
    st.session_state[SWITCHED] = True


def tokens(found: Changed) -> None:
    """A box with every token's probability before and after."""
    if found.forced is None:
        return
    with st.expander("Every token before and after", key="tokens", on_change="rerun") as box:
        if box.open:
            st.dataframe(table(found), hide_index=True, width="stretch")


def translated_again(trace: Trace) -> Again:
    """Asks for a translation again, as its trace says that it was made."""
    beams = trace.options.get("beams")
    question = Ask(
        model=trace.model,
        given=trace.input,
        beams=beams if isinstance(beams, int) else 1,
        language=str(trace.options.get("language", "")),
        into=str(trace.options.get("into", "")),
    )

    def again(interventions: Interventions, ids: tuple[int, ...]) -> Trace:
        asked = replace(question, interventions=interventions)
        return calls.ask(replace(asked, beams=None, target_ids=ids) if ids else asked)

    return again


def read_again(question: Ask) -> Again:
    """Asks a network again that reads what it is given as it stands."""
    return lambda interventions, ids: calls.ask(replace(question, interventions=interventions))


def effect(found: Changed) -> str:
    """What a change did, in words; tokens that only the new answer has are bold."""
    told, writes = [], found.writes
    if not writes:
        told.append(_answered(found))
    elif not found.own or found.held:
        pass  # the words are the same by their nature
    elif all(pair.same for pair in found.pairs):
        told.append(f"The {writes} stays the same.")
    else:
        new = answer(found)
        told.append(
            f"The {writes} “{line(found.before.output)}” becomes {new}{'' if new.rstrip('”*')[-1:] in ENDS else '.'}"
        )
    if spared := found.after.options.get("spared"):
        rows = "In one row of a head" if spared == 1 else f"In {spared} rows of heads"
        told.append(f"{rows} nothing was cut: a query's last visible key never is.")
    if "stopped" in found.after.options:
        told.append(f"It came to no end and was stopped after {found.after.options['stopped']} tokens.")
    if found.forced is not None:
        was, now = log_probability(found.before), log_probability(found.forced)
        told.append(
            f"The network finds {'this' if found.held else 'the first'} {writes} {times(now - was)} "
            f"(log-probability {_number(now)}, before {_number(was)})."
        )
    return " ".join(told)


def _answered(found: Changed) -> str:
    """What a network that only reads says with a change: a class and its chances, labels, a score, classes of tokens,
    or a text, its masks filled in."""
    before, after = found.before, found.after
    said, verb = f"“{line(after.output, 60)}”", "stays" if before.output == after.output else "becomes"
    kind, pairs = after.options.get("answers"), list(zip(before.answers, after.answers, strict=False))
    if kind in OF_TOKENS:
        others = sum(was.token != now.token for was, now in zip(before.steps, after.steps, strict=True))
        if not others:
            return "Every token keeps its class."
        return f"{others} of {len(after.steps)} tokens {'has' if others == 1 else 'have'} another class now."
    if kind == "score" and pairs:
        moved = (
            f"{_number(now.score)}, before the change {_number(was.score)}" for was, now in pairs[:NAMED]
        )
        return f"The score is {'; '.join(moved)}."
    if kind == "labels" and pairs:
        was, now = max(pairs, key=lambda pair: abs(_percent(pair[1]) - _percent(pair[0])))
        return (
            f"The answer {verb} {said}. What changes most is “{line(now.name, 60)}”: {_percent(now):.1f} %, before the "
            f"change {_percent(was):.1f} %."
        )
    if kind == "spans" and pairs:
        return (
            f"The answer {verb} {said}, {_percent(after.answers[0]):.1f} %; before the change the best one had "
            f"{_percent(before.answers[0]):.1f} %."
        )
    chance = f"probability of {after.output}"
    now_p, was_p = (trace.options.get(chance) for trace in (after, before))
    if isinstance(now_p, int | float) and isinstance(was_p, int | float):
        return f"The answer {verb} {said}, {100 * now_p:.1f} %, before the change {100 * was_p:.1f} %."
    return "The best guesses stay the same." if before.output == after.output else f"It reads {said} now."


def _percent(answer: Answer) -> float:
    return 100 * (answer.probability or 0.0)


def answer(found: Changed) -> str:
    """The new answer as Markdown; words that the first one has not are bold."""
    new = {pair.after for pair in found.pairs if not pair.same}
    labels = found.after.target
    said = ""
    for start, end in pairwise([*word_starts(labels), len(labels)]):
        if not labels[start].special:
            word = plain(spelt(labels[start:end]).strip())
            bold = word and not new.isdisjoint(range(start, end))
            blank = "" if not said or all(label.joins for label in labels[start:end]) else " "
            said += f"{blank}**{word}**" if bold else f"{blank}{word}"
    return f"“{said}”"


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def said(interventions: Interventions) -> str:
    """Which heads are changed: "Switched off: cross-attention, layer 2, head 5."."""
    ways: dict[str, list[str]] = {}
    for head in interventions.heads[:NAMED]:
        way = WAYS.get(head.factor, f"Multiplied by {head.factor:g}".replace("-", "−"))
        ways.setdefault(way, []).append(looks.where(head))
    told = " ".join(f"{way}: {'; '.join(names)}." for way, names in ways.items())
    more = len(interventions.heads) - NAMED
    return f"{told} And {more} more." if more > 0 else told


def table(found: Changed) -> dict[str, list[str | float | None]]:
    """Every token of both outputs with its probability, before and after; a row a place."""
    before, after, forced = found.before, found.after, found.forced
    columns: dict[str, list[str | float | None]] = {}

    def add(name: str, value: str | float | None) -> None:
        columns.setdefault(name, []).append(value)

    for pair in found.pairs:
        add("before", None if pair.before is None else display(before.target[pair.before], 60))
        add("probability", None if pair.before is None else round(before.steps[pair.before].probability, 6))
        if forced is not None and not found.held:
            held = None if pair.before is None else round(forced.steps[pair.before].probability, 6)
            add("the same with the change", held)
        add("after", None if pair.after is None else display(after.target[pair.after], 60))
        add("its probability", None if pair.after is None else round(after.steps[pair.after].probability, 6))
    return columns
