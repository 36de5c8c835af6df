"""What is opened, used and forgotten is gone: network, graphs and weights."""

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from transformer.ask import Ask
from transformer.ui.models import calls, opened

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    monkeypatch.setattr(opened, "_opened", {})
    monkeypatch.setattr(keras.backend, "clear_session", keras.backend.clear_session)
    monkeypatch.delenv("HEADLIGHT_MODELS", raising=False)


def used(name: str, **question: Any) -> list[weakref.ref[Any]]:
    """Open a folder's model and ask it: what it is made of."""
    made = calls.open_model(GOLDEN / name)
    model = made.future.result(120)
    assert calls.ask(Ask(model=made.name, **question)).model == made.name
    parts = [model, model.runtime, model.network, *model.network.weights]
    parts += [graph for graphs in vars(model.runtime).values() for graph in set(_each(graphs))]
    for thread in threading.enumerate():
        if thread.name == f"open {made.name}":
            thread.join(60)
    return [weakref.ref(part) for part in parts]


def _each(graphs: Any) -> Any:
    """The graphs among what a runtime holds."""
    if hasattr(graphs, "get_concrete_function"):
        yield graphs
    elif hasattr(graphs, "few"):
        yield from (graphs.few, graphs.any, graphs.any.usual, graphs.any.cutting)
    elif hasattr(graphs, "usual"):
        yield from (graphs, graphs.usual, graphs.cutting)
    elif isinstance(graphs, tuple | dict):
        for part in graphs.values() if isinstance(graphs, dict) else graphs:
            yield from _each(part)


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("marian-swish", {"given": "a b", "beams": 2}),
        ("gpt2-tied", {"given": "a b", "tokens": 2}),
        ("bert-masked", {"given": "a b"}),
    ],
)
def test_nothing_stays_of_what_is_forgotten(name: str, question: dict[str, Any], xla: None) -> None:
    found = used(name, **question)
    gc.disable()  # only what forgetting does by itself counts
    try:
        calls.forget(name)
        left = [part() for part in found if part() is not None]
        assert len(found) > 10 and not left, f"{len(left)} of {len(found)}: {left[:3]}"
    finally:
        gc.enable()
    assert not opened.opened()


def test_what_may_be_forgotten_is_not_compiled_by_xla(xla: None) -> None:
    """TensorFlow keeps what XLA has compiled until the process ends."""
    made = calls.open_model(GOLDEN / "marian-swish")
    runtime = made.future.result(120).runtime
    assert runtime._greedy.few is runtime._greedy.any and runtime._forced.few is runtime._forced.any
    calls.forget(made.name)
    from transformer.pipeline import load

    lasting = load(str(GOLDEN / "marian-swish")).runtime  # type: ignore[attr-defined]
    assert lasting._greedy.few is not lasting._greedy.any
