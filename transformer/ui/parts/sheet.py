"""Where do all heads of a map look? Layers by heads as a sheet of thumbnails; each can be clicked.

The component's script is `assets/components/sheet.js`. Weights travel as one byte each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from transformer.figures.labels import MAP_NAMES, shown
from transformer.trace import AttentionMap, FloatArray, Label
from transformer.ui.parts.component import accents, carry, component, integers, pair, scales
from transformer.ui.parts.wire import packed, packed_difference

FACTORS = (0.0, 0.5, 2.0)  # the ways to switch, in the order that sheet.js has them

Switch = Callable[[int | None, int | None, float], None]

_SHEET = component("sheet", "pixels", "shelf")


def sheet(
    attention: AttentionMap,
    *,
    selected: tuple[int | None, int | None],
    key: str,
    title: str | None = None,
    top: float = 1.0,
    before: AttentionMap | None = None,
    measure: str = "weight",
    factors: Sequence[Sequence[float]] | None = None,
    tints: FloatArray | None = None,
    note: str = "",
    reads: bool = False,
    on_select: Callable[[int, int], None] | None = None,
    on_switch: Switch | None = None,
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
        before: the same map of another run, of the same tokens: what is drawn is how the weights differ from it, on
            a scale of their own.
        measure: what a number of the map is called.
        factors: what each head was multiplied by, (layers, heads); None: all by 1. What is not 1 is marked.
        tints: a figure a head (layers, heads), of either sign, drawn as a colour and a number instead of its weights.
        note: what these figures are, under the sheet.
        reads: a decoder's tokens were read, and none written.
        on_select: called with (layer, head) before the page runs again: the moment to set pickers through
            `st.session_state`, so that they agree with the sheet.
        on_switch: called with (layer, head, factor) before the page runs again, where a head is to be multiplied by
            that; None in the place of one of them is a whole column or row. Without it nothing can be switched.

    Returns:
        (layer, head) in the one run that follows a click, otherwise None.
    """
    layers, heads = attention.layers, attention.heads
    sent = packed(attention) if before is None else packed_difference(attention, before)
    queries = _spans(attention.queries, sent.side)
    keys = _spans(attention.keys, sent.side)
    data = {
        "shape": [layers, heads, len(queries), len(keys)],
        "digest": sent.digest.hex(),
        "selected": [_clipped(selected[0], layers), _clipped(selected[1], heads)],
        "top": 255 if before else min(255, max(1, round(255 * top))),
        "signed": sent.strongest if before else None,
        "factors": [list(row) for row in factors] if factors else None,
        "switchable": on_switch is not None,
        "tints": None if tints is None else [[round(float(value), 4) for value in row] for row in tints],
        "measure": measure,
        "note": note,
        "arms": scales("difference") if tints is not None else None,
        "queries": queries,
        "keys": keys,
        "title": title or MAP_NAMES[attention.kind],
        "rows": "output token" if attention.kind != "encoder" and not reads else "input token",
        "columns": "output token" if attention.kind == "decoder" and not reads else "input token",
        "scale": scales("difference" if before else "attention"),
        "accent": accents(),
    }

    def called() -> None:
        chosen = pair(st.session_state[key].get("selected"), layers, heads)
        if chosen is not None and on_select is not None:
            on_select(*chosen)

    def switched() -> None:
        found = switch_of(st.session_state[key].get("switched"), layers, heads)
        if found is not None and on_switch is not None:
            on_switch(*found)

    with st.container(gap=None):  # the invisible part must not leave a gap
        result = _SHEET(key=key, data=data, on_selected_change=called, on_switched_change=switched)
        carry(sent.digest, sent.weights, key=f"{key}-weights")
    return pair(result.get("selected"), layers, heads)


def switch_of(value: object, layers: int, heads: int) -> tuple[int | None, int | None, float] | None:
    """(layer, head, factor) out of what a browser sent, [layer, head, way] with -1 for all of them; or None."""
    numbers = integers(value, 3)
    if numbers is None:
        return None
    layer, head, way = numbers
    if not (-1 <= layer < layers and -1 <= head < heads and 0 <= way < len(FACTORS)):
        return None
    return (None if layer < 0 else layer, None if head < 0 else head, FACTORS[way])


def _spans(labels: Sequence[Label], length: int) -> list[str]:
    """What each block of labels is called: a label alone by itself, several by the first and the last."""
    names = [shown(label) for label in labels]
    blocks = [names[i : i + length] for i in range(0, len(names), length)]
    return [block[0] if len(block) == 1 else f"{block[0]} … {block[-1]}" for block in blocks]


def _clipped(index: int | None, count: int) -> int | None:
    return None if index is None else min(max(int(index), 0), count - 1)
