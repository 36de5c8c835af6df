"""Sampling: which tokens can be drawn, how often each is, and that a seed decides; what is never written never is."""

from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.config import END, PAD, START, UNKNOWN
from transformer.generate import EMPTY, greedy, nucleus, permitted

# Probabilities 0.4, 0.3, 0.15, 0.1, 0.05 in an order of their own.
SHARES = np.array([0.1, 0.4, 0.05, 0.3, 0.15])
ORDER = [1, 3, 4, 0, 2]
DRAWS = 20_000


def draws(
    scores: np.ndarray, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0
) -> np.ndarray:
    """Many draws from one distribution: a batch of equal rows, each with noise of its own."""
    noise = np.random.default_rng(7).gumbel(size=(1, DRAWS, len(scores))).astype(np.float32)
    choose = nucleus(noise, temperature, top_k or len(scores), top_p)
    return np.asarray(choose(np.tile(scores.astype(np.float32), (DRAWS, 1)), 0))


def plain(temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """The distribution that is left, by a loop: the best `top_k`, until those taken hold `top_p`."""
    sharpened = SHARES ** (1 / temperature)
    sharpened /= sharpened.sum()
    left, held = np.zeros(5), 0.0
    for rank, token in enumerate(np.argsort(-sharpened)):
        if rank < top_k and held < top_p:
            left[token] = sharpened[token]
        held += sharpened[token]
    return left / left.sum()


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [
        (1.0, 5, 1.0),
        (1.0, 3, 1.0),
        (1.0, 1, 1.0),
        (1.0, 5, 0.2),
        (1.0, 5, 0.69),  # the first two hold 0.7
        (1.0, 5, 0.71),
        (1.0, 2, 0.95),
        (0.5, 5, 0.9),
        (2.0, 5, 0.6),
        (2.0, 3, 0.99),
        (0.1, 5, 1.0),
        (1.0, 100, 1.0),
    ],
)
def test_tokens_are_drawn_as_often_as_the_filtered_softmax_says(
    temperature: float, top_k: int, top_p: float
) -> None:
    expected = plain(temperature, top_k, top_p)
    found = np.bincount(draws(np.log(SHARES), temperature, top_k, top_p), minlength=5) / DRAWS
    assert set(np.flatnonzero(found)) <= set(np.flatnonzero(expected))
    assert set(np.flatnonzero(found)) >= set(np.flatnonzero(expected > 1e-3))
    # Five standard deviations of a share of so many draws, and a hair.
    np.testing.assert_array_less(
        np.abs(found - expected), 5 * np.sqrt(expected * (1 - expected) / DRAWS) + 1e-9
    )


def test_adding_a_number_to_every_score_changes_nothing() -> None:
    scores = np.log(SHARES)
    np.testing.assert_array_equal(draws(scores, 1.0, 3, 0.9), draws(scores + 30, 1.0, 3, 0.9))


def test_the_likeliest_is_always_drawn_by_top_1_and_by_the_smallest_top_p() -> None:
    scores = np.log(SHARES)
    assert set(draws(scores, 5.0, top_k=1)) == {1}
    assert set(draws(scores, 5.0, top_p=1e-6)) == {1}


def test_tokens_as_likely_as_the_last_that_stays_stay_too() -> None:
    scores = np.log(np.array([0.4, 0.2, 0.2, 0.2]))
    assert set(draws(scores, top_k=2)) == {0, 1, 2, 3}
    assert set(draws(scores, top_k=1)) == {0}


def test_each_step_and_row_takes_its_own_noise() -> None:
    noise = np.zeros((3, 5), np.float32)
    noise[[0, 1, 2], [2, 0, 4]] = 100  # so large that it decides
    choose = nucleus(noise, 1.0, 5, 1.0)
    scores = np.tile(np.log(SHARES).astype(np.float32), (2, 1))
    assert [np.asarray(choose(scores, step)).tolist() for step in range(3)] == [[2, 2], [0, 0], [4, 4]]


def test_what_is_barred_scores_so_low_that_nothing_loses_against_it() -> None:
    config = toy.config(suppressed=(0, 5), suppressed_first=(7,))
    scores = np.linspace(-3, 0, 23).astype(np.float32)[None]
    for first, end, barred in (
        (False, True, {0, 5}),
        (True, True, {0, 5, 7}),
        (False, False, {0, 5, END}),
        (True, False, {0, 5, 7, END}),
    ):
        found = np.asarray(permitted(scores, config, first=first, end=end))[0]
        assert set(np.flatnonzero(found == -1e9)) == barred
        rest = [i for i in range(23) if i not in barred]
        np.testing.assert_array_equal(found[rest], scores[0, rest])
    nothing = toy.config(suppressed=(), end_id=-1)
    np.testing.assert_array_equal(np.asarray(permitted(scores, nothing, end=False)), scores)


class Steps:
    """A network for `generate` whose scores are a table: row t at step t, whatever was read."""

    def __init__(self, scores: Any, **changes: Any) -> None:
        self.scores, self.config, self.read = np.asarray(scores, np.float32), toy.config(**changes), []

    def start(self, source: Any, length: int) -> tuple:
        return ()

    def step(self, token: Any, index: Any, state: tuple) -> tuple[Any, tuple]:
        self.read.append(np.asarray(token).tolist())
        return np.tile(self.scores[int(index)], (len(token), 1)), state


def test_the_first_step_reads_the_given_token_and_later_ones_what_was_written() -> None:
    steps = Steps(np.eye(23)[[5, 9, 7]] * 9)
    ids = np.asarray(greedy(steps, np.zeros((2, 1)), 3, first=np.array([11, 12])).ids)
    assert ids.tolist() == [[5, 9, 7]] * 2
    assert steps.read == [[11, 12], [5, 5], [9, 9]]
    again = Steps(np.eye(23)[[5, 9, 7]] * 9)
    greedy(again, np.zeros((2, 1)), 3)
    assert again.read[0] == [START, START]


def test_an_output_that_may_not_end_goes_on() -> None:
    scores = np.eye(23)[[END, END, 8]] * 9 + np.eye(23)[[6, 7, 0]]
    assert np.asarray(greedy(Steps(scores), np.zeros((1, 1)), 3).ids)[0].tolist() == [END, EMPTY, EMPTY]
    assert np.asarray(greedy(Steps(scores), np.zeros((1, 1)), 3, end=False).ids)[0].tolist() == [6, 7, 8]


def test_what_is_barred_first_may_come_later_and_counts_from_the_prefix() -> None:
    scores, changes = np.eye(23)[[9, 9, 9]] * 9 + np.eye(23)[[6, 6, 6]], dict(suppressed_first=(9,))
    found = greedy(Steps(scores, **changes), np.zeros((1, 1)), 3)
    assert np.asarray(found.ids)[0].tolist() == [6, 9, 9]
    after = greedy(Steps(scores, **changes), np.zeros((1, 1)), 3, np.array([[4, EMPTY, EMPTY]]))
    assert np.asarray(after.ids)[0].tolist() == [4, 6, 9]


def test_a_choice_of_its_own_is_given_permitted_scores_and_the_step() -> None:
    seen = []

    def choose(scores: Any, index: Any) -> Any:
        seen.append((int(index), set(np.flatnonzero(np.asarray(scores)[0] < -1e8))))
        return np.array([10 + int(index)])

    ids = np.asarray(greedy(Steps(np.zeros((3, 23))), np.zeros((1, 1)), 3, choose=choose).ids)
    assert ids[0].tolist() == [10, 11, 12]
    assert seen == [(step, {PAD, START, UNKNOWN}) for step in range(3)]


def test_a_written_row_is_scored_by_the_whole_softmax_whatever_was_drawn() -> None:
    scores = np.random.default_rng(3).normal(size=(3, 23))
    found = greedy(
        Steps(scores), np.zeros((1, 1)), 3, choose=lambda scores, index: np.array([4 + int(index)])
    )
    expected = sum(np.log(toy.softmax(scores[t]))[4 + t] for t in range(3))
    assert float(np.asarray(found.score)[0]) == pytest.approx(expected, abs=1e-5)
    assert np.asarray(found.ids)[0].tolist() == [4, 5, 6]
