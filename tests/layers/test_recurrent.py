"""The gated recurrent unit against Keras's own, forwards, backwards and over padding."""

from typing import Any

import keras
import numpy as np
import pytest

from transformer.layers.recurrent import GRU

WIDTH = 8
REAL = np.array([[1] * 7, [1, 1, 1, 1, 0, 0, 0], [1] + [0] * 6], bool)


def pair(go_backwards: bool = False) -> tuple[GRU, Any]:
    """Our layer and Keras's with the same random weights."""
    rng = np.random.default_rng(0)
    kernel, recurrent, biases = (
        rng.normal(size=shape).astype(np.float32) * 0.5
        for shape in ((WIDTH, 3 * WIDTH), (WIDTH, 3 * WIDTH), (2, 3 * WIDTH))
    )
    own = GRU(WIDTH)
    own.build()
    for variable, value in (
        (own.input_kernel.kernel, kernel),
        (own.input_kernel.bias, biases[0]),
        (own.recurrent_kernel, recurrent),
        (own.recurrent_bias, biases[1]),
    ):
        variable.assign(value)
    other = keras.layers.GRU(WIDTH, return_sequences=True, go_backwards=go_backwards)
    other.build((None, None, WIDTH))
    other.set_weights([kernel, recurrent, biases])
    return own, other


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(3, 7, WIDTH)).astype(np.float32)


def test_states_are_those_of_keras(inputs: np.ndarray) -> None:
    own, other = pair()
    first = np.random.default_rng(2).normal(size=(3, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(own(inputs), other(inputs), atol=1e-5)
    expected = other(inputs, initial_state=first)
    np.testing.assert_allclose(own(inputs, first=first), expected, atol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_padding_is_passed_over_as_keras_does(inputs: np.ndarray, reverse: bool) -> None:
    own, other = pair(go_backwards=reverse)
    expected = np.asarray(other(inputs, mask=REAL))
    expected = expected[:, ::-1] if reverse else expected
    found = np.asarray(own(inputs, real=REAL, reverse=reverse))
    np.testing.assert_allclose(found[REAL], expected[REAL], atol=1e-5)
    # What stands behind the real positions changes nothing at all.
    other_padding = np.where(REAL[:, :, None], inputs, 9.0).astype(np.float32)
    again = np.asarray(own(other_padding, real=REAL, reverse=reverse))
    np.testing.assert_array_equal(again[REAL], found[REAL])


def test_one_step_at_a_time_is_the_whole(inputs: np.ndarray) -> None:
    own, _ = pair()
    state = np.zeros((3, WIDTH), np.float32)
    whole = np.asarray(own(inputs))
    for t in range(inputs.shape[1]):
        state = np.asarray(own.step(own.project(inputs[:, t]), state))
        np.testing.assert_allclose(state, whole[:, t], atol=1e-6)
