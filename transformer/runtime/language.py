"""Compiled inference of a decoder alone: the forced pass, writing on, and the likeliest next words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from transformer.config import ModelConfig
from transformer.generate import EMPTY, greedy, nucleus, permitted
from transformer.models.language import LanguageModel
from transformer.models.seq2seq import Gates
from transformer.runtime.common import (
    WIDE,
    Projected,
    Recorded,
    bucket,
    compiled,
    foretold,
    gate_signature,
    gate_tensors,
    ids_row,
    tf,
)

ROOM = 32  # tokens that one call writes at most
PATHS, DEPTH = (
    24,
    4,
)  # of the search for words: how many beginnings are followed, and how many tokens a word has


class Ends(NamedTuple):
    """How tokens make words, each (vocabulary,) booleans: which cannot continue a word, which are whole at once, and
    which are no word on their own yet."""

    begins: np.ndarray
    alone: np.ndarray
    open: np.ndarray


class _Continuing(NamedTuple):
    """A network as `generate` takes it, going on after a prompt whose last token stands at `last`."""

    network: LanguageModel
    last: Any

    @property
    def config(self) -> ModelConfig:
        return self.network.config

    def start(self, prompt: Any, length: int) -> Any:
        return self.network.start(prompt, int(prompt.shape[1]) + length)[1]

    def step(self, token: Any, index: Any, state: Any) -> tuple[Any, Any]:
        # What is written past the last position is cut off; until then it needs a place as well.
        place = ops.minimum(self.last + index, self.config.max_target - 1)
        return self.network.step(token, place, state)


class LanguageRuntime:
    """Forced and writing passes of one decoder, compiled."""

    def __init__(self, network: LanguageModel) -> None:
        self.network = network
        row = tf.TensorSpec((1, None), tf.int32)
        self._forced = compiled(self._run_forced, network.config, [row, gate_signature(network.config)])
        self._write = compiled(self._run_write, network.config)
        self._words = compiled(self._run_words, network.config)
        self._scores = compiled(self._run_scores, network.config)
        self._projections = tf.function(self._run_projections, autograph=False, input_signature=[row])

    def record(self, ids: Sequence[int], gates: Gates | None = None) -> Recorded:
        """One pass over finished ids (T,): the decoder's maps, and of each token but the first what was foretold.

        Raises:
            ValueError: no ids, or more than the network's positions.
        """
        config = self.network.config
        length = len(ids)
        padded = bucket(length, config.max_target)
        row = self._pad(ids, length if config.width >= WIDE else padded)
        maps, *said = (part.numpy()[0] for part in self._forced(row, gate_tensors(config, gates)))
        return Recorded(None, maps[:, :, :length, :length], None, *(part[: length - 1] for part in said))

    def write(
        self,
        ids: Sequence[int],
        count: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> list[int]:
        """Up to `count` (at most `ROOM`) more ids after `ids`; as many as there are positions left.

        `top_k=1` takes the likeliest token at each step. The end token is not written.

        Raises:
            ValueError: no ids, or more than the network's positions leave room after.
        """
        config = self.network.config
        length = bucket(len(ids), config.max_target - 1)
        noise = np.random.default_rng(seed).gumbel(size=(ROOM, config.vocabulary)).astype(np.float32)
        written = self._write(
            self._pad(ids, length),
            tf.constant(len(ids) - 1),
            tf.constant(noise),
            tf.constant(temperature, tf.float32),
            tf.constant(top_k or config.vocabulary),
            tf.constant(top_p, tf.float32),
        )
        room = min(count, ROOM, config.max_target - len(ids))
        return [int(i) for i in written.numpy()[0][:room]]

    def words(self, ids: Sequence[int], ends: Ends) -> list[tuple[tuple[int, ...], float]]:
        """The likeliest next words after `ids`: their tokens and the natural log of their probability, best first.

        A word's probability is that of its tokens one after the other, times the probability that what follows them
        begins something new. Words of more than `DEPTH` tokens are left out.
        """
        config = self.network.config
        length = bucket(len(ids), config.max_target - DEPTH)
        tokens, scores = self._words(
            self._pad(ids, length), tf.constant(len(ids) - 1), *(tf.constant(part) for part in ends)
        )
        found = {
            tuple(int(i) for i in row if i != EMPTY): float(score)
            for row, score in zip(tokens.numpy().reshape(-1, DEPTH), scores.numpy().reshape(-1), strict=True)
            if score > -1e8
        }
        return sorted(found.items(), key=lambda item: -item[1])

    def score(self, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Natural log-probabilities (B, T) of `labels` after `inputs`, both (B, T)."""
        result: np.ndarray = self._scores(tf.constant(inputs), tf.constant(labels)).numpy()
        return result

    def projections(self, ids: Sequence[int]) -> dict[str, Projected]:
        """Queries and keys of every layer and head for finished ids."""
        bucket(len(ids), self.network.config.max_target)
        result = self._projections(self._pad(ids, len(ids)))
        return {"decoder": Projected(*(part.numpy() for part in result))}

    def warm(self, lengths: Sequence[int] = (16, 32)) -> None:
        """Compile forced passes and searches for prompts of these lengths ahead."""
        config = self.network.config
        nothing = np.zeros(config.vocabulary, bool)
        for length in lengths:
            ids = [max(config.end_id, 0)] * min(length, config.max_target - DEPTH)
            self.record(ids)
            self.words(ids, Ends(nothing, nothing, nothing))

    def _pad(self, ids: Sequence[int], length: int) -> Any:
        # What stands after the last real token is never looked at: any id will do.
        return ids_row(ids, length, max(self.network.config.pad_id, 0))

    def _run_forced(self, ids: Any, gates: Gates) -> tuple[Any, ...]:
        result = self.network.forward(ids, gates=gates)
        return result.decoder, *foretold(result.logits[:, :-1], ids[:, 1:], self.network.config)

    def _run_write(self, prompt: Any, last: Any, noise: Any, temperature: Any, top_k: Any, top_p: Any) -> Any:
        choose = nucleus(noise, temperature, top_k, top_p)
        first = ops.take(prompt, last, axis=1)
        model = _Continuing(self.network, last)
        return greedy(model, prompt, ROOM, first=first, choose=choose, end=False).ids

    def _run_scores(self, inputs: Any, labels: Any) -> Any:
        log_p = ops.log_softmax(ops.cast(self.network.forward(inputs).logits, "float32"), axis=-1)
        return ops.take_along_axis(log_p, labels[:, :, None], axis=-1)[:, :, 0]

    def _run_projections(self, ids: Any) -> tuple[Any, ...]:
        stack = self.network.forward(ids).projections[1]
        return tuple(ops.stack([p[i][0] for p in stack]) for i in range(3))

    def _run_words(self, prompt: Any, last: Any, begins: Any, alone: Any, opened: Any) -> tuple[Any, Any]:
        config = self.network.config
        paths = min(PATHS, config.vocabulary)
        logits, state = self.network.start(prompt, int(prompt.shape[1]) + DEPTH)
        log_p = ops.log_softmax(ops.cast(ops.take(logits, last, axis=1), "float32"), axis=-1)  # (1, V)
        score, token = ops.top_k(permitted(log_p, config)[0], paths)  # (paths,)
        token = ops.cast(token, "int32")
        tokens = ops.pad(token[:, None], ((0, 0), (0, DEPTH - 1)), constant_values=EMPTY)  # (paths, DEPTH)
        caches = tf.nest.map_structure(lambda x: ops.repeat(x, paths, axis=0), state)
        found_tokens, found_scores = [], []
        for depth in range(DEPTH):
            logits, caches = self.network.step(token, last + 1 + depth, caches)
            log_p = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)  # (paths, V)
            whole, partly = ops.take(alone, token), ops.take(opened, token)
            # What must follow for the word to be over.
            over = ops.logsumexp(ops.where(begins[None], log_p, -1e9), axis=-1)
            over = ops.where(whole, 0.0, ops.where(partly, -1e9, over))
            found_tokens.append(tokens)
            found_scores.append(score + over)
            if depth == DEPTH - 1:
                break
            goes_on = ops.logical_or(ops.logical_not(begins)[None], partly[:, None])
            goes_on = ops.logical_and(goes_on, ops.logical_not(whole)[:, None])
            gains, following = ops.top_k(ops.where(goes_on, permitted(log_p, config, end=False), -1e9), paths)
            total = ops.reshape(score[:, None] + gains, (-1,))
            score, best = ops.top_k(total, paths)
            parent = ops.cast(best, "int32") // paths
            token = ops.take(ops.reshape(ops.cast(following, "int32"), (-1,)), best)
            here = (ops.arange(DEPTH) == depth + 1)[None]
            tokens = ops.where(here, token[:, None], ops.take(tokens, parent, axis=0))
            caches = tf.nest.map_structure(lambda x, rows=parent: ops.take(x, rows, axis=0), caches)
        return ops.stack(found_tokens), ops.stack(found_scores)
