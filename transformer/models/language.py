"""A decoder alone: a network that goes on writing the text it is given (Radford et al. 2019, GPT-2)."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras

from transformer.config import ModelConfig
from transformer.layers.blocks import DecoderCache, Logits, TokenEmbedding
from transformer.models.altering import AS_IT_IS, Alter
from transformer.models.decoder import Decoder
from transformer.models.seq2seq import Forward


class Written(NamedTuple):
    """What writing carries along: a cache for each block, and what is changed in the network meanwhile."""

    caches: tuple[DecoderCache, ...]
    alter: Alter = AS_IT_IS


class LanguageModel(keras.Model):
    """{"ids": (B, T)} -> logits (B, T, vocabulary); those at position t are for the token after ids[:, t]."""

    def __init__(self, config: ModelConfig, name: str = "language_model", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        policy = self.dtype_policy
        self.embedding = TokenEmbedding(config, "target", dtype=policy, name="embedding")
        self.decoder = Decoder(config, dtype=policy)
        self.output_projection = Logits(config, self.embedding.tokens, dtype=policy, name="output_projection")

    def build(self, input_shape: Any = None) -> None:
        shape = (None, None, self.config.width)
        for layer in (self.embedding, self.decoder, self.output_projection):
            layer.build(shape)
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """{"ids": (B, T)} -> logits (B, T, vocabulary)."""
        return self.forward(inputs["ids"], training=training).logits

    def forward(
        self,
        ids: Any,
        *,
        real: Any = None,
        places: Any = None,
        alter: Alter = AS_IT_IS,
        training: bool | None = None,
    ) -> Forward:
        """One pass over a finished text, recording every attention map.

        Args:
            ids: (B, T).
            real: (B, T) booleans, false at padding; only padding that stands before real tokens needs it.
            places: (B, T), the position of each token where padding stands before it.
            alter: see `Alter`; of its gates only `decoder` is read.
        """
        # PyTorch's modules hand what `call` is given to a method of this name.
        if isinstance(ids, dict):
            return self.call(ids, training=training)
        x = self.embedding(ids, places=places, position_scale=alter.scale, training=training)
        result = self.decoder(
            x,
            real=real,
            gates=alter.gates.decoder,
            edges=alter.edges,
            patches=alter.patches,
            rows=alter.begins.decoder,
            places=places,
            position_scale=alter.scale,
            training=training,
        )
        return Forward(
            self.say(result.vectors),
            decoder=result.attention,
            projections=((), result.projections, ()),
            inside=result.inside,
        )

    def say(self, vectors: Any, many: bool = False) -> Any:
        """What the decoder's finished vectors (B, T, D) answer: logits (B, T, vocabulary); `many`: see `Logits`."""
        return self.output_projection(vectors, many=many)

    def start(self, ids: Any, length: Any, *, alter: Alter = AS_IT_IS) -> tuple[Any, Written]:
        """Read (B, P) ids at once and make room for `length` in all, a number or a scalar tensor: logits
        (B, P, vocabulary) and the state; gates are (B, layers, H).

        Padding after the real ids does no harm: its place in the caches is written over before anything looks at it.
        """
        x = self.embedding(ids, position_scale=alter.scale)
        result = self.decoder(
            x,
            gates=alter.gates.decoder,
            edges=alter.edges,
            patches=alter.patches,
            position_scale=alter.scale,
        )
        caches = self.decoder.go_on(result.cache, length)
        return self.say(result.vectors), Written(caches, alter)

    def step(self, token: Any, index: Any, state: Written) -> tuple[Any, Written]:
        """ids (B,) at position `index` -> logits (B, vocabulary) for the next one, and the state after it."""
        gates, scale, edges, patches = state.alter[:4]
        x = self.embedding(token[:, None], start=index, position_scale=scale)
        x, caches = self.decoder.step(
            x,
            index,
            state.caches,
            gates=gates.decoder,
            edges=edges,
            patches=patches,
            position_scale=scale,
        )
        return self.say(x)[:, 0], state._replace(caches=caches)
