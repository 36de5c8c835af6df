"""Compiled inference of an encoder-decoder over text: greedy, beam and forced passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from transformer.config import ModelConfig
from transformer.models.seq2seq import Gates, Transformer
from transformer.runtime.common import Projected, Recorded, bucket, foretold, gate_tensors, ids_row, tf
from transformer.search.generate import EMPTY, beam, greedy


class _Scaled(NamedTuple):
    """A network as `generate` takes it, with its positions scaled by a scalar tensor."""

    network: Transformer
    position_scale: Any

    @property
    def config(self) -> ModelConfig:
        return self.network.config

    def start(self, source: Any, length: int) -> Any:
        return self.network.start(source, length, position_scale=self.position_scale)

    def step(self, token: Any, index: Any, state: Any) -> tuple[Any, Any]:
        return self.network.step(token, index, state, position_scale=self.position_scale)


class Runtime:
    """Greedy, beam and forced passes of one network, compiled."""

    def __init__(self, network: Transformer) -> None:
        self.network = network
        self._greedy = tf.function(self._run_greedy, jit_compile=True, autograph=False)
        self._beam = tf.function(self._run_beam, jit_compile=True, autograph=False)
        self._forced = tf.function(self._run_forced, jit_compile=True, autograph=False)
        # The same with scaled positions, a tensor, so that every scale runs through one graph; without XLA, whose
        # compilation takes longer than all that a visitor will ask of it, and with as few shapes as there can be.
        self._scaled_greedy = tf.function(self._run_greedy, autograph=False)
        self._scaled_beam = tf.function(self._run_beam, autograph=False)
        ids, scale = tf.TensorSpec((1, None), tf.int32), tf.TensorSpec((), tf.float32)
        gates = Gates(*(tf.TensorSpec(gate.shape, tf.float32) for gate in gate_tensors(network.config, None)))
        self._scaled_forced = tf.function(
            self._run_forced, autograph=False, input_signature=[ids, ids, gates, scale]
        )
        # Asked for now and then: one graph for every length costs a second once, XLA would for each bucket.
        self._projections = tf.function(
            self._run_projections,
            autograph=False,
            input_signature=[*[tf.TensorSpec((1, None), tf.int32)] * 2, tf.TensorSpec((), tf.float32)],
        )

    def decode(
        self,
        source: Sequence[int],
        *,
        beams: int = 1,
        alpha: float = 0.6,
        prefix: Sequence[int] = (),
        position_scale: float | None = None,
    ) -> list[int]:
        """The output for one source: ids up to and with the end token (without, where `max_target` cut it off).

        Args:
            source: ids, the end token last.
            beams: 1 is greedy.
            alpha: length penalty of beam search.
            prefix: ids the output must begin with; greedy only. What the configuration's `prefix` forces is part of it.
            position_scale: what position vectors are multiplied by before they are added; None leaves them.

        Raises:
            ValueError: a source or prefix longer than the network's positions, or a prefix with beam search.
        """
        config = self.network.config
        if prefix and beams > 1:
            raise ValueError(f"expected greedy decoding after a prefix, received {beams} beams")
        if len(prefix) >= config.max_target:
            raise ValueError(f"expected a prefix below {config.max_target} tokens, received {len(prefix)}")
        if beams == 1:
            prefix = prefix or config.prefix
        length = bucket(len(source), config.max_source)
        padded = self._pad(source, length)
        scale = () if position_scale is None else (tf.constant(position_scale, tf.float32),)
        run_beam, run_greedy = (
            (self._scaled_beam, self._scaled_greedy) if scale else (self._beam, self._greedy)
        )
        # One room for each padded source, so that there is one compilation for each.
        limit = bucket(min(max(length, len(prefix)) + 16, config.max_target), config.max_target)
        if scale:
            limit = config.max_target
        while True:
            if beams > 1:
                ids = run_beam(padded, limit, beams, tf.constant(alpha, tf.float32), *scale)
            else:
                ids = run_greedy(padded, ids_row(prefix, limit, EMPTY), *scale)
            row = [int(i) for i in ids.numpy()[0] if i != EMPTY]
            # Few outputs are much longer than their source: those that are get a second, longer try.
            if (row and row[-1] == config.end_id) or limit == config.max_target:
                return row
            limit = config.max_target

    def decode_all(
        self, sources: Sequence[Sequence[int]], beams: int, alpha: float, size: int
    ) -> list[list[int]]:
        """`decode` for many sources, in batches of `size` of nearly one length."""
        config = self.network.config
        results: list[list[int]] = [[] for _ in sources]
        order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
        for begin in range(0, len(order), size):
            chosen = order[begin : begin + size]
            longest = max(len(sources[i]) for i in chosen)
            batch = np.full((size, bucket(longest, config.max_source)), config.pad_id, np.int32)
            batch[:, 0] = config.end_id  # rows that no sentence fills
            for row, i in enumerate(chosen):
                batch[row, : len(sources[i])] = sources[i]
            limit = bucket(min(2 * longest + 8, config.max_target), config.max_target)
            if beams > 1:
                ids = self._beam(tf.constant(batch), limit, beams, tf.constant(alpha, tf.float32))
            else:
                ids = self._greedy(tf.constant(batch), tf.fill((size, limit), EMPTY))
            for row, i in enumerate(chosen):
                results[i] = [int(token) for token in ids.numpy()[row] if token != EMPTY]
        return results

    def record(
        self,
        source: Sequence[int],
        target: Sequence[int],
        gates: Gates | None = None,
        position_scale: float | None = None,
    ) -> Recorded:
        """One pass over a finished pair (ids; the end token last, as far as there is one).

        `position_scale` is that of `decode`.

        Raises:
            ValueError: an empty side, or one longer than the network's positions.
        """
        config = self.network.config
        # Two axes of buckets would be many compilations: both sides share the longer one's.
        length = max(len(source), len(target))
        s = self._pad(source, bucket(len(source), config.max_source, length))
        t = self._pad(target, bucket(len(target), config.max_target, length))
        if position_scale is None:
            result = self._forced(s, t, gate_tensors(self.network.config, gates))
        else:
            s, t = self._pad(source, len(source)), self._pad(target, len(target))
            result = self._scaled_forced(
                s, t, gate_tensors(self.network.config, gates), tf.constant(position_scale, tf.float32)
            )
        maps, said = result[:3], (part.numpy()[0] for part in result[3:])
        log_probability, entropy, alternatives, probabilities = said
        n, m = len(source), len(target)
        encoder, decoder, cross = (
            None if part is None else part.numpy()[0, :, :, :queries, :keys]
            for part, queries, keys in zip(maps, (n, m, m), (n, m, n), strict=True)
        )
        return Recorded(
            encoder,
            decoder,
            cross,
            log_probability[:m],
            entropy[:m],
            alternatives[:m],
            probabilities[:m],
        )

    def projections(
        self, source: Sequence[int], target: Sequence[int], position_scale: float = 1.0
    ) -> dict[str, Projected]:
        """Queries and keys of every layer and head for a finished pair, by kind: "encoder", "decoder", "cross".

        A pass of its own over the same ids as `record`, without padding and without XLA.

        Raises:
            ValueError: an empty side, or one longer than the network's positions.
        """
        config = self.network.config
        for side, longest in ((source, config.max_source), (target, config.max_target)):
            bucket(len(side), longest)
        s, t = self._pad(source, len(source)), self._pad(target, len(target))
        result = self._projections(s, t, tf.constant(position_scale, tf.float32))
        return {
            kind: Projected(*(part.numpy() for part in parts))
            for kind, parts in zip(("encoder", "decoder", "cross"), result, strict=True)
        }

    def warm(
        self,
        lengths: Sequence[int] = (16, 32),
        beams: Sequence[int] = (1,),
        position_scale: float | None = None,
    ) -> None:
        """Compile ahead for sources of these lengths, with a position_scale for every scale."""
        for length in lengths:
            ids = [self.network.config.end_id] * min(length, self.network.config.max_source)
            self.record(ids, ids, position_scale=position_scale)
            for count in beams:
                self.decode(ids, beams=count, position_scale=position_scale)

    def _pad(self, ids: Sequence[int], length: int) -> Any:
        return ids_row(ids, length, self.network.config.pad_id)

    def _run_greedy(self, source: Any, prefix: Any, scale: Any = None) -> Any:
        network = self.network if scale is None else _Scaled(self.network, scale)
        return greedy(network, source, int(prefix.shape[1]), prefix).ids

    def _run_beam(self, source: Any, limit: int, beams: int, alpha: Any, scale: Any = None) -> Any:
        network = self.network if scale is None else _Scaled(self.network, scale)
        return beam(network, source, limit, beams, alpha).ids

    def _run_projections(self, source: Any, target: Any, scale: Any) -> tuple[Any, ...]:
        stacks = self.network.forward(source, self._read(target), position_scale=scale).projections
        return tuple(tuple(ops.stack([p[i][0] for p in stack]) for i in range(3)) for stack in stacks)

    def _run_forced(self, source: Any, target: Any, gates: Gates, scale: Any = None) -> tuple[Any, ...]:
        result = self.network.forward(source, self._read(target), gates=gates, position_scale=scale)
        said = foretold(result.logits, target, self.network.config)
        return result.encoder, result.decoder, result.cross, *said

    def _read(self, target: Any) -> Any:
        """What the decoder reads while it writes `target`: the start token, then what has been written."""
        return ops.concatenate(
            [ops.full((1, 1), self.network.config.start_id, "int32"), target[:, :-1]], axis=1
        )
