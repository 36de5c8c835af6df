"""Sentence pairs from files, and batches of nearly equal length filled by token count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transformer.config import END, PAD, START

# Sequences are padded to the next of these, so that a compiled step meets few shapes.
LENGTHS = (6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 80, 96, 128)


@dataclass(frozen=True)
class Source:
    """A file of pairs and how many times it is read in one pass over the data (0.3: three tenths of it)."""

    path: Path
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"expected a weight of at least 0, received {self.weight} for {self.path.name}")

    @classmethod
    def parse(cls, text: str) -> Source:
        """`FILE` or `FILE:WEIGHT`."""
        path, _, weight = text.rpartition(":")
        if not path:
            return cls(Path(text))
        try:
            number = float(weight)
        except ValueError:
            return cls(Path(text))
        return cls(Path(path), number)


@dataclass(frozen=True)
class Example:
    """One pair as ids, both ending with the end token."""

    source: list[int]
    target: list[int]


@dataclass(frozen=True)
class Batch:
    """source (B, S), target (B, T) shifted right, the start token first, and labels (B, T); int32, padded with 0."""

    source: np.ndarray
    target: np.ndarray
    labels: np.ndarray


def pad(rows: Sequence[Sequence[int]], length: int) -> np.ndarray:
    """Rows of ids as one int32 array (len(rows), length), padded with 0."""
    out = np.full((len(rows), length), PAD, np.int32)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def make_batch(examples: Sequence[Example], length: int | None = None) -> Batch:
    """Pad examples to `length` on both sides, or each side to its own longest."""
    labels = pad([e.target for e in examples], length or max(len(e.target) for e in examples))
    target = np.roll(labels, 1, axis=1)
    target[:, 0] = START
    # Rolling leaves the end token inside the input of rows that are not full; what follows it is never scored.
    target[target == END] = PAD
    source = pad([e.source for e in examples], length or max(len(e.source) for e in examples))
    return Batch(source, target, labels)


def one_pass(
    sources: Sequence[tuple[Sequence[Example], float]], batch_tokens: int, rng: np.random.Generator
) -> Iterator[Batch]:
    """Each source as often as its weight says, in random order, in full batches of one padded length each."""
    buckets: dict[int, list[Example]] = {length: [] for length in LENGTHS}
    chosen: list[Example] = []
    for examples, weight in sources:
        whole, part = divmod(weight, 1.0)
        chosen.extend(list(examples) * int(whole))
        chosen.extend(examples[i] for i in rng.permutation(len(examples))[: round(part * len(examples))])
    for i in rng.permutation(len(chosen)):
        longest = max(len(chosen[i].source), len(chosen[i].target))
        if longest <= LENGTHS[-1]:
            buckets[next(length for length in LENGTHS if longest <= length)].append(chosen[i])
    groups = []
    for length, members in buckets.items():
        size = max(1, batch_tokens // length)
        # What does not fill a batch waits for a later pass: every step then meets one of a few shapes.
        groups += [(length, members[i : i + size]) for i in range(0, len(members) - size + 1, size)]
    for i in rng.permutation(len(groups)):
        length, members = groups[i]
        yield make_batch(members, length)
