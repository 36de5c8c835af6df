"""Temperature, top-k and top-p in numpy: against a loop over sorted probabilities, and as often as they say."""

import numpy as np
import pytest

from transformer.search.sampling import NEVER, Drawing, largest, normal, only, shaped, together

# Probabilities in an order of their own.
SHARES = np.array([[0.1, 0.4, 0.05, 0.3, 0.15], [0.02, 0.03, 0.05, 0.1, 0.8]])


def plain(shares: np.ndarray, how: Drawing) -> np.ndarray:
    """One row, by a loop: the best `top_k`, until those taken hold `top_p`."""
    sharpened = shares ** (1 / how.temperature)
    sharpened /= sharpened.sum()
    left, held = np.zeros(len(shares)), 0.0
    for rank, token in enumerate(np.argsort(-sharpened)):
        if rank < (how.top_k or len(shares)) and held < how.top_p:
            left[token] = sharpened[token]
        held += sharpened[token]
    return left / left.sum()


@pytest.mark.parametrize(
    "how",
    [
        Drawing(),
        Drawing(top_k=3),
        Drawing(top_k=1),
        Drawing(top_k=100),
        Drawing(top_p=0.2),
        Drawing(top_p=0.69),  # the first two of the first row hold 0.7
        Drawing(top_p=0.71),
        Drawing(top_k=2, top_p=0.95),
        Drawing(0.5, top_p=0.9),
        Drawing(2.0, top_p=0.6),
        Drawing(2.0, top_k=3, top_p=0.99),
        Drawing(0.1),
    ],
)
def test_what_is_drawn_from_is_what_a_loop_leaves(how: Drawing) -> None:
    # Scores need not be normalised.
    found = np.exp(shaped(np.log(SHARES) + 3.0, how))
    np.testing.assert_allclose(found, [plain(row, how) for row in SHARES], atol=1e-12)


def test_what_cannot_be_stays_out() -> None:
    scores = np.log(SHARES)
    scores[0, 1] = NEVER
    left = SHARES[0] * [1, 0, 1, 1, 1]
    np.testing.assert_allclose(np.exp(shaped(scores, Drawing()))[0], left / left.sum())
    np.testing.assert_allclose(np.exp(shaped(scores, Drawing(top_k=2)))[0], [0, 0, 0, 2 / 3, 1 / 3])


def test_only_the_allowed_and_nothing_changed_where_none_is() -> None:
    allowed = np.array([True, False, False, True, False])
    np.testing.assert_allclose(np.exp(only(np.log(SHARES), allowed))[0], [0.25, 0, 0, 0.75, 0])
    np.testing.assert_array_equal(only(np.log(SHARES), ~np.ones(5, bool)), np.log(SHARES))


def test_sums_of_probabilities_are_logs() -> None:
    chosen = np.array([False, True, False, False, True])
    np.testing.assert_allclose(together(np.log(SHARES), chosen), np.log([0.55, 0.83]))
    assert (together(np.log(SHARES), np.zeros(5, bool)) == NEVER).all()
    np.testing.assert_allclose(normal(np.log(SHARES) - 700.0), np.log(SHARES))


def test_the_largest_leave_out_what_cannot_be() -> None:
    scores = np.array([0.5, NEVER, 3.0, 1.0])
    assert sorted(largest(scores, 2)) == [2, 3]
    assert sorted(largest(scores, 9)) == [0, 2, 3]
    assert not len(largest(np.full(3, NEVER), 2))
