"""An encoder alone: reads a text, and guesses masked tokens or a class (Devlin et al. 2018, BERT)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from transformer.config import ModelConfig, present
from transformer.layers.blocks import Logits, TokenEmbedding, activation
from transformer.layers.norms import normalisation
from transformer.models.altering import ALL_ON, AS_IT_IS, Alter, Gates
from transformer.models.encoder import Encoder
from transformer.models.seq2seq import Forward


class Reader(keras.Model):
    """{"ids": (B, S)} -> what `config.output` says: scores (B, S, vocabulary) of what stands at each position, scores
    (B, classes), or vectors (B, S, D)."""

    def __init__(self, config: ModelConfig, name: str = "reader", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        policy, task = self.dtype_policy, config.task
        if task.kind not in ("masked_tokens", "classes", "vectors"):
            raise ValueError(
                f"expected a task of masked_tokens, classes or vectors, received {task.kind}: not implemented yet"
            )
        self.embedding = TokenEmbedding(config, "source", dtype=policy, name="embedding")
        self.encoder = Encoder(config, dtype=policy)
        self.pooler = (
            keras.layers.Dense(config.width, "tanh", dtype=policy, name="pooler") if task.pooler else None
        )
        self.head: Any = None
        if task.kind == "masked_tokens":
            self.head = MaskedTokens(config, self.embedding.tokens, dtype=policy, name="masked_tokens")
        elif task.kind == "classes":
            self.head = keras.layers.Dense(task.classes, dtype=policy, name="classifier")
            self.dropout = keras.layers.Dropout(task.dropout, dtype=policy)

    def build(self, input_shape: Any = None) -> None:
        for layer in (self.embedding, self.encoder):
            layer.build((None, None, self.config.width))
        for head in (self.pooler, self.head):
            if head:
                head.build((None, self.config.width))
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """{"ids": (B, S)} -> as the class says."""
        return self.forward(inputs["ids"], training=training).logits

    def forward(
        self,
        ids: Any,
        *,
        types: Any = None,
        real: Any = None,
        places: Any = None,
        alter: Alter = AS_IT_IS,
        training: bool | None = None,
    ) -> Forward:
        """One pass, recording every attention map.

        Args:
            ids: (B, S).
            types: (B, S), the segment of each token.
            real: (B, S) booleans, false at padding; None takes the id of padding for it.
            places: (B, S), the position of each token where it is not simply counted.
            alter: see `Alter`; of its gates only `encoder` is read.
        """
        # PyTorch's modules hand what `call` is given to a method of this name.
        if isinstance(ids, dict):
            return self.call(ids, training=training)
        x = self.embedding(ids, types, places=places, position_scale=alter.scale, training=training)
        real = ops.not_equal(ids, self.config.pad_id) if real is None else real
        return self.read(x, real, alter.gates, training)

    def read(self, vectors: Any, real: Any, gates: Gates = ALL_ON, training: bool | None = None) -> Forward:
        """`forward` from ready embeddings (B, S, D) on: what a gradient with respect to them starts from."""
        result = self.encoder(vectors, real=real, gates=gates.encoder, training=training)
        logits = result.vectors
        if self.config.task.kind == "masked_tokens":
            logits = self.head(logits)
        elif self.config.task.kind == "classes":
            logits = self.head(self.dropout(self.pool(logits, real), training=training))
        return Forward(logits, encoder=result.attention, projections=(result.projections, (), ()))

    def pool(self, vectors: Any, real: Any) -> Any:
        """(B, S, D) -> (B, D): the first vector, or the largest value of each column over real positions."""
        if self.config.task.pooling == "max":
            vectors = ops.max(vectors + (1.0 - ops.cast(real, vectors.dtype))[:, :, None] * -1e4, axis=1)
        else:
            vectors = vectors[:, 0]
        return self.pooler(vectors) if self.pooler else vectors


class MaskedTokens(keras.layers.Layer):
    """(B, S, D) -> (B, S, vocabulary): dense, activation, normalisation, token table (BERT's `cls/predictions`)."""

    def __init__(self, config: ModelConfig, tokens: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        policy, stack = self.dtype_policy, present(config.encoder, "an encoder")
        act = activation(stack.feed_forward.activation)
        self.transform = keras.layers.Dense(config.width, act, dtype=policy, name="transform")
        self.norm = normalisation(stack.norm, policy, "norm")
        self.logits = Logits(config, tokens, dtype=policy, name="logits")
        self.width = config.width

    def build(self, input_shape: Any) -> None:
        for layer in (self.transform, self.norm, self.logits):
            layer.build((None, None, self.width))
        self.built = True

    def call(self, inputs: Any) -> Any:
        return self.logits(self.norm(self.transform(inputs)))
