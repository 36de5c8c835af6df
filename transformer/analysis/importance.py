"""Heads by how much an answer depends on them: in order, and how well an estimate agrees with what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from transformer.trace import Kind

Effects = Mapping[Kind, np.ndarray]  # (layers, heads) of each map, in nats


class Against(NamedTuple):
    """One answer against another: the log-probability of `token` minus that of `against`, which for one of several is
    the difference of their scores. Both are ids at a `place` of what a trace says, or classes or labels of a text, of
    which the place is no matter."""

    place: int
    token: int
    against: int


class HeadEffect(NamedTuple):
    """A head, counted from 0, and by how much the log-probability of an answer falls without it, in nats: by the slope
    at its gate, and measured, where that was done."""

    kind: Kind
    layer: int
    head: int
    estimate: float
    measured: float | None

    @property
    def effect(self) -> float:
        """The best that is known."""
        return self.estimate if self.measured is None else self.measured


def ranked(estimate: Effects, measured: Effects | None = None) -> list[HeadEffect]:
    """All heads, the one that an answer depends on most first."""
    found = [
        HeadEffect(kind, i, j, float(values[i, j]), None if measured is None else float(measured[kind][i, j]))
        for kind, values in estimate.items()
        for i, j in np.ndindex(*values.shape)
    ]
    return sorted(found, key=lambda head: -head.effect)


def agreement(heads: list[HeadEffect]) -> float | None:
    """Pearson's correlation of estimates and measurements; None where there are too few, or they do not vary."""
    pairs = np.array([(head.estimate, head.measured) for head in heads if head.measured is not None])
    if len(pairs) < 3 or not (np.ptp(pairs, axis=0) > 0).all():
        return None
    return float(np.corrcoef(pairs.T)[0, 1])
