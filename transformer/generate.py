"""From a source to an output: greedy and beam search over explicit key/value caches, on any Keras backend.

Decoding keeps no attention; one forced pass over the finished output records it (see `pipeline`).
Letters for shapes: B batch, N beams, S source, T longest output, V vocabulary.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from transformer.config import END, PAD, START, UNKNOWN


class Decoded(NamedTuple):
    """Output ids (B, T), the end token where it was reached and padding after it; score (B,), natural log."""

    ids: Any
    score: Any


def permitted(log_probabilities: Any, vocabulary: int) -> Any:
    """Padding, start and unknown are never an answer."""
    ids = ops.arange(vocabulary)
    barred = ops.logical_or(
        ops.logical_or(ops.equal(ids, PAD), ops.equal(ids, START)), ops.equal(ids, UNKNOWN)
    )
    return ops.where(barred, -1e9, log_probabilities)


def greedy(model: Any, source: Any, limit: int, prefix: Any = None) -> Decoded:
    """The likeliest token at each step.

    Args:
        model: has `start(source, length)` and `step(token, index, state)`.
        source: (B, S) ids, padded with 0.
        limit: T, at most this many tokens.
        prefix: (B, T) ids that the output must begin with, 0 from where the model is free.
    """
    batch = ops.shape(source)[0]
    vocabulary = model.config.vocabulary
    prefix = ops.zeros((batch, limit), "int32") if prefix is None else ops.cast(prefix, "int32")
    state = model.start(source, limit)
    columns = ops.arange(limit)

    def unfinished(index: Any, token: Any, ids: Any, score: Any, done: Any, state: Any) -> Any:
        return ops.logical_and(index < limit, ops.logical_not(ops.all(done)))

    def step(index: Any, token: Any, ids: Any, score: Any, done: Any, state: Any) -> tuple[Any, ...]:
        logits, state = model.step(token, index, state)
        logits = ops.cast(logits, "float32")
        here = columns == index
        forced = ops.sum(ops.where(here, prefix, 0), axis=1)
        best = ops.cast(ops.argmax(permitted(logits, vocabulary), axis=-1), "int32")
        token = ops.where(done, PAD, ops.where(forced > 0, forced, best))
        picked = ops.take_along_axis(logits, token[:, None], axis=-1)[:, 0]
        gain = picked - ops.logsumexp(logits, axis=-1)
        score = score + ops.where(done, 0.0, gain)
        ids = ids + ops.where(here, token[:, None], 0)
        return index + 1, token, ids, score, ops.logical_or(done, token == END), state

    start = (
        ops.convert_to_tensor(0, "int32"),
        ops.full((batch,), START, "int32"),
        ops.zeros((batch, limit), "int32"),
        ops.zeros((batch,), "float32"),
        ops.zeros((batch,), "bool"),
        state,
    )
    _, _, ids, score, _, _ = ops.while_loop(unfinished, step, start)
    return Decoded(ids, score)


def length_penalty(length: Any, alpha: float) -> Any:
    """((5 + length) / 6) ^ alpha, Wu et al. 2016 (arXiv:1609.08144), equation 14."""
    return ((5.0 + ops.cast(length, "float32")) / 6.0) ** alpha


def beam(model: Any, source: Any, limit: int, beams: int = 4, alpha: float = 0.6) -> Decoded:
    """Beam search: the best of `beams` hypotheses by log-probability over length penalty.

    A finished hypothesis keeps its place, with its score fixed, until better ones push it out.
    The score that is returned is the plain log-probability of the answer.
    """
    batch, vocabulary = ops.shape(source)[0], model.config.vocabulary
    columns, each = ops.arange(limit), min(beams, vocabulary)

    def tile(x: Any) -> Any:
        return ops.repeat(x, beams, axis=0)

    def reorder(x: Any, rows: Any) -> Any:
        return ops.take(x, rows, axis=0)

    state = _map(tile, model.start(source, limit))  # every array: (B * N, ...)

    def unfinished(index: Any, token: Any, ids: Any, score: Any, done: Any, length: Any, state: Any) -> Any:
        return ops.logical_and(index < limit, ops.logical_not(ops.all(done)))

    def step(
        index: Any, token: Any, ids: Any, score: Any, done: Any, length: Any, state: Any
    ) -> tuple[Any, ...]:
        logits, state = model.step(ops.reshape(token, (-1,)), index, state)
        gains = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        # The best `beams` continuations of a hypothesis are enough: no more of them can survive.
        gains, tokens = ops.top_k(permitted(gains, vocabulary), each)  # (B * N, each)
        gains = ops.reshape(gains, (batch, beams, each))
        tokens = ops.reshape(ops.cast(tokens, "int32"), (batch, beams, each))
        # A finished hypothesis continues once, with padding, at no cost.
        first = ops.arange(each)[None, None] == 0
        gains = ops.where(done[:, :, None], ops.where(first, 0.0, -1e9), gains)
        tokens = ops.where(done[:, :, None], PAD, tokens)
        total = score[:, :, None] + gains
        lengths = ops.where(done, length, length + 1)
        ranked = total / length_penalty(lengths, alpha)[:, :, None]
        _, best = ops.top_k(ops.reshape(ranked, (batch, beams * each)), beams)  # (B, N)
        best = ops.cast(best, "int32")
        parent = best // each
        token = ops.take_along_axis(ops.reshape(tokens, (batch, beams * each)), best, axis=1)
        score = ops.take_along_axis(ops.reshape(total, (batch, beams * each)), best, axis=1)
        length = ops.take_along_axis(lengths, parent, axis=1)
        done = ops.logical_or(ops.take_along_axis(done, parent, axis=1), token == END)
        ids = ops.take_along_axis(ids, parent[:, :, None], axis=1)
        ids = ids + ops.where(columns == index, token[:, :, None], 0)
        rows = ops.reshape(parent + ops.arange(batch)[:, None] * beams, (-1,))
        return index + 1, token, ids, score, done, length, _map(lambda x: reorder(x, rows), state)

    # Only the first hypothesis counts at the start: they are all alike.
    alone = ops.where(ops.arange(beams) == 0, 0.0, -1e9)
    start = (
        ops.convert_to_tensor(0, "int32"),
        ops.full((batch, beams), START, "int32"),
        ops.zeros((batch, beams, limit), "int32"),
        ops.zeros((batch, beams), "float32") + alone,
        ops.zeros((batch, beams), "bool"),
        ops.zeros((batch, beams), "int32"),
        state,
    )
    _, _, ids, score, _, length, _ = ops.while_loop(unfinished, step, start)
    best = ops.argmax(score / length_penalty(length, alpha), axis=-1)[:, None]
    return Decoded(
        ops.take_along_axis(ids, best[:, :, None], axis=1)[:, 0],
        ops.take_along_axis(score, best, axis=1)[:, 0],
    )


def _map(change: Any, state: Any) -> Any:
    """`change` applied to every array of nested tuples; named tuples keep their type."""
    if isinstance(state, tuple):
        parts = [_map(change, part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
    return change(state)
