"""What scores mean: the one place that makes probabilities and log-odds of them, by the kind of a task.

One of several classes: a softmax. Any of several labels: a sigmoid each. Numbers stay as they are.
"""

from __future__ import annotations

from typing import Any

from keras import ops


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
