"""How long the shipped classifier takes over a review of 512 tokens, the most that it reads."""

from __future__ import annotations

from collections.abc import Iterator

from transformer.bench.measure import Row, median

WORDS = ("the", "film", "was", "good", "and", "bad")


def reviews() -> Iterator[Row]:
    """All attention of such a review, its gradient times input, and each of its words left out in turn."""
    from transformer.pipeline import load

    model = load("sentiment-en")
    text = model.beginning(" ".join(WORDS * 200))
    trace = model.trace(text)
    yield {"name": "sentiment/512", "median_ms": median(lambda: model.trace(text), 7)}
    yield {
        "name": "sentiment/512-gradient",
        "median_ms": median(lambda: model.gradient_times_input(trace, 1), 7),
    }
    yield {"name": "sentiment/512-left-out", "median_ms": median(lambda: model.leave_one_out(trace, 1), 1)}
