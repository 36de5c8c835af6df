"""How did a text come about, and what was surprising in it? The text token by token, with a slider over its steps.

Surprise is -log2 of the probability that the network gave to a token before it came (Shannon 1948), in bits. The
component's script is `assets/components/next_word_replay.js`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import streamlit as st

from transformer.figures.labels import MARKERS, display
from transformer.figures.theme import THEMES, hex_colour
from transformer.trace import FloatArray, Label, Step, Trace
from transformer.ui.parts.component import accents, component
from transformer.ui.parts.sentence import Cut
from transformer.ui.parts.wire import headed, quantise

STEP, TINT = "step", "tint"  # in the address
TINTS = ("surprise", "attention")
SURPRISE = 150  # of 255: the colour of the attention scale that full surprise has

_REPLAY = component("next_word_replay")


def bits(step: Step) -> float:
    """The surprise of a token, at least 0."""
    return max(0.0, -step.log_probability / math.log(2))


def replay(trace: Trace, kind: str, weights: FloatArray, view: str, cut: Cut, *, key: str) -> bool:
    """`draw` as `explorer.explore` takes it, as a fragment: nothing that is done there changes the rest of the page."""
    st.fragment(draw)(trace, weights, view, key)
    return False


def draw(trace: Trace, weights: FloatArray, view: str, key: str) -> None:
    """Draw the text of a decoder's trace; the step and the tint that were chosen stand in the address.

    Args:
        trace: its decoder's map has the tokens that were read; its steps belong to all of them but the first.
        weights: (T, T), 0 to 1, of the chosen view.
        view: how the page calls it.
        key: the component's name on its page.

    Raises:
        ValueError: weights or steps that do not fit the tokens.
    """
    read = trace["decoder"].keys
    if np.shape(weights) != (len(read), len(read)) or len(trace.steps) != len(read) - 1:
        raise ValueError(
            f"expected weights and steps for {len(read)} tokens, received {np.shape(weights)} and {len(trace.steps)}"
        )
    header = {
        "tokens": [
            {"text": _shown(label), "joins": label.joins, "special": label.special, **_foretold(step)}
            for label, step in zip(read, (None, *trace.steps), strict=True)
        ],
        "view": view,
        "step": _step(st.query_params.get(STEP), len(read)),
        "tint": tint if (tint := st.query_params.get(TINT, "")) in TINTS else "",
        "accent": accents(),
        "surprise": {name: hex_colour(colours.attention[SURPRISE]) for name, colours in THEMES.items()},
    }

    def called() -> None:
        seen = st.session_state[key].get("seen")
        if isinstance(seen, dict) and seen.get("tokens") == len(read):
            _remember(STEP, _step(str(seen.get("step")), len(read)))
            _remember(TINT, seen.get("tint") if seen.get("tint") in TINTS else None)

    _REPLAY(key=key, data=headed(header, quantise(weights)), on_seen_change=called)
    with st.expander("Surprise of each token as a table", key=f"{key}-table", on_change="rerun") as box:
        if box.open:
            st.dataframe(table(trace), hide_index=True, width="stretch")


def table(trace: Trace) -> dict[str, list[Any]]:
    """What stands in the text as columns, a row a token that was foretold."""
    best = [step.alternatives[0] if step.alternatives else None for step in trace.steps]
    return {
        "token": [display(label, 60) for label in trace["decoder"].keys[1:]],
        "surprise (bits)": [round(bits(step), 2) for step in trace.steps],
        "probability": [round(step.probability, 6) for step in trace.steps],
        "likeliest": [other.text if other else "" for other in best],
        "its probability": [round(other.probability, 6) if other else None for other in best],
        "entropy (bits)": [round(step.entropy, 2) for step in trace.steps],
    }


def forget() -> None:
    """Another text: a step of this one means nothing to it."""
    st.query_params.pop(STEP, None)


def _remember(name: str, value: object) -> None:
    if value is None:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = str(value)


def _shown(label: Label) -> str:
    return MARKERS.get(label.text, label.text) if label.special else display(label, 60)


def _foretold(step: Step | None) -> dict[str, Any]:
    if step is None:
        return {}
    near = [o.text == step.token and abs(o.probability - step.probability) < 1e-4 for o in step.alternatives]
    written = near.index(True) if True in near else -1
    return {
        "bits": round(bits(step), 3),
        "probability": round(step.probability, 6),
        "entropy": round(max(step.entropy, 0.0), 3),
        "best": [
            {"text": other.text, "probability": round(other.probability, 6), "written": i == written}
            for i, other in enumerate(step.alternatives)
        ],
    }


def _step(text: str | None, count: int) -> int | None:
    """A step out of an address or a browser, 1 to count - 1; None is the last."""
    if not text or not text.isascii() or not text.isdigit() or len(text) > 5:
        return None
    return int(text) if 1 <= int(text) < count else None
