"""Learning to go on with a text: windows of running text, cross-entropy of the next token, bits per byte."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from transformer.config import END
from transformer.text.tokenizer import clean
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


class Text(NamedTuple):
    """Running text as ids (N,), each paragraph followed by the end token, and how long it is as people count."""

    ids: np.ndarray
    bytes: int  # UTF-8, with one more for the end of each paragraph
    words: int  # between white space


def read_paragraphs(path: Path) -> list[str]:
    """The paragraphs of a .txt or .txt.gz file, one a line; empty lines are left out.

    Raises:
        ValueError: a file that cannot be read as text.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            return [text for line in lines if (text := clean(line))]
    except (UnicodeDecodeError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(f"expected UTF-8 text in {path.name}, received {error}") from error


def encode(tokenizer: Any, paragraphs: Sequence[str], end: int = END) -> Text:
    """Paragraphs as one row of ids, with `end` after each where the tokenizer leaves it out."""
    rows = tokenizer.encode_all(paragraphs)
    rows = [row if row[-1:] == [end] else [*row, end] for row in rows]
    return Text(
        np.array([i for row in rows for i in row], np.int32),
        sum(len(text.encode()) + 1 for text in paragraphs),
        sum(len(text.split()) for text in paragraphs),
    )


def windows(ids: np.ndarray, length: int, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels (N, length): labels are the inputs moved by one; what does not fill a window is left out."""
    count = (len(ids) - start - 1) // length
    cut = ids[start : start + count * length + 1]
    return cut[:-1].reshape(count, length), cut[1:].reshape(count, length)


def bits(
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    text: Text,
    length: int,
    *,
    start: int = END,
    rows: int = 1,
) -> dict[str, float]:
    """How well a network foretells a text, each token seen after at least half a window of what stands before it.

    Args:
        score: inputs and labels (B, length) -> natural log-probabilities of the labels (B, length).
        text: what is measured; its first token is foretold from `start` alone.
        length: the longest window that the network reads.
        start: what the network reads before a text.
        rows: B, at most.

    Returns:
        `perplexity` (a word between white space, as people count them), `bits_per_byte`, `perplexity_per_token`, and
        `count`, how many tokens.
    """
    count, half = len(text.ids), length // 2
    # The first window is scored whole, each later one in what the one before it did not reach.
    firsts = np.arange(0, max(count - half, 1), length - half)
    stream = np.full(int(firsts[-1]) + length + 1, start, np.int32)
    stream[1 : count + 1] = text.ids
    total, places = 0.0, np.arange(length)
    for begin in range(0, len(firsts), rows):
        chosen = firsts[begin : begin + rows, None]
        row = stream[chosen + np.arange(length + 1)]
        new = ((places >= half) | (chosen == 0)) & (places < count - chosen)
        total -= float(score(row[:, :-1], row[:, 1:])[new].sum(dtype=np.float64))
    return {
        "perplexity": _perplexity(total / max(text.words, 1)),
        "bits_per_byte": total / math.log(2) / max(text.bytes, 1),
        "perplexity_per_token": _perplexity(total / max(count, 1)),
        "count": count,
    }


def _perplexity(nats: float) -> float:
    return math.exp(min(nats, 700.0))  # beyond it is no number


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
