"""How likely a beginning of a text is under a CTC output: what a beam search needs to listen to both outputs.

Watanabe et al. 2017, "Hybrid CTC/Attention Architecture for End-to-End Speech Recognition", section III-C and its
algorithm 2. Its two recursions over the positions are linear and of first order, so both are written as cumulative
sums: with X(t) the product of all x up to t, r(t) = (r(t - 1) + phi(t)) x(t) is X(t) times the sum of phi(u) over
X(u - 1).

Letters for shapes: R hypotheses, S positions of the sound, V vocabulary. Everything is in natural logarithms.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

NEVER = -1e9  # the logarithm of nothing, without the trouble of infinity
LONGEST = 8192  # positions of a sound


class Prefix(NamedTuple):
    """What is known of each hypothesis.

    last (R,) its last token, the blank before the first; score (R,) of all texts that begin so; spoken and silent
    (R, S): the paths through the first positions that spell exactly it, by whether they end in its last token or in
    the blank.
    """

    last: Any
    score: Any
    spoken: Any
    silent: Any


class Extended(NamedTuple):
    """The same with every next token: score (R, V); before (R, V, S): the paths that can go on to it at a position."""

    score: Any
    before: Any


def begin(scores: Any, rows: int, blank: int) -> Prefix:
    """`rows` empty hypotheses over log-probabilities (S, V)."""
    silent = ops.cumsum(scores[:, blank])[None]
    return Prefix(
        ops.full((rows,), blank, "int32"),
        ops.zeros((rows,), "float32"),
        ops.full((rows, ops.shape(scores)[0]), NEVER, "float32"),
        ops.repeat(silent, rows, axis=0),
    )


def extend(scores: Any, prefix: Prefix, blank: int, end: int) -> Extended:
    """Every hypothesis with every token behind it; with `end` the text is over: what `prefix` spells exactly."""
    emitted = ops.transpose(scores)  # (V, S)
    either = ops.logaddexp(prefix.spoken, prefix.silent)  # (R, S)
    # A repeated token counts as a second one only behind a blank.
    again = ops.arange(scores.shape[1])[None, :, None] == prefix.last[:, None, None]
    before = ops.where(again, _later(prefix.silent)[:, None], _later(either)[:, None])  # (R, V, S)
    # Only the empty text can be followed by a token that the first position already speaks.
    empty = ops.equal(prefix.last, blank)[:, None, None]
    first = ops.arange(ops.shape(scores)[0])[None, None] == 0
    before = ops.where(ops.logical_and(empty, first), 0.0, before)
    score = ops.logsumexp(before + emitted[None], axis=-1)
    over = ops.arange(scores.shape[1])[None] == end
    score = ops.where(over, either[:, -1:], score)
    score = ops.where(ops.arange(scores.shape[1])[None] == blank, NEVER, score)
    return Extended(score, before)


def keep(scores: Any, extended: Extended, rows: Any, tokens: Any, blank: int) -> Prefix:
    """The hypotheses `rows` (R,) with their `tokens` (R,).

    Only for these few are the paths added up: a score needs no recursion.
    """
    tokens = ops.cast(tokens, "int32")
    count, width, length = ops.shape(extended.before)
    place = ops.cast(rows, "int32") * width + tokens
    before = ops.take(ops.reshape(extended.before, (count * width, length)), place, axis=0)
    spoken = _recur(before, ops.take(ops.transpose(scores), tokens, axis=0))
    silent = _recur(_later(spoken), scores[None, :, blank])
    score = ops.take(ops.reshape(extended.score, (-1,)), place)
    return Prefix(tokens, score, spoken, silent)


def _later(x: Any) -> Any:
    """(..., S) moved by one position; nothing stands before the first."""
    return ops.concatenate([ops.full_like(x[..., :1], NEVER), x[..., :-1]], axis=-1)


def _recur(inflow: Any, x: Any) -> Any:
    """r(t) = logaddexp(r(t - 1), inflow(t)) + x(t) over the last axis."""
    total = ops.cumsum(x, axis=-1)
    return total + _cumulative(inflow - (total - x))


def _cumulative(x: Any) -> Any:
    """Logarithms of cumulative sums over the last axis, by doubling: log2 S steps instead of S."""
    # Steps beyond the length, where a graph for every length does not know it, change nothing.
    reach, length = 1, x.shape[-1] or LONGEST
    while reach < length:
        moved = ops.concatenate([ops.full_like(x[..., :reach], NEVER), x[..., :-reach]], axis=-1)
        x = ops.logaddexp(x, moved)
        reach *= 2
    return x
