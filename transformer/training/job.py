"""What a training run is given, and what a kind of network must be able to say to be trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from transformer.training.data import Source
from transformer.training.presets import Preset
from transformer.training.snapshots import Snapshots


@dataclass(frozen=True)
class Job:
    """Everything a training run is given."""

    preset: Preset
    data: Sequence[Source]
    valid: Sequence[Source]
    out: Path
    resume: bool = False
    initial: Path | None = None  # a model folder whose weights and tokenizer to start from
    tokenizer: Path | None = None  # a model folder whose tokenizer alone to take
    tensorboard: Path | None = None
    cache: Path | None = None  # where decoded sound is kept; None: inside `out`
    precision: str = "mixed_bfloat16"
    minutes: float = 3.0  # between checkpoints
    validate_every: int = 1000
    bleu_sentences: int = 200
    average: int = 8  # how many of the last checkpoints the exported weights average
    seed: int = 0


class Task(Protocol):
    """What a network learns: the part of training that differs from one kind of network to another."""

    figures: tuple[str, ...]  # columns of `history.csv` that `validate` fills besides `valid_loss`
    received: str  # what it was given, for messages

    def one_pass(self, rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], Any]]:
        """(inputs, labels) of one pass over the data, in random order."""

    def loss(self) -> Any:
        """(labels, outputs) -> a scalar; of a network with several outputs, one for each by name."""

    def loss_weights(self) -> dict[str, float] | None:
        """The share of each, where there are several."""

    def validate(self, network: Any) -> dict[str, float]:
        """`valid_loss` and `figures` on the validation data."""

    def snapshots(self, step: int) -> Snapshots:
        """Where the attention of fixed probes is kept."""
