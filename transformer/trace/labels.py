"""What stands at one position of an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Label:
    """One position of an axis.

    Args:
        text: the token as people write it: no `▁`, no `##`. U+0000, which nothing can show, becomes `␀`.
        special: a marker of the model (start, end, separator), not something a person wrote.
        joins: this subword continues the word of the label before it.
        start, end: seconds, for speech; both or neither.
        id: the token's number in the network's vocabulary; None where a label is no single token.
    """

    text: str
    special: bool = field(default=False, kw_only=True)
    joins: bool = field(default=False, kw_only=True)
    start: float | None = field(default=None, kw_only=True)
    end: float | None = field(default=None, kw_only=True)
    # Two positions that read the same are the same to whoever looks.
    id: int | None = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ValueError(f"expected a label's text as str, received {type(self.text).__name__}")
        check_id("a label's id", self.id)
        if "\0" in self.text:
            object.__setattr__(self, "text", self.text.replace("\0", "␀"))
        if (self.start is None) != (self.end is None):
            raise ValueError(
                f"expected both start and end or neither, received start={self.start}, end={self.end}"
            )
        if self.start is None or self.end is None:
            return
        if not (math.isfinite(self.start) and math.isfinite(self.end) and self.start <= self.end):
            raise ValueError(f"expected finite seconds with start <= end, received {self.start}..{self.end}")


def as_labels(labels: Iterable[Label | str]) -> tuple[Label, ...]:
    """Labels as a tuple; plain strings become labels without further properties."""
    return tuple(label if isinstance(label, Label) else Label(label) for label in labels)


def check_id(name: str, id: object) -> None:
    """ValueError for what is neither None nor a token's number."""
    if id is not None and (type(id) is not int or not 0 <= id < 2**63):
        raise ValueError(f"expected {name} as a whole number from 0 to 2^63 - 1, received {id!r}")
