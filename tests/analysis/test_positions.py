"""Measures of positions: against closed forms, and by hand on vectors small enough to check."""

import math

import numpy as np
import pytest

from transformer.analysis import positions as measures
from transformer.formulas.positions import SINUSOIDS, sinusoids, wavelengths


@pytest.mark.parametrize("kind", SINUSOIDS)
def test_the_dot_product_of_two_positions_is_a_sum_of_cosines_of_their_distance(kind: str) -> None:
    width, length = 16, 30
    table = sinusoids(length, width, kind, dtype=np.float64)
    found = measures.similarity(table)
    rates = 2 * math.pi / wavelengths(width, kind)
    for p, q in ((0, 0), (3, 4), (29, 0), (7, 21)):
        assert found[p, q] == pytest.approx(sum(math.cos((p - q) * rate) for rate in rates), abs=1e-12)
    # sin^2 + cos^2 = 1 for each pair: every position vector has length sqrt(width/2).
    np.testing.assert_allclose(np.diagonal(found), width / 2)
    np.testing.assert_allclose(measures.similarity(table, "cosine"), found / (width / 2), atol=1e-12)


def test_cosine_of_a_vector_of_zeros_is_zero() -> None:
    found = measures.similarity([[3.0, 4.0], [0.0, 0.0], [-6.0, -8.0]], "cosine")
    np.testing.assert_allclose(found, [[1, 0, -1], [0, 0, 0], [-1, 0, 1]])
    assert measures.nearest([[0.0, 0.0], [0.0, 1.0]], 0)[0] == (1, 0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="measure out of dot product, cosine, received 'l2'"):
        measures.similarity([[1.0]], "l2")  # type: ignore[arg-type]


def test_neighbours_come_nearest_first() -> None:
    found = measures.nearest(sinusoids(100, 64), 50, 4)
    assert [n.position for n in found] == [49, 51, 48, 52]
    assert found[0].cosine == pytest.approx(found[0].dot / 32, rel=1e-6)
    assert found[0].distance == pytest.approx(math.sqrt(64 - 2 * found[0].dot), rel=1e-4)
    assert [n.position for n in measures.nearest(sinusoids(3, 4), 0)] == [1, 2]
    for wrong in (-1, 3):
        with pytest.raises(ValueError, match="position from 0 to 2"):
            measures.nearest(sinusoids(3, 4), wrong)


def test_order_is_all_that_parts_the_paper_from_the_tutorial() -> None:
    paper = sinusoids(20, 12)
    np.testing.assert_array_equal(measures.in_paper_order(paper, "interleaved"), paper)
    np.testing.assert_array_equal(measures.in_paper_order(sinusoids(20, 12, "halves"), "halves"), paper)
    other = measures.in_paper_order(sinusoids(20, 12, "halves_minus_one"), "halves_minus_one")
    np.testing.assert_array_equal(other[:, :2], paper[:, :2])
    assert np.abs(other - paper).max() > 0.5


@pytest.mark.parametrize("kind", SINUSOIDS)
def test_the_rotation_is_exact_to_rounding(kind: str) -> None:
    assert measures.rotation_error(256, 64, kind, 100) < 1e-12
    assert measures.rotation_error(1, 2, kind, 1) < 1e-15


def test_a_bias_alone_makes_a_window() -> None:
    found = measures.alone(4, 1.0)
    weights = [math.exp(-distance) for distance in range(4)]
    np.testing.assert_allclose(found[3], np.array(weights[::-1]) / sum(weights))
    np.testing.assert_allclose(found[0], [1, 0, 0, 0])
    np.testing.assert_allclose(found.sum(-1), 1)


def test_total_variation_by_hand() -> None:
    before = np.array([[[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]])
    after = np.array([[[0.5, 0.0, 0.5], [0.0, 0.0, 1.0]]])
    np.testing.assert_allclose(measures.total_variation(before, after), [[0.5, 1.0]])
    np.testing.assert_array_equal(measures.total_variation(before, before), [[0, 0]])
    with pytest.raises(ValueError, match=r"one shape, received \(1, 2, 3\) and \(2, 3\)"):
        measures.total_variation(before, after[0])
