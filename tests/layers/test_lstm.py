"""The LSTM: outputs and every gradient against Keras's own layer, and a text read in two parts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from transformer.layers.lstm import LSTM

B, T, D, U = 3, 7, 5, 6


def pair() -> tuple[LSTM, keras.layers.LSTM]:
    """Ours and Keras's with the same random weights."""
    rng = np.random.default_rng(1)
    ours, theirs = LSTM(U), keras.layers.LSTM(U, return_sequences=True, return_state=True)
    for layer in (ours, theirs):
        layer.build((None, None, D))
    weights = [rng.normal(size=w.shape).astype(np.float32) * 0.5 for w in ours.weights]
    for layer in (ours, theirs):
        layer.set_weights(weights)
    return ours, theirs


def inputs() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(B, T, D)).astype(np.float32)


def test_outputs_state_and_gradients_are_those_of_keras() -> None:
    ours, theirs = pair()
    found = []
    for layer in (ours, theirs):
        x = tf.constant(inputs())
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs, *state = layer(x)
            output, cell = state[0] if layer is ours else state
            # A loss in which every step counts, and the last cell too.
            loss = tf.reduce_sum(tf.sin(3 * outputs)) + tf.reduce_sum(tf.square(cell))
        gradients = tape.gradient(loss, [x, *(v.value for v in layer.trainable_weights)])
        found.append([outputs, output, cell, *gradients])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_text_in_two_parts_is_the_text() -> None:
    layer, _ = pair()
    x = inputs()
    whole, last = layer(x)
    first, state = layer(x[:, :3])
    second, state = layer(x[:, 3:], state)
    np.testing.assert_allclose(np.concatenate([first, second], 1), whole, atol=1e-6)
    for one, other in zip(state, last, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_forget_gate_begins_open() -> None:
    layer = LSTM(2)
    layer.build((None, None, D))
    np.testing.assert_array_equal(layer.bias, [0, 0, 1, 1, 0, 0, 0, 0])


def test_no_units_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at least 1 unit, received 0"):
        LSTM(0)
