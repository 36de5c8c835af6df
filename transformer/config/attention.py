"""What one layer of multi-head attention is made of (Vaswani et al. 2017, section 3.2, and what came after)."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, Self

from transformer.config.records import Record, at_least, need, shares

Pairs = Literal["halves", "neighbours"]
Scaling = Literal["none", "linear", "dynamic", "yarn", "llama3"]
QueryKeyNorm = Literal["none", "head", "whole"]


@dataclass(frozen=True, kw_only=True)
class Rotary(Record):
    """Queries and keys turned by angles that grow with their position (Su et al. 2021, arXiv:2104.09864)."""

    theta: float = 10_000.0
    share: float = 1.0  # of a head's width that is turned
    pairs: Pairs = "halves"  # which two numbers are turned together
    scaling: Scaling = "none"  # how angles are stretched beyond the `original` length
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    original: int = 0
    truncate: bool = True  # yarn: between whole pairs of numbers
    attention_factor: float = 1.0  # of turned queries and of turned keys

    def __post_init__(self) -> None:
        for name in ("theta", "factor", "low", "high", "attention_factor"):
            need(0 < getattr(self, name) < inf, f"{name} above 0", getattr(self, name))
        need(0 < self.share <= 1, "a share above 0 and at most 1", self.share)
        at_least(self, 0, "original")
        grows = self.scaling in ("dynamic", "yarn", "llama3")
        need(not grows or self.original > 0, f"an original length for {self.scaling}", self.original)
        fine = self.scaling != "llama3" or self.low < self.high
        need(fine, "low below high for llama3", f"{self.low} and {self.high}")
        need(self.scaling != "yarn" or self.theta > 1, "a theta above 1 for yarn", self.theta)


@dataclass(frozen=True, kw_only=True)
class Relative(Record):
    """One table a stack, added to scores by how far apart two positions are (Raffel et al. 2020, T5, section 2.1)."""

    buckets: int = 32
    farthest: int = 128

    def __post_init__(self) -> None:
        at_least(self, 4, "buckets")  # to either side one for each distance, and one beyond
        fine = self.farthest > self.buckets // 2
        need(fine, f"farthest beyond {self.buckets // 2} of {self.buckets} buckets", self.farthest)


@dataclass(frozen=True, kw_only=True)
class Attention(Record):
    """One layer of attention: heads, what is projected with a bias, and how scores are made."""

    heads: int
    head_width: int
    key_heads: int = 0  # heads of keys and values that several query heads share; 0: as many as heads
    query_bias: bool = True
    key_bias: bool = True
    value_bias: bool = True
    output_bias: bool = True
    scale: float = 0.0  # of scores; 0: head_width^-0.5 (section 3.2.1)
    softcap: float = 0.0  # scores s become softcap * tanh(s / softcap); 0: they do not
    qk_norm: QueryKeyNorm = "none"  # queries and keys normalised, each head's or the whole vector
    window: int = 0  # how far a query sees, itself counted, an encoder's to both sides; 0: everything
    sink: bool = False  # a learned score that takes its share of each row
    rotary: Rotary | None = None
    alibi: bool = False  # scores fall with distance (Press et al. 2022, arXiv:2108.12409)
    dropout: float = 0.0  # of weights

    def __post_init__(self) -> None:
        at_least(self, 1, "heads", "head_width")
        at_least(self, 0, "key_heads", "window")
        fine = not self.key_heads or self.heads % self.key_heads == 0
        need(fine, "heads divisible by the key_heads", f"{self.heads} and {self.key_heads} key_heads")
        for name in ("scale", "softcap"):
            need(0 <= getattr(self, name) < inf, f"{name} of at least 0", getattr(self, name))
        shares(self, "dropout")
        if self.rotary:
            size = int(self.head_width * self.rotary.share)
            fine = size > 0 and size + size % 2 <= self.head_width
            need(fine, "a head_width of which whole pairs are turned", f"{size} of {self.head_width}")

    @classmethod
    def split(cls, width: int, heads: int, **more: object) -> Self:
        """Heads that share the width among them, as in section 3.2.2.

        Raises:
            ValueError: the width is not divisible by the heads.
        """
        fine = heads > 0 and width > 0 and width % heads == 0
        need(fine, "a width divisible by the heads", f"{width} and {heads} heads")
        return cls(heads=heads, head_width=width // heads, **more)  # type: ignore[arg-type]

    @property
    def joined(self) -> int:
        """How wide the heads are side by side."""
        return self.heads * self.head_width

    @property
    def groups(self) -> int:
        """How many query heads share the keys and values of one."""
        return self.heads // (self.key_heads or self.heads)

    @property
    def keys_joined(self) -> int:
        """How wide the heads of keys, or of values, are side by side."""
        return self.joined // self.groups

    @property
    def factor(self) -> float:
        """What a product of query and key is multiplied by."""
        return self.scale or self.head_width**-0.5
