"""The limits of the reference, from both sides."""

import zlib

import numpy as np
import pytest

from transformer.analysis.doubt import doubt, measure, spoken


def test_what_repeats_itself_or_is_unlikely_has_failed() -> None:
    text = "and so on " * 30
    found = measure(text, [-0.5, -0.7])
    assert found.compression == len(text) / len(zlib.compress(text.encode())) > 2.4 and found.failed
    np.testing.assert_allclose(found.log_probability, -0.6)
    assert (
        not measure("We had meters.", [-1.0, -0.9]).failed and measure("We had meters.", [-1.2, -0.9]).failed
    )
    assert not measure("", []).failed and not measure("", []).silent


@pytest.mark.parametrize(
    ("sure", "no_speech", "silent"), [(-1.1, 0.61, True), (-1.1, 0.59, False), (-0.9, 0.99, False)]
)
def test_nobody_speaks_where_the_network_says_so_and_is_unsure(
    sure: float, no_speech: float, silent: bool
) -> None:
    assert measure("hello", [sure], no_speech).silent is silent


def test_doubts_are_told_in_a_sentence() -> None:
    assert doubt({}) == doubt({"compression": 2.4, "log_probability": -1.0, "no_speech": 0.9}) == ""
    assert "repeats itself (it can be packed 3.0 times smaller)" in doubt({"compression": 3})
    both = doubt({"log_probability": -1.25, "no_speech": 0.7})
    assert "mean log-probability -1.25" in both and "no speech (0.70)" in both
    assert "wrote nothing" in doubt({"silent": True, "no_speech": 0.93})
    assert doubt({"compression": "much", "log_probability": None}) == "", "a file may say anything"


def test_ctc_says_how_surely_tokens_are_heard() -> None:
    """Four positions: "a" and "b" with a blank between and behind, each as sure as is said."""
    shares = np.full((4, 3), 0.05)
    for position, (token, share) in enumerate([(1, 0.9), (0, 0.8), (2, 0.5), (0, 0.9)]):
        shares[position, token] = share
    found = spoken(np.log(shares), [1, 2])
    np.testing.assert_allclose(found, np.log(0.9 * 0.8 * 0.5 * 0.9) / 2)
    assert spoken(np.log(shares), []) is None is spoken(np.log(shares), [1, 2, 1, 2, 1])
    assert "hardly hears them (CTC log-probability -4.20 a token)" in doubt({"ctc": -4.2}) and not doubt(
        {"ctc": -1.3}
    )
