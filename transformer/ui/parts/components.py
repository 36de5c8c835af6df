"""The two pictures that Streamlit lacks: all heads at once (`sheet`), and sentences that answer (`sentence`).

Both are `st.components.v2` components; their scripts and styles are `assets/components/*.js` and `*.css`. They are
registered once, when this module is imported. Weights travel as one byte each, and what the browser answers is checked
here before a page sees it. Both draw in the colours of `transformer.figures.theme` and follow the switch between light
and dark by themselves.

Letters for shapes: L layers, H heads, Q queries, K keys.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import streamlit as st

from transformer import home
from transformer.figures.theme import THEMES
from transformer.trace import AttentionMap, FloatArray, Label, Trace
from transformer.ui.parts.wire import TOLERANCE, packed, quantise

# Markers of common tokenizers, and what they are called on the page.
MARKERS = {
    **dict.fromkeys(
        ("end", "</s>", "<eos>", "[end]", "[sep]", "<|endoftext|>", "<|endoftranscript|>"), "⏎ end"
    ),
    **dict.fromkeys(("start", "<s>", "<bos>", "[start]", "[cls]", "<|startoftranscript|>"), "▸ start"),
    **dict.fromkeys(("pad", "<pad>", "[pad]"), "pad"),
    **dict.fromkeys(("unk", "<unk>", "[unk]"), "unknown"),
}

NAMES = {"encoder": "Encoder self-attention", "decoder": "Decoder self-attention", "cross": "Cross-attention"}
SIDES = {"encoder": ("source", "source"), "decoder": ("target", "target"), "cross": ("target", "source")}


def _component(name: str, *scripts: str) -> Any:
    """Registers `name`.js, joined with the scripts it builds on to the one that Streamlit takes, and `name`.css."""
    parts = [(home.components() / f"{script}.js").read_text("utf-8") for script in (*scripts, name)]
    style = (home.components() / f"{name}.css").read_text("utf-8")
    return st.components.v2.component(
        f"headlight.{name}", js="\n".join(parts), css=style, isolate_styles=True
    )


_SHEET = _component("sheet", "common", "pixels")
_SENTENCE = _component("sentence", "common", "card")


class Choice(NamedTuple):
    """An alternative that was clicked: its step in the output, and its place in that step's `alternatives`."""

    step: int
    alternative: int


def sheet(
    attention: AttentionMap,
    *,
    selected: tuple[int | None, int | None],
    key: str,
    title: str | None = None,
    top: float = 1.0,
    on_select: Callable[[int, int], None] | None = None,
) -> tuple[int, int] | None:
    """Every head of a map as a layers-by-heads sheet of thumbnails; a click, or Enter, selects one.

    Args:
        attention: the map; its weights are quantised once and sent once, however often the page runs. Of a map with
            more than MOST weights each cell is the strongest of a block, and named by the block's first and last word.
        selected: (layer, head), counted from 0, outlined in the accent colour; None stands for all of them, so that
            a row, a column or the whole sheet is outlined. Values outside are clipped.
        key: the component's name on its page; a second, invisible part takes `key` + "-weights".
        title: what a screen reader calls the sheet; by default the name of the map's kind.
        top: the weight that has full colour, 0 to 1.
        on_select: called with (layer, head) before the page runs again: the moment to set pickers through
            `st.session_state`, so that they agree with the sheet.

    Returns:
        (layer, head) in the one run that follows a click, otherwise None.
    """
    layers, heads = attention.layers, attention.heads
    sent = packed(attention)
    queries = _spans(attention.queries, sent.side)
    keys = _spans(attention.keys, sent.side)
    data = {
        "shape": [layers, heads, len(queries), len(keys)],
        "digest": sent.digest.hex(),
        "selected": [_clipped(selected[0], layers), _clipped(selected[1], heads)],
        "top": min(255, max(1, round(255 * top))),
        "queries": queries,
        "keys": keys,
        "title": title or NAMES[attention.kind],
        "rows": "output token" if attention.kind != "encoder" else "input token",
        "columns": "output token" if attention.kind == "decoder" else "input token",
        "scale": {name: _base64(colours.attention) for name, colours in THEMES.items()},
        "accent": _accents(),
    }

    def called() -> None:
        chosen = _pair(st.session_state[key].get("selected"), layers, heads)
        if chosen is not None and on_select is not None:
            on_select(*chosen)

    with st.container(gap=None):  # the invisible part must not leave a gap
        result = _SHEET(key=key, data=data, on_selected_change=called)
        _SHEET(key=f"{key}-weights", data=sent.digest + sent.weights)
    return _pair(result.get("selected"), layers, heads)


def sentence(
    trace: Trace,
    *,
    key: str,
    kind: str | None = None,
    weights: FloatArray | None = None,
    view: str = "",
    titles: tuple[str, str] = ("Input", "Output"),
    on_choose: Callable[[Choice], None] | None = None,
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
        on_choose: called with the chosen alternative before the page runs again.

    Returns:
        The chosen alternative in the one run that follows the click, otherwise None.

    Raises:
        ValueError: kind and weights do not come together, or do not fit the trace.
    """
    sides = {"source": _source(trace, titles[0]), "target": _target(trace, titles[1])}
    data = _packed_sentence(trace, sides, kind, weights, view)

    def called() -> None:
        chosen = _choice(st.session_state[key].get("chosen"), trace)
        if chosen is not None and on_choose is not None:
            on_choose(chosen)

    result = _SENTENCE(key=key, data=data, on_chosen_change=called)
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
) -> int | None:
    """The input alone, each of its words a chip that masks it: for a network that reads and writes nothing.

    Args:
        trace, key, kind, weights, view, title: as for `sentence`.
        words: for each position the number of its word, None where nothing can be masked; empty: nowhere.
        hidden: what stands under a mask, by position.
        on_mask: called with the number of the word that was clicked before the page runs again.

    Returns:
        That number in the one run that follows the click, otherwise None.
    """
    side = _source(trace, title)
    for place, (token, word) in enumerate(zip(side["tokens"], words, strict=False)):
        if word is not None:
            token["word"] = word
        if hidden and place in hidden:
            token["hidden"] = hidden[place]
    data = _packed_sentence(
        trace, {"source": side, "target": {"title": "", "tokens": []}}, kind, weights, view
    )

    def word_of(value: object) -> int | None:
        number = _integers([value], 1)
        return number[0] if number and number[0] in words else None

    def called() -> None:
        word = word_of(st.session_state[key].get("masked"))
        if word is not None and on_mask is not None:
            on_mask(word)

    result = _SENTENCE(key=key, data=data, on_masked_change=called)
    return word_of(result.get("masked"))


def _packed_sentence(
    trace: Trace, sides: dict[str, Any], kind: str | None, weights: FloatArray | None, view: str
) -> bytes:
    """What sentence.js reads: its header and one byte per weight. Errors as for `sentence`."""
    if (kind is None) != (weights is None):
        raise ValueError("expected kind and weights together, received only one of them")
    header: dict[str, Any] = {"sides": sides, "view": view, "shape": [0, 0], "accent": _accents()}
    body = b""
    if kind is not None and weights is not None:
        attention = trace[kind]
        if np.shape(weights) != attention.weights.shape[2:]:
            raise ValueError(
                f"expected weights {attention.weights.shape[2:]}, received shape {np.shape(weights)}"
            )
        body = quantise(np.asarray(weights))
        lists = {"source": trace.source, "target": trace.target}
        header["queries"], header["keys"] = SIDES[kind]
        header["shape"] = list(attention.weights.shape[2:])
        header["places"] = {
            "queries": _places(attention.queries, lists[header["queries"]]),
            "keys": _places(attention.keys, lists[header["keys"]]),
        }
    text = json.dumps(header, ensure_ascii=False).encode()
    return struct.pack("<I", len(text)) + text + body


def _shown(label: Label) -> str:
    return MARKERS.get(label.text.strip().lower(), label.text) if label.special else label.text


def _spans(labels: Sequence[Label], length: int) -> list[str]:
    """What each block of labels is called: a label alone by itself, several by the first and the last."""
    names = [_shown(label) for label in labels]
    blocks = [names[i : i + length] for i in range(0, len(names), length)]
    return [block[0] if len(block) == 1 else f"{block[0]} … {block[-1]}" for block in blocks]


def _token(label: Label) -> dict[str, Any]:
    return {"text": _shown(label), "joins": label.joins, "special": label.special}


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


def _lead(trace: Trace) -> str:
    """The start marker that the decoder reads before its output, if a map of this trace shows one, else ""."""
    axes = [axis for kind in trace if kind != "encoder" for axis in (trace[kind].queries, trace[kind].keys)]
    target = [label.text for label in trace.target]
    for axis in axes:
        if [label.text for label in axis] != target and _is_shifted(axis, trace.target):
            return _shown(axis[0])
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


def _clipped(index: int | None, count: int) -> int | None:
    return None if index is None else min(max(int(index), 0), count - 1)


def _accents() -> dict[str, str]:
    return {name: colours.accent for name, colours in THEMES.items()}


def _base64(table: npt.NDArray[np.uint8]) -> str:
    return base64.b64encode(np.ascontiguousarray(table).tobytes()).decode()


def _integers(value: object, count: int) -> list[int] | None:
    """`count` plain integers out of what a browser sent, or None."""
    if not isinstance(value, list) or len(value) != count:
        return None
    return value if all(isinstance(item, int) and not isinstance(item, bool) for item in value) else None


def _pair(value: object, layers: int, heads: int) -> tuple[int, int] | None:
    numbers = _integers(value, 2)
    if numbers is None or not (0 <= numbers[0] < layers and 0 <= numbers[1] < heads):
        return None
    return numbers[0], numbers[1]


def _choice(value: object, trace: Trace) -> Choice | None:
    if not isinstance(value, dict):
        return None
    numbers = _integers([value.get("step"), value.get("alternative")], 2)
    if numbers is None or not 0 <= numbers[0] < len(trace.steps):
        return None
    if not 0 <= numbers[1] < len(trace.steps[numbers[0]].alternatives):
        return None
    return Choice(*numbers)
