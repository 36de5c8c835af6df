"""The recurrent encoder-decoder with attention: what the Transformer took the place of.

Additive (Bahdanau et al. 2015, arXiv:1409.0473, section 3 and appendix A.2): the state before looks, and what it sees
goes into the recurrent step. Multiplicative (Luong et al. 2015, arXiv:1508.04025, section 3): the step comes first, and
the state after it looks. The encoder is bidirectional, the word vectors are one table, as in this project's
Transformers, and the readout is tanh of one matrix in both (Luong, equation 5; Bahdanau has maxout there). Luong's
input feeding is left out, so that all states are known before any looks.

Letters for shapes: B batch, T target, S source, D width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from transformer.config import ModelConfig, present
from transformer.layers.blocks import Inside, Logits, TokenEmbedding
from transformer.layers.recurrent import GRU, over_time
from transformer.layers.scores import Alignment
from transformer.models.altering import AS_IT_IS, Alter, absent
from transformer.models.seq2seq import Forward


class Source(NamedTuple):
    """A source that has been read: its vectors and keys (B, S, D), which are real (B, S), and the decoder's first
    state (B, D)."""

    vectors: Any
    keys: Any
    real: Any
    first: Any


class RecurrentState(NamedTuple):
    """What decoding carries along: the source, the decoder's state (B, D), and what is changed meanwhile."""

    source: Source
    state: Any
    alter: Alter = AS_IT_IS


class RecurrentTranslator(keras.Model):
    """Source ids (B, S) and target ids (B, T) -> logits (B, T, vocabulary), as `Transformer` has them.

    Everything that searches, records or trains takes it for one; it has one map, cross-attention of one layer and head.
    """

    def __init__(self, config: ModelConfig, name: str = "recurrent", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        policy, width = self.dtype_policy, config.width
        score = present(config.recurrent, "recurrent").score
        self.source_embedding = TokenEmbedding(config, "source", dtype=policy, name="source_embedding")
        self.target_embedding = TokenEmbedding(config, "target", dtype=policy, name="target_embedding")
        if config.shared_embeddings:
            self.target_embedding.tokens = self.source_embedding.tokens
        self.forwards = GRU(width, dtype=policy, name="forwards")
        self.backwards = GRU(width, dtype=policy, name="backwards")
        self.merge = keras.layers.Dense(width, dtype=policy, name="merge")
        self.first = keras.layers.Dense(width, activation="tanh", dtype=policy, name="first")
        self.decoder = GRU(width, dtype=policy, name="decoder")
        self.alignment = Alignment(width, score, dtype=policy, name="alignment")
        self.feeds = score == "additive"  # whether what is seen goes into the recurrent step
        self.context: Any = (
            keras.layers.Dense(3 * width, use_bias=False, dtype=policy, name="context")
            if self.feeds
            else None
        )
        self.readout = keras.layers.Dense(width, activation="tanh", dtype=policy, name="readout")
        self.dropout = keras.layers.Dropout(config.dropout, dtype=policy)
        self.output_projection = Logits(
            config, self.target_embedding.tokens, dtype=policy, name="output_projection"
        )

    def build(self, input_shape: Any = None) -> None:
        width = self.config.width
        shape = (None, None, width)
        for layer in (
            self.source_embedding,
            self.target_embedding,
            self.forwards,
            self.backwards,
            self.decoder,
            self.alignment,
            self.output_projection,
        ):
            layer.build(shape)
        self.merge.build((None, None, 2 * width))
        self.first.build((None, width))
        self.readout.build((None, None, (3 if self.feeds else 2) * width))
        if self.context:
            self.context.build(shape)
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """{"source": (B, S), "target": (B, T)} -> logits (B, T, vocabulary)."""
        return self.forward(inputs["source"], inputs["target"], training=training).logits

    def forward(
        self,
        source: Any,
        target: Any = None,
        *,
        real: Any = None,
        alter: Alter = AS_IT_IS,
        training: bool | None = None,
    ) -> Forward:
        """One pass over a finished pair, recording where the decoder looked: `cross`, (B, 1, 1, T, S).

        Args:
            source: ids (B, S).
            target: ids (B, T), the start token first.
            real: (B, S) booleans, false where the source is padding; None takes the id of padding for it.
            alter: its gate `cross`, (1, 1) or (B, 1, 1), multiplies what is seen; the rest has nothing to act on, as
                there is no self-attention and there are no position vectors.
        """
        # PyTorch's modules hand what `call` is given to a method of this name.
        if isinstance(source, dict):
            return self.call(source, training=training)
        read = self.encode(source, real, training=training)
        words = self.target_embedding(target, training=training)
        gate = self._gate(alter)
        if self.feeds:
            states, seen, weights = self._look_then_step(words, read, gate)
        else:
            states = self.decoder(words, first=read.first)
            weights = self.alignment(states, read.keys, read.real)
            seen = self._seen(weights, read) * gate[:, None]
        said = self._said(states, seen, words, training=training)
        return Forward(self.say(said), cross=weights[:, None, None], inside=Inside((said,), ()))

    def encode(self, source: Any, real: Any = None, *, training: bool | None = None) -> Source:
        """Read a source (B, S) in both directions."""
        real = ops.not_equal(source, self.config.pad_id) if real is None else real
        words = self.source_embedding(source, training=training)
        after = self.forwards(words, real=real)
        before = self.backwards(words, real=real, reverse=True)
        vectors = self.merge(ops.concatenate([after, before], axis=-1))  # (B, S, D)
        # Of the direction that ends where the decoder begins (Bahdanau et al., appendix A.2.2).
        first = ops.cast(self.first(before[:, 0]), "float32")
        return Source(vectors, self.alignment.project(vectors), real, first)

    def start(self, source: Any, length: Any, *, real: Any = None, alter: Alter = AS_IT_IS) -> RecurrentState:
        """Read sources as in `forward`; the state has the same size however long the target will be."""
        read = self.encode(source, real)
        return RecurrentState(read, read.first, alter)

    def step(self, token: Any, index: Any, state: RecurrentState) -> tuple[Any, RecurrentState]:
        """Target ids (B,) -> logits (B, vocabulary) for the next one, and the state after it."""
        source, before, alter = state
        gate = self._gate(alter)
        word = self.target_embedding(token[:, None])  # (B, 1, D)
        if self.feeds:
            after, seen, _ = self._one(self.decoder.project(word)[:, 0], before, source, gate)
        else:
            after = self.decoder.step(self.decoder.project(word)[:, 0], before)
            seen = self._seen(self.alignment(after[:, None], source.keys, source.real), source)[:, 0] * gate
        said = self._said(after[:, None], seen[:, None], word)
        return self.say(said)[:, 0], state._replace(state=after)

    def _gate(self, alter: Alter) -> Any:
        """(1, 1) or (B, 1)."""
        gate = np.ones(1, np.float32) if absent(alter.gates.cross) else alter.gates.cross
        return ops.reshape(ops.cast(gate, self.compute_dtype), (-1, 1))

    def _look_then_step(self, words: Any, read: Source, gate: Any) -> tuple[Any, Any, Any]:
        """States and what was seen (B, T, D), and the weights (B, T, S)."""
        nothing = (
            ops.zeros_like(read.vectors[:, 0]),
            ops.zeros((ops.shape(read.keys)[0], ops.shape(read.keys)[1]), "float32"),
        )
        return over_time(
            lambda carried, word: self._one(word, carried[0], read, gate),
            (read.first, *nothing),
            self.decoder.project(words),
        )

    def _one(self, word: Any, before: Any, read: Source, gate: Any) -> tuple[Any, Any, Any]:
        """One step after Bahdanau: the state after it, what was seen (B, D), and the weights (B, S)."""
        weights = self.alignment(before[:, None], read.keys, read.real)
        seen = self._seen(weights, read)[:, 0] * gate
        given = word + ops.cast(self.context(seen), "float32")
        return self.decoder.step(given, before), seen, weights[:, 0]

    def _seen(self, weights: Any, read: Source) -> Any:
        """The mean of the source's vectors by these weights: (B, T, D)."""
        return ops.matmul(ops.cast(weights, read.vectors.dtype), read.vectors)

    def say(self, vectors: Any, many: bool = False) -> Any:
        """What vectors (B, T, D) answer, of which `Forward.inside` has the one stream: logits (B, T, vocabulary);
        `many`: see `Logits`."""
        return self.output_projection(vectors, many=many)

    def _said(self, states: Any, seen: Any, words: Any, training: bool | None = None) -> Any:
        parts = [ops.cast(states, self.compute_dtype), seen, *([words] if self.feeds else [])]
        return self.dropout(self.readout(ops.concatenate(parts, axis=-1)), training=training)
