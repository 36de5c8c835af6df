"""How well does each source position fit the state of a decoder? Additive and multiplicative scores, and their softmax.

    additive  v . tanh(W q + U k)   Bahdanau et al. 2015 (arXiv:1409.0473), appendix A.1.2
    dot       q . k                 Luong et al. 2015 (arXiv:1508.04025), section 3.1
    general   q . (W k) / sqrt(D)   the same; there the root is part of W, with which Adam soon makes weights of 0 and 1
    scaled    g (q . k)             dot times one learned number, which begins at 1 / sqrt(D) (Vaswani et al. 2017)

Letters for shapes: B batch, T queries, S keys, D width.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from transformer.config import Score
from transformer.layers.attention import FORBIDDEN


class Alignment(keras.layers.Layer):
    """The weights with which queries look at keys, (B, T, S) float32; each row sums to 1 over real keys.

    Args:
        width: D, of queries and keys.
        score: see above.

    Call arguments:
        queries: (B, T, D).
        keys: (B, S, D), what `project` made of the source.
        real: (B, S) booleans, false at padding, which weighs exactly 0.
    """

    def __init__(self, width: int, score: Score, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.width, self.score = width, score
        self.query = self.key = None
        if score == "additive":
            self.query = keras.layers.Dense(width, use_bias=False, dtype=self.dtype_policy, name="query")
        if score in ("additive", "general"):
            self.key = keras.layers.Dense(width, use_bias=False, dtype=self.dtype_policy, name="key")

    def build(self, input_shape: Any = None) -> None:
        for projection in (self.query, self.key):
            if projection:
                projection.build((None, None, self.width))
        if self.score == "additive":
            self.vector = self.add_weight(
                (self.width,), initializer=keras.initializers.RandomNormal(stddev=0.1), name="vector"
            )
        if self.score == "scaled":
            start = keras.initializers.Constant(self.width**-0.5)
            self.scale = self.add_weight((), initializer=start, name="scale")
        self.built = True

    def project(self, source: Any) -> Any:
        """What of (B, S, D) need be computed only once a source: keys (B, S, D)."""
        return self.key(source) if self.key else source

    def scores(self, queries: Any, keys: Any) -> Any:
        """(B, T, S) float32, before the softmax."""
        if self.query:
            both = ops.tanh(self.query(queries)[:, :, None] + keys[:, None])  # (B, T, S, D)
            found = ops.matmul(both, ops.cast(self.vector, both.dtype)[:, None])[..., 0]
        else:
            found = ops.matmul(ops.cast(queries, keys.dtype), ops.swapaxes(keys, -1, -2))
        found = ops.cast(found, "float32")
        if self.score == "general":
            return found * self.width**-0.5
        return found * ops.cast(self.scale, "float32") if self.score == "scaled" else found

    def call(self, queries: Any, keys: Any, real: Any) -> Any:
        scores = self.scores(queries, keys) + (1.0 - ops.cast(real, "float32"))[:, None] * FORBIDDEN
        # A single key weighs 1 whatever its score; Keras warns of a softmax over one.
        return ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1)
