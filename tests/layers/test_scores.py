"""Weights of additive and multiplicative scores against Keras's attention layers, and Luong's "general" in numpy."""

import keras
import numpy as np
import pytest

from tests.toy import softmax
from transformer.layers.scores import Alignment

WIDTH = 6
REAL = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)


def rows(length: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, length, WIDTH)).astype(np.float32)


def layer(score: str) -> Alignment:
    """With weights that all matter."""
    made = Alignment(WIDTH, score)  # type: ignore[arg-type]
    made.build()
    for i, variable in enumerate(made.weights):
        variable.assign(np.random.default_rng(10 + i).normal(size=tuple(variable.shape)))
    return made


def by_keras(other: keras.layers.Layer, queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    _, weights = other([queries, keys, keys], mask=[None, REAL], return_attention_scores=True)
    return np.asarray(weights)


def test_additive_is_that_of_keras() -> None:
    own, queries, source = layer("additive"), rows(4, 1), rows(5, 2)
    assert own.query
    other = keras.layers.AdditiveAttention(use_scale=True)
    other.build([(2, 4, WIDTH), (2, 5, WIDTH), (2, 5, WIDTH)])
    other.scale.assign(own.vector)
    projected = np.asarray(own.query(queries)), np.asarray(own.project(source))
    found = np.asarray(own(queries, own.project(source), REAL))
    np.testing.assert_allclose(found, by_keras(other, *projected), atol=1e-5)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    assert (found[1, :, 3:] == 0).all()


@pytest.mark.parametrize("score", ["dot", "scaled"])
def test_dot_and_scaled_are_those_of_keras(score: str) -> None:
    own, queries, source = layer(score), rows(4, 1), rows(5, 2)
    other = keras.layers.Attention(use_scale=score == "scaled")
    other.build([(2, 4, WIDTH), (2, 5, WIDTH), (2, 5, WIDTH)])
    if score == "scaled":
        other.scale.assign(own.scale)
    found = np.asarray(own(queries, own.project(source), REAL))
    np.testing.assert_allclose(found, by_keras(other, queries, source), atol=1e-5)


def test_general_is_equation_8_of_luong() -> None:
    own, queries, source = layer("general"), rows(4, 1), rows(5, 2)
    (matrix,) = (np.asarray(weight, np.float64) for weight in own.weights)
    matrix = matrix / WIDTH**0.5  # Luong's W
    scores = np.einsum("btd,bsd->bts", queries, np.einsum("bsd,de->bse", source, matrix))
    scores[1, :, 3:] = -np.inf
    found = np.asarray(own(queries, own.project(source), REAL))
    np.testing.assert_allclose(found, softmax(scores), atol=1e-5)


def test_scaled_begins_as_in_the_transformer() -> None:
    own = Alignment(WIDTH, "scaled")
    own.build()
    assert float(own.scale) == pytest.approx(WIDTH**-0.5)
