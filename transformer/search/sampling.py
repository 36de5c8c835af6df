"""What is the next token drawn from? A distribution after temperature, top-k and top-p (Holtzman et al. 2019,
arXiv:1904.09751, section 3). Numpy alone.

Letters for shapes: N rows, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NEVER = -np.inf  # the log of the probability of what cannot be


class Drawing(NamedTuple):
    """How the next token is drawn.

    Args:
        temperature: above 0; scores are divided by it, so that below 1 the likely gets likelier.
        top_k: only this many tokens, the likeliest; 1 takes the likeliest, None all.
        top_p: only the fewest tokens that hold this much of the probability, above 0 and at most 1
            (Holtzman et al. 2019, arXiv:1904.09751).
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0


def shaped(log_p: np.ndarray, how: Drawing) -> np.ndarray:
    """What is drawn from: natural log-probabilities (N, V) after temperature, top-k and top-p, -inf for what is out.

    Rows need not be normalised; -inf stays out. Which tokens hold `top_p` is asked of the whole tempered distribution.
    """
    log_p = normal(log_p / how.temperature)
    most = log_p.shape[-1] if how.top_k is None else min(how.top_k, log_p.shape[-1])
    if how.top_p >= 1 and most == log_p.shape[-1]:
        return log_p
    # Only those that can stay are sorted.
    kept = log_p if most == log_p.shape[-1] else np.partition(log_p, -most, axis=-1)[:, -most:]
    kept = -np.sort(-kept, axis=-1)
    # A token stays as long as those before it hold less than top_p; the first always does.
    shares = np.exp(kept)
    stays = np.cumsum(shares, axis=-1) - shares < how.top_p
    lowest = np.where(stays, kept, np.inf).min(-1, keepdims=True)
    return normal(np.where(log_p >= lowest, log_p, NEVER))


def normal(scores: np.ndarray) -> np.ndarray:
    """Log-probabilities of scores (N, V) of which at least one a row is finite."""
    shifted = scores - scores.max(-1, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


def only(log_p: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """(N, V), given that it is one of the allowed; where none is, nothing is changed."""
    return normal(np.where(allowed, log_p, NEVER)) if allowed.any() else log_p


def together(log_p: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The log of the probability that the chosen ones hold together: (N, V) -> (N,)."""
    with np.errstate(divide="ignore"):  # none: the log of 0
        total: np.ndarray = np.log(np.exp(log_p[:, chosen]).sum(-1))
    return total


def largest(scores: np.ndarray, count: int) -> np.ndarray:
    """The places of the `count` largest of scores (N,) above -inf."""
    places = np.argpartition(-scores, min(count, len(scores)) - 1)[:count]
    return places[scores[places] > NEVER]
