"""Prefixes under a CTC output, against every path there is."""

import itertools
from typing import Any

import numpy as np
import pytest
from keras import ops

from transformer.search import ctc
from transformer.search.generate import beam

BLANK, END = 0, 1


def scores(positions: int, vocabulary: int, seed: int = 0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0, 2, (positions, vocabulary))
    return (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)


def texts(x: np.ndarray) -> dict[tuple[int, ...], float]:
    """The probability of every text, from all paths (Graves et al. 2006, equation 3)."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(x.shape[1]), repeat=len(x)):
        merged = [i for n, i in enumerate(path) if n == 0 or i != path[n - 1]]
        text = tuple(i for i in merged if i != BLANK)
        chance = float(np.exp(sum(x[t, i] for t, i in enumerate(path))))
        found[text] = found.get(text, 0.0) + chance
    return found


@pytest.mark.parametrize("begun", [(), (2,), (2, 2), (3, 2), (2, 3, 3)])
def test_prefix_is_the_sum_of_all_texts_that_begin_so(begun: tuple[int, ...]) -> None:
    x = scores(5, 4)
    every = texts(x)
    prefix = ctc.begin(ops.convert_to_tensor(x), 1, BLANK)
    for token in begun:
        prefix = _with(ops.convert_to_tensor(x), prefix, [0], [token])
    extended = ctc.extend(ops.convert_to_tensor(x), prefix, BLANK, END)
    found = np.exp(np.asarray(extended.score)[0])
    for token in (2, 3):
        wanted = sum(p for text, p in every.items() if text[: len(begun) + 1] == (*begun, token))
        assert found[token] == pytest.approx(wanted, rel=1e-4)
    assert found[END] == pytest.approx(every.get(begun, 0.0), rel=1e-4)
    assert found[BLANK] == 0


def test_rows_do_not_mix() -> None:
    x = ops.convert_to_tensor(scores(6, 5))
    both = _with(x, ctc.begin(x, 2, BLANK), [1, 0], [2, 4])
    together = np.asarray(ctc.extend(x, both, BLANK, END).score)
    for row, token in enumerate((2, 4)):
        alone = _with(x, ctc.begin(x, 1, BLANK), [0], [token])
        np.testing.assert_allclose(
            together[row], np.asarray(ctc.extend(x, alone, BLANK, END).score)[0], rtol=1e-5
        )


def test_long_clips_keep_their_numbers() -> None:
    """The sums over 400 positions, against the recursion of the paper step by step in float64."""
    x = scores(400, 4, seed=1)
    prefix = ctc.begin(ops.convert_to_tensor(x), 1, BLANK)
    for token in (2, 3, 3):
        prefix = _with(ops.convert_to_tensor(x), prefix, [0], [token])
    wanted = _stepwise(x.astype(np.float64), [2, 3, 3])
    assert float(np.asarray(prefix.score)[0]) == pytest.approx(wanted, abs=2e-2)


def _with(x: Any, prefix: ctc.Prefix, rows: list[int], tokens: list[int]) -> ctc.Prefix:
    """These rows of the hypotheses, each with its token."""
    return ctc.keep(x, ctc.extend(x, prefix, BLANK, END), np.array(rows), np.array(tokens), BLANK)


def _stepwise(x: np.ndarray, text: list[int]) -> float:
    spoken, silent = np.full(len(x), -np.inf), np.cumsum(x[:, BLANK])
    last, score = BLANK, 0.0
    for number, token in enumerate(text):
        new_spoken, new_silent = np.full(len(x), -np.inf), np.full(len(x), -np.inf)
        if number == 0:
            new_spoken[0] = x[0, token]
        score = new_spoken[0]
        for t in range(1, len(x)):
            phi = silent[t - 1] if token == last else np.logaddexp(spoken[t - 1], silent[t - 1])
            new_spoken[t] = np.logaddexp(new_spoken[t - 1], phi) + x[t, token]
            new_silent[t] = np.logaddexp(new_spoken[t - 1], new_silent[t - 1]) + x[t, BLANK]
            score = np.logaddexp(score, phi + x[t, token])
        spoken, silent, last = new_spoken, new_silent, token
    return float(score)


class Even:
    """A decoder that finds every token equally likely: what it writes is what CTC says."""

    class config:
        vocabulary, pad_id, start_id, end_id = 4, BLANK, 1, END
        suppressed, suppressed_first, prefix = (BLANK,), (), ()

    def start(self, source: object, length: int) -> tuple[()]:
        return ()

    def step(self, token: object, index: object, state: tuple[()]) -> tuple[object, tuple[()]]:
        return ops.zeros((ops.shape(token)[0], 4)), state


@pytest.mark.parametrize("seed", range(5))
def test_beam_finds_the_text_that_ctc_finds_likeliest(seed: int) -> None:
    x = scores(5, 4, seed)
    every = {text: p for text, p in texts(x).items() if END not in text}
    # Alone, CTC is asked for the likeliest text; an even decoder adds the same to every token, taken away here.
    found = beam(
        Even(),
        np.zeros((1, 1), np.float32),
        8,
        beams=8,
        alpha=0.0,
        ctc=ops.convert_to_tensor(x),
        ctc_weight=1.0,
    )
    ids = tuple(int(i) for i in np.asarray(found.ids)[0] if i > 0 and i != END)
    assert every[ids] == pytest.approx(max(every.values()), rel=1e-4)
    assert float(np.asarray(found.score)[0]) == pytest.approx(np.log(every[ids]), abs=1e-3)
