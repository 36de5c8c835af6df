"""How much each head matters to what a network says: every head off by itself, and the slope of the answer at its gate;
and what each part of another run changes.

A row with a head off is as the network is up to that head's layer: it begins there, from what was recorded.
Letters for shapes: L layers, H heads, T positions, D width, N what is asked about (tokens of an answer, or classes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from transformer.config import ModelConfig
from transformer.interventions import KINDS, Kind
from transformer.models.altering import AS_IT_IS, Alter, Begins, Gates, Later, Patches, absent
from transformer.runtime.common import alter_signature, alter_tensors, plain, tf

TOGETHER = 2**25  # numbers of the largest tensor that a batch of rows may make
AT_ONCE = 36  # rows of a batch, so that who waits is told

Place = tuple[Kind, int, int]  # a map, a layer, a head


class Effects:
    """Chances of one finished answer under changes of heads.

    Args:
        config: of the network.
        run: (inputs ..., alter of one row, or of rows that begin later) -> `Forward`.
        chances: (stream (B, T, D) behind the last block, places (N,), ids (N,), inputs ...) -> natural
            log-probabilities (B, N) of these ids at these places.
        signature: of the inputs, each with one row.
    """

    def __init__(
        self,
        config: ModelConfig,
        run: Callable[..., Any],
        chances: Callable[..., Any],
        signature: Sequence[Any],
    ) -> None:
        self.config, self._run, self._say = config, run, chances
        self._answers = "decoder" if config.decoder else "encoder"  # the stack that does
        shapes = config.attention_shapes()
        self.shapes: dict[Kind, tuple[int, int]] = {kind: shapes[kind] for kind in KINDS if kind in shapes}
        altered = alter_signature(config)
        asked = [tf.TensorSpec((None,), tf.int32)] * 2
        stream = tf.TensorSpec((None, None, config.width), tf.float32)
        rows = Later(stream, tf.TensorSpec((None,), tf.int32))
        sides = {"encoder": config.encoder, "decoder": config.decoder}
        later = Begins(**{side: rows for side, stack in sides.items() if stack})
        self._whole = plain(self._run_whole, [*signature, altered])
        self._recorded = plain(self._run_recorded, [*signature, altered])
        self._rows = plain(self._run_rows, [*signature, altered._replace(begins=later)])
        self._chances = plain(chances, [stream, *asked, *signature])
        self._slopes = plain(
            self._run_slopes, [*asked, tf.TensorSpec((None,), tf.float32), *signature, altered]
        )

    def slopes(
        self,
        inputs: Sequence[Any],
        places: Sequence[int],
        ids: Sequence[int],
        weights: np.ndarray,
        alter: Alter = AS_IT_IS,
    ) -> dict[Kind, np.ndarray]:
        """By how much the sum of `weights` (N,) times chances would fall without each head (L, H), if it fell on as
        steeply as it begins to: its slope at the head's gate times the gate, a first-order estimate (Michel et al.
        2019, arXiv:1905.10650, equation 3, here with its sign)."""
        altered = alter_tensors(self.config, alter)
        found = self._slopes(*_asked(places, ids), tf.constant(weights, tf.float32), *inputs, altered)
        return {
            kind: (getattr(found, kind) * getattr(altered.gates, kind)).numpy()[0] for kind in self.shapes
        }

    def chances(
        self, inputs: Sequence[Any], places: Sequence[int], ids: Sequence[int], alter: Alter = AS_IT_IS
    ) -> np.ndarray:
        """Natural log-probabilities (rows, N) of `ids` at `places`, each row of `alter` run from its beginning."""
        stream = self._whole(*inputs, alter_tensors(self.config, alter))
        found: np.ndarray = self._chances(stream, *_asked(places, ids), *inputs).numpy()
        return found

    def without_each(
        self,
        inputs: Sequence[Any],
        places: Sequence[int],
        ids: Sequence[int],
        size: int,
        alter: Alter = AS_IT_IS,
    ) -> Iterator[tuple[list[Place], np.ndarray]]:
        """Chances (rows, N) as they are, of no head and one row; then with each head off by itself, in batches.

        Args:
            inputs: of one row.
            places, ids: (N,), what is asked about.
            size: numbers of the largest tensor that one row makes on its way to the last block.
            alter: what is changed besides.
        """
        asked = _asked(places, ids)
        # As many rows as there may be scores of all that could be said.
        few = max(1, TOGETHER // (len(places) * max(self.config.vocabulary, 1)))
        for chosen, stream in self._without_each(inputs, max(1, min(AT_ONCE, TOGETHER // size)), alter):
            for first in range(0, max(len(chosen), 1), few):
                part = self._chances(stream[first : first + few], *asked, *inputs)
                yield chosen[first : first + few], part.numpy()

    def with_each(
        self,
        inputs: Sequence[Any],
        places: Sequence[int],
        ids: Sequence[int],
        kind: Kind,
        patches: Iterable[tuple[Sequence[int], Patches]],
        alter: Alter = AS_IT_IS,
    ) -> Iterator[np.ndarray]:
        """Chances (rows, N) with vectors of another run put in, a batch at a time.

        Args:
            inputs, places, ids: see `without_each`.
            kind: the map that all of them are in.
            patches: of each batch the layers that its rows (rows, P, 5) and (rows, P, W) are in, in order.
            alter: what is changed besides.
        """
        streams = self._recorded(*inputs, alter_tensors(self.config, alter))
        for layers, rows in patches:
            changed = alter_tensors(self.config, alter._replace(patches=rows), len(layers))
            # What is one for all rows stays one: at a block there are as many rows as have begun.
            changed = changed._replace(scale=changed.scale[:1], edges=changed.edges[:1])
            begins = self._begins([(kind, layer, 0) for layer in layers], streams)
            stream = self._rows(*inputs, changed._replace(begins=begins))
            yield self._chances(stream, *_asked(places, ids), *inputs).numpy()

    def _without_each(
        self, inputs: Sequence[Any], together: int, alter: Alter
    ) -> Iterator[tuple[list[Place], Any]]:
        """Streams (rows, T, D) behind the last block: of no head and one row, and with each head off by itself."""
        base = alter_tensors(self.config, alter)
        streams = {} if self.config.recurrent else self._recorded(*inputs, base)
        yield [], streams[self._answers][-1:] if streams else self._whole(*inputs, base)
        for kinds in (("encoder",), ("decoder", "cross")):
            places: list[Place] = [
                (kind, i, j)
                for kind in kinds
                if kind in self.shapes
                for i, j in np.ndindex(self.shapes[kind])
            ]
            places.sort(key=lambda place: place[1])
            for first in range(0, len(places), together):
                chosen = places[first : first + together]
                gates = {
                    kind: np.repeat(getattr(base.gates, kind).numpy(), len(chosen), axis=0)
                    for kind in self.shapes
                }
                for row, (kind, layer, head) in enumerate(chosen):
                    gates[kind][row, layer, head] = 0.0
                changed = base._replace(gates=Gates(**{kind: tf.constant(g) for kind, g in gates.items()}))
                if not streams:  # there are no layers
                    yield chosen, self._whole(*inputs, changed)
                    continue
                yield chosen, self._rows(*inputs, changed._replace(begins=self._begins(chosen, streams)))

    def _begins(self, chosen: Sequence[Place], streams: dict[str, Any]) -> Begins:
        """Where rows begin, each of which is changed at one place, in the order of layers."""
        return Begins(
            **{side: Later(stream, _counts(chosen, side, len(stream))) for side, stream in streams.items()}
        )

    def _run_whole(self, *given: Any) -> Any:
        *inputs, alter = given
        count = tf.shape(next(gate for gate in alter.gates if not absent(gate)))[0]
        rows = (tf.repeat(part, count, axis=0) for part in inputs)
        return tf.cast(self._run(*rows, alter).inside.streams[-1], tf.float32)

    def _run_recorded(self, *given: Any) -> dict[str, Any]:
        result = self._run(*given)
        sides = {self._answers: result.inside} | ({"encoder": result.heard} if result.heard else {})
        return {
            side: tf.stack([tf.cast(stream[0], tf.float32) for stream in inside.streams])
            for side, inside in sides.items()
        }

    def _run_rows(self, *given: Any) -> Any:
        return tf.cast(self._run(*given).inside.streams[-1], tf.float32)

    def _run_slopes(self, places: Any, ids: Any, weights: Any, *given: Any) -> Gates:
        *inputs, alter = given
        gates = {kind: getattr(alter.gates, kind) for kind in self.shapes}
        with tf.GradientTape() as tape:
            tape.watch(gates)
            stream = self._run(*inputs, alter).inside.streams[-1]
            said = tf.reduce_sum(weights * self._say(stream, places, ids, *inputs)[0])
        return Gates(**tape.gradient(said, gates, unconnected_gradients=tf.UnconnectedGradients.ZERO))


def _asked(places: Sequence[int], ids: Sequence[int]) -> tuple[Any, Any]:
    return tf.constant(np.asarray(places, np.int32)), tf.constant(np.asarray(ids, np.int32))


def _counts(chosen: Sequence[Place], side: str, count: int) -> Any:
    """How many rows begin before each block of a stack, and behind its last, `count` in all."""
    found = np.zeros(count, np.int32)
    if (chosen[0][0] == "encoder") == (side == "encoder"):
        for _, layer, _ in chosen:
            found[layer] += 1
    elif side == "encoder":
        found[-1] = 1  # what it makes is one for all rows
    else:
        found[0] = len(chosen)
    return tf.constant(found)


def foretold_at(say: Callable[[Any], Any], stream: Any, places: Any, ids: Any) -> Any:
    """Natural log-probabilities (B, N) of `ids` (N,) at `places` (N,) of a stream (B, T, D), by what `say` makes scores
    (1, B N, vocabulary) of, place by place."""
    chosen = tf.gather(stream, places, axis=1)
    count, width = tf.shape(chosen)[0], stream.shape[-1]
    scores = say(tf.reshape(chosen, (1, -1, width)))
    return tf.reshape(own(scores, tf.tile(ids, [count])[None]), (count, -1))


def own(logits: Any, target: Any) -> Any:
    """Natural log-probabilities (B, T) of the ids `target` (B, T) by scores (B, T, vocabulary)."""
    log_p = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    return tf.gather(log_p, target, batch_dims=2)
