"""What scores mean: the one place that makes probabilities and log-odds of them, by the kind of a task.

One of several classes: a softmax. Any of several labels: a sigmoid each. Numbers stay as they are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops

LONGEST, BEST = 30, 5  # tokens of an answer, and how many answers are told apart


def chances(task: str, scores: Any) -> Any:
    """Scores (..., N) -> natural log-probabilities, float32; numbers as they are."""
    scores = ops.cast(scores, "float32")
    if task == "score":
        return scores
    return ops.log_sigmoid(scores) if task == "labels" else ops.log_softmax(scores, axis=-1)


def probabilities(task: str, scores: Any) -> Any:
    """Scores (..., N) -> probabilities, float32; numbers as they are."""
    scores = ops.cast(scores, "float32")
    if task == "score":
        return scores
    return ops.sigmoid(scores) if task == "labels" else ops.softmax(scores, axis=-1)


def odds(task: str, scores: Any, chosen: Any) -> Any:
    """Scores (..., N) -> the log-odds (...) of the class or label `chosen`, ln(p / (1 - p)), float32; a number as it
    is. Of one class alone there is nothing else to be held likely: its score stands for them.
    """
    scores = ops.cast(scores, "float32")
    count = ops.shape(scores)[-1]
    own = ops.take(scores, chosen, axis=-1)
    if task != "classes" or count == 1:
        return own
    others = ops.where(ops.arange(count) == chosen, -float("inf"), scores)
    return own - ops.logsumexp(others, axis=-1)


class Span(NamedTuple):
    """An answer from position `begin` to before `end`: the sum of its two scores, and its probability, 0 to 1."""

    begin: int
    end: int
    score: float
    probability: float


def spans(scores: np.ndarray, allowed: np.ndarray) -> list[Span]:
    """The best answers of at most `LONGEST` tokens, best first: a candidate's score is that of its beginning plus that
    of its end (Devlin et al. 2018, section 4.2), its probability the product of both softmaxes over allowed positions.

    Args:
        scores: (S, 2).
        allowed: (S,) booleans: where an answer may stand.
    """
    places = np.flatnonzero(allowed)
    begins, ends = scores[places].astype(np.float64).T
    apart = places[None] - places[:, None]
    together = np.where((apart >= 0) & (apart < LONGEST), begins[:, None] + ends[None], -np.inf)
    whole = np.logaddexp.reduce(begins) + np.logaddexp.reduce(ends) if len(places) else 0.0
    order = np.argsort(-together, axis=None, kind="stable")[:BEST]
    return [
        Span(int(places[i]), int(places[j]) + 1, float(together[i, j]), float(np.exp(together[i, j] - whole)))
        for i, j in zip(*np.unravel_index(order, together.shape), strict=True)
        if np.isfinite(together[i, j])
    ]
