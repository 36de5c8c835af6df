"""A second opinion: the same attention out of Keras's own layer, and out of this project's layer, beside the numpy one.

Used by the page that computes attention by hand; nothing that trains or translates depends on it.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from transformer.analysis.by_hand import Array, Dense, LayerWeights, Mask
from transformer.analysis.scores import Learned
from transformer.config import Norm, implemented
from transformer.layers.attention import MultiHeadAttention


class Opinion(NamedTuple):
    """One library's answer: output (T, D) and weights (H, T, S), float32."""

    output: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]


def layer_weights(layer: MultiHeadAttention) -> LayerWeights:
    """What a layer has learned, as float64; a bias that it does not have is zero."""

    def dense(part: keras.layers.Dense) -> Dense:
        kernel = np.asarray(part.kernel, np.float64)
        bias = np.zeros(kernel.shape[1]) if part.bias is None else np.asarray(part.bias, np.float64)
        return Dense(kernel, bias)

    return LayerWeights(
        dense(layer.query), dense(layer.key), dense(layer.value), dense(layer.output_projection), layer.spec
    )


def learned_norms(layer: MultiHeadAttention, norm: Norm) -> Learned:
    """What a layer's norms of queries and keys have learned."""

    def of(part: keras.layers.Layer | None, name: str) -> npt.NDArray[np.float32] | None:
        found = getattr(part, name, None)
        return None if found is None else np.asarray(found, np.float32)

    query, key = layer.query_norm, layer.key_norm
    return Learned(of(query, "gamma"), of(key, "gamma"), of(query, "beta"), of(key, "beta"), norm)


def by_this_project(layer: MultiHeadAttention, inputs: Array, mask: Mask) -> Opinion:
    """The layer itself over one sentence (T, D)."""
    result = layer(np.asarray(inputs[None], np.float32), attention_mask=mask[None, None])
    return Opinion(np.asarray(result.output)[0], np.asarray(result.weights)[0])


def by_keras(weights: LayerWeights, inputs: Array, mask: Mask) -> Opinion:
    """`keras.layers.MultiHeadAttention` with the same weights over one sentence (T, D)."""
    # Keras has 1 / sqrt(K) alone, and a head of keys for each of queries.
    implemented(weights.spec, scale=0.0, softcap=0.0, qk_norm="none", rotary=None, alibi=False, key_heads=0)
    width, heads, size = inputs.shape[1], weights.spec.heads, weights.spec.head_width
    layer = keras.layers.MultiHeadAttention(heads, size, dtype="float32")
    given = np.asarray(inputs[None], np.float32)
    layer.build(given.shape, given.shape)
    # Keras keeps the heads on an axis of their own: (D, H, K) going in, (H, K, D) going out.
    variables: list[Array] = []
    for part in (weights.query, weights.key, weights.value):
        variables += [part.kernel.reshape(width, heads, size), part.bias.reshape(heads, size)]
    variables += [weights.output.kernel.reshape(heads, size, width), weights.output.bias]
    layer.set_weights(variables)
    output, scores = layer(given, given, attention_mask=mask[None], return_attention_scores=True)
    return Opinion(np.asarray(output)[0], np.asarray(scores)[0])
