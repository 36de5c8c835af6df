"""The gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), one step at a time or over a whole sequence.

In the form that Keras and cuDNN compute, whose reset gate acts behind the recurrent matrix:

    z = sigmoid(W_z x + U_z h),  r = sigmoid(W_r x + U_r h),  n = tanh(W_n x + r * (U_n h)),  h' = z h + (1 - z) n

Biases are left out here; both products have one. Letters for shapes: B batch, T positions, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

SHUT = 1e9  # sigmoid() of it is exactly 1


def over_time(step: Callable[[Any, Any], Any], first: Any, inputs: Any, *, reverse: bool = False) -> Any:
    """What a state goes through: `step(state, input) -> state` from `first` on, over time.

    Args:
        first: a tensor or a tuple of them, (B, ...).
        inputs: (B, T, ...).
        reverse: from the last input to the first.

    Returns:
        The state after each input, like `first` with time behind the batch: (B, T, ...).
    """

    def turn(x: Any) -> Any:
        return ops.swapaxes(x, 0, 1)

    def one(state: Any, x: Any) -> tuple[Any, Any]:
        after = step(state, x)
        return after, after

    _, states = ops.scan(one, first, turn(inputs), reverse=reverse)
    return tuple(turn(x) for x in states) if isinstance(states, tuple) else turn(states)


class GRU(keras.layers.Layer):
    """A layer of gated recurrent units.

    The state is float32 whatever the policy, so that small changes add up; products take the policy's type.

    Args:
        width: D, of inputs and states.

    Call arguments:
        inputs: (B, T, D).
        first: (B, D), the state before the first input; None: zeros.
        real: (B, T) booleans, false at padding, over which the state stays as it is; None: no padding.
        reverse: read from the last input to the first.

    Returns:
        The state after each input, (B, T, D) float32.
    """

    def __init__(self, width: int, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.width = width
        # Update gate, reset gate, candidate: the order of Keras.
        self.input_kernel = keras.layers.Dense(3 * width, dtype=self.dtype_policy, name="input")

    def build(self, input_shape: Any = None) -> None:
        self.input_kernel.build((None, None, self.width))
        self.recurrent_kernel = self.add_weight(
            (self.width, 3 * self.width), initializer="orthogonal", name="recurrent_kernel"
        )
        self.recurrent_bias = self.add_weight((3 * self.width,), initializer="zeros", name="recurrent_bias")
        self.built = True

    def project(self, inputs: Any) -> Any:
        """W x and its bias of inputs (..., D), as `step` takes them: (..., 3 D) float32."""
        return ops.cast(self.input_kernel(inputs), "float32")

    def step(self, projected: Any, state: Any) -> Any:
        """Projected inputs (B, 3 D) and the state (B, D) before them -> the state after them."""
        kernel = ops.cast(self.recurrent_kernel, self.compute_dtype)
        recurrent = ops.matmul(ops.cast(state, self.compute_dtype), kernel)
        recurrent = ops.cast(recurrent, "float32") + ops.cast(self.recurrent_bias, "float32")
        z_x, r_x, n_x = ops.split(projected, 3, axis=-1)
        z_h, r_h, n_h = ops.split(recurrent, 3, axis=-1)
        z = ops.sigmoid(z_x + z_h)
        candidate = ops.tanh(n_x + ops.sigmoid(r_x + r_h) * n_h)
        return z * state + (1 - z) * candidate

    def call(self, inputs: Any, first: Any = None, real: Any = None, reverse: bool = False) -> Any:
        projected = self.project(inputs)
        if first is None:
            first = ops.zeros((ops.shape(inputs)[0], self.width), "float32")
        if real is not None:
            # Where the update gate is 1 the state stays exactly as it is.
            padding = 1.0 - ops.cast(real, "float32")[:, :, None]
            projected = (
                projected + padding * ops.cast(ops.arange(3 * self.width) < self.width, "float32") * SHUT
            )
        return over_time(
            lambda state, x: self.step(x, state), ops.cast(first, "float32"), projected, reverse=reverse
        )
