"""How far an answer moves from one run towards another, where something of the other is put in (activation patching).

Vig et al. 2020, arXiv:2004.12265; Meng et al. 2022, arXiv:2202.05262; how to read it: Heimersheim and Nanda 2024,
arXiv:2404.15255. What is asked is always the odds of one answer against another, in nats: the difference of their
natural log-probabilities, which is that of their scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from transformer.analysis.by_hand import Array
from transformer.interventions import ALL, Interventions, Kind, Patch, Site
from transformer.trace import Label

Rows = Sequence[Sequence[int]]
ALIKE = 1e-3  # nats; nearer than that to each other two runs answer alike


class Contest(NamedTuple):
    """What two runs are asked: the odds of one answer against another at one place.

    Args:
        place: of the stack that answers, from 0; 0 of one that answers a whole text.
        answer, against: ids of tokens, or classes; what the second text's run favours, and what the first one's does.
    """

    place: int
    answer: int
    against: int


def contest(place: int, first: Array, second: Array, count: int = 5) -> Contest:
    """What is best asked of two runs: the likeliest answer of each; where that is the same one, those of the likeliest
    `count` of either whose log-probabilities differ most, either way.

    Args:
        first, second: natural log-probabilities (V,) of all answers at the place.
    """
    answer, against = int(second.argmax()), int(first.argmax())
    if answer == against:
        among = np.union1d(*(np.argsort(-scores, kind="stable")[:count] for scores in (first, second)))
        moved = (second - first)[among]
        answer, against = int(among[moved.argmax()]), int(among[moved.argmin()])
    return Contest(place, answer, against)


class Compared(NamedTuple):
    """Where two answers are compared: rows of ids of either run up to there, see `Model._rows`; the place in the stack
    that answers; and what the places of each map's rows are called."""

    rows: tuple[Rows, Rows]
    place: int
    labels: Mapping[Kind, Sequence[Label]]


def both(labels: Sequence[Label], others: Sequence[Label]) -> tuple[Label, ...]:
    """What the places of two texts of equally many tokens are called: where they differ, by both."""
    return tuple(
        own if own.text == other.text else replace(own, text=f"{own.text.strip()} / {other.text.strip()}")
        for own, other in zip(labels, others, strict=False)
    )


class TwoRuns(NamedTuple):
    """Two runs, the text's own and that of another text.

    Args:
        compared: see `Compared`.
        alter: how much of the positions both have.
        given: what every stack had in either run, by map.
        scores: natural log-probabilities (V,) of all answers at the place, in either run.
        asked: what is asked of them, unless something else is.
        names: of the answers that are likely in either, by id.
    """

    compared: Compared
    alter: Any
    given: tuple[Any, Any]
    scores: tuple[Array, Array]
    asked: Contest
    names: dict[int, Label]


class Patched(NamedTuple):
    """What became of an answer at every place of one kind.

    Args:
        site, kind: what was put in, and into which stack, or of which map's heads.
        noising: the second text ran with parts of the first; else the first with parts of the second.
        rows: labels of the places (T,); () where a cell is one head, at all places together.
        chances: natural log-probabilities of the answer and of what it stands against, (L, T, 2) or (L, H, 2).
        runs: the same (2, 2) of the run that is patched as it is, and of the one that the parts come from.
    """

    site: Site
    kind: Kind
    noising: bool
    rows: tuple[Label, ...]
    chances: Array
    runs: Array

    @property
    def odds(self) -> Array:
        """(L, T) or (L, H): of the answer against the other, in nats."""
        found: Array = self.chances[..., 0] - self.chances[..., 1]
        return found

    @property
    def ends(self) -> tuple[float, float]:
        """The odds of the run that is patched as it is, and of the other one."""
        own, other = self.runs[:, 0] - self.runs[:, 1]
        return float(own), float(other)

    @property
    def moved(self) -> Array:
        """How far the odds went from the one to the other, (L, T) or (L, H): 0 is not at all, 1 all the way; below 0
        and above 1 it went elsewhere."""
        own, other = self.ends
        found: Array = (self.odds - own) / (other - own)
        return found

    def change(self, layer: int, column: int, other: str) -> Interventions:
        """What a cell is, as a change of the run that is patched; `other`: the text that its part comes from."""
        if self.site == "head":
            patch = Patch("head", self.kind, layer, ALL, column)
        else:
            patch = Patch(self.site, self.kind, layer, column)
        return Interventions(patches=(patch,), other=other)
