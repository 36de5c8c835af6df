"""What is changed in a network: one head off to the new answer and the old one's chances, and all heads ranked."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np

from transformer.bench.measure import Row, median
from transformer.interventions import Head, Interventions

SENTENCE = "Este é um problema que temos que resolver, mas ninguém sabe como."
TEXT = "It was a dark and stormy night; the rain fell in torrents, and the old man sat by the fire"


def instruments() -> Iterator[Row]:
    """The shipped translator and the shipped decoder, everything built before."""
    yield from _of("pt-en", SENTENCE)
    yield from _of("next-word-en", TEXT)


def _of(name: str, text: str) -> Iterator[Row]:
    from transformer.pipeline import load

    model: Any = load(name)
    at = count()
    trace = model.trace(text)
    ids = [label.id for label in trace.target]
    weights = np.ones(len(model.sayings(trace)))
    kind, (layers, heads) = next(iter(model.runtime.effects.shapes.items()))

    def off() -> None:
        # Another head each time; nothing is remembered here, as it would be on a page.
        place = next(at)
        change = Interventions(heads=(Head(kind, place % layers, place % heads),))
        model.trace(text, interventions=change)
        if "cross" in trace:
            model.trace(text, target_ids=ids, interventions=change)

    yield {"name": f"off/{name}", "median_ms": median(off)}
    yield {"name": f"rank-estimate/{name}", "median_ms": median(lambda: model.slopes(trace, weights))}
    yield {"name": f"rank/{name}", "median_ms": median(lambda: model.without_each(trace, weights), 5)}
