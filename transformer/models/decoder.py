"""A stack of decoder blocks over ready vectors, whole sequences at once or step by step over caches."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from transformer.config import Attention, ModelConfig, present
from transformer.formulas.positions import alibi_slopes
from transformer.layers.attention import KeyValue, padding_mask
from transformer.layers.blocks import DecoderBlock, DecoderCache, DecoderOutput, Inside, Puts
from transformer.layers.rotary import turn
from transformer.models.altering import absent, begun, cuts_of, nobody, of_layer, puts_of
from transformer.models.encoder import build_stack, last_norm, relative_table


class Decoder(keras.layers.Layer):
    """The blocks of `config.decoder`, and a last normalisation where it says so.

    Call arguments:
        inputs: (B, T, D).
        memory: (B, S, D), the encoder's output; None without an encoder.
        memory_real: (B, S) booleans, false at the source's padding.
        real: (B, T) booleans, false at padding that stands before or between real tokens; None means none does.
        gates, cross_gates: (layers, H) or (B, layers, H); () leaves every head on.
        edges, patches: with rows for each input, see `Alter`; (): none.
        rows: see `Later`; with them nothing of `inputs` is run, and no weights are returned.
        places: (B, T), the position of each, where padding stands before it; None counts from 0.
        position_scale: what positions that turn, or are added to scores, are multiplied by, a number or (B,); ()
            leaves them.

    Returns:
        `DecoderOutput` with weights (B, layers, H, T, T) and (B, layers, H, T, S), and the caches of T steps.
    """

    def __init__(self, config: ModelConfig, name: str = "decoder", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        stack = present(config.decoder, "a decoder")
        self.blocks = [
            DecoderBlock(config, i, dtype=self.dtype_policy, name=f"block_{i}") for i in range(stack.layers)
        ]
        self.relative = relative_table(stack, config.max_target, self.dtype_policy, causal=True)
        self.norm = last_norm(stack.norm, self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        build_stack(self, self.config.width)

    def call(
        self,
        inputs: Any,
        memory: Any = None,
        *,
        memory_real: Any = None,
        real: Any = None,
        gates: Any = (),
        cross_gates: Any = (),
        edges: Any = (),
        patches: Any = (),
        rows: Any = (),
        places: Any = None,
        position_scale: Any = (),
        training: bool | None = None,
    ) -> DecoderOutput:
        inputs = nobody(inputs, rows)
        x, results, streams = inputs, [], []
        steps = ops.arange(ops.shape(inputs)[1])
        told = self._told(steps, steps, steps[None] if places is None else places, position_scale, real)
        cross_mask = None if memory_real is None else padding_mask(memory_real)
        for i, block in enumerate(self.blocks):
            x, count = begun(x, rows, i)
            streams.append(x)
            result = block(
                x,
                memory,
                **told[block.self_attention.spec],
                cross_mask=cross_mask,
                real=real,
                gate=of_layer(gates, i, count),
                cross_gate=of_layer(cross_gates, i, count),
                **self._cuts(edges, i, steps, steps, memory),
                puts=self._puts(patches, i, steps, count),
                training=training,
            )
            x = result.vectors
            results.append(result)
        x, count = begun(x, rows, len(self.blocks))
        streams.append(x)
        whole = count is None
        return DecoderOutput(
            self.finish(x),
            ops.stack([result.attention for result in results], axis=1) if whole else None,
            ops.stack([result.cross for result in results], axis=1) if whole and memory is not None else None,
            tuple(result.cache for result in results),
            tuple(result.projections for result in results),
            tuple(result.cross_projections for result in results),
            Inside(tuple(streams), tuple(result.inside for result in results)),
        )

    def finish(self, stream: Any) -> Any:
        """The stream (B, T, D) behind any block as the vectors that the stack would give if that were its last."""
        return self.norm(stream) if self.norm else stream

    def go_on(self, caches: tuple[DecoderCache, ...], length: Any) -> tuple[DecoderCache, ...]:
        """The caches of a pass over the first tokens, with room for `length` in all."""

        def widen(x: Any) -> Any:
            return ops.pad(x, ((0, 0), (0, 0), (0, length - ops.shape(x)[2]), (0, 0)))

        return tuple(
            cache._replace(
                self_attention=KeyValue(widen(cache.self_attention.key), widen(cache.self_attention.value))
            )
            for cache in caches
        )

    def start(self, memory: Any, length: Any) -> tuple[DecoderCache, ...]:
        """Empty caches for `length` steps, a number or a scalar tensor, over `memory` (B, S, D)."""
        return tuple(block.start(memory, length) for block in self.blocks)

    def step(
        self,
        inputs: Any,
        index: Any,
        caches: tuple[DecoderCache, ...],
        *,
        memory_real: Any = None,
        gates: Any = (),
        cross_gates: Any = (),
        edges: Any = (),
        patches: Any = (),
        position_scale: Any = (),
    ) -> tuple[Any, tuple[DecoderCache, ...]]:
        """One position (B, 1, D) at `index` -> its vector (B, 1, D) and the caches after it."""
        steps = ops.arange(ops.shape(caches[0].self_attention.key)[2])
        here = ops.reshape(ops.cast(index, "int32"), (1,))
        told = self._told(here, steps, here[None], position_scale)
        cross_mask = None if memory_real is None else padding_mask(memory_real)
        x, after = inputs, []
        for i, (block, cache) in enumerate(zip(self.blocks, caches, strict=True)):
            result = block(
                x,
                **told[block.self_attention.spec],
                cross_mask=cross_mask,
                gate=of_layer(gates, i),
                cross_gate=of_layer(cross_gates, i),
                **self._cuts(edges, i, here, steps, memory_real),
                puts=self._puts(patches, i, here),
                cache=cache,
                index=index,
            )
            x = result.vectors
            after.append(result.cache)
        return self.finish(x), tuple(after)

    def _cuts(self, edges: Any, layer: int, queries: Any, keys: Any, memory: Any) -> dict[str, Any]:
        """What a layer is told of looks that are forbidden: `cuts` and `cross_cuts` of `DecoderBlock`.

        Args:
            queries, keys: (T,) and (S,), where each stands in the row.
            memory: (B, S, ...), of the source; None without an encoder.
        """
        stack = present(self.config.decoder, "a decoder")
        told = {"cuts": cuts_of(edges, "decoder", layer, stack.attention_at(layer).heads, queries, keys)}
        if stack.cross and not absent(edges):
            source = ops.arange(ops.shape(memory)[1])
            told["cross_cuts"] = cuts_of(edges, "cross", layer, stack.cross.heads, queries, source)
        return told

    def _puts(self, patches: Any, layer: int, steps: Any, count: Any = None) -> Puts:
        stack = present(self.config.decoder, "a decoder")
        cross = stack.cross.heads if stack.cross else 0
        return puts_of(
            patches, "decoder", layer, steps, count, heads=stack.attention_at(layer).heads, cross=cross
        )

    def _told(
        self, queries: Any, keys: Any, places: Any, scale: Any, real: Any = None
    ) -> dict[Attention, dict[str, Any]]:
        """What layers of each kind in the stack are told of positions: mask, turn and bias of `DecoderBlock`.

        Args:
            queries, keys: (T,) and (S,), where each stands in the row.
            places: (B or 1, T), the positions of the queries.
            scale: what positions are multiplied by.
            real: (B, S) booleans, or None.
        """
        distance = queries[:, None] - keys[None]  # (T, S)
        causal = distance >= 0
        told: dict[Attention, dict[str, Any]] = {}
        for spec in dict.fromkeys(block.self_attention.spec for block in self.blocks):
            seen = ops.logical_and(causal, distance < spec.window) if spec.window else causal
            bias = self.relative.between(queries, keys, scale) if self.relative else None
            if spec.alibi:
                slopes = ops.convert_to_tensor(-alibi_slopes(spec.heads).astype(np.float32))
                bias = slopes[:, None, None] * ops.cast(distance, "float32")[None]  # (H, T, S)
                if not absent(scale):
                    bias = bias * ops.reshape(ops.cast(scale, "float32"), (-1, 1, 1, 1))
            told[spec] = {
                "self_mask": seen[None, None]
                if real is None
                else ops.logical_and(seen[None, None], padding_mask(real)),
                "turn": turn(spec.rotary, spec.head_width, places, scale) if spec.rotary else None,
                "bias": bias,
            }
        return told
