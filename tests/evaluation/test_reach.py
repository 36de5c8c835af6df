"""Shares of gradients by distance: closed forms."""

import numpy as np
import pytest

from transformer.evaluation.reach import summed_up


def test_halves_each_step_back() -> None:
    # Norms 1, 1/2, 1/4 ... : the first holds half of the whole, four hold 15/16.
    norms = np.tile(0.5 ** np.arange(40), (3, 1)) * np.array([[1.0], [7.0], [0.1]])
    found = summed_up(norms)
    np.testing.assert_allclose(found.mean, 0.5 ** np.arange(1, 41), rtol=1e-9)
    np.testing.assert_allclose(found.low, found.high)
    assert (found.half, found.most, found.windows) == (1, 4, 3)


def test_each_window_counts_alike_and_the_middle_half_is_between_the_quartiles() -> None:
    norms = np.array([[1, 0], [0, 1000], [1, 1], [1, 3], [3, 1]])
    found = summed_up(norms)
    np.testing.assert_allclose(found.mean, [0.5, 0.5])
    np.testing.assert_allclose(found.low[0], 0.25)
    np.testing.assert_allclose(found.high[0], 0.75)


def test_nothing_is_refused() -> None:
    for norms in (np.zeros((0, 3)), np.zeros((2, 3)), np.ones(3)):
        with pytest.raises(ValueError, match="expected norms"):
            summed_up(norms)
