"""What does one cell carry along a text? The LSTM of Hochreiter and Schmidhuber 1997 with the forget gate of Gers et
al. 2000, over whole rows at once, with its state handed in and out.

The same numbers as `keras.layers.LSTM`, made for processors: there the gradient of the recurrent kernel is added up at
every step of a row, which costs more than the step itself. Here the backward pass is written out (Graves 2012,
"Supervised Sequence Labelling with Recurrent Neural Networks", section 4.6) and that gradient is one product at
the end.

Letters for shapes: B rows, T steps, D width of the inputs, U units. Arrays inside are time first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops


class Carried(NamedTuple):
    """What an LSTM remembers between two steps, each (B, U): its last output, and its cell."""

    output: Any
    cell: Any


class LSTM(keras.layers.Layer):
    """One layer; gates in the order input, forget, candidate, output.

    Call arguments:
        inputs: (B, T, D).
        state: what was carried here; None begins with zeros.

    Returns:
        (B, T, U), and the state after the last step.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"expected at least 1 unit, received {units}")
        self.units = units

    def build(self, input_shape: Any) -> None:
        wide = 4 * self.units
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], wide))
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, wide), initializer="orthogonal"
        )
        self.bias = self.add_weight(name="bias", shape=(wide,), initializer="zeros")
        # A forget gate that begins open lets memory last from the first step of training (Jozefowicz et al. 2015).
        self.bias.assign(ops.repeat(ops.array([0.0, 1.0, 0.0, 0.0]), self.units))

    def call(self, inputs: Any, state: Carried | None = None) -> tuple[Any, Carried]:
        shape, dtype = (ops.shape(inputs)[0], self.units), self.compute_dtype
        if state is None:
            state = Carried(ops.zeros(shape, "float32"), ops.zeros(shape, "float32"))
        given = ops.cast(ops.matmul(inputs, self.kernel), "float32") + ops.cast(self.bias, "float32")
        outputs, cells = recurrence(
            ops.transpose(given, (1, 0, 2)),  # (T, B, 4U)
            ops.cast(self.recurrent_kernel, dtype),
            *(ops.stop_gradient(ops.cast(part, "float32")) for part in state),
        )
        return ops.cast(ops.transpose(outputs, (1, 0, 2)), dtype), Carried(outputs[-1], cells[-1])


@ops.custom_gradient
def recurrence(given: Any, kernel: Any, output: Any, cell: Any) -> Any:
    """Outputs and cells (T, B, U), float32, of what each step is `given` (T, B, 4U), its bias included.

    The gradient runs back through all T steps; the state at the beginning (B, U) counts as a constant.
    """
    units = kernel.shape[0]
    dtype = kernel.dtype

    def step(carried: Any, z: Any) -> Any:
        h, c, _ = carried
        z = z + ops.cast(ops.matmul(ops.cast(h, dtype), kernel), "float32")
        i, f, g, o = ops.split(z, 4, axis=-1)
        i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
        c = f * c + i * g
        made = (o * ops.tanh(c), c, ops.concatenate([i, f, g, o], axis=-1))
        return made, made

    _, (outputs, cells, gates) = ops.scan(step, (output, cell, ops.zeros_like(given[0])), given)

    def gradient(*arguments: Any, upstream: Any = None) -> Any:
        d_outputs, d_cells = arguments if upstream is None else upstream
        cells_before = ops.concatenate([cell[None], cells[:-1]])
        outputs_before = ops.concatenate([output[None], outputs[:-1]])
        turned = ops.transpose(kernel)

        def back(carried: Any, xs: Any) -> Any:
            dh, dc, _ = carried
            dy, dcell, gate, c, before = xs
            i, f, g, o = ops.split(gate, 4, axis=-1)
            dh = dh + dy
            squashed = ops.tanh(c)
            dc = dc + dcell + dh * o * (1.0 - squashed * squashed)
            dz = ops.concatenate(
                [
                    dc * g * i * (1.0 - i),
                    dc * before * f * (1.0 - f),
                    dc * i * (1.0 - g * g),
                    dh * squashed * o * (1.0 - o),
                ],
                axis=-1,
            )
            made = (ops.cast(ops.matmul(ops.cast(dz, dtype), turned), "float32"), dc * f, dz)
            return made, made

        nothing = ops.zeros_like(cell)
        _, (_, _, dz) = ops.scan(
            back,
            (nothing, nothing, ops.zeros_like(given[0])),
            (d_outputs, d_cells, gates, cells, cells_before),
            reverse=True,
        )
        rows = ops.cast(ops.reshape(outputs_before, (-1, units)), dtype)  # (T * B, U)
        d_kernel = ops.matmul(ops.transpose(rows), ops.cast(ops.reshape(dz, (-1, 4 * units)), dtype))
        return dz, d_kernel, nothing, nothing

    return (outputs, cells), gradient
