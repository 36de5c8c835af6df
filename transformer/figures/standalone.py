"""A trace as one HTML page that works anywhere: all heads of all maps, no network, no installation.

The page is drawn by the small script beside this file (`standalone.js`) on canvases, not by plotly: plotly.js alone
is 4.8 MB and holds addresses that it may fetch from, and a trace of 40 tokens is a tenth of that. The page's content
security policy forbids every request. Weights are rounded to 16 bits, so within 0.00001 of the trace's.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transformer.figures import theme as themes
from transformer.figures.labels import display
from transformer.trace import AttentionMap, Trace

TITLES = {
    "encoder": "Encoder: the input looks at itself",
    "decoder": "Decoder: the output looks at what it has written",
    "cross": "Cross: the output looks at the input",
}
_HERE = Path(__file__).parent


def html(trace: Trace, *, kind: str | None = None, layer: int | None = None, head: int | None = None) -> str:
    """The page as HTML text; write it as UTF-8.

    Args:
        kind: the map shown first; None is cross-attention where there is any, else the first map.
        layer: shown first, counted from 0; None is the mean of all layers.
        head: likewise.

    Raises:
        ValueError: the trace has no maps, or none of this kind, or the map no such layer or head.
    """
    kinds = list(trace)
    if kind is None:
        kind = "cross" if "cross" in kinds else next(iter(kinds), None)
    if kind not in kinds:
        raise ValueError(
            f"expected a kind out of {', '.join(kinds) or 'a trace with maps'}, received {kind!r}"
        )
    for name, index, count in (("layer", layer, trace[kind].layers), ("head", head, trace[kind].heads)):
        if index is not None and not 0 <= index < count:
            raise ValueError(f"expected a {name} from 0 to {count - 1}, received {index}")
    data = {
        "heading": f"What every attention head of {trace.model or 'this model'} looks at",
        "input": trace.input,
        "output": trace.output,
        "start": {
            "map": kinds.index(kind),
            "layer": -1 if layer is None else layer,
            "head": -1 if head is None else head,
        },
        "maps": [_map(attention) for attention in trace.maps],
        "lookup": {look.name: _base64(look.attention) for look in themes.THEMES.values()},
    }
    values = {
        "title": escape(f"{trace.model or 'Headlight'}: {_one_line(trace.input)}"),
        "light": _variables(themes.LIGHT),
        "dark": _variables(themes.DARK),
        "font": themes.FONT,
        # Escaped so that no token can end the element that holds the data.
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "script": _text("standalone.js"),
    }
    # In one pass, so that a sentence with braces in it is not taken for a place to fill.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: values[place[1]], _text("standalone.html"))


def _map(attention: AttentionMap) -> dict[str, Any]:
    return {
        "title": TITLES[attention.kind],
        "layers": attention.layers,
        "heads": attention.heads,
        "queries": [display(label, limit=100) for label in attention.queries],
        "keys": [display(label, limit=100) for label in attention.keys],
        "weights": _base64(np.rint(np.clip(attention.weights, 0, 1) * 65535).astype("<u2")),
    }


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def _variables(look: themes.Theme) -> str:
    names = ("background", "surface", "text", "muted", "grid", "accent")
    return " ".join(f"--{name}: {getattr(look, name)};" for name in names)


def _one_line(text: str, limit: int = 80) -> str:
    line = " ".join("".join(c for c in text if not 0xD800 <= ord(c) < 0xE000).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


@cache
def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
