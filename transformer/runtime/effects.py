"""How much each head matters to what a network says: every head off by itself, and the slope of the answer at its gate.

Letters for shapes: L layers, H heads, N what is said (tokens of an answer, or classes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from transformer.config import ModelConfig
from transformer.interventions import KINDS, Kind
from transformer.models.altering import AS_IT_IS, Alter, Gates
from transformer.runtime.common import alter_signature, alter_tensors, plain, tf

TOGETHER = 2**25  # numbers of the largest tensor that a batch of rows may make

Place = tuple[Kind, int, int]  # a map, a layer, a head


class Effects:
    """Chances of one finished answer under changes of heads.

    Args:
        config: of the network.
        chances: (inputs ..., alter of as many rows as there are) -> natural log-probabilities (rows, N).
        signature: of the inputs, each with one row.
        decoding: the same where what the encoder makes is one for all rows; None: there is no such thing.
    """

    def __init__(
        self,
        config: ModelConfig,
        chances: Callable[..., Any],
        signature: Sequence[Any],
        decoding: Callable[..., Any] | None = None,
    ) -> None:
        self.config, self._run = config, chances
        shapes = config.attention_shapes()
        self.shapes: dict[Kind, tuple[int, int]] = {kind: shapes[kind] for kind in KINDS if kind in shapes}
        altered = alter_signature(config)
        self._chances = plain(chances, [*signature, altered])
        self._decoding = plain(decoding, [*signature, altered]) if decoding else self._chances
        self._slopes = plain(self._run_slopes, [*signature, tf.TensorSpec((None,), tf.float32), altered])

    def slopes(
        self, inputs: Sequence[Any], weights: np.ndarray, alter: Alter = AS_IT_IS
    ) -> dict[Kind, np.ndarray]:
        """By how much the sum of `weights` (N,) times chances would fall without each head (L, H), if it fell on as
        steeply as it begins to: its slope at the head's gate times the gate, a first-order estimate (Michel et al.
        2019, arXiv:1905.10650, equation 3, here with its sign)."""
        altered = alter_tensors(self.config, alter)
        found = self._slopes(*inputs, tf.constant(weights, tf.float32), altered)
        return {
            kind: (getattr(found, kind) * getattr(altered.gates, kind)).numpy()[0] for kind in self.shapes
        }

    def chances(self, inputs: Sequence[Any], alter: Alter = AS_IT_IS) -> np.ndarray:
        """Natural log-probabilities (rows, N), a row for each of `alter`."""
        found: np.ndarray = self._chances(*inputs, alter_tensors(self.config, alter)).numpy()
        return found

    def without_each(
        self, inputs: Sequence[Any], size: int, alter: Alter = AS_IT_IS
    ) -> Iterator[tuple[list[Place], np.ndarray]]:
        """Chances (rows, N) with each head off by itself, in batches.

        Args:
            inputs: of one row.
            size: numbers of the largest tensor that one row makes.
            alter: what is changed besides.
        """
        base = alter_tensors(self.config, alter)
        together = max(1, TOGETHER // size)
        for kind, (layers, heads) in self.shapes.items():
            run = self._chances if kind == "encoder" else self._decoding
            places: list[Place] = [(kind, i, j) for i in range(layers) for j in range(heads)]
            for first in range(0, len(places), together):
                chosen = places[first : first + together]
                gates = {
                    name: np.repeat(getattr(base.gates, name).numpy(), len(chosen), axis=0)
                    for name in self.shapes
                }
                for row, (_, layer, head) in enumerate(chosen):
                    gates[kind][row, layer, head] = 0.0
                changed = alter._replace(gates=Gates(**gates), scale=base.scale.numpy())
                rows = alter_tensors(self.config, changed)
                yield chosen, run(*inputs, rows).numpy()

    def _run_slopes(self, *given: Any) -> Gates:
        *inputs, weights, alter = given
        gates = {kind: getattr(alter.gates, kind) for kind in self.shapes}
        with tf.GradientTape() as tape:
            tape.watch(gates)
            said = tf.reduce_sum(weights * self._run(*inputs, alter)[0])
        return Gates(**tape.gradient(said, gates, unconnected_gradients=tf.UnconnectedGradients.ZERO))


def repeated(rows: Any, *inputs: Any) -> tuple[Any, ...]:
    """Inputs of one row as those of as many rows as `rows` (rows, ...) has."""
    count = tf.shape(rows)[0]
    return tuple(tf.repeat(part, count, axis=0) for part in inputs)


def own(logits: Any, target: Any) -> Any:
    """Natural log-probabilities (B, T) of the ids `target` (B, T) by scores (B, T, vocabulary)."""
    log_p = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    return tf.gather(log_p, target, batch_dims=2)
