"""The encoder-decoder Transformer over tokens (Vaswani et al. 2017, figure 1)."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from transformer.config import PAD, ModelConfig
from transformer.layers.blocks import DecoderCache, TokenEmbedding
from transformer.models.decoder import Decoder
from transformer.models.encoder import Encoder


class Gates(NamedTuple):
    """One number a head, (layers, H): 1 leaves it on, 0 switches it off. None: all on."""

    encoder: Any = None
    decoder: Any = None
    cross: Any = None


ALL_ON = Gates()


class Forward(NamedTuple):
    """Logits (B, T, vocabulary) and every attention map: (B, layers, H, queries, keys), float32.

    `projections` has for each of the three maps, in this order, a tuple of the `Projections` of its layers.
    """

    logits: Any
    encoder: Any
    decoder: Any
    cross: Any
    projections: Any


class State(NamedTuple):
    """What decoding carries along: which source positions are real (B, S), and a cache for each decoder block."""

    source_real: Any
    caches: tuple[DecoderCache, ...]


class Transformer(keras.Model):
    """Source ids (B, S) and target ids (B, T) -> logits (B, T, vocabulary); id 0 is padding on both sides.

    The logits at position t are for the token after target[:, t]: feed the target shifted right, start token first.
    """

    def __init__(self, config: ModelConfig, name: str = "transformer", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        policy = self.dtype_policy
        self.source_embedding = TokenEmbedding(
            config, config.max_source, dtype=policy, name="source_embedding"
        )
        self.target_embedding = TokenEmbedding(
            config, config.max_target, dtype=policy, name="target_embedding"
        )
        if config.shared_embeddings:
            self.target_embedding.tokens = self.source_embedding.tokens
        self.encoder = Encoder(config, dtype=policy)
        self.decoder = Decoder(config, dtype=policy)
        self.output_projection = (
            None
            if config.tied_logits
            else keras.layers.Dense(
                config.vocabulary, use_bias=config.logits_bias, dtype=policy, name="output_projection"
            )
        )

    def build(self, input_shape: Any = None) -> None:
        shape = (None, None, self.config.width)
        for layer in (self.source_embedding, self.target_embedding, self.encoder, self.decoder):
            layer.build(shape)
        if self.output_projection:
            self.output_projection.build(shape)
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """{"source": (B, S), "target": (B, T)} -> logits (B, T, vocabulary)."""
        return self.forward(inputs["source"], inputs["target"], training=training).logits

    def forward(
        self,
        source: Any,
        target: Any = None,
        *,
        gates: Gates = ALL_ON,
        position_scale: Any = None,
        training: bool | None = None,
    ) -> Forward:
        """One pass over a finished pair, recording every attention map.

        `position_scale`, here and in `start` and `step`: see `PositionTable`; it acts on both sides.
        """
        # PyTorch's modules hand what `call` is given to a method of this name.
        if isinstance(source, dict):
            return self.call(source, training=training)
        real = ops.not_equal(source, PAD)
        encoded = self.encoder(
            self.source_embedding(source, position_scale=position_scale, training=training),
            real=real,
            gates=gates.encoder,
            training=training,
        )
        decoded = self.decoder(
            self.target_embedding(target, position_scale=position_scale, training=training),
            encoded.vectors,
            memory_real=real,
            gates=gates.decoder,
            cross_gates=gates.cross,
            training=training,
        )
        return Forward(
            self._logits(decoded.vectors),
            encoded.attention,
            decoded.attention,
            decoded.cross,
            (encoded.projections, decoded.projections, decoded.cross_projections),
        )

    def start(self, source: Any, length: int, *, position_scale: Any = None) -> State:
        """Encode (B, S) source ids and make room for `length` target tokens."""
        real = ops.not_equal(source, PAD)
        vectors = self.source_embedding(source, position_scale=position_scale)
        memory = self.encoder(vectors, real=real).vectors
        return State(real, self.decoder.start(memory, length))

    def step(self, token: Any, index: Any, state: State, *, position_scale: Any = None) -> tuple[Any, State]:
        """Target ids (B,) at position `index` -> logits (B, vocabulary) for the next one, and the state after it."""
        x = self.target_embedding(token[:, None], start=index, position_scale=position_scale)
        x, caches = self.decoder.step(x, index, state.caches, memory_real=state.source_real)
        return self._logits(x)[:, 0], State(state.source_real, caches)

    def _logits(self, vectors: Any) -> Any:
        if self.output_projection:
            return self.output_projection(vectors)
        return self.target_embedding.logits(vectors)
