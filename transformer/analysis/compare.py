"""Two answers beside each other: which of their tokens are the same, and how much likelier one network finds them.

`before` is a network as it is, `after` the same with something changed in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple

from transformer.trace import Label, Trace

# Chances of a token may differ in the last digits of float32 alone.
SAME = 1e-3


class Pair(NamedTuple):
    """A place in two outputs, counted from 0: None where an output has no counterpart; `same`: one token in both."""

    before: int | None
    after: int | None
    same: bool


def paired(before: Sequence[Label | str], after: Sequence[Label | str]) -> list[Pair]:
    """The tokens of two outputs beside each other, in order; labels are the same token by their ids.

    Longest common runs are found first (Ratcliff and Obershelp 1988, as Python's difflib has it); what stands between
    them is paired from the left.
    """
    matched = SequenceMatcher(None, [*map(_key, before)], [*map(_key, after)], autojunk=False)
    found: list[Pair] = []
    for tag, i, i_end, j, j_end in matched.get_opcodes():
        places = zip_longest(range(i, i_end), range(j, j_end))
        found += [Pair(*place, same=tag == "equal") for place in places]
    return found


def _key(token: Label | str) -> str | int:
    if isinstance(token, str):
        return token
    return token.text if token.id is None else token.id


def log_probability(trace: Trace) -> float:
    """The natural log-probability of the whole output, its end included: the sum over its steps.

    Raises:
        ValueError: a trace without steps.
    """
    if not trace.steps:
        raise ValueError("expected a trace with steps, received one without")
    return math.fsum(step.log_probability for step in trace.steps)


def times(gain: float) -> str:
    """A change of log-probability in words: "14 times less likely", "as likely as before"."""
    if abs(gain) < SAME:
        return "as likely as before"
    more = "more" if gain > 0 else "less"
    if abs(gain) > math.log(1e6):
        return f"more than a million times {more} likely"
    factor = math.exp(abs(gain))
    if factor < 2:
        return f"{100 * abs(math.expm1(gain)):.2g} % {more} likely"
    return f"{factor:.1f} times {more} likely" if factor < 9.95 else f"{factor:,.0f} times {more} likely"
