"""Compiled inference of a network that reads: one pass over a text, and the gradient of what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from transformer.config import OF_TEXTS, OF_TOKENS, ModelConfig
from transformer.interventions import Kind
from transformer.models.altering import AS_IT_IS, Alter, absent
from transformer.models.reader import Reader
from transformer.runtime import answers
from transformer.runtime.common import (
    IDS,
    WIDE,
    Projected,
    alter_signature,
    alter_tensors,
    bucket,
    foretold,
    graphs,
    ids_row,
    ids_rows,
    pays,
    plain,
    tf,
)
from transformer.runtime.effects import Effects, foretold_at
from transformer.runtime.insides import Insides

TOGETHER = 8192  # tokens of one batch, padding included


class Read(NamedTuple):
    """One pass over S tokens.

    maps (layers, H, S, S): attention weights. For a network that guesses masked tokens: log_probability (S,) of each
    token that stands there, natural log; entropy (S,) in bits; alternatives (S, 5) ids and their probabilities, best
    first. For one that answers a text: scores and classes (classes,), what `answers.probabilities` makes of them; for
    one that answers each of its tokens (S, classes), and of answers in the text the scores (S, 2) of their beginnings
    and ends. What a network does not say is None.
    """

    maps: np.ndarray
    log_probability: Any = None
    entropy: Any = None
    alternatives: Any = None
    probabilities: Any = None
    scores: Any = None
    classes: Any = None


class ReaderRuntime:
    """Passes of one network that reads, compiled. `kind`: of the map of its one stack."""

    def __init__(self, network: Reader) -> None:
        self.network = network
        self.kind: Kind = "encoder" if network.config.encoder else "decoder"
        altered = alter_signature(network.config)
        self._forced = graphs(self._run_forced, [IDS, IDS, altered], pays(network.config))
        self._projections = plain(self._run_projections, [IDS, IDS, altered])
        # For batches TensorFlow's own kernels are as fast as XLA, and one graph serves every length.
        self._classes = plain(self._run_classes, [IDS, IDS, tf.TensorSpec((None, None), tf.bool), altered])
        chosen = tf.TensorSpec((), tf.int32)
        self._gradient = plain(self._run_gradient, [IDS, IDS, chosen, altered])
        # ids, their segments, and 1 where an answer may stand
        inputs = [IDS, IDS, IDS]
        self.effects = Effects(network.config, self._run_inside, self._run_chances, inputs)
        self.insides = Insides(network.config, self._run_inside, self._run_say, inputs)

    def record(self, ids: Sequence[int], types: Sequence[int] | None = None, alter: Alter = AS_IT_IS) -> Read:
        """One pass over ids (S,); `types` are their segments.

        Raises:
            ValueError: no ids, or more than the network's positions.
        """
        row, kinds = self._rows(ids, types)
        altered = alter_tensors(self.network.config, alter)
        found = self._forced if len(altered.scale) == 1 else self._forced.any
        return self._cropped([part.numpy() for part in found(row, kinds, altered)], 0, len(ids))

    def record_rows(
        self,
        rows: Sequence[Sequence[int]],
        types: Sequence[Sequence[int]] | None = None,
        alter: Alter = AS_IT_IS,
    ) -> list[Read]:
        """`record` for several rows at once: ids, one row of which may stand for all rows of `alter`.

        Raises:
            ValueError: a row without ids, one that is too long, or rows of several lengths where nothing is padding.
        """
        config, lengths = self.network.config, [len(ids) for ids in rows]
        for length in lengths:
            bucket(length, config.longest)
        if config.pad_id < 0 and len(set(lengths)) > 1:
            raise ValueError(f"expected rows of one length without an id for padding, received {lengths}")
        altered = alter_tensors(config, alter, len(rows))
        count = len(altered.scale)
        ids = ids_rows(rows, max(lengths), config.pad_id, count)
        kinds = ids_rows([()] if types is None else types, max(lengths), 0, count)
        parts = [part.numpy() for part in self._forced.any(ids, kinds, altered)]
        return [self._cropped(parts, i, lengths[i % len(lengths)]) for i in range(count)]

    def _cropped(self, parts: Sequence[np.ndarray], row: int, length: int) -> Read:
        maps, *said = (part[row] for part in parts)
        maps = maps[:, :, :length, :length]
        output = self.network.config.output
        if output == "masked_tokens":
            return Read(maps, *(part[:length] for part in said))
        if output in OF_TOKENS:
            return Read(maps, scores=said[0][:length], classes=said[1][:length])
        if output == "spans":
            return Read(maps, scores=said[0][:length])
        return Read(maps, scores=said[0], classes=said[1]) if said else Read(maps)

    def classify(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Probabilities (N, classes) for many rows of ids, of a score the numbers themselves; errors as of `scores`."""
        return np.asarray(answers.probabilities(self.network.config.output, self.scores(rows)))

    def scores(
        self,
        rows: Sequence[Sequence[int]],
        progress: Callable[[int, int], None] | None = None,
        alter: Alter = AS_IT_IS,
        types: Sequence[Sequence[int]] | None = None,
    ) -> np.ndarray:
        """Scores (N, classes), as they are, for many rows of ids, those of nearly one length together.

        Args:
            rows: ids.
            progress: told how many rows are done, and of how many.
            alter: what is changed in the network meanwhile, for all rows alike; only edges (N, E, 10), and the places
                of patches (N, P, 5), may be those of each row.
            types: the segments of each row; None: all are of the first.

        Raises:
            ValueError: a network that does not answer texts, a row without ids, or one longer than its positions.
        """
        config = self._of_texts()
        edges, patches = alter.edges, alter.patches
        each = np.ndim(edges) == 3 or (not absent(patches) and np.ndim(patches.places) == 3)
        altered = AS_IT_IS if each else alter_tensors(config, alter)
        for row in rows:
            bucket(len(row), config.longest)
        found = np.zeros((len(rows), config.classes), np.float32)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        while order:
            longest = len(rows[order[-1]])
            chosen = order[-max(1, TOGETHER // longest) :]
            del order[-len(chosen) :]
            real = np.arange(longest) < np.array([[len(rows[i])] for i in chosen])
            ids = np.full(real.shape, max(config.pad_id, 0), np.int32)
            ids[real] = np.concatenate([rows[i] for i in chosen])
            kinds = np.zeros_like(ids)
            if types:
                kinds[real] = np.concatenate([types[i] for i in chosen])
            if each:
                own = alter._replace(edges=() if absent(edges) else edges[chosen])
                if not absent(patches):
                    own = own._replace(patches=patches._replace(places=patches.places[chosen]))
                altered = alter_tensors(config, own, len(chosen))
            found[chosen] = self._classes(
                tf.constant(ids), tf.constant(kinds), tf.constant(real), altered
            ).numpy()
            if progress:
                progress(len(rows) - len(order), len(rows))
        return found

    def gradient_times_input(
        self,
        ids: Sequence[int],
        chosen: int,
        types: Sequence[int] | None = None,
        alter: Alter = AS_IT_IS,
    ) -> np.ndarray:
        """How much each token speaks for a class or label: the gradient of its log-odds with respect to the token's
        row of the table, times that row (S,), natural log; of a score, the gradient of the number (Denil et al. 2014,
        arXiv:1412.6815; Shrikumar et al. 2016, arXiv:1605.01713).

        Raises:
            ValueError: a network that does not answer texts, a class that it lacks, no ids, or too many.
        """
        config = self._of_texts()
        if not 0 <= chosen < config.classes:
            raise ValueError(f"expected a class below {config.classes}, received {chosen}")
        row, kinds = self._rows(ids, types, whole=True)
        altered = alter_tensors(config, alter)
        found: np.ndarray = self._gradient(row, kinds, tf.constant(chosen, tf.int32), altered).numpy()[0]
        return found

    def _of_texts(self) -> ModelConfig:
        config = self.network.config
        if config.output not in OF_TEXTS:
            raise ValueError(
                f"expected a network that answers with classes, labels or a score, received one for {config.output}"
            )
        return config

    def projections(
        self, ids: Sequence[int], types: Sequence[int] | None = None, alter: Alter = AS_IT_IS
    ) -> dict[str, Projected]:
        """Queries and keys of every layer and head for ids."""
        row, kinds = self._rows(ids, types, whole=True)
        result = self._projections(row, kinds, alter_tensors(self.network.config, alter))
        return {self.kind: Projected(*(part.numpy() for part in result))}

    def warm(self, lengths: Sequence[int] = (16, 32)) -> None:
        """Compile ahead for texts of these lengths."""
        for length in lengths:
            self.record([0 if self.network.config.pad_id else 1] * min(length, self.network.config.longest))

    def _rows(self, ids: Sequence[int], types: Sequence[int] | None, whole: bool = False) -> tuple[Any, Any]:
        config = self.network.config
        length = bucket(len(ids), config.longest)
        # Without an id for padding a padded row could not be told from a longer text.
        length = len(ids) if whole or config.pad_id < 0 or config.width >= WIDE else length
        return ids_row(ids, length, config.pad_id), ids_row(() if types is None else types, length, 0)

    def _run_forced(self, ids: Any, types: Any, alter: Alter) -> tuple[Any, ...]:
        result = self.network.forward(ids, types=types, alter=alter)
        maps, config = getattr(result, self.kind), self.network.config
        if config.output == "masked_tokens":
            return maps, *foretold(result.logits, ids, config)
        if config.output == "vectors":
            return (maps,)
        scores = ops.cast(result.logits, "float32")
        if config.output == "spans":
            return maps, scores
        return maps, scores, answers.probabilities(config.output, scores)

    def _run_chances(self, stream: Any, places: Any, ids: Any, _: Any, __: Any, allowed: Any) -> Any:
        """Of the tokens or classes `ids` in their places, or of these classes or labels of the text, or its numbers; or
        that an answer begins (0) or ends (1) at a place, of those where it may stand."""
        output = self.network.config.output
        if output in OF_TEXTS:
            return tf.gather(answers.chances(output, self._run_say(stream)), ids, axis=1)
        if output == "spans":
            scores = tf.where(
                allowed[:, :, None] != 0, tf.cast(self._run_say(stream), tf.float32), -float("inf")
            )
            log_p = tf.transpose(tf.nn.log_softmax(scores, axis=1), (1, 2, 0))  # (S, 2, B)
            return tf.transpose(tf.gather_nd(log_p, tf.stack([places, ids], axis=1)))
        return foretold_at(self._run_say, stream, places, ids)

    def _run_inside(self, ids: Any, types: Any, _: Any, alter: Alter) -> Any:
        return self.network.forward(ids, types=types, real=tf.ones_like(ids, tf.bool), alter=alter)

    def _run_say(self, stream: Any) -> Any:
        real = tf.ones(tf.shape(stream)[:2], tf.bool)
        network = self.network
        stack: Any = network.encoder or network.decoder
        return network.say(stack.finish(stream), real, many=True)

    def _run_classes(self, ids: Any, types: Any, real: Any, alter: Alter) -> Any:
        return ops.cast(self.network.forward(ids, types=types, real=real, alter=alter).logits, "float32")

    def _run_gradient(self, ids: Any, types: Any, chosen: Any, alter: Alter) -> Any:
        network = self.network
        rows = network.embedding.rows(ids)
        with tf.GradientTape() as tape:
            tape.watch(rows)
            placed = network.embedding.placed(
                rows, ids, types if network.config.token_types else None, position_scale=alter.scale
            )
            read = network.read(placed, tf.ones_like(ids, tf.bool), alter=alter)
            odds = answers.odds(network.config.output, read.logits[0], chosen)
        return ops.sum(tape.gradient(odds, rows) * rows, axis=-1)

    def _run_projections(self, ids: Any, types: Any, alter: Alter) -> tuple[Any, ...]:
        result = self.network.forward(ids, types=types, alter=alter)
        stack = result.projections[("encoder", "decoder").index(self.kind)]
        return tuple(ops.stack([p[i][0] for p in stack]) for i in range(4))
