"""Which class has each token? The text with its stretches marked, each with its class and how sure the network is.

The component's script is `assets/components/read_classes.js`.
"""

from __future__ import annotations

from typing import Any

from transformer.figures.labels import MARKERS, display
from transformer.figures.theme import THEMES, hex_colour
from transformer.trace import Label, Step, Trace
from transformer.ui.parts.component import component

SHARE = 150  # of the attention scale: a hue that text stays readable on, as under Sentiment

_CLASSES = component("read_classes")


def classes(trace: Trace, before: Trace, *, key: str) -> None:
    """Draw a text whose tokens have classes, or in which an answer stands.

    Args:
        trace: with a step for each token of its source and its stretches as answers; or without steps and with answers
            in its source, of which the first is shown.
        before: the same before something was changed in the network; `trace` itself where nothing was.
        key: the component's name on its page.
    """
    earlier = before.steps if before is not trace and len(before.steps) == len(trace.steps) else ()
    tokens = [
        _token(label, trace.steps[place] if trace.steps else None, earlier[place] if earlier else None)
        for place, label in enumerate(trace.source)
    ]
    stretches = [
        {
            "begin": a.begin,
            "end": a.end,
            "name": a.name if trace.steps else "answer",
            "probability": round(a.probability or 0.0, 6),
        }
        for a in (trace.answers if trace.steps else trace.answers[:1])
    ]
    colours = {
        name: {"share": hex_colour(look.attention[SHARE]), "accent": look.accent}
        for name, look in THEMES.items()
    }
    _CLASSES(key=key, data={"tokens": tokens, "stretches": stretches, "colours": colours})


def _token(label: Label, step: Step | None, before: Step | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "text": MARKERS.get(label.text, label.text) if label.special else display(label, 60),
        "joins": label.joins,
        "special": label.special,
        "classes": [
            {"name": o.text, "probability": round(o.probability, 6)}
            for o in (step.alternatives if step else ())
        ],
    }
    if before:
        found["before"] = {"name": before.token, "probability": round(before.probability, 6)}
    return found


def table(trace: Trace) -> dict[str, list[Any]]:
    """The same as columns, a line a token."""
    return {
        "token": [display(label, 60) for label in trace.source],
        "class": [step.token for step in trace.steps],
        "probability": [round(step.probability, 4) for step in trace.steps],
        "next": [
            f"{o.text} {100 * o.probability:.1f} %" if (o := next(iter(step.alternatives[1:]), None)) else ""
            for step in trace.steps
        ],
    }
