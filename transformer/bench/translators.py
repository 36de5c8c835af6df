"""Translators of stated shapes with random weights: source 40 and 30 written or 31 forced tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from transformer.bench.measure import Row, median
from transformer.training.presets import PRESETS, translator

SHAPES = {
    "4x128": translator(8000, (4, 4), 128, 8, 512),
    "4x256": translator(8000, (4, 4), 256, 8, 1024),
    "6x512": translator(58_101, (6, 6), 512, 8, 2048),
}
GREEDY_NAMES = {"6x512": "6x512-58k"}


def _random_model(shape: str, max_target: int) -> Any:
    import keras

    from transformer.models.assembly import assemble
    from transformer.pipeline import Translator
    from transformer.text.numbers import Numbers

    keras.utils.set_random_seed(1)
    config = SHAPES.get(shape) or PRESETS[shape].model
    network = assemble(dataclasses.replace(config, max_source=40, max_target=max_target))
    network.build()
    return Translator(shape, network, Numbers(network.config.vocabulary))


def greedy(name: str, shape: str) -> Iterator[Row]:
    """A translation and its trace; the shape is one of `SHAPES` or the name of a preset."""
    model = _random_model(shape, 30)
    source = list(range(100, 140))
    written = model.runtime.decode(source)
    if len(written) != 30:
        raise ValueError(f"expected random weights to write 30 tokens, received {len(written)}")

    def work() -> None:
        model.trace_ids(source, model.runtime.decode(source))

    yield {"name": name, "median_ms": median(work)}


def forced(name: str, shape: str) -> Iterator[Row]:
    model = _random_model(shape, 31)
    source, target = list(range(100, 140)), list(range(200, 231))
    yield {"name": name, "median_ms": median(lambda: model.runtime.record(source, target))}
