"""Bits per byte against plain loops and closed forms."""

import math

import numpy as np
import pytest

from tests import toy
from transformer.config import END
from transformer.formulas.bits import Text, bits, encode, windows
from transformer.text.tokenizer import SubwordTokenizer


def test_a_text_is_counted_as_people_count_it() -> None:
    tokenizer = SubwordTokenizer.train(["a bb ccc"] * 4, 12)
    found = encode(tokenizer, ["a bb", "ção"])
    assert found.ids.tolist() == [*tokenizer.encode("a bb").ids, *tokenizer.encode("ção").ids]
    assert (found.bytes, found.words) == (4 + 1 + 5 + 1, 3)
    assert found.ids.tolist().count(END) == 2


def test_a_tokenizer_without_an_end_gets_one() -> None:
    class Bare:
        def encode_all(self, texts: list[str]) -> list[list[int]]:
            return [[ord(c) for c in text] for text in texts]

    assert encode(Bare(), ["ab", "c"], end=7).ids.tolist() == [97, 98, 7, 99, 7]


# Windows


@pytest.mark.parametrize(("count", "length", "start"), [(50, 8, 0), (50, 8, 3), (49, 8, 0), (17, 16, 0)])
def test_windows_are_the_text_and_the_text_moved_by_one(count: int, length: int, start: int) -> None:
    ids = np.arange(count) * 3
    inputs, labels = windows(ids, length, start)
    expected = []
    while start + length + 1 <= count:
        expected.append(ids[start : start + length + 1])
        start += length
    assert inputs.tolist() == [row[:-1].tolist() for row in expected]
    assert labels.tolist() == [row[1:].tolist() for row in expected]


@pytest.mark.parametrize(("count", "start"), [(0, 0), (5, 0), (8, 0), (5, 7), (5, 5)])
def test_a_text_shorter_than_a_window_gives_none(count: int, start: int) -> None:
    inputs, labels = windows(np.arange(count), 8, start)
    assert inputs.shape == labels.shape == (0, 8)


# Bits


class Uniform:
    """Every token of V is as likely as any other; notes what it was given."""

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary, self.shapes = vocabulary, set[tuple[int, ...]]()

    def __call__(self, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        self.shapes.add(inputs.shape)
        return np.full(inputs.shape, -math.log(self.vocabulary), np.float32)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("length", [1, 2, 7, 8])
@pytest.mark.parametrize("count", [1, 3, 7, 8, 9, 12, 40])
def test_a_uniform_network_needs_log2_of_its_vocabulary_for_each_token(
    count: int, length: int, rows: int
) -> None:
    uniform, text = Uniform(32), Text(np.arange(count) % 20 + 4, count * 3, 5)
    found = bits(uniform, text, length, rows=rows)
    assert found["count"] == count
    assert found["perplexity_per_token"] == pytest.approx(32)
    assert found["bits_per_byte"] == pytest.approx(5 / 3)
    assert found["perplexity"] == pytest.approx(32 ** (count / 5))
    assert all(shape[0] <= rows and shape[1] == length for shape in uniform.shapes)


@pytest.mark.parametrize("length", [1, 5, 8])
@pytest.mark.parametrize("count", [1, 4, 8, 9, 30])
def test_each_token_counts_once_with_half_a_window_before_it(count: int, length: int) -> None:
    """The score of a label depends on all that stands before it in the window: found again by a plain loop."""
    ids = toy.ids((1, count), 2)[0]

    def score(inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        mixed = np.cumsum(inputs * np.array([1.0, 2.0, 3.0] * length)[: inputs.shape[1]], 1)
        return -np.abs(np.sin(mixed + labels))

    stream, total, done = [9, *ids.tolist()], 0.0, 0
    while done < count:
        before = done if done < length else length // 2
        first = done - (0 if done == 0 else before)
        window = np.array([stream[first : first + length + 1]])
        row = score(window[:, :-1], window[:, 1:])[0]
        total -= row[done - first :].sum()
        done = first + len(row)
    for rows in (1, 4):
        found = bits(score, Text(ids, 10, 3), length, start=9, rows=rows)
        assert found["bits_per_byte"] == pytest.approx(total / math.log(2) / 10)
        assert found["perplexity_per_token"] == pytest.approx(math.exp(total / count))
        assert found["perplexity"] == pytest.approx(math.exp(total / 3))


def test_a_hopeless_network_has_a_perplexity_that_is_a_number() -> None:
    found = bits(lambda inputs, labels: np.full(inputs.shape, -900.0), Text(np.array([5, 6]), 2, 1), 4)
    for name in ("perplexity", "perplexity_per_token"):
        assert math.isfinite(found[name]) and found[name] > 1e300
    assert found["bits_per_byte"] == pytest.approx(900 / math.log(2))
