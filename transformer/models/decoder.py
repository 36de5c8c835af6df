"""A stack of decoder blocks over ready vectors, whole sequences at once or step by step over caches."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from transformer.config import ModelConfig, present
from transformer.layers.attention import KeyValue, causal_mask, padding_mask
from transformer.layers.blocks import DecoderBlock, DecoderCache, DecoderOutput
from transformer.models.altering import of_layer
from transformer.models.encoder import build_stack, last_norm


class Decoder(keras.layers.Layer):
    """The blocks of `config.decoder`, and a last normalisation where it says so.

    Call arguments:
        inputs: (B, T, D).
        memory: (B, S, D), the encoder's output; None without an encoder.
        memory_real: (B, S) booleans, false at the source's padding.
        real: (B, T) booleans, false at padding that stands before or between real tokens; None means none does.
        gates, cross_gates: (layers, H) or (B, layers, H); () leaves every head on.

    Returns:
        `DecoderOutput` with weights (B, layers, H, T, T) and (B, layers, H, T, S), and the caches of T steps.
    """

    def __init__(self, config: ModelConfig, name: str = "decoder", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        stack = present(config.decoder, "a decoder")
        self.blocks = [
            DecoderBlock(config, dtype=self.dtype_policy, name=f"block_{i}") for i in range(stack.layers)
        ]
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
        training: bool | None = None,
    ) -> DecoderOutput:
        x, results = inputs, []
        self_mask = causal_mask(ops.shape(inputs)[1])
        if real is not None:
            self_mask = ops.logical_and(self_mask, padding_mask(real))
        cross_mask = None if memory_real is None else padding_mask(memory_real)
        for i, block in enumerate(self.blocks):
            result = block(
                x,
                memory,
                self_mask=self_mask,
                cross_mask=cross_mask,
                real=real,
                gate=of_layer(gates, i),
                cross_gate=of_layer(cross_gates, i),
                training=training,
            )
            x = result.vectors
            results.append(result)
        return DecoderOutput(
            self.norm(x) if self.norm else x,
            ops.stack([result.attention for result in results], axis=1),
            None if memory is None else ops.stack([result.cross for result in results], axis=1),
            tuple(result.cache for result in results),
            tuple(result.projections for result in results),
            tuple(result.cross_projections for result in results),
        )

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
    ) -> tuple[Any, tuple[DecoderCache, ...]]:
        """One position (B, 1, D) at `index` -> its vector (B, 1, D) and the caches after it."""
        length = ops.shape(caches[0].self_attention.key)[2]
        self_mask = (ops.arange(length) <= index)[None, None, None]
        cross_mask = None if memory_real is None else padding_mask(memory_real)
        x, after = inputs, []
        for i, (block, cache) in enumerate(zip(self.blocks, caches, strict=True)):
            result = block(
                x,
                self_mask=self_mask,
                cross_mask=cross_mask,
                gate=of_layer(gates, i),
                cross_gate=of_layer(cross_gates, i),
                cache=cache,
                index=index,
            )
            x = result.vectors
            after.append(result.cache)
        return (self.norm(x) if self.norm else x), tuple(after)
