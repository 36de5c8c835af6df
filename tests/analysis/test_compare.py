"""Two answers beside each other."""

import math

import pytest

from transformer.analysis.compare import Pair, log_probability, paired, times
from transformer.trace import Label, Step, Trace


def labels(text: str) -> list[Label]:
    return [Label(letter, id=ord(letter)) for letter in text]


def test_common_runs_are_the_same_token_and_the_rest_is_paired_from_the_left() -> None:
    assert paired(labels("abcxd"), labels("abyzd")) == [
        Pair(0, 0, True),
        Pair(1, 1, True),
        Pair(2, 2, False),
        Pair(3, 3, False),
        Pair(4, 4, True),
    ]
    assert paired(labels("ab"), labels("axxb")) == [
        Pair(0, 0, True),
        Pair(None, 1, False),
        Pair(None, 2, False),
        Pair(1, 3, True),
    ]
    assert paired([], labels("a")) == [Pair(None, 0, False)]
    # Tokens that look alike but are not the same one, and words without ids.
    assert paired([Label("a", id=1)], [Label("a", id=2)]) == [Pair(0, 0, False)]
    assert paired(["one", "two"], ["two"]) == [Pair(0, None, False), Pair(1, 0, True)]


def test_an_output_is_as_likely_as_all_its_tokens_together() -> None:
    steps = [Step("a", math.log(0.5), 1.0), Step("b", math.log(0.25), 1.0)]
    assert math.exp(log_probability(Trace((), "ab", steps))) == pytest.approx(0.125)
    with pytest.raises(ValueError, match="expected a trace with steps"):
        log_probability(Trace((), "ab"))


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1.0, "as likely as before"),
        (1.0005, "as likely as before"),
        (1.05, "5 % more likely"),
        (0.95, "5 % less likely"),
        (1.5, "50 % more likely"),
        (0.6, "40 % less likely"),
        (2.0, "2.0 times more likely"),
        (1 / 14, "14 times less likely"),
        (1 / 12345, "12,345 times less likely"),
        (1e-9, "more than a million times less likely"),
    ],
)
def test_a_change_in_words(factor: float, words: str) -> None:
    assert times(math.log(factor)) == words
