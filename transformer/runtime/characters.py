"""Compiled inference of networks of characters: writing on, scores with context, and how far back a gradient reaches.

Letters for shapes: N windows, T characters, D width of the embedding, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops

from transformer.layers.lstm import Carried
from transformer.models.characters import CharacterLSTM
from transformer.runtime.common import tf
from transformer.search.sampling import NEVER, Drawing, shaped

WINDOWS = 16  # of `reach`, at once


class CharacterRuntime:
    """One character LSTM: its state goes in and comes out."""

    def __init__(self, network: CharacterLSTM) -> None:
        self.network = network
        ids, state = (
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None, network.config.width), tf.float32),
        )
        self._read = tf.function(self._run_read, autograph=False, input_signature=[ids, state, state])
        self._barred = np.zeros(network.config.vocabulary, bool)
        self._barred[list(network.config.suppressed)] = True

    def read(self, ids: np.ndarray, state: Any = None) -> tuple[np.ndarray, Any]:
        """ids (B, T) after what was carried -> natural log-probabilities (B, T, V), and what is carried on."""
        if state is None:
            nothing = tf.zeros((len(ids), self.network.config.width))
            state = Carried(nothing, nothing)
        log_p, *after = self._read(tf.constant(np.asarray(ids, np.int32)), *state)
        return log_p.numpy(), Carried(*after)

    def score(self, inputs: np.ndarray, labels: np.ndarray, state: Any = None) -> tuple[np.ndarray, Any]:
        """Natural log-probabilities (B, T) of `labels` after `inputs`, both (B, T), and what is carried on."""
        log_p, state = self.read(inputs, state)
        return np.take_along_axis(log_p, labels[..., None], -1)[..., 0], state

    def draw(
        self, ids: Sequence[int], count: int, how: Drawing, seed: int | Sequence[int] = 0
    ) -> Iterator[int]:
        """`count` ids after `ids`, one after the other: the same draw by Gumbel noise as `LanguageRuntime.draw`.

        Raises:
            ValueError: no ids.
        """
        if not len(ids):
            raise ValueError("expected ids to go on from, received none")
        noise = np.random.default_rng(seed)
        log_p, state = self.read(np.array([ids]))
        for _ in range(count):
            drawn = shaped(np.where(self._barred, NEVER, log_p[:, -1]), how)[0]
            token = int(np.argmax(drawn + noise.gumbel(size=drawn.shape)))
            yield token
            log_p, state = self.read(np.array([[token]]), state)

    def _run_read(self, ids: Any, output: Any, cell: Any) -> tuple[Any, Any, Any]:
        logits, state = self.network.read(self.network.embedding(ids), Carried(output, cell))
        return ops.log_softmax(ops.cast(logits, "float32"), axis=-1), state.output, state.cell


def reach(network: Any, ids: np.ndarray) -> np.ndarray:
    """How much each input moves what is said last: the norm of d log p(ids[:, T]) / d embedding(ids[:, t]).

    A first-order measure (Simonyan et al. 2014, arXiv:1312.6034, for pictures; Khandelwal et al. 2018,
    arXiv:1805.04623, ask the same of LSTMs by taking words away).

    Args:
        network: a `CharacterLSTM`, read from an empty state, or a `LanguageModel`.
        ids: (N, T + 1); the last character of each row is foretold from the T before it.

    Returns:
        (N, T) norms, the last character that was read first: column n - 1 lies n steps before what is foretold.
    """
    found = []
    for begin in range(0, len(ids), WINDOWS):
        rows = tf.constant(np.asarray(ids[begin : begin + WINDOWS], np.int32))
        vectors = tf.cast(network.embedding(rows[:, :-1]), tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            if isinstance(network, CharacterLSTM):
                logits = network.read(vectors)[0]
            else:
                logits = network.output_projection(network.decoder(vectors).vectors)
            log_p = ops.log_softmax(ops.cast(logits[:, -1], "float32"), axis=-1)
            said = tf.reduce_sum(tf.gather(log_p, rows[:, -1], batch_dims=1))
        found.append(np.linalg.norm(tape.gradient(said, vectors).numpy(), axis=-1)[:, ::-1])
    result: np.ndarray = np.concatenate(found)
    return result
