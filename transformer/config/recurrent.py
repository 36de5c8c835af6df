"""What a recurrent network is made of instead of stacks of blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transformer.config.records import Record, at_least, need

RecurrentKind = Literal["gru", "lstm"]
Score = Literal["additive", "dot", "general", "scaled"]


@dataclass(frozen=True, kw_only=True)
class Recurrent(Record):
    """gru: an encoder-decoder of one layer a side, joined by one head of attention; lstm: one layer of characters."""

    kind: RecurrentKind
    score: Score = "additive"  # how a decoder looks at the source: `layers/scores.py`
    embedding_width: int = 0  # of the characters of an lstm

    def __post_init__(self) -> None:
        at_least(self, 0, "embedding_width")
        fine = (self.kind == "lstm") == (self.embedding_width > 0)
        need(fine, "an embedding_width with lstm alone", f"{self.embedding_width} and {self.kind}")
