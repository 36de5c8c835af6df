"""A character LSTM: one embedding, one recurrent layer, one projection (Graves 2013, "Generating Sequences With
Recurrent Neural Networks", arXiv:1308.0850, with a single layer).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from transformer.config import ModelConfig, implemented, present
from transformer.layers.lstm import LSTM, Carried


class CharacterLSTM(keras.Model):
    """{"ids": (B, T)} -> logits (B, T, vocabulary); those at position t are for the character after ids[:, t]."""

    def __init__(self, config: ModelConfig, name: str = "character_lstm", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        policy = self.dtype_policy
        implemented(present(config.target, "target"), width=0, scale=1.0, types=0, norm=False)
        self.embedding_width = present(config.recurrent, "recurrent").embedding_width
        self.embedding = keras.layers.Embedding(
            config.vocabulary, self.embedding_width, dtype=policy, name="embedding"
        )
        self.lstm = LSTM(config.width, dtype=policy, name="lstm")
        self.dropout = keras.layers.Dropout(config.dropout, dtype=policy)
        self.output_projection = keras.layers.Dense(config.vocabulary, dtype=policy, name="output_projection")

    def build(self, input_shape: Any = None) -> None:
        self.embedding.build((None, None))
        self.lstm.build((None, None, self.embedding_width))
        self.output_projection.build((None, None, self.config.width))
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """{"ids": (B, T)} -> logits (B, T, vocabulary), from an empty state."""
        return self.read(self.embedding(inputs["ids"]), training=training)[0]

    def read(
        self, vectors: Any, state: Carried | None = None, training: bool | None = None
    ) -> tuple[Any, Carried]:
        """Embedded characters (B, T, embedding_width) after what was carried here -> logits (B, T, vocabulary) in
        float32, and what is carried on."""
        outputs, state = self.lstm(vectors, state)
        logits = self.output_projection(self.dropout(outputs, training=training))
        return ops.cast(logits, "float32"), state
