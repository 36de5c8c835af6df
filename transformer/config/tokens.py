"""What tokens are: their table of vectors, and the ids that mean something to the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transformer.config.records import Record, at_least, need

# The first four ids of every vocabulary made here.
PAD, START, END, UNKNOWN = 0, 1, 2, 3
NO_ID = -1  # stands for "there is none": a vocabulary of others may lack a padding or mask token

Tokens = Literal["subwords", "characters"]


@dataclass(frozen=True, kw_only=True)
class Embedding(Record):
    """ids -> vectors, on one side of a network."""

    vocabulary: int
    width: int = 0  # of the table's rows, where a matrix makes them as wide as the network; 0: they are
    widened: Literal["rows", "sum"] = (
        "rows"  # what that matrix takes: the rows, or all that is added to them (ALBERT)
    )
    scale: float = 1.0  # of the rows; sqrt(width) in Vaswani et al. section 3.4
    types: int = 0  # segments that a token can belong to, as in BERT (Devlin et al. 2018, section 3)
    norm: bool = False  # a normalisation of the sum, as in BERT

    def __post_init__(self) -> None:
        at_least(self, 1, "vocabulary")
        at_least(self, 0, "width", "types")
        need(0 < self.scale < 1e6, "a scale above 0 and below a million", self.scale)


@dataclass(frozen=True, kw_only=True)
class Special(Record):
    """The ids with a meaning; `NO_ID` where there is no such token."""

    pad: int = PAD
    start: int = START
    end: int = END
    unknown: int = UNKNOWN
    mask: int = NO_ID
    suppressed: tuple[int, ...] = (PAD, START, UNKNOWN)  # never written
    suppressed_first: tuple[int, ...] = ()  # never written first
    prefix: tuple[int, ...] = ()  # what every output begins with after the start token

    def within(self, vocabulary: int) -> None:
        """Refuse ids that a vocabulary of this size does not have."""
        for name in ("pad", "start", "end", "unknown", "mask"):
            said = f"special.{name} from 0 to {vocabulary - 1}, or {NO_ID} for none"
            need(NO_ID <= getattr(self, name) < vocabulary, said, getattr(self, name))
        for name in ("suppressed", "suppressed_first", "prefix"):
            for i in getattr(self, name):
                need(0 <= i < vocabulary, f"ids from 0 to {vocabulary - 1} in special.{name}", i)
