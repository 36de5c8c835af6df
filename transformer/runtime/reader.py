"""Compiled inference of an encoder alone: one pass over a text, and the gradient of what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from transformer.config import ModelConfig
from transformer.models.reader import Reader
from transformer.models.seq2seq import Gates
from transformer.runtime.common import (
    WIDE,
    Projected,
    bucket,
    compiled,
    foretold,
    gate_signature,
    gate_tensors,
    ids_row,
    tf,
)

TOGETHER = 8192  # tokens of one batch, padding included


class Read(NamedTuple):
    """One pass over S tokens.

    encoder (layers, H, S, S): attention weights. For a network that guesses masked tokens: log_probability (S,) of each
    token that stands there, natural log; entropy (S,) in bits; alternatives (S, 5) ids and their probabilities, best
    first. For one that classifies: classes (classes,), probabilities. What a network does not say is None.
    """

    encoder: np.ndarray
    log_probability: Any = None
    entropy: Any = None
    alternatives: Any = None
    probabilities: Any = None
    classes: Any = None


class ReaderRuntime:
    """Passes of one encoder, compiled."""

    def __init__(self, network: Reader) -> None:
        self.network = network
        row = tf.TensorSpec((1, None), tf.int32)
        self._forced = compiled(self._run_forced, network.config, [row, row, gate_signature(network.config)])
        self._projections = tf.function(self._run_projections, autograph=False, input_signature=[row, row])
        # For batches TensorFlow's own kernels are as fast as XLA, and one graph serves every length.
        rows = [tf.TensorSpec((None, None), kind) for kind in (tf.int32, tf.bool)]
        self._classes = tf.function(self._run_classes, autograph=False, input_signature=rows)
        chosen = tf.TensorSpec((), tf.int32)
        self._gradient = tf.function(self._run_gradient, autograph=False, input_signature=[row, row, chosen])

    def record(
        self, ids: Sequence[int], types: Sequence[int] | None = None, gates: Gates | None = None
    ) -> Read:
        """One pass over ids (S,); `types` are their segments.

        Raises:
            ValueError: no ids, or more than the network's positions.
        """
        length = len(ids)
        row, kinds = self._rows(ids, types)
        maps, *said = (
            part.numpy()[0] for part in self._forced(row, kinds, gate_tensors(self.network.config, gates))
        )
        maps = maps[:, :, :length, :length]
        if self.network.config.output == "masked_tokens":
            return Read(maps, *(part[:length] for part in said))
        return Read(maps, classes=said[0] if said else None)

    def classify(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Probabilities (N, classes) for many rows of ids; errors as of `scores`."""
        scores = self.scores(rows)
        found: np.ndarray = np.exp(scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True))
        return found

    def scores(
        self, rows: Sequence[Sequence[int]], progress: Callable[[int, int], None] | None = None
    ) -> np.ndarray:
        """Scores (N, classes), before the softmax, for many rows of ids, those of nearly one length together.

        Args:
            rows: ids.
            progress: told how many rows are done, and of how many.

        Raises:
            ValueError: a network that does not classify, a row without ids, or one longer than its positions.
        """
        config = self._classifier()
        for row in rows:
            bucket(len(row), config.max_source)
        found = np.zeros((len(rows), config.classes), np.float32)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        while order:
            longest = len(rows[order[-1]])
            chosen = order[-max(1, TOGETHER // longest) :]
            del order[-len(chosen) :]
            real = np.arange(longest) < np.array([[len(rows[i])] for i in chosen])
            ids = np.full(real.shape, max(config.pad_id, 0), np.int32)
            ids[real] = np.concatenate([rows[i] for i in chosen])
            found[chosen] = self._classes(tf.constant(ids), tf.constant(real)).numpy()
            if progress:
                progress(len(rows) - len(order), len(rows))
        return found

    def gradient_times_input(
        self, ids: Sequence[int], chosen: int, types: Sequence[int] | None = None
    ) -> np.ndarray:
        """How much each token speaks for a class: the gradient of the class's log-odds with respect to the token's
        row of the table, times that row (S,), natural log (Denil et al. 2014, arXiv:1412.6815; Shrikumar et al. 2016,
        arXiv:1605.01713).

        Raises:
            ValueError: a network that does not classify, a class that it lacks, no ids, or too many.
        """
        config = self._classifier()
        if not 0 <= chosen < config.classes:
            raise ValueError(f"expected a class below {config.classes}, received {chosen}")
        row, kinds = self._rows(ids, types, whole=True)
        found: np.ndarray = self._gradient(row, kinds, tf.constant(chosen, tf.int32)).numpy()[0]
        return found

    def _classifier(self) -> ModelConfig:
        config = self.network.config
        if config.output != "classes":
            raise ValueError(f"expected a network that classifies, received one for {config.output}")
        return config

    def projections(self, ids: Sequence[int], types: Sequence[int] | None = None) -> dict[str, Projected]:
        """Queries and keys of every layer and head for ids."""
        row, kinds = self._rows(ids, types, whole=True)
        result = self._projections(row, kinds)
        return {"encoder": Projected(*(part.numpy() for part in result))}

    def warm(self, lengths: Sequence[int] = (16, 32)) -> None:
        """Compile ahead for texts of these lengths."""
        for length in lengths:
            self.record(
                [0 if self.network.config.pad_id else 1] * min(length, self.network.config.max_source)
            )

    def _rows(self, ids: Sequence[int], types: Sequence[int] | None, whole: bool = False) -> tuple[Any, Any]:
        config = self.network.config
        length = bucket(len(ids), config.max_source)
        # Without an id for padding a padded row could not be told from a longer text.
        length = len(ids) if whole or config.pad_id < 0 or config.width >= WIDE else length
        return ids_row(ids, length, config.pad_id), ids_row(() if types is None else types, length, 0)

    def _run_forced(self, ids: Any, types: Any, gates: Gates) -> tuple[Any, ...]:
        result = self.network.forward(ids, types=types, gates=gates)
        if self.network.config.output == "masked_tokens":
            return result.encoder, *foretold(result.logits, ids, self.network.config)
        if self.network.config.output == "classes":
            return result.encoder, ops.softmax(ops.cast(result.logits, "float32"), axis=-1)
        return (result.encoder,)

    def _run_classes(self, ids: Any, real: Any) -> Any:
        return ops.cast(self.network.forward(ids, real=real).logits, "float32")

    def _run_gradient(self, ids: Any, types: Any, chosen: Any) -> Any:
        network = self.network
        rows = network.embedding.rows(ids)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            placed = network.embedding.placed(rows, ids, types if network.config.token_types else None)
            scores = ops.cast(network.read(placed, tf.ones_like(ids, tf.bool)).logits[0], "float32")
            others = tf.where(tf.range(network.config.classes) == chosen, -np.inf, scores)
            # Of one class there is nothing else to be held likely.
            odds = scores[chosen] - (tf.reduce_logsumexp(others) if network.config.classes > 1 else 0.0)
        return ops.sum(tape.gradient(odds, rows) * rows, axis=-1)

    def _run_projections(self, ids: Any, types: Any) -> tuple[Any, ...]:
        stack = self.network.forward(ids, types=types).projections[0]
        return tuple(ops.stack([p[i][0] for p in stack]) for i in range(3))
