"""Weights times lengths, by hand."""

import numpy as np
import pytest

from transformer.analysis.handed import Weighted, lengths
from transformer.analysis.rollout import chosen
from transformer.trace import AttentionMap


def test_a_length_is_that_of_the_value_through_the_output_of_its_head() -> None:
    values = np.array([[[3.0], [1.0]]])  # one head of keys, two keys, one wide
    kernel = np.array([[4.0, 3.0], [0.0, 2.0]])  # of two heads that share it: lengths 5 and 2
    np.testing.assert_allclose(lengths(values, kernel), [[15, 5], [6, 2]])
    np.testing.assert_allclose(lengths(values, kernel, [0.5, 0.0]), [[7.5, 2.5], [0, 0]])
    shared = np.array([[[1.0]], [[2.0]]])  # two heads of keys serve four heads
    np.testing.assert_allclose(lengths(shared, np.eye(4)), [[1], [1], [2], [2]])
    with pytest.raises(ValueError, match="expected values"):
        lengths(values[0], kernel)
    with pytest.raises(ValueError, match="to serve"):
        lengths(np.ones((3, 1, 1)), kernel)


def test_a_weighted_map_is_drawn_like_any_other() -> None:
    attention = AttentionMap("cross", np.array([[[[0.75, 0.25]]], [[[0.5, 0.5]]]]), "a", "bc")
    weighted = Weighted(attention, np.array([[[1.0, 9.0]], [[2.0, 0.5]]], np.float32))
    assert weighted.longest == 2.25 and (weighted.layers, weighted.heads, weighted.kind) == (2, 1, "cross")
    np.testing.assert_allclose(weighted.weights[:, 0, 0], np.array([[0.75, 2.25], [1.0, 0.25]]) / 2.25)
    np.testing.assert_allclose(chosen(weighted, "max", None, None).values, [[1.0 / 2.25, 1.0]])
    for wrong in (np.ones((2, 1, 3), np.float32), np.zeros((2, 1, 2), np.float32)):
        with pytest.raises(ValueError, match="expected"):
            Weighted(attention, wrong)
