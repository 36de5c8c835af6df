"""A stack of encoder blocks over ready vectors; what makes the vectors (tokens, sound) is not its business."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from transformer.config import ModelConfig, Norm, present
from transformer.layers.attention import padding_mask
from transformer.layers.blocks import EncoderBlock, EncoderOutput
from transformer.layers.norms import normalisation
from transformer.layers.positions import RelativeTable
from transformer.models.altering import absent, of_layer


class Encoder(keras.layers.Layer):
    """The blocks of `config.encoder`, or one block for all of its layers, and a last normalisation where it says so.

    Call arguments:
        inputs: (B, S, D).
        real: (B, S) booleans, false at padding.
        gates: (layers, H) or (B, layers, H), see `MultiHeadAttention`; () leaves every head on.
        position_scale: what is added to scores by distance is multiplied by it, a number or (B,); () leaves it.

    Returns:
        `EncoderOutput(vectors (B, S, D), attention (B, layers, H, S, S), projections)`.
    """

    def __init__(self, config: ModelConfig, name: str = "encoder", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        stack = present(config.encoder, "an encoder")
        own = 1 if stack.shared_layers else stack.layers
        blocks = [EncoderBlock(config, dtype=self.dtype_policy, name=f"block_{i}") for i in range(own)]
        self.blocks = blocks * (stack.layers // own)
        self.relative = (
            RelativeTable(
                stack.relative,
                stack.attention.heads,
                config.max_source,
                dtype=self.dtype_policy,
                name="relative",
            )
            if stack.relative
            else None
        )
        self.norm = last_norm(stack.norm, self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        if self.relative:
            self.relative.build()
        build_stack(self, self.config.width)

    def call(
        self,
        inputs: Any,
        *,
        real: Any,
        gates: Any = (),
        position_scale: Any = (),
        training: bool | None = None,
    ) -> EncoderOutput:
        x, maps, projections = inputs, [], []
        bias = self.relative.between(ops.shape(inputs)[1]) if self.relative else None
        if bias is not None and not absent(position_scale):
            bias = bias * ops.reshape(ops.cast(position_scale, bias.dtype), (-1, 1, 1, 1))
        mask = padding_mask(real)
        for i, block in enumerate(self.blocks):
            result = block(
                x, attention_mask=mask, real=real, gate=of_layer(gates, i), bias=bias, training=training
            )
            x = result.vectors
            maps.append(result.attention)
            projections.append(result.projections)
        x = self.norm(x) if self.norm else x
        return EncoderOutput(x, ops.stack(maps, axis=1), tuple(projections))


def last_norm(spec: Norm, dtype: Any) -> keras.layers.Layer | None:
    """The normalisation at the top of a stack: pre-norm blocks leave the residual stream unnormalised."""
    return normalisation(spec, dtype, "last_norm") if spec.last else None


def build_stack(stack: Any, width: int) -> None:
    """Build the blocks and the last norm of an encoder or decoder stack."""
    # One block may stand in several layers.
    for layer in dict.fromkeys((*stack.blocks, *([stack.norm] if stack.norm else []))):
        layer.build((None, None, width))
    stack.built = True
