"""Greedy and beam search: against plain loops over whole forward passes, and against trying everything."""

import functools
import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests import toy
from transformer.config import END, PAD, START, UNKNOWN
from transformer.search.generate import EMPTY, beam, greedy, length_penalty, permitted

LIMIT = 6
BARRED = [PAD, START, UNKNOWN]


@functools.cache
def forward(network: Any) -> Any:
    """(source, target) -> logits of a whole forward pass, as one graph: the loops below ask hundreds of times."""
    ids = tf.TensorSpec((1, None), tf.int32)
    return tf.function(
        lambda source, target: network.forward(source, target).logits, input_signature=(ids, ids)
    )


def log_probabilities(network: Any, source: np.ndarray, written: list[int]) -> np.ndarray:
    """Of the token after `written`, by one whole forward pass, in float64."""
    target = np.array([[START, *written]], np.int32)
    logits = forward(network)(source, target).numpy()[0, -1].astype(np.float64)
    return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()


def plain_greedy(network: Any, source: np.ndarray, prefix: list[int]) -> tuple[list[int], float]:
    written: list[int] = []
    score = 0.0
    while len(written) < LIMIT and (not written or written[-1] != END):
        found = log_probabilities(network, source, written)
        allowed = found.copy()
        allowed[BARRED] = -np.inf
        token = prefix[len(written)] if len(written) < len(prefix) else int(allowed.argmax())
        score += found[token]
        written.append(token)
    return written, score


@pytest.fixture(scope="module")
def network() -> Any:
    return toy.shared(toy.config())


@pytest.fixture(scope="module")
def sources() -> np.ndarray:
    rows = toy.ids((6, 5), 4)
    rows[1, 3:] = rows[4, 2:] = PAD
    return rows


@pytest.mark.parametrize("changes", [{}, dict(norm="post", feed_forward_kind="conv_relu_conv")], ids=str)
def test_greedy_equals_a_plain_loop_over_forward(changes: dict, sources: np.ndarray) -> None:
    network = toy.shared(toy.config(**changes))
    result = greedy(network, sources[:3], LIMIT)
    for row, source in enumerate(sources[:3]):
        written, score = plain_greedy(network, source[None], [])
        assert np.asarray(result.ids)[row].tolist() == written + [EMPTY] * (LIMIT - len(written))
        assert float(np.asarray(result.score)[row]) == pytest.approx(score, abs=1e-4)


def test_greedy_goes_on_from_a_forced_prefix(network: Any, sources: np.ndarray) -> None:
    prefixes = [[9, 8], [], [7, END]]
    padded = np.array([p + [EMPTY] * (LIMIT - len(p)) for p in prefixes], np.int32)
    result = greedy(network, sources[:3], LIMIT, padded)
    for row, prefix in enumerate(prefixes):
        written, score = plain_greedy(network, sources[row : row + 1], prefix)
        assert written[: len(prefix)] == prefix
        assert np.asarray(result.ids)[row].tolist() == written + [EMPTY] * (LIMIT - len(written))
        assert float(np.asarray(result.score)[row]) == pytest.approx(score, abs=1e-4)


def test_one_beam_is_greedy(network: Any, sources: np.ndarray) -> None:
    one, other = greedy(network, sources, LIMIT), beam(network, sources, LIMIT, beams=1)
    np.testing.assert_array_equal(np.asarray(one.ids), np.asarray(other.ids))
    np.testing.assert_allclose(np.asarray(one.score), np.asarray(other.score), atol=1e-4)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_beam_goes_on_from_a_forced_prefix(network: Any, sources: np.ndarray, beams: int) -> None:
    for row, begun in enumerate([[9, 8], [7, 5, 6], [7, END]]):
        prefix = np.array(begun + [EMPTY] * (LIMIT - len(begun)), np.int32)
        source = sources[row : row + 1]
        found = beam(network, source, LIMIT, beams=beams, alpha=0.0, prefix=prefix)
        ids = [i for i in np.asarray(found.ids)[0].tolist() if i != EMPTY]
        assert ids[: len(begun)] == begun
        written, score = plain_greedy(network, source, begun)
        if beams == 1 or begun[-1] == END:
            assert ids == written
        assert float(np.asarray(found.score)[0]) >= score - 1e-4
        picked = [log_probabilities(network, source, ids[:i])[token] for i, token in enumerate(ids)]
        assert float(np.asarray(found.score)[0]) == pytest.approx(sum(picked), abs=1e-4)


def test_rows_of_a_batch_are_decoded_as_if_alone(network: Any, sources: np.ndarray) -> None:
    together = beam(network, sources, LIMIT, beams=3)
    for row in range(0, len(sources), 2):
        alone = beam(network, sources[row : row + 1], LIMIT, beams=3)
        np.testing.assert_array_equal(np.asarray(alone.ids)[0], np.asarray(together.ids)[row])
        assert float(np.asarray(alone.score)[0]) == pytest.approx(
            float(np.asarray(together.score)[row]), abs=1e-4
        )


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.5])
def test_a_beam_wide_enough_finds_the_best_of_all_outputs(alpha: float) -> None:
    """Vocabulary 7: three words and the end; every output of up to three tokens is tried."""
    limit, words = 3, (4, 5, 6)
    network = toy.shared(toy.config(vocabulary=7))
    sources = toy.ids((2, 4), 3, vocabulary=7)
    result = beam(network, sources, limit, beams=40, alpha=alpha)
    outputs = [(*o, END) for n in range(limit) for o in itertools.product(words, repeat=n)]
    outputs += itertools.product(words, repeat=limit)  # cut off by the limit
    assert len(outputs) == 40
    padded = np.array([[*o, *[PAD] * (limit - len(o))] for o in outputs], np.int32)
    shifted = np.concatenate([np.full((40, 1), START), padded[:, :-1]], 1)
    for row, source in enumerate(sources):
        logits = np.asarray(network.forward(np.tile(source, (40, 1)), shifted).logits).astype(np.float64)
        log_p = np.log(toy.softmax(logits))
        picked = np.take_along_axis(log_p, padded[..., None], -1)[..., 0]
        total = np.where(padded == PAD, 0, picked).sum(-1)
        lengths = (padded != PAD).sum(-1)
        best = int((total / ((5 + lengths) / 6) ** alpha).argmax())
        written = [i if i != PAD else EMPTY for i in padded[best].tolist()]
        assert np.asarray(result.ids)[row].tolist() == written
        assert float(np.asarray(result.score)[row]) == pytest.approx(total[best], abs=1e-4)


def test_a_wider_beam_finds_no_worse_an_output(network: Any, sources: np.ndarray) -> None:
    """Holds for these rows, without length penalty; it is no law of beam search."""
    narrow, wide = (np.asarray(beam(network, sources, LIMIT, n, alpha=0.0).score) for n in (1, 6))
    assert (wide >= narrow - 1e-4).all()
    assert (wide > narrow + 1e-3).any()


def test_padding_start_and_unknown_are_never_written(sources: np.ndarray) -> None:
    network = toy.network(toy.config(tied_logits=False, logits_bias=True))
    bias = np.zeros(23, np.float32)
    bias[BARRED] = 50  # the network wants nothing else
    network.output_projection.bias.assign(bias)
    for result in (greedy(network, sources, LIMIT), beam(network, sources, LIMIT, beams=3)):
        for row in np.asarray(result.ids):
            written = row[row != EMPTY]
            assert len(written)
            assert not np.isin(written, BARRED).any()


def test_after_the_end_comes_nothing(sources: np.ndarray) -> None:
    network = toy.network(toy.config(tied_logits=False, logits_bias=True))
    network.output_projection.bias.assign(np.eye(23, dtype=np.float32)[END] * 3)
    for result in (greedy(network, sources, 12), beam(network, sources, 12, beams=3)):
        ids = np.asarray(result.ids)
        assert (ids == END).any(-1).all()
        for row in ids:
            assert (row[row.tolist().index(END) + 1 :] == EMPTY).all()


def test_the_length_penalty_is_that_of_wu_et_al() -> None:
    np.testing.assert_allclose(np.asarray(length_penalty(np.array([1, 7, 13]), 1.0)), [1, 2, 3])
    np.testing.assert_allclose(np.asarray(length_penalty(np.array([1, 7]), 0.6)), [1, 2**0.6], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(length_penalty(np.array([1, 70]), 0.0)), [1, 1])


def test_what_is_barred_scores_so_low_that_nothing_loses_against_it() -> None:
    config = toy.config(suppressed=(0, 5), suppressed_first=(7,))
    scores = np.linspace(-3, 0, 23).astype(np.float32)[None]
    for first, barred in ((False, {0, 5}), (True, {0, 5, 7})):
        found = np.asarray(permitted(scores, config, first=first))[0]
        assert set(np.flatnonzero(found == -1e9)) == barred
        rest = [i for i in range(23) if i not in barred]
        np.testing.assert_array_equal(found[rest], scores[0, rest])
    np.testing.assert_array_equal(np.asarray(permitted(scores, toy.config(suppressed=()))), scores)


class Steps:
    """A network for `generate` whose scores are a table: row t at step t, whatever was read."""

    def __init__(self, scores: Any, **changes: Any) -> None:
        self.scores, self.config = np.asarray(scores, np.float32), toy.config(**changes)
        self.read: list[list[int]] = []

    def start(self, source: Any, length: int) -> tuple:
        return ()

    def step(self, token: Any, index: Any, state: tuple) -> tuple[Any, tuple]:
        self.read.append(np.asarray(token).tolist())
        return np.tile(self.scores[int(index)], (len(token), 1)), state


def test_the_first_step_reads_the_start_and_later_ones_what_was_written() -> None:
    steps = Steps(np.eye(23)[[5, 9, 7]] * 9)
    assert np.asarray(greedy(steps, np.zeros((2, 1)), 3).ids).tolist() == [[5, 9, 7]] * 2
    assert steps.read == [[START, START], [5, 5], [9, 9]]


def test_what_is_barred_first_may_come_later_and_counts_from_the_prefix() -> None:
    scores, changes = np.eye(23)[[9, 9, 9]] * 9 + np.eye(23)[[6, 6, 6]], dict(suppressed_first=(9,))
    found = greedy(Steps(scores, **changes), np.zeros((1, 1)), 3)
    assert np.asarray(found.ids)[0].tolist() == [6, 9, 9]
    after = greedy(Steps(scores, **changes), np.zeros((1, 1)), 3, np.array([[4, EMPTY, EMPTY]]))
    assert np.asarray(after.ids)[0].tolist() == [4, 6, 9]


def test_a_row_is_scored_by_the_whole_softmax_whatever_is_barred() -> None:
    scores = np.random.default_rng(3).normal(size=(3, 23))
    found = greedy(Steps(scores), np.zeros((1, 1)), 3, np.array([[4, 5, 6]]))
    expected = sum(np.log(toy.softmax(scores[t]))[4 + t] for t in range(3))
    assert float(np.asarray(found.score)[0]) == pytest.approx(expected, abs=1e-5)
    assert np.asarray(found.ids)[0].tolist() == [4, 5, 6]
