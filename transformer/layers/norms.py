"""The normalisations of a stack: of a layer (Ba et al. 2016, arXiv:1607.06450), or by the root of the mean square
(Zhang and Sennrich 2019, arXiv:1910.07467)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from transformer.config import Norm


class RMSNorm(keras.layers.Layer):
    """x / sqrt(mean(x^2) + epsilon), times a learned scale; over the last axis, in float32."""

    def __init__(self, epsilon: float, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        self.gamma = self.add_weight((input_shape[-1],), initializer="ones", name="gamma")
        self.built = True

    def call(self, inputs: Any) -> Any:
        x = ops.cast(inputs, "float32")
        x = x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + self.epsilon)
        return ops.cast(x * ops.cast(self.gamma, "float32"), self.compute_dtype)


def normalisation(spec: Norm, dtype: Any, name: str) -> keras.layers.Layer:
    """One normalisation of the kind that a stack has."""
    if spec.kind == "rms":
        return RMSNorm(spec.epsilon, dtype=dtype, name=name)
    return keras.layers.LayerNormalization(epsilon=spec.epsilon, center=spec.bias, dtype=dtype, name=name)
