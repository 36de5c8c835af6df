"""A trace of three maps, and what stands in for a component."""

from typing import Any

import numpy as np
import pytest

from transformer.trace import Alternative, AttentionMap, Label, Step, Trace

END = Label("</s>", special=True)
START = Label("<s>", special=True)


def uniform(kind: str, queries: tuple[Label, ...], keys: tuple[Label, ...]) -> AttentionMap:
    weights = np.full((2, 3, len(queries), len(keys)), 1 / len(keys), np.float32)
    return AttentionMap(kind, weights, queries, keys)


@pytest.fixture
def trace() -> Trace:
    source = (Label("o"), Label("trem"), END)
    target = (Label("the"), Label("tr"), Label("ain", joins=True), END)
    shifted = (START, *target[:-1])
    step = Step("the", np.log(0.5).item(), 1.25, (Alternative("the", 0.5), Alternative("a", 0.25)))
    maps = [
        uniform("encoder", source, source),
        uniform("decoder", target, shifted),
        uniform("cross", target, source),
    ]
    return Trace(maps, "the train", [step] * 4, source=source, target=target)


class Mounted:
    """Stands in for a registered component: keeps what it was given and answers with `result`."""

    def __init__(self, **result: object) -> None:
        self.result = result
        self.calls: list[dict[str, Any]] = []

    def __call__(self, **arguments: Any) -> dict[str, object]:
        self.calls.append(arguments)
        return self.result
