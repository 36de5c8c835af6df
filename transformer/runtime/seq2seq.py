"""Compiled inference of an encoder-decoder over text: greedy, beam and forced passes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from keras import ops

from transformer.models.altering import AS_IT_IS, EDGE, Alter, gated
from transformer.models.seq2seq import Transformer
from transformer.runtime.common import (
    IDS,
    Graphs,
    Projected,
    Recorded,
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
from transformer.search.generate import EMPTY, beam, greedy


class Runtime:
    """Greedy, beam and forced passes of one network, compiled for one room of the output at each padded source.

    An output that needs more room, and many rows at once, run through graphs that serve every length.
    """

    def __init__(self, network: Transformer) -> None:
        self.network = network
        self._altered = alter_signature(network.config)
        self._xla = pays(network.config)
        self._greedy = graphs(self._run_greedy, [IDS, IDS, self._altered], self._xla)
        self._forced = graphs(self._run_forced, [IDS, IDS, self._altered], self._xla)
        self._beams: dict[int, Graphs] = {}  # by their number
        # Asked for now and then: one graph for every length costs a second once, XLA would for each bucket.
        self._projections = plain(self._run_projections, [IDS, IDS, self._altered])
        self.effects = Effects(network.config, self._run_inside, self._run_chances, [IDS, IDS])
        # A recurrent network has no stream that its layers add to.
        self.insides = (
            None
            if network.config.recurrent
            else Insides(network.config, self._run_inside, self._run_say, [IDS, IDS])
        )

    def decode(
        self,
        source: Sequence[int],
        *,
        beams: int = 1,
        alpha: float = 0.6,
        prefix: Sequence[int] = (),
        begin: Sequence[int] | None = None,
        alter: Alter = AS_IT_IS,
    ) -> list[int]:
        """The output for one source: ids up to and with the end token (without, where it was cut off: at `max_target`,
        or with gates, which make many a network repeat itself, 16 tokens and more behind the length of the source).

        Args:
            source: ids, the end token last.
            beams: 1 is greedy.
            alpha: length penalty of beam search.
            prefix: ids the output must begin with; greedy only. What `begin` forces is part of it.
            begin: what every output begins with; None: the configuration's `prefix`.
            alter: what is changed in the network meanwhile.

        Raises:
            ValueError: a source or prefix longer than the network's positions, or a prefix with beam search.
        """
        rows = self.decode_rows([source], beams=beams, alpha=alpha, prefix=prefix, begin=begin, alter=alter)
        return rows[0]

    def decode_rows(
        self,
        sources: Sequence[Sequence[int]],
        *,
        beams: int = 1,
        alpha: float = 0.6,
        prefix: Sequence[int] = (),
        begin: Sequence[int] | None = None,
        alter: Alter = AS_IT_IS,
    ) -> list[list[int]]:
        """`decode` for several rows at once: sources, one of which may stand for all rows of `alter`."""
        config = self.network.config
        if prefix and beams > 1:
            raise ValueError(f"expected greedy decoding after a prefix, received {beams} beams")
        if len(prefix) >= config.max_target:
            raise ValueError(f"expected a prefix below {config.max_target} tokens, received {len(prefix)}")
        prefix = prefix or (config.prefix if begin is None else begin)
        length = max(bucket(len(source), config.max_source) for source in sources)
        tensors = alter_tensors(config, alter, len(sources))
        rows = len(tensors.scale)
        padded = ids_rows(sources, length, config.pad_id, rows)
        run = partial(self._decoded, padded, prefix, beams, alpha, tensors)
        room = self._room(length)
        limit = bucket(min(max(length, len(prefix)) + 16, config.max_target), config.max_target)
        found = run(limit, few=rows == 1 and limit == room)
        # Few outputs are much longer than their source: those that are get a second, longer try.
        again = [i for i, row in enumerate(found) if not row or row[-1] != config.end_id]
        if again and limit < config.max_target and not gated(alter):
            longer = run(config.max_target, few=False)
            for i in again:
                found[i] = longer[i]
        return found

    def decode_all(
        self,
        sources: Sequence[Sequence[int]],
        beams: int,
        alpha: float,
        size: int,
        begin: Sequence[int] | None = None,
    ) -> list[list[int]]:
        """`decode` for many sources, in batches of `size` of nearly one length."""
        config = self.network.config
        begin = config.prefix if begin is None else begin
        results: list[list[int]] = [[] for _ in sources]
        order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
        tensors = alter_tensors(config, rows=size)
        for at in range(0, len(order), size):
            chosen = order[at : at + size]
            longest = max(len(sources[i]) for i in chosen)
            batch = np.full((size, bucket(longest, config.max_source)), config.pad_id, np.int32)
            batch[:, 0] = config.end_id  # rows that no sentence fills
            for row, i in enumerate(chosen):
                batch[row, : len(sources[i])] = sources[i]
            limit = bucket(min(2 * longest + 8, config.max_target), config.max_target)
            found = self._decoded(tf.constant(batch), begin, beams, alpha, tensors, limit, few=True)
            for row, i in enumerate(chosen):
                results[i] = found[row]
        return results

    def record(self, source: Sequence[int], target: Sequence[int], alter: Alter = AS_IT_IS) -> Recorded:
        """One pass over a finished pair (ids; the end token last, as far as there is one).

        Raises:
            ValueError: an empty side, or one longer than the network's positions.
        """
        return self.record_rows([source], [target], alter)[0]

    def record_rows(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], alter: Alter = AS_IT_IS
    ) -> list[Recorded]:
        """`record` for several rows at once: one source, and one target, may stand for all of them."""
        config = self.network.config
        n, m = max(len(row) for row in sources), max(len(row) for row in targets)
        for side, longest in ((sources, config.max_source), (targets, config.max_target)):
            for row in side:
                bucket(len(row), longest)
        tensors = alter_tensors(config, alter, max(len(sources), len(targets)))
        rows = len(tensors.scale)
        # What a gated network goes on repeating must not wait for a compilation either.
        length = bucket(n, config.max_source)
        few = rows == 1 and m <= (length if gated(alter) else self._room(length))
        # Two axes of buckets would be many compilations: both sides share the longer one's.
        s, t = (bucket(n, config.max_source, m), bucket(m, config.max_target, n)) if few else (n, m)
        run = self._forced if few else self._forced.any
        *maps, log_probability, entropy, alternatives, probabilities = run(
            ids_rows(sources, s, config.pad_id, rows), ids_rows(targets, t, config.pad_id, rows), tensors
        )
        encoder, decoder, cross = (None if part is None else part.numpy() for part in maps)
        said = [part.numpy() for part in (log_probability, entropy, alternatives, probabilities)]
        found = []
        for i in range(rows):
            n, m = len(sources[i % len(sources)]), len(targets[i % len(targets)])
            shown: list[Any] = [
                None if part is None else part[i, :, :, :queries, :keys]
                for part, queries, keys in ((encoder, n, n), (decoder, m, m), (cross, m, n))
            ]
            found.append(Recorded(*shown, *(part[i, :m] for part in said)))
        return found

    def projections(
        self, source: Sequence[int], target: Sequence[int], alter: Alter = AS_IT_IS
    ) -> dict[str, Projected]:
        """Queries and keys of every layer and head for a finished pair, by kind: "encoder", "decoder", "cross"; of a
        recurrent network none.

        A pass of its own over the same ids as `record`, without padding and without XLA.

        Raises:
            ValueError: an empty side, or one longer than the network's positions.
        """
        config = self.network.config
        for side, longest in ((source, config.max_source), (target, config.max_target)):
            bucket(len(side), longest)
        sides = (ids_row(side, len(side), config.pad_id) for side in (source, target))
        result = self._projections(*sides, alter_tensors(config, alter))
        return {
            kind: Projected(*(part.numpy() for part in parts))
            for kind, parts in zip(("encoder", "decoder", "cross"), result, strict=True)
            if parts
        }

    def warm(
        self, lengths: Sequence[int] = (16, 32), beams: Sequence[int] = (1,), *, beyond: bool = False
    ) -> None:
        """Compile ahead for sources of these lengths; with `beyond`, build what longer outputs run through, and what
        looks are cut in."""
        config = self.network.config
        for length in lengths:
            ids = [config.end_id] * min(length, config.max_source)
            self.record(ids, ids)
            for count in beams:
                self.decode(ids, beams=count)
        if beyond:
            rows = [[config.end_id]] * 2
            self.record_rows(rows, rows)
            for count in beams:
                self.decode_rows(rows, beams=count)
            if config.encoder:
                cut = Alter(edges=np.full((1, EDGE), -1, np.int32))  # of no map at all
                self.record_rows(rows, rows, cut)
                self.decode_rows(rows, alter=cut)

    def _room(self, length: int) -> int:
        """Positions of an output for a source padded to `length`: one for each, so that there is one compilation."""
        longest = self.network.config.max_target
        return bucket(min(length + 16, longest), longest)

    def _decoded(
        self,
        sources: Any,
        prefix: Sequence[int],
        beams: int,
        alpha: float,
        alter: Alter,
        limit: int,
        *,
        few: bool,
    ) -> list[list[int]]:
        start = ids_rows([prefix], limit, EMPTY, 1 if beams > 1 else len(sources))
        if beams > 1:
            if beams not in self._beams:
                scalar = tf.TensorSpec((), tf.float32)
                self._beams[beams] = graphs(
                    partial(self._run_beam, beams), [IDS, IDS, scalar, self._altered], self._xla
                )
            run = self._beams[beams] if few else self._beams[beams].any
            ids = run(sources, start, tf.constant(alpha, tf.float32), alter)
        else:
            ids = (self._greedy if few else self._greedy.any)(sources, start, alter)
        return [[int(i) for i in row if i != EMPTY] for row in ids.numpy()]

    def _run_greedy(self, source: Any, prefix: Any, alter: Alter) -> Any:
        limit = ops.shape(prefix)[1]
        state = self.network.start(source, limit, alter=alter)
        return greedy(self.network, source, limit, prefix, state=state).ids

    def _run_beam(self, beams: int, source: Any, prefix: Any, alpha: Any, alter: Alter) -> Any:
        limit = ops.shape(prefix)[1]
        state = self.network.start(source, limit, alter=alter)
        return beam(self.network, source, limit, beams, alpha, prefix=prefix[0], state=state).ids

    def _run_projections(self, source: Any, target: Any, alter: Alter) -> tuple[Any, ...]:
        stacks = self.network.forward(source, self._read(target), alter=alter).projections
        return tuple(
            tuple(ops.stack([p[i][0] for p in stack]) for i in range(4)) if stack else () for stack in stacks
        )

    def _run_inside(self, source: Any, target: Any, alter: Alter) -> Any:
        return self.network.forward(source, self._read(target), alter=alter)

    def _run_say(self, stream: Any) -> Any:
        network = self.network
        return network.say(stream if network.config.recurrent else network.decoder.finish(stream), many=True)

    def _run_chances(self, stream: Any, places: Any, ids: Any, *_: Any) -> Any:
        return foretold_at(self._run_say, stream, places, ids)

    def _run_forced(self, source: Any, target: Any, alter: Alter) -> tuple[Any, ...]:
        result = self.network.forward(source, self._read(target), alter=alter)
        said = foretold(result.logits, target, self.network.config)
        return result.encoder, result.decoder, result.cross, *said

    def _read(self, target: Any) -> Any:
        """What the decoder reads while it writes `target`: the start token, then what has been written."""
        start = ops.full((ops.shape(target)[0], 1), self.network.config.start_id, "int32")
        return ops.concatenate([start, target[:, :-1]], axis=1)
