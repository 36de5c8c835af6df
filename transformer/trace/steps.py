"""What was written, token by token, and for speech word by word."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from transformer.trace.labels import check_id


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that the model could have written instead.

    Args:
        text: the token as people write it.
        probability: 0 to 1.
        id: the token's number in the network's vocabulary; None where it is not known, as in an old file.
    """

    text: str
    probability: float
    id: int | None = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ValueError(f"expected an alternative's text as str, received {type(self.text).__name__}")
        check_id("an alternative's id", self.id)
        if not -1e-6 <= self.probability <= 1 + 1e-6:
            raise ValueError(f"expected a probability from 0 to 1, received {self.probability}")


class Word(NamedTuple):
    """A word and when it was spoken: seconds, and a confidence from 0 to 1; joins: no blank stands before it."""

    text: str
    start: float
    end: float
    confidence: float
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A class, a label, a number or a stretch that a network which reads gives to a text.

    Args:
        name: what it is called.
        score: as the network says it, before anything is made of it.
        probability: 0 to 1; None: its score is no chance of anything.
        begin, end: the positions of the source that it is about, from `begin` to before `end`; None: the whole text.
    """

    name: str
    score: float
    probability: float | None = None
    begin: int | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ValueError(f"expected an answer's name as str, received {type(self.name).__name__}")
        if not math.isfinite(self.score):
            raise ValueError(f"expected a finite score, received {self.score}")
        if self.probability is not None and not -1e-6 <= self.probability <= 1 + 1e-6:
            raise ValueError(f"expected a probability from 0 to 1, received {self.probability}")
        check_id("where an answer begins", self.begin)
        check_id("where an answer ends", self.end)
        begin, end = self.begin, self.end
        if (begin is None) != (end is None) or (begin is not None and end is not None and begin >= end):
            raise ValueError(
                f"expected an answer that ends after it begins, received {self.begin} to {self.end}"
            )


@dataclass(frozen=True, slots=True)
class Step:
    """One written token.

    Args:
        token: the token as people write it.
        log_probability: natural logarithm of the probability that the model gave to this token.
        entropy: of the model's whole distribution at this step, in bits.
        alternatives: the most probable tokens here, best first; the written one may be among them.
    """

    token: str
    log_probability: float
    entropy: float
    alternatives: tuple[Alternative, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.token, str):
            raise ValueError(f"expected a step's token as str, received {type(self.token).__name__}")
        if not (math.isfinite(self.log_probability) and self.log_probability <= 1e-3):
            raise ValueError(
                f"expected a finite log-probability of at most 0, received {self.log_probability}"
            )
        if not (math.isfinite(self.entropy) and self.entropy >= -1e-3):
            raise ValueError(f"expected a finite entropy of at least 0 bits, received {self.entropy}")
        object.__setattr__(self, "alternatives", tuple(self.alternatives))

    @property
    def probability(self) -> float:
        """The probability of the written token, 0 to 1."""
        return min(1.0, math.exp(self.log_probability))
