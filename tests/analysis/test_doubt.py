"""The limits of the reference, from both sides."""

import zlib

import numpy as np
import pytest

from transformer.analysis.doubt import doubt, measure


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
