"""Why does an LSTM that is declared stateful stop improving early when its samples are drawn at random? Measured.

A stateful LSTM begins row i of a batch with what it carried at the end of row i of the batch before. That is memory
where the rows go on from there, and noise where they come from elsewhere.

    python -m transformer.training.puzzle --data TRAIN.txt --valid VALID.txt --out assets/recurrence/puzzle.csv

Letters for shapes: B rows, T characters, U units.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from transformer.config import Embedding, ModelConfig, Recurrent, Special
from transformer.corpus.files import read_text
from transformer.formulas.bits import carried_bits, windows
from transformer.layers.lstm import Carried
from transformer.models.characters import CharacterLSTM
from transformer.text.characters import CharacterTokenizer
from transformer.training.characters import lookup_ids, scorer
from transformer.training.schedule import SmoothedCrossEntropy

UNITS, EMBEDDING = 256, 64
ROWS, LENGTH = 64, 100
STEPS, EVERY = 1_600, 80
COLUMNS = ("run", "step", "characters", "seconds", "train_bits", "valid_bits", "share")


class Run(NamedTuple):
    """How one network is trained: whether its state is carried, whether its rows go on, and whether it sees spaces."""

    name: str
    stateful: bool
    contiguous: bool
    spaces: bool = True


RUNS = (
    Run("stateful, random samples", True, False),
    Run("stateless, random samples", False, False),
    Run("stateful, contiguous text", True, True),
    Run("stateless, random samples, no spaces", False, False, spaces=False),
)


class Stateful(keras.Model):
    """A character LSTM that goes on where it stood: row i of a batch begins with what the last row i left."""

    def __init__(self, network: Any, rows: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.output_before, self.cell_before = (
            self.add_weight(
                shape=(rows, network.config.width),
                initializer="zeros",
                trainable=False,
                dtype="float32",
                autocast=False,
                name=name,
            )
            for name in ("output_before", "cell_before")
        )

    def build(self, input_shape: Any = None) -> None:
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """{"ids": (B, T)} -> logits (B, T, vocabulary)."""
        before = Carried(self.output_before.value, self.cell_before.value)
        logits, after = self.network.read(self.network.embedding(inputs["ids"]), before, training=training)
        self.output_before.assign(after.output)
        self.cell_before.assign(after.cell)
        return logits

    def clear(self) -> None:
        """Forget what was carried."""
        for part in (self.output_before, self.cell_before):
            part.assign(np.zeros(part.shape, np.float32))


def random_batches(
    ids: np.ndarray, rows: int, length: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One pass: samples (B, T) from a random place on, in random order, with their labels."""
    x, y = windows(ids, length, int(rng.integers(length)))
    order = rng.permutation(len(x))
    for begin in range(0, len(order) - rows + 1, rows):
        yield x[order[begin : begin + rows]], y[order[begin : begin + rows]]


def contiguous_batches(ids: np.ndarray, rows: int, length: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One pass: the text cut into B long rows, read side by side; each batch goes on where the one before ended."""
    width = (len(ids) - 1) // rows
    x, y = ids[: rows * width].reshape(rows, width), ids[1 : rows * width + 1].reshape(rows, width)
    for begin in range(0, width - length + 1, length):
        yield x[:, begin : begin + length], y[:, begin : begin + length]


def learn(
    run: Run,
    text: str,
    valid: str,
    *,
    units: int = UNITS,
    rows: int = ROWS,
    length: int = LENGTH,
    steps: int = STEPS,
    every: int = EVERY,
    seed: int = 0,
) -> Iterator[dict[str, float | str]]:
    """One run, a row of `COLUMNS` at a time; bits are per character of the text that the run reads.

    share: how much of the held-out text that is; bits times share are bits per character of the whole text.
    """
    keras.utils.set_random_seed(seed)
    tokenizer = CharacterTokenizer.train(text + valid)
    text, kept = (part if run.spaces else part.replace(" ", "") for part in (text, valid))
    ids, held_out = lookup_ids(tokenizer, text), lookup_ids(tokenizer, kept)
    config = ModelConfig(
        width=units,
        target=Embedding(vocabulary=tokenizer.size),
        recurrent=Recurrent(kind="lstm", embedding_width=EMBEDDING),
        max_target=128,
        dropout=0.0,
        tokens="characters",
        special=Special(suppressed=(0, 1)),
    )
    network = CharacterLSTM(config)
    network.build()
    model = Stateful(network, rows)
    model.build()
    # On a processor XLA is slower than TensorFlow's own kernels.
    jit = False if keras.config.backend() == "tensorflow" else "auto"
    model.compile(keras.optimizers.Adam(1e-3), SmoothedCrossEntropy(0.0), jit_compile=jit)
    score = scorer(network)
    rng, step, seconds, recent = np.random.default_rng(seed), 0, 0.0, list[float]()
    while step < steps:
        begun_at = step
        model.clear()
        batches = (
            contiguous_batches(ids, rows, length)
            if run.contiguous
            else random_batches(ids, rows, length, rng)
        )
        for x, y in batches:
            begun = time.monotonic()
            if not run.stateful:
                model.clear()
            recent.append(float(np.ravel(model.train_on_batch({"ids": x}, y))[0]))
            step, seconds = step + 1, seconds + time.monotonic() - begun
            if step % every == 0:
                yield {
                    "run": run.name,
                    "step": step,
                    "characters": step * rows * length,
                    "seconds": round(seconds, 1),
                    "train_bits": round(float(np.mean(recent)) / math.log(2), 4),
                    "valid_bits": round(carried_bits(score, held_out), 4),
                    "share": round(len(kept) / len(valid), 4),
                }
                recent.clear()
            if step == steps:
                break
        if step == begun_at:
            raise ValueError(f"expected text for {rows} rows of {length} characters, received too little")


def main() -> None:
    """Run all four and write their curves."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    for name in ("data", "valid", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for run in RUNS:
            for row in learn(run, read_text(options.data), read_text(options.valid)):
                writer.writerow(row)
                file.flush()
                sys.stderr.write(f"{row}\n")


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    main()
