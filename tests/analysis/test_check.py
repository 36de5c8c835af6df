"""The check lets right numbers through and catches every kind of wrong one."""

import numpy as np
import pytest

from tests.heads import check
from transformer.analysis import by_hand
from transformer.analysis.check import TOLERANCE, Check, mask_of

RNG = np.random.default_rng(9)
QUERIES, KEYS = RNG.normal(size=(6, 4)).astype(np.float32), RNG.normal(size=(6, 4)).astype(np.float32)
CAUSAL, OPEN = mask_of("decoder", 6, 6), mask_of("encoder", 6, 6)


def right(mask: np.ndarray) -> np.ndarray:
    """What a network in float32 gives: the formula once more, written out."""
    scores = (QUERIES @ KEYS.T / np.float32(2)).astype(np.float32)
    powers = np.where(mask, np.exp(scores - scores.max(-1, keepdims=True)), np.float32(0))
    return powers / powers.sum(-1, keepdims=True)


def found(weights: np.ndarray, mask: np.ndarray) -> Check:
    return check(weights, QUERIES, KEYS, mask)


@pytest.mark.parametrize("mask", [CAUSAL, OPEN], ids=["causal", "open"])
def test_right_numbers_pass(mask: np.ndarray) -> None:
    result = found(right(mask), mask)
    assert result.passed and 0 < result.largest < 1e-6 and result.worst_sum < 1e-6 and result.leak == 0
    assert result.forbidden == (15 if mask is CAUSAL else 0)
    np.testing.assert_allclose(result.weights, by_hand.attention_weights(QUERIES, KEYS, mask), atol=1e-15)


def test_a_scale_of_the_layer_is_taken_for_the_root() -> None:
    scores = 0.25 * QUERIES @ KEYS.T
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    weights = powers / powers.sum(-1, keepdims=True)
    assert check(weights, QUERIES, KEYS, OPEN, 0.25).passed and not found(weights, OPEN).passed


def test_a_wrong_weight_is_caught_and_named() -> None:
    wrong = right(OPEN)
    wrong[2, 4] += 1e-3
    result = found(wrong, OPEN)
    assert not result.passed and result.largest_at == (2, 4)
    assert result.largest == pytest.approx(1e-3, rel=1e-2) and result.worst_sum == pytest.approx(
        1e-3, rel=1e-2
    )


def test_two_weights_that_changed_places_are_caught_although_the_row_still_adds_up() -> None:
    wrong = right(OPEN)
    wrong[1, [0, 3]] = wrong[1, [3, 0]]
    result = found(wrong, OPEN)
    assert not result.passed and result.worst_sum < TOLERANCE < result.largest


def test_a_leak_through_the_mask_is_caught_however_small() -> None:
    wrong = right(CAUSAL)
    wrong[0, 5] = 1e-9
    result = found(wrong, CAUSAL)
    assert result.largest < TOLERANCE and not result.passed
    assert result.leak == pytest.approx(1e-9) and result.leaked.nonzero()[0].tolist() == [0]


def test_a_mask_that_was_forgotten_is_caught() -> None:
    result = found(right(OPEN), CAUSAL)
    assert not result.passed and result.leak > 0.5


def test_a_division_that_was_forgotten_is_caught() -> None:
    assert not check(by_hand.softmax(by_hand.dot(QUERIES, KEYS)), QUERIES, KEYS, OPEN).passed


def test_what_is_forbidden() -> None:
    np.testing.assert_array_equal(mask_of("decoder", 2, 2), [[1, 0], [1, 1]])
    assert mask_of("cross", 2, 5).all() and mask_of("encoder", 3, 3).all()


def test_shapes_and_numbers_are_checked() -> None:
    with pytest.raises(ValueError, match=r"expected weights and mask \(6, 6\), received \(5, 6\)"):
        found(right(OPEN)[:5], OPEN)
    with pytest.raises(ValueError, match="expected finite"):
        found(np.full((6, 6), np.nan), OPEN)
