"""What does each word look at? Input and output as a person writes them, in large type, and they answer.

The component's script is `assets/components/sentence.js`.

Letters for shapes: Q queries, K keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from transformer.analysis.compare import paired
from transformer.figures.labels import shown
from transformer.trace import FloatArray, Label, Trace
from transformer.ui.parts.component import accents, component, integers, pair
from transformer.ui.parts.wire import TOLERANCE, headed, quantise

# Whose tokens ask, and whose are asked.
SIDES = {"encoder": ("source", "source"), "decoder": ("target", "target"), "cross": ("target", "source")}

_SENTENCE = component("sentence", "card")

Cut = Callable[[int, int], None]


class Beside(NamedTuple):
    """Another answer to the same input, which stands beside the one that answers to the pointer: its trace, what
    stands above it, and whether it stands above the other."""

    trace: Trace
    title: str
    above: bool


class Choice(NamedTuple):
    """An alternative that was clicked: its step in the output, and its place in that step's `alternatives`."""

    step: int
    alternative: int


def sentence(
    trace: Trace,
    *,
    key: str,
    kind: str | None = None,
    weights: FloatArray | None = None,
    view: str = "",
    titles: tuple[str, str] = ("Input", "Output"),
    beside: Beside | None = None,
    on_choose: Callable[[Choice], None] | None = None,
    on_cut: Cut | None = None,
) -> Choice | None:
    """Input and output in large type: attention lights up under the pointer, and output tokens show how sure the
    network was and what else it considered.

    Args:
        trace: its `source`, `target` and `steps` are shown; either side may be empty.
        key: the component's name on its page.
        kind: the map whose labels the weights belong to; without it no token lights another.
        weights: (Q, K), from 0 to 1: one head of that map, or an average or maximum over heads.
        view: how the page calls these weights, such as "Layer 2, head 5"; shown beside what lights.
        titles: what stands above input and output.
        beside: another answer; tokens that only one of both has are marked, others know their probability in both.
            Without `on_choose` nobody can go on from an alternative then.
        on_choose: called with the chosen alternative before the page runs again.
        on_cut: called with (query, key), a row and a column of the weights, where a token is held and another clicked
            so that the look between them is cut.

    Returns:
        The chosen alternative in the one run that follows the click, otherwise None.

    Raises:
        ValueError: kind and weights do not come together, or do not fit the trace.
    """
    sides = {"source": _source(trace, titles[0]), "target": _target(trace, titles[1])}
    if on_choose is None and beside:
        sides["target"]["fixed"] = True
    if beside:
        sides["beside"] = _beside(beside, sides["target"]["tokens"], trace)
    data = _packed_sentence(trace, sides, kind, weights, view, on_cut is not None)

    def called() -> None:
        chosen = _choice(st.session_state[key].get("chosen"), trace)
        if chosen is not None and on_choose is not None:
            on_choose(chosen)

    result = _SENTENCE(key=key, data=data, on_chosen_change=called, on_cut_change=_cut(key, weights, on_cut))
    return _choice(result.get("chosen"), trace)


def maskable(
    trace: Trace,
    *,
    key: str,
    kind: str,
    weights: FloatArray,
    view: str = "",
    title: str = "Input",
    words: Sequence[int | None] = (),
    hidden: Mapping[int, str] | None = None,
    on_mask: Callable[[int], None] | None = None,
    on_cut: Cut | None = None,
) -> int | None:
    """The input alone, each of its words a chip that masks it: for a network that reads and writes nothing.

    Args:
        trace, key, kind, weights, view, title: as for `sentence`.
        words: for each position the number of its word, None where nothing can be masked; empty: nowhere.
        hidden: what stands under a mask, by position.
        on_mask: called with the number of the word that was clicked before the page runs again.
        on_cut: as for `sentence`.

    Returns:
        That number in the one run that follows the click, otherwise None.
    """
    side = _source(trace, title)
    for place, (token, word) in enumerate(zip(side["tokens"], words, strict=False)):
        if word is not None:
            token["word"] = word
        if hidden and place in hidden:
            token["hidden"] = hidden[place]
    sides = {"source": side, "target": {"title": "", "tokens": []}}
    data = _packed_sentence(trace, sides, kind, weights, view, on_cut is not None, ("source", "source"))

    def word_of(value: object) -> int | None:
        number = integers([value], 1)
        return number[0] if number and number[0] in words else None

    def called() -> None:
        word = word_of(st.session_state[key].get("masked"))
        if word is not None and on_mask is not None:
            on_mask(word)

    result = _SENTENCE(key=key, data=data, on_masked_change=called, on_cut_change=_cut(key, weights, on_cut))
    return word_of(result.get("masked"))


def _cut(key: str, weights: FloatArray | None, on_cut: Cut | None) -> Callable[[], None]:
    """What is called where a look of these weights is to be cut."""

    def called() -> None:
        rows, columns = (0, 0) if weights is None else weights.shape
        if (look := pair(st.session_state[key].get("cut"), rows, columns)) and on_cut:
            on_cut(*look)

    return called


def _packed_sentence(
    trace: Trace,
    sides: dict[str, Any],
    kind: str | None,
    weights: FloatArray | None,
    view: str,
    cuttable: bool,
    axes: tuple[str, str] | None = None,
) -> bytes:
    """What sentence.js reads: its header and one byte per weight. Errors as for `sentence`; `axes` are the sides whose
    tokens ask and are asked, where the kind of the map does not tell."""
    if (kind is None) != (weights is None):
        raise ValueError("expected kind and weights together, received only one of them")
    header: dict[str, Any] = {"sides": sides, "view": view, "shape": [0, 0], "accent": accents()}
    header["cuttable"] = cuttable
    body = b""
    if kind is not None and weights is not None:
        attention = trace[kind]
        if np.shape(weights) != attention.weights.shape[2:]:
            raise ValueError(
                f"expected weights {attention.weights.shape[2:]}, received shape {np.shape(weights)}"
            )
        body = quantise(np.asarray(weights))
        lists = {"source": trace.source, "target": trace.target}
        header["queries"], header["keys"] = axes or SIDES[kind]
        header["shape"] = list(attention.weights.shape[2:])
        header["places"] = {
            "queries": _places(attention.queries, lists[header["queries"]]),
            "keys": _places(attention.keys, lists[header["keys"]]),
        }
    return headed(header, body)


def _token(label: Label) -> dict[str, Any]:
    return {"text": shown(label), "joins": label.joins, "special": label.special}


def _source(trace: Trace, title: str) -> dict[str, Any]:
    return {"title": title, "tokens": [_token(label) for label in trace.source]}


def _target(trace: Trace, title: str) -> dict[str, Any]:
    tokens = [_token(label) for label in trace.target]
    for token, step in zip(tokens, trace.steps, strict=False):
        # The written token stands among the alternatives if it was likely enough: same text, same probability.
        likely = step.probability
        near = [o.text == step.token and abs(o.probability - likely) < TOLERANCE for o in step.alternatives]
        written = near.index(True) if True in near else -1
        token["probability"] = round(step.probability, 6)
        token["entropy"] = round(max(step.entropy, 0.0), 4)
        token["alternatives"] = [
            {"text": other.text, "probability": round(other.probability, 6), "written": j == written}
            for j, other in enumerate(step.alternatives)
        ]
    return {"title": title, "tokens": tokens, "lead": _lead(trace)}


def _beside(beside: Beside, tokens: list[dict[str, Any]], trace: Trace) -> dict[str, Any]:
    """The other answer, whose tokens and these say what has changed."""
    others = _target(beside.trace, beside.title)["tokens"]
    for other in others:
        del other["alternatives"]  # nobody can go on from there
    for both in paired(beside.trace.target, trace.target):
        there = None if both.before is None else others[both.before]
        here = None if both.after is None else tokens[both.after]
        if both.same and there and here:
            there["other"], here["other"] = here["probability"], there["probability"]
        for token in (there, here):
            if token and not both.same:
                token["changed"] = True
    return {"title": beside.title, "tokens": others, "above": beside.above}


def _lead(trace: Trace) -> str:
    """The start marker that the decoder reads before its output, if a map of this trace shows one, else ""."""
    axes = [axis for kind in trace if kind != "encoder" for axis in (trace[kind].queries, trace[kind].keys)]
    target = [label.text for label in trace.target]
    for axis in axes:
        if [label.text for label in axis] != target and _is_shifted(axis, trace.target):
            return shown(axis[0])
    return ""


def _is_shifted(labels: Sequence[Label], tokens: Sequence[Label]) -> bool:
    """Whether `labels` are a marker followed by the first of `tokens`: what a decoder reads, not what it writes."""
    return labels[0].special and [x.text for x in labels[1:]] == [x.text for x in tokens[: len(labels) - 1]]


def _places(labels: Sequence[Label], tokens: Sequence[Label]) -> list[int]:
    """For each position of an axis the token that it stands for, -1 for a start marker before the first."""
    texts = [label.text for label in labels]
    if texts == [label.text for label in tokens]:
        return list(range(len(labels)))
    if _is_shifted(labels, tokens):
        return [-1, *range(len(labels) - 1)]
    raise ValueError(
        f"expected the labels of an axis to be the {len(tokens)} tokens shown, received {texts[:8]}..."
    )


def _choice(value: object, trace: Trace) -> Choice | None:
    if not isinstance(value, dict):
        return None
    numbers = integers([value.get("step"), value.get("alternative")], 2)
    if numbers is None or not 0 <= numbers[0] < len(trace.steps):
        return None
    if not 0 <= numbers[1] < len(trace.steps[numbers[0]].alternatives):
        return None
    return Choice(*numbers)
