"""Every encoding against closed forms and against its paper, written out one number at a time."""

import math

import numpy as np
import pytest

from transformer.formulas import positions
from transformer.formulas.positions import SINUSOIDS


def exponent(kind: str, i: int, width: int) -> float:
    """Of 1/10000, for pair i: see the docstring of the module."""
    return {
        "interleaved": 2 * i / width,
        "halves": i / (width / 2),
        "halves_minus_one": i / (width / 2 - 1),
    }[kind]


@pytest.mark.parametrize("kind", SINUSOIDS)
def test_every_pair_turns_at_its_rate(kind: str) -> None:
    width, length = 12, 9
    table = positions.sinusoids(length, width, kind, dtype=np.float64)
    sine, cosine = positions.pairs(width, kind)
    assert sorted([*sine, *cosine]) == list(range(width))
    for i in range(width // 2):
        rate = 10000.0 ** -exponent(kind, i, width)
        assert positions.rates(width, kind)[i] == pytest.approx(rate, rel=1e-12)
        assert positions.wavelengths(width, kind)[i] == pytest.approx(2 * math.pi / rate, rel=1e-12)
        for p in range(length):
            assert table[p, sine[i]] == pytest.approx(math.sin(p * rate), abs=1e-14)
            assert table[p, cosine[i]] == pytest.approx(math.cos(p * rate), abs=1e-14)


def test_wavelengths_run_from_two_pi_to_ten_thousand_times_that() -> None:
    """Vaswani et al. 2017, section 3.5: a geometric progression from 2 pi to 10000 * 2 pi; only T2T's ends there."""
    waves = positions.wavelengths(512)
    np.testing.assert_allclose(waves[1:] / waves[:-1], 10000 ** (2 / 512))
    assert waves[0] == 2 * math.pi
    assert waves[-1] == pytest.approx(2 * math.pi * 10000 ** (510 / 512))
    assert positions.wavelengths(512, "halves_minus_one")[-1] == pytest.approx(2 * math.pi * 10000)


def test_float32_and_float64_agree() -> None:
    for kind in SINUSOIDS:
        exact = positions.sinusoids(2048, 64, kind, dtype=np.float64)
        assert positions.sinusoids(2048, 64, kind).dtype == np.float32
        np.testing.assert_allclose(positions.sinusoids(2048, 64, kind), exact, atol=1e-7)


@pytest.mark.parametrize("kind", SINUSOIDS)
@pytest.mark.parametrize("by", [0, 1, 7, 1000, -3])
def test_a_shift_is_a_rotation(kind: str, by: int) -> None:
    """PE(p + k) = R(k) PE(p), with R as a matrix of 2 x 2 blocks, independently of how `shift` computes it."""
    width, start = 8, 5
    matrix = np.zeros((width, width))
    sine, cosine = positions.pairs(width, kind)
    for i in range(width // 2):
        angle = by * 10000.0 ** -exponent(kind, i, width)
        matrix[sine[i], [sine[i], cosine[i]]] = math.cos(angle), math.sin(angle)
        matrix[cosine[i], [sine[i], cosine[i]]] = -math.sin(angle), math.cos(angle)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(width), atol=1e-14)
    table = positions.sinusoids(start + 20 + max(by, 0), width, kind, dtype=np.float64)
    rows = np.arange(start, start + 20)
    np.testing.assert_allclose(positions.shift(table[rows], by, kind), table[rows] @ matrix.T, atol=1e-13)
    np.testing.assert_allclose(positions.shift(table[rows], by, kind), table[rows + by], atol=1e-12)


def test_rotary_is_multiplication_by_a_complex_number() -> None:
    """Su et al. 2021, section 3.2.1: (x1 + i x2) e^(i p theta)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 6, 8))
    angles = positions.rotary_angles(6, 8)
    for p in range(6):
        for i in range(4):
            assert angles[p, i] == pytest.approx(p * 10000 ** (-2 * i / 8), rel=1e-12)
    turned = positions.rotate(x, angles)
    expected = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * angles)
    np.testing.assert_allclose(turned[..., 0::2] + 1j * turned[..., 1::2], expected, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=-1), np.linalg.norm(x, axis=-1))


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    q, k = np.random.default_rng(1).normal(size=(2, 16))
    angles = positions.rotary_angles(40, 16)
    scores = positions.rotate(np.tile(q, (40, 1)), angles) @ positions.rotate(np.tile(k, (40, 1)), angles).T
    for distance in (-30, -1, 0, 1, 17):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-11)
    assert np.ptp(scores[0]) > 1


def test_slopes_are_those_of_the_paper() -> None:
    """Press et al. 2022, section 3: 8 heads 1/2 ... 1/256, 16 heads 1/2^0.5 ... 1/2^8."""
    np.testing.assert_allclose(positions.alibi_slopes(8), [2.0**-h for h in range(1, 9)])
    np.testing.assert_allclose(positions.alibi_slopes(16), [2 ** (-h / 2) for h in range(1, 17)])
    np.testing.assert_allclose(positions.alibi_slopes(1), [2**-8])
    # The authors' code (fairseq/models/transformer.py, get_slopes): 12 heads are those of 8, and 4 of 16.
    twelve = [*(2.0**-h for h in range(1, 9)), *(2 ** (-h / 2) for h in (1, 3, 5, 7))]
    np.testing.assert_allclose(positions.alibi_slopes(12), twelve)


def test_bias_grows_with_the_distance_and_bars_the_future() -> None:
    expected = [[0, -math.inf, -math.inf], [-0.25, 0, -math.inf], [-0.5, -0.25, 0]]
    np.testing.assert_array_equal(positions.alibi_bias(3, 0.25), expected)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected one of interleaved, .* received 'rotary'"):
        positions.rates(4, "rotary")
    with pytest.raises(ValueError, match="even width of at least 2, received 5"):
        positions.rotary_angles(4, 5)
    for call in (lambda: positions.rotary_angles(0, 4), lambda: positions.alibi_bias(0, 1.0)):
        with pytest.raises(ValueError, match="length of at least 1, received 0"):
            call()
    with pytest.raises(ValueError, match="at least 1 head"):
        positions.alibi_slopes(0)
