"""A stack of encoder blocks over ready vectors; what makes the vectors (tokens, sound) is not its business."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from transformer.config import Attention, ModelConfig, Norm, Stack, present
from transformer.layers.attention import padding_mask
from transformer.layers.blocks import EncoderBlock, EncoderOutput, Inside
from transformer.layers.norms import normalisation
from transformer.layers.positions import RelativeTable
from transformer.layers.rotary import turn
from transformer.models.altering import begun, cuts_of, nobody, of_layer, puts_of


class Encoder(keras.layers.Layer):
    """The blocks of `config.encoder`, or one block for all of its layers, and a last normalisation where it says so.

    Call arguments:
        inputs: (B, S, D).
        real: (B, S) booleans, false at padding.
        gates: (layers, H) or (B, layers, H), see `MultiHeadAttention`; () leaves every head on.
        places: (B, S), the position of each where it is not simply counted; only positions that turn read it.
        position_scale: positions that turn, or what is added to scores by distance, are multiplied by it, a number or
            (B,); () leaves them.
        edges, patches: with rows for each input, see `Alter`; (): none.
        rows: see `Later`; with them nothing of `inputs` is run, and no weights are returned.

    Returns:
        `EncoderOutput(vectors (B, S, D), attention (B, layers, H, S, S), projections, inside)`.
    """

    def __init__(self, config: ModelConfig, name: str = "encoder", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        stack = present(config.encoder, "an encoder")
        own = 1 if stack.shared_layers else stack.layers
        blocks = [EncoderBlock(config, i, dtype=self.dtype_policy, name=f"block_{i}") for i in range(own)]
        self.blocks = blocks * (stack.layers // own)
        self.relative = relative_table(stack, config.max_source, self.dtype_policy, causal=False)
        self.norm = last_norm(stack.norm, self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        build_stack(self, self.config.width)

    def call(
        self,
        inputs: Any,
        *,
        real: Any,
        gates: Any = (),
        edges: Any = (),
        patches: Any = (),
        rows: Any = (),
        places: Any = None,
        position_scale: Any = (),
        training: bool | None = None,
    ) -> EncoderOutput:
        inputs = nobody(inputs, rows)
        x, results, streams = inputs, [], []
        told = self._told(real, places, position_scale)
        steps = ops.arange(ops.shape(inputs)[1])
        bias = self.relative.between(steps, steps, position_scale) if self.relative else None
        for i, block in enumerate(self.blocks):
            x, count = begun(x, rows, i)
            streams.append(x)
            result = block(
                x,
                **told[block.self_attention.spec],
                real=real,
                gate=of_layer(gates, i, count),
                cuts=cuts_of(edges, "encoder", i, block.stack.attention.heads, steps, steps),
                puts=puts_of(patches, "encoder", i, steps, count, heads=block.stack.attention.heads),
                bias=bias,
                training=training,
            )
            x = result.vectors
            results.append(result)
        x, count = begun(x, rows, len(self.blocks))
        streams.append(x)
        return EncoderOutput(
            self.finish(x),
            ops.stack([result.attention for result in results], axis=1) if count is None else None,
            tuple(result.projections for result in results),
            Inside(tuple(streams), tuple(result.inside for result in results)),
        )

    def finish(self, stream: Any) -> Any:
        """The stream (B, S, D) behind any block as the vectors that the stack would give if that were its last."""
        return self.norm(stream) if self.norm else stream

    def _told(self, real: Any, places: Any, scale: Any) -> dict[Attention, dict[str, Any]]:
        """What layers of each kind are told of positions: where they may look, and how they turn. A window of an
        encoder reaches as far to both sides."""
        steps, told = ops.arange(ops.shape(real)[1]), dict[Attention, dict[str, Any]]()
        for spec in dict.fromkeys(block.self_attention.spec for block in self.blocks):
            mask, by = padding_mask(real), None
            if spec.window:
                near = ops.abs(steps[:, None] - steps[None]) < spec.window
                mask = ops.logical_and(near[None, None], mask)
            if spec.rotary:
                by = turn(spec.rotary, spec.head_width, steps[None] if places is None else places, scale)
            told[spec] = {"attention_mask": mask, "turn": by}
        return told


def last_norm(spec: Norm, dtype: Any) -> keras.layers.Layer | None:
    """The normalisation at the top of a stack: pre-norm blocks leave the residual stream unnormalised."""
    return normalisation(spec, dtype, "last_norm") if spec.last else None


def relative_table(stack: Stack, length: int, dtype: Any, *, causal: bool) -> RelativeTable | None:
    """What a stack adds to the scores of its self-attention by distance, where it does."""
    if not stack.relative:
        return None
    heads = stack.attention.heads
    return RelativeTable(stack.relative, heads, length, causal=causal, dtype=dtype, name="relative")


def build_stack(stack: Any, width: int) -> None:
    """Build the blocks, the last norm and the table of distances of an encoder or decoder stack."""
    if stack.relative:
        stack.relative.build()
    # One block may stand in several layers.
    for layer in dict.fromkeys((*stack.blocks, *([stack.norm] if stack.norm else []))):
        layer.build((None, None, width))
    stack.built = True
