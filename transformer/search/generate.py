"""From a source to an output: greedy and beam search over explicit key/value caches, on any Keras backend.

Decoding keeps no attention; one forced pass over the finished output records it (see `pipeline`).
Letters for shapes: B batch, N beams, S source, T longest output, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from transformer.config import ModelConfig
from transformer.search.ctc import begin, extend, keep
from transformer.search.ngram import NGram

EMPTY = -1  # stands where no token is


class Decoded(NamedTuple):
    """Output ids (B, T), the end token where it was reached and -1 after it; score (B,), natural log."""

    ids: Any
    score: Any


def permitted(log_probabilities: Any, config: ModelConfig, *, first: Any = False) -> Any:
    """What is never an answer (`config.suppressed`, padding for one) gets a score that nothing loses against.

    Args:
        log_probabilities: (..., vocabulary).
        first: a scalar, whether this is the first token that is free: `config.suppressed_first` is barred there too.
    """
    barred = np.zeros(config.vocabulary, bool)
    barred[list(config.suppressed)] = True
    mask = ops.convert_to_tensor(barred)
    if config.suppressed_first:
        early = np.zeros(config.vocabulary, bool)
        early[list(config.suppressed_first)] = True
        mask = ops.logical_or(mask, ops.logical_and(ops.convert_to_tensor(early), first))
    return ops.where(mask, -1e9, log_probabilities)


def greedy(
    model: Any,
    source: Any,
    limit: Any,
    prefix: Any = None,
    *,
    state: Any = None,
    noise: Callable[[Any, Any], Any] | None = None,
) -> Decoded:
    """The likeliest token at each step, or one that is drawn.

    Args:
        model: has `config`, `start(source, length)` and `step(token, index, state)`.
        source: (B, S) ids or (B, frames, bins), whatever `start` takes.
        limit: T, at most this many tokens; a number or a scalar tensor.
        prefix: (B, T) ids that the output must begin with, -1 from where the model is free.
        state: what decoding begins with; None: what `start` makes of `source`.
        noise: (step, scores (B, vocabulary)) -> what is added to them before the largest is taken. With a temperature
            times Gumbel noise a token is drawn at that temperature (Maddison et al. 2014, "A* Sampling", section 2).
    """
    batch, config = ops.shape(source)[0], model.config
    prefix = ops.full((batch, limit), EMPTY, "int32") if prefix is None else ops.cast(prefix, "int32")
    state = model.start(source, limit) if state is None else state
    columns, forced_count = ops.arange(limit), ops.sum(ops.cast(prefix[0] >= 0, "int32"))

    def unfinished(index: Any, token: Any, ids: Any, score: Any, done: Any, state: Any) -> Any:
        return ops.logical_and(index < limit, ops.logical_not(ops.all(done)))

    def step(index: Any, token: Any, ids: Any, score: Any, done: Any, state: Any) -> tuple[Any, ...]:
        logits, state = model.step(token, index, state)
        logits = ops.cast(logits, "float32")
        here = columns == index
        forced = ops.sum(ops.where(here, prefix, 0), axis=1)
        allowed = permitted(logits, config, first=ops.equal(index, forced_count))
        allowed = allowed if noise is None else allowed + noise(index, allowed)
        token = ops.where(forced >= 0, forced, ops.cast(ops.argmax(allowed, axis=-1), "int32"))
        picked = ops.take_along_axis(logits, token[:, None], axis=-1)[:, 0]
        gain = picked - ops.logsumexp(logits, axis=-1)
        score = score + ops.where(done, 0.0, gain)
        ids = ops.where(ops.logical_and(here, ops.logical_not(done)[:, None]), token[:, None], ids)
        return index + 1, token, ids, score, ops.logical_or(done, token == config.end_id), state

    start = (
        ops.convert_to_tensor(0, "int32"),
        ops.full((batch,), config.start_id, "int32"),
        ops.full((batch, limit), EMPTY, "int32"),
        ops.zeros((batch,), "float32"),
        ops.zeros((batch,), "bool"),
        state,
    )
    _, _, ids, score, _, _ = ops.while_loop(unfinished, step, start)
    return Decoded(ids, score)


def length_penalty(length: Any, alpha: float) -> Any:
    """((5 + length) / 6) ^ alpha, Wu et al. 2016 (arXiv:1609.08144), equation 14."""
    return ((5.0 + ops.cast(length, "float32")) / 6.0) ** alpha


def beam(
    model: Any,
    source: Any,
    limit: Any,
    beams: int = 4,
    alpha: float = 0.6,
    *,
    prefix: Any = None,
    state: Any = None,
    ctc: Any = None,
    ctc_weight: float = 0.3,
    ngram: NGram | None = None,
    ngram_weight: float = 0.3,
    token_bonus: float = 0.0,
) -> Decoded:
    """Beam search: the best of `beams` hypotheses by log-probability over length penalty.

    A finished hypothesis keeps its place, with its score fixed, until better ones push it out.
    The score that is returned is the plain log-probability of the answer, or its mixture with `ctc` and `ngram`.

    Args:
        model: as with `greedy`.
        source: as with `greedy`; with `ctc` a batch of one.
        limit: T, at most this many tokens; with a `prefix` a number or a scalar tensor.
        beams: N.
        alpha: see `length_penalty`.
        prefix: (T,) ids that every output must begin with, -1 from where the model is free; None: `config.prefix`.
        state: as with `greedy`.
        ctc: (S, vocabulary) log-probabilities of a CTC output over the same vocabulary, padding its blank; None: the
            decoder alone.
        ctc_weight: the share of `ctc` in the score (Watanabe et al. 2017, equation 45).
        ngram: an n-gram model over the same vocabulary; None: none.
        ngram_weight: how many times its log-probability is added to the score (shallow fusion: Gulcehre et al. 2015,
            "On Using Monolingual Corpora in Neural Machine Translation", section 4.1).
        token_bonus: what is given back for each token but the last, about what an ordinary one costs in nats; without,
            short answers would win.
    """
    batch, config = ops.shape(source)[0], model.config
    columns, each = ops.arange(limit), min(beams, config.vocabulary)
    if prefix is None:
        prefix = np.full(limit, EMPTY, np.int32)
        prefix[: len(config.prefix)] = config.prefix
    prefix = ops.convert_to_tensor(prefix, "int32")
    forced_count = ops.sum(ops.cast(prefix >= 0, "int32"))

    def tile(x: Any) -> Any:
        return ops.repeat(x, beams, axis=0)

    def reorder(x: Any, rows: Any) -> Any:
        return ops.take(x, rows, axis=0)

    state = _map(tile, model.start(source, limit) if state is None else state)  # every array: (B * N, ...)
    heard = () if ctc is None else begin(ctc, beams, config.pad_id)
    said = () if ngram is None else ops.zeros((batch * beams,), "int32") + ngram.start
    bonus = np.where(np.arange(config.vocabulary) == config.end_id, 0.0, token_bonus).astype("float32")

    def unfinished(
        index: Any, token: Any, ids: Any, score: Any, done: Any, length: Any, state: Any, beside: Any
    ) -> Any:
        return ops.logical_and(index < limit, ops.logical_not(ops.all(done)))

    def step(
        index: Any, token: Any, ids: Any, score: Any, done: Any, length: Any, state: Any, beside: Any
    ) -> tuple[Any, ...]:
        heard, said = beside
        logits, state = model.step(ops.reshape(token, (-1,)), index, state)
        gains = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        if ctc is not None:
            extended = extend(ctc, heard, config.pad_id, config.end_id)
            # Never a gain: what was impossible before would else be forgiven.
            more = ops.minimum(extended.score - heard.score[:, None], 0.0)
            gains = (1 - ctc_weight) * gains + ctc_weight * more
        if ngram is not None:
            gains = gains + ngram_weight * (ops.take(ngram.log_probabilities, said, axis=0) + bonus)
        # The best `beams` continuations of a hypothesis are enough: no more of them can survive.
        allowed = permitted(gains, config, first=ops.equal(index, forced_count))
        forced = ops.take(prefix, index)
        only = ops.where(ops.arange(config.vocabulary) == forced, gains, -1e9)
        allowed = ops.where(forced >= 0, only, allowed)
        gains, tokens = ops.top_k(allowed, each)  # (B * N, each)
        gains = ops.reshape(gains, (batch, beams, each))
        tokens = ops.reshape(ops.cast(tokens, "int32"), (batch, beams, each))
        # A finished hypothesis continues once, with padding, at no cost.
        first = ops.arange(each)[None, None] == 0
        gains = ops.where(done[:, :, None], ops.where(first, 0.0, -1e9), gains)
        tokens = ops.where(done[:, :, None], max(config.pad_id, 0), tokens)
        total = score[:, :, None] + gains
        lengths = ops.where(done, length, length + 1)
        ranked = total / length_penalty(lengths, alpha)[:, :, None]
        _, best = ops.top_k(ops.reshape(ranked, (batch, beams * each)), beams)  # (B, N)
        best = ops.cast(best, "int32")
        parent = best // each
        token = ops.take_along_axis(ops.reshape(tokens, (batch, beams * each)), best, axis=1)
        score = ops.take_along_axis(ops.reshape(total, (batch, beams * each)), best, axis=1)
        length = ops.take_along_axis(lengths, parent, axis=1)
        done = ops.take_along_axis(done, parent, axis=1)
        ids = ops.take_along_axis(ids, parent[:, :, None], axis=1)
        written = ops.where(done, EMPTY, token)
        ids = ops.where(columns == index, written[:, :, None], ids)
        done = ops.logical_or(done, token == config.end_id)
        rows = ops.reshape(parent + ops.arange(batch)[:, None] * beams, (-1,))
        if ctc is not None:
            heard = keep(ctc, extended, rows, ops.reshape(token, (-1,)), config.pad_id)
        if ngram is not None:
            place = ops.take(said, rows) * config.vocabulary + ops.reshape(token, (-1,))
            said = ops.take(ops.reshape(ngram.following, (-1,)), place)
        state = _map(lambda x: reorder(x, rows), state)
        return index + 1, token, ids, score, done, length, state, (heard, said)

    # Only the first hypothesis counts at the start: they are all alike.
    alone = ops.where(ops.arange(beams) == 0, 0.0, -1e9)
    start = (
        ops.convert_to_tensor(0, "int32"),
        ops.full((batch, beams), config.start_id, "int32"),
        ops.full((batch, beams, limit), EMPTY, "int32"),
        ops.zeros((batch, beams), "float32") + alone,
        ops.zeros((batch, beams), "bool"),
        ops.zeros((batch, beams), "int32"),
        state,
        (heard, said),
    )
    _, _, ids, score, _, length, *_ = ops.while_loop(unfinished, step, start)
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
