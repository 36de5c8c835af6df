"""What comes next in a text: the ten likeliest words, and twenty more of them."""

from __future__ import annotations

from collections.abc import Iterator

from transformer.bench.measure import Row, median

TEXT = "It was a dark and stormy night, and the old man sat by the"


def writing() -> Iterator[Row]:
    """The shipped network over the beginning of a novel; each time another one, so that nothing is remembered."""
    from transformer.pipeline import load

    model, count = load("next-word-en"), iter(range(1000))
    yield {
        "name": "next-word/top10",
        "median_ms": median(lambda: model.next_words(f"{TEXT[next(count) % 20 :]} ", count=10)),
    }
    yield {
        "name": "next-word/20-words",
        "median_ms": median(lambda: model.write(f"{TEXT} ", 20, seed=next(count)), 7),
    }
