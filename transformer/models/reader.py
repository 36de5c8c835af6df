"""A network that reads: an encoder alone (Devlin et al. 2018, BERT) or a decoder alone, with what it says of a text."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from transformer.config import OF_TEXTS, OF_TOKENS, ModelConfig, present
from transformer.interventions import KINDS
from transformer.layers.blocks import Logits, TokenEmbedding, activation
from transformer.layers.norms import normalisation
from transformer.models.altering import AS_IT_IS, Alter
from transformer.models.decoder import Decoder
from transformer.models.encoder import Encoder
from transformer.models.seq2seq import Forward

TASKS = ("masked_tokens", *OF_TEXTS, *OF_TOKENS, "spans", "vectors")


class Reader(keras.Model):
    """{"ids": (B, S)} -> what `config.output` says: scores (B, S, vocabulary) of what stands at each position, scores
    (B, classes) of the text or (B, S, classes) of each position, scores (B, S, 2) of where an answer begins and ends,
    or vectors (B, S, D)."""

    def __init__(self, config: ModelConfig, name: str = "reader", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        policy, task = self.dtype_policy, config.task
        if task.kind not in TASKS:
            raise ValueError(
                f"expected a task of {', '.join(TASKS[:-1])} or vectors, received {task.kind}: not implemented yet"
            )
        side = "source" if config.source else "target"
        self.embedding = TokenEmbedding(config, side, dtype=policy, name="embedding")  # type: ignore[arg-type]
        self.encoder = Encoder(config, dtype=policy) if config.encoder else None
        self.decoder = Decoder(config, dtype=policy) if config.decoder else None
        self.pooler = (
            keras.layers.Dense(
                config.width,
                activation(task.pooler_activation),
                use_bias=task.pooler_bias,
                dtype=policy,
                name="pooler",
            )
            if task.pooler
            else None
        )
        norm = present(config.encoder or config.decoder, "a stack").norm
        self.pooler_norm = normalisation(norm, policy, "pooler_norm") if task.pooler_norm else None
        self.head: Any = None
        if task.kind == "masked_tokens":
            self.head = MaskedTokens(config, self.embedding.tokens, dtype=policy, name="masked_tokens")
        elif task.kind != "vectors":
            # Of a token that was replaced or was not, one score says both.
            classes = {"replaced": 1, "spans": 2}.get(task.kind, task.classes)
            self.head = keras.layers.Dense(classes, use_bias=task.class_bias, dtype=policy, name="classifier")
            self.dropout = keras.layers.Dropout(task.dropout, dtype=policy)

    def build(self, input_shape: Any = None) -> None:
        for layer in (self.embedding, self.encoder, self.decoder):
            if layer:
                layer.build((None, None, self.config.width))
        for head in (self.pooler, self.pooler_norm, self.head):
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
            alter: see `Alter`; of its gates only those of its one stack are read.
        """
        # PyTorch's modules hand what `call` is given to a method of this name.
        if isinstance(ids, dict):
            return self.call(ids, training=training)
        x = self.embedding(ids, types, places=places, position_scale=alter.scale, training=training)
        real = ops.not_equal(ids, self.config.pad_id) if real is None else real
        return self.read(x, real, places=places, alter=alter, training=training)

    def read(
        self,
        vectors: Any,
        real: Any,
        *,
        places: Any = None,
        alter: Alter = AS_IT_IS,
        training: bool | None = None,
    ) -> Forward:
        """`forward` from ready embeddings (B, S, D) on: what a gradient with respect to them starts from."""
        kind = "encoder" if self.encoder else "decoder"
        stack: Any = self.encoder or self.decoder
        result = stack(
            vectors,
            real=real,
            gates=getattr(alter.gates, kind),
            edges=alter.edges,
            patches=alter.patches,
            rows=getattr(alter.begins, kind),
            places=places,
            position_scale=alter.scale,
            training=training,
        )
        return Forward(
            self.say(result.vectors, real, training),
            projections=tuple(result.projections if each == kind else () for each in KINDS),
            inside=result.inside,
            **{kind: result.attention},
        )

    def say(self, vectors: Any, real: Any, training: bool | None = None, many: bool = False) -> Any:
        """What the stack's finished vectors (B, S, D) answer, of which these are `real` (B, S): as the class says.

        `many`: see `Logits`.
        """
        task = self.config.task.kind
        if task == "vectors":
            return vectors
        if task == "masked_tokens":
            return self.head(vectors, many=many)
        chosen = self.pool(vectors, real) if task in OF_TEXTS else self._pooled(vectors)
        score = self.head(self.dropout(chosen, training=training))
        return ops.concatenate([ops.zeros_like(score), score], axis=-1) if task == "replaced" else score

    def pool(self, vectors: Any, real: Any) -> Any:
        """(B, S, D) -> (B, D): the first vector, that of the last real position, or the largest value or the mean of
        each column over real positions."""
        pooling = self.config.task.pooling
        if pooling == "max":
            vectors = ops.max(vectors + (1.0 - ops.cast(real, vectors.dtype))[:, :, None] * -1e4, axis=1)
        elif pooling == "last":
            places = ops.arange(ops.shape(real)[1]) * ops.cast(real, "int32")
            last = ops.one_hot(ops.argmax(places, axis=1), ops.shape(real)[1], dtype=vectors.dtype)
            vectors = ops.sum(vectors * last[:, :, None], axis=1)
        elif pooling == "mean":
            there = ops.cast(real, vectors.dtype)[:, :, None]
            vectors = ops.sum(vectors * there, axis=1) / ops.sum(there, axis=1)
        else:
            vectors = vectors[:, 0]
        return self._pooled(vectors)

    def _pooled(self, vectors: Any) -> Any:
        found = self.pooler(vectors) if self.pooler else vectors
        return self.pooler_norm(found) if self.pooler_norm else found


class MaskedTokens(keras.layers.Layer):
    """(B, S, D) -> (B, S, vocabulary): dense, activation, normalisation, token table (BERT's `cls/predictions`)."""

    def __init__(self, config: ModelConfig, tokens: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        policy, stack = self.dtype_policy, present(config.encoder, "an encoder")
        act = activation(stack.feed_forward.activation)
        # Towards rows of tokens that are narrower than the network.
        narrow = present(config.source, "a source").width or config.width
        self.transform = keras.layers.Dense(
            narrow, act, use_bias=config.task.pooler_bias, dtype=policy, name="transform"
        )
        self.norm = normalisation(stack.norm, policy, "norm")
        self.logits = Logits(config, tokens, dtype=policy, name="logits")
        self.widths = config.width, narrow, narrow

    def build(self, input_shape: Any) -> None:
        for layer, width in zip((self.transform, self.norm, self.logits), self.widths, strict=True):
            layer.build((None, None, width))
        self.built = True

    def call(self, inputs: Any, many: bool = False) -> Any:
        return self.logits(self.norm(self.transform(inputs)), many=many)
