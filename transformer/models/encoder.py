"""A stack of encoder blocks over ready vectors; what makes the vectors (tokens, sound) is not its business."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from transformer.config import ModelConfig
from transformer.layers.attention import padding_mask
from transformer.layers.blocks import EncoderBlock, EncoderOutput


class Encoder(keras.layers.Layer):
    """`encoder_layers` blocks, and a last normalisation where `norm="pre"`.

    Call arguments:
        inputs: (B, S, D).
        real: (B, S) booleans, false at padding.
        gates: (layers, H), see `MultiHeadAttention`; None leaves every head on.

    Returns:
        `EncoderOutput(vectors (B, S, D), attention (B, layers, H, S, S), projections)`.
    """

    def __init__(self, config: ModelConfig, name: str = "encoder", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        self.blocks = [
            EncoderBlock(config, dtype=self.dtype_policy, name=f"block_{i}")
            for i in range(config.encoder_layers)
        ]
        self.norm = last_norm(config, self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        build_stack(self, self.config.width)

    def call(
        self, inputs: Any, *, real: Any, gates: Any = None, training: bool | None = None
    ) -> EncoderOutput:
        x, maps, projections = inputs, [], []
        mask = padding_mask(real)
        for i, block in enumerate(self.blocks):
            gate = None if gates is None else gates[i]
            result = block(x, attention_mask=mask, real=real, gate=gate, training=training)
            x = result.vectors
            maps.append(result.attention)
            projections.append(result.projections)
        x = self.norm(x) if self.norm else x
        return EncoderOutput(x, ops.stack(maps, axis=1), tuple(projections))


def last_norm(config: ModelConfig, dtype: Any) -> keras.layers.Layer | None:
    """The normalisation at the top of a stack: pre-norm blocks leave the residual stream unnormalised."""
    if config.norm == "post":
        return None
    return keras.layers.LayerNormalization(epsilon=config.norm_epsilon, dtype=dtype, name="last_norm")


def build_stack(stack: Any, width: int) -> None:
    """Build the blocks and the last norm of an encoder or decoder stack."""
    for layer in (*stack.blocks, *([stack.norm] if stack.norm else [])):
        layer.build((None, None, width))
    stack.built = True
