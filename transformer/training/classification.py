"""Learning to tell classes of texts apart: labelled lines, batches of nearly equal length, accuracy.

Word dropout, leaving tokens out at random while training, is that of Iyyer et al. 2015, "Deep Unordered Composition
Rivals Syntactic Methods for Text Classification", section 2.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from transformer.corpus.files import numbered, read_pairs
from transformer.training.data import pad
from transformer.training.job import Job
from transformer.training.snapshots import Snapshots
from transformer.training.vocabulary import tokenizer_of

# Texts are padded to the next of these, or to what the network reads at most: a compiled step meets few shapes.
LENGTHS = (16, 32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512)
TOGETHER = 8192  # tokens that are validated at once, padding included

PROBES = (
    "A quiet, funny film that I will gladly see again.",
    "Two hours of my life that nobody gives back.",
    "The film is not good, it is bad.",
    "The film is not bad, it is good.",
)


def left_out(row: Sequence[int], share: float, rng: np.random.Generator) -> list[int]:
    """`row` with each token but the last left out with probability `share`."""
    kept = rng.random(len(row)) >= share
    kept[-1:] = True  # the end token: never is there nothing to read
    return [token for token, stays in zip(row, kept, strict=True) if stays]


class Classification:
    """The `Task` of an encoder that names a class: `label<TAB>text` lines, .gz or not.

    Raises:
        ValueError: too little data, or a label that is no class.
    """

    figures: tuple[str, ...] = ("valid_accuracy",)

    def __init__(self, job: Job) -> None:
        self.job, self.config = job, job.preset.model
        if self.config.output != "classes":
            raise ValueError(f"expected an encoder that names classes, received one for {self.config.output}")
        files = [(read_pairs(source.path), source.weight) for source in job.data]
        self.tokenizer = tokenizer_of(job, lambda: [text for rows, _ in files for _, text in rows])
        self.texts = [(*self._encoded(rows), weight) for rows, weight in files]
        valid = [row for source in job.valid for row in read_pairs(source.path)]
        self.valid, self.valid_classes = self._encoded(valid)
        if not self.valid:
            raise ValueError("expected texts to validate on, received none")
        self.received = f"texts for batches of {job.preset.training.batch_tokens} tokens"

    def _encoded(self, rows: Sequence[tuple[str, str]]) -> tuple[list[list[int]], np.ndarray]:
        classes = numbered([label for label, _ in rows], self.config.class_names, self.config.classes)
        return self.tokenizer.encode_all([text for _, text in rows]), classes

    def _cut(self, row: Sequence[int]) -> list[int]:
        """The beginning that the network can read, and the end token: as `TextReader.classify` cuts."""
        most = self.config.max_source
        return list(row) if len(row) <= most else [*row[: most - 1], row[-1]]

    def _padded(self, length: int) -> int:
        return next((n for n in LENGTHS if length <= n <= self.config.max_source), self.config.max_source)

    def one_pass(self, rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], Any]]:
        """Texts with some tokens left out, other ones in each pass, and their classes as one-hot rows."""
        training = self.job.preset.training
        chosen: list[tuple[list[int], int]] = []
        for rows, classes, weight in self.texts:
            whole, part = divmod(weight, 1.0)
            places = [i for _ in range(int(whole)) for i in range(len(rows))]
            places += rng.permutation(len(rows))[: round(part * len(rows))].tolist()
            chosen += [(self._cut(left_out(rows[i], training.word_dropout, rng)), classes[i]) for i in places]
        buckets: dict[int, list[tuple[list[int], int]]] = {}
        for i in rng.permutation(len(chosen)):
            buckets.setdefault(self._padded(len(chosen[i][0])), []).append(chosen[i])
        groups = []
        for length, members in buckets.items():
            size = max(1, training.batch_tokens // length)
            # What does not fill a batch waits for a later pass: every step then meets one of a few shapes.
            groups += [(length, members[i : i + size]) for i in range(0, len(members) - size + 1, size)]
        for i in rng.permutation(len(groups)):
            length, members = groups[i]
            labels = np.eye(self.config.classes, dtype=np.float32)[[label for _, label in members]]
            yield {"ids": pad([row for row, _ in members], length)}, labels

    def loss(self) -> keras.losses.Loss:
        """Cross-entropy of the class."""
        smoothing = self.job.preset.training.label_smoothing
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)

    def loss_weights(self) -> None:
        """One loss alone."""

    def validate(self, network: Any) -> dict[str, float]:
        """The mean of -ln of the right class's probability, and how many texts in a hundred are classified right."""
        order = np.argsort([len(row) for row in self.valid], kind="stable")
        total, right = 0.0, 0
        while len(order):
            length = self._padded(len(self._cut(self.valid[order[0]])))
            size = max(1, TOGETHER // length)
            members = [i for i in order[:size] if self._padded(len(self._cut(self.valid[i]))) == length]
            order = order[len(members) :]
            ids = pad([self._cut(self.valid[i]) for i in members], length)
            scores = np.asarray(network.predict_on_batch({"ids": ids}), np.float64)
            scores -= np.logaddexp.reduce(scores, axis=-1, keepdims=True)
            classes = self.valid_classes[members]
            total -= float(scores[np.arange(len(members)), classes].sum())
            right += int((scores.argmax(-1) == classes).sum())
        count = len(self.valid)
        return {"valid_loss": total / count, "valid_accuracy": 100 * right / count}

    def snapshots(self, step: int) -> Snapshots:
        """Of the texts in `PROBES`; `{i}/source` are the ids that the network reads."""
        rows = [self._cut(ids) for ids in self.tokenizer.encode_all(PROBES)]

        def record(network: Any) -> dict[str, np.ndarray]:
            maps = {}
            for i, row in enumerate(rows):
                result = network.forward(np.array([row], np.int32)).encoder
                maps[f"{i}/encoder"] = np.asarray(keras.ops.convert_to_numpy(result), np.float32)[0]
            return maps

        fixed = {f"{i}/source": np.array(row, np.int32) for i, row in enumerate(rows)}
        return Snapshots(self.job.out / "snapshots.npz", self.job.preset.training.steps, step, record, fixed)
