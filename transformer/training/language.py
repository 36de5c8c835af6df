"""Learning to go on with a text: windows of running text, cross-entropy of the next token, bits per byte."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from transformer.config import END
from transformer.corpus.files import read_paragraphs
from transformer.formulas.bits import encode, windows
from transformer.training.job import Job
from transformer.training.schedule import SmoothedCrossEntropy
from transformer.training.snapshots import Snapshots
from transformer.training.vocabulary import tokenizer_of

PROBES = (
    "The train left the station on time.",
    "It was the best of times, it was the worst of times.",
    "She looked at him, and he looked at the door.",
    "The old man sat by the fire, and the old man slept.",
)


class Language:
    """The `Task` of a decoder alone.

    Raises:
        ValueError: too little text.
    """

    figures: tuple[str, ...] = ("valid_bits_per_byte",)

    def __init__(self, job: Job) -> None:
        self.job = job
        files = [(read_paragraphs(source.path), source.weight) for source in job.data]
        self.tokenizer = tokenizer_of(
            job, lambda: [text for texts, weight in files for text in texts * max(1, round(weight))]
        )
        self.length = job.preset.model.max_target
        self.texts = [(encode(self.tokenizer, texts), weight) for texts, weight in files]
        valid = [text for source in job.valid for text in read_paragraphs(source.path)]
        self.valid = encode(self.tokenizer, valid)
        if len(self.valid.ids) <= self.length:
            raise ValueError(
                f"expected validation text of more than {self.length} tokens, received {len(self.valid.ids)}"
            )
        self.rows = max(1, job.preset.training.batch_tokens // self.length)
        self.received = f"text for {self.rows} windows of {self.length} tokens"

    def one_pass(self, rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], Any]]:
        """Windows that begin elsewhere in each pass, in random order."""
        inputs, labels = [], []
        for text, weight in self.texts:
            whole, part = divmod(weight, 1.0)
            for share in [1.0] * int(whole) + [part]:
                x, y = windows(text.ids, self.length, int(rng.integers(self.length)))
                chosen = rng.permutation(len(x))[: round(share * len(x))]
                inputs.append(x[chosen])
                labels.append(y[chosen])
        x, y = np.concatenate(inputs), np.concatenate(labels)
        order = rng.permutation(len(x))
        for begin in range(0, len(order) - self.rows + 1, self.rows):
            chosen = order[begin : begin + self.rows]
            yield {"ids": x[chosen]}, y[chosen]

    def loss(self) -> Callable[[Any, Any], Any]:
        """Cross-entropy of the next token."""
        return SmoothedCrossEntropy(self.job.preset.training.label_smoothing)

    def loss_weights(self) -> None:
        """One loss alone."""

    def validate(self, network: Any) -> dict[str, float]:
        """Windows side by side, for the curve; the model card is measured with more context (`bits`)."""
        x, y = windows(self.valid.ids, self.length)
        total, rows = 0.0, min(self.rows, len(x))
        for begin in range(0, len(x) - rows + 1, rows):
            chosen = slice(begin, begin + rows)
            logits = network.predict_on_batch({"ids": x[chosen]})
            total += float(SmoothedCrossEntropy(0.0)(y[chosen], logits))
        loss = total / (len(x) // rows)
        tokens_per_byte = len(self.valid.ids) / self.valid.bytes
        return {"valid_loss": loss, "valid_bits_per_byte": loss / math.log(2) * tokens_per_byte}

    def snapshots(self, step: int) -> Snapshots:
        """Of the texts in `PROBES`; `{i}/target` are the ids that the network reads."""
        rows = [[END, *ids[:-1]][: self.length] for ids in self.tokenizer.encode_all(PROBES)]

        def record(network: Any) -> dict[str, np.ndarray]:
            maps = {}
            for i, row in enumerate(rows):
                result = network.forward(np.array([row], np.int32)).decoder
                maps[f"{i}/decoder"] = np.asarray(keras.ops.convert_to_numpy(result), np.float32)[0]
            return maps

        fixed = {f"{i}/target": np.array(row, np.int32) for i, row in enumerate(rows)}
        steps = self.job.preset.training.steps
        return Snapshots(self.job.out / "snapshots.npz", steps, step, record, fixed)
