"""Pairs from files and batches by token count: nothing is lost, nothing doubled, and each error names its line."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from transformer.config import END, PAD, START
from transformer.training.data import LENGTHS, Example, Source, make_batch, one_pass


def examples(count: int, length: int, first: int = 10) -> list[Example]:
    """Pairs that are known by their first id, each of `length` tokens a side."""
    return [
        Example([first + i, *[5] * (length - 2), END], [first + i, *[6] * (length - 2), END])
        for i in range(count)
    ]


def seen(batches: list) -> Counter:
    return Counter(int(i) for batch in batches for i in batch.source[:, 0])


def test_a_source_is_a_file_and_how_often_it_is_read() -> None:
    assert Source.parse("data/a.tsv") == Source(Path("data/a.tsv"), 1.0)
    assert Source.parse("data/a.tsv.gz:0.25") == Source(Path("data/a.tsv.gz"), 0.25)
    assert Source.parse("odd:name.tsv") == Source(Path("odd:name.tsv"), 1.0)
    for weight in ("-1", "nan", "inf"):
        with pytest.raises(ValueError, match=f"expected a weight of at least 0, received {weight}"):
            Source.parse(f"a.tsv:{weight}")


def test_targets_are_shifted_and_labels_are_not() -> None:
    batch = make_batch([Example([7, 8, END], [9, END]), Example([7, END], [9, 4, 5, END])], 6)
    assert batch.source.tolist() == [[7, 8, END, 0, 0, 0], [7, END, 0, 0, 0, 0]]
    assert batch.labels.tolist() == [[9, END, 0, 0, 0, 0], [9, 4, 5, END, 0, 0]]
    assert batch.target.tolist() == [[START, 9, 0, 0, 0, 0], [START, 9, 4, 5, 0, 0]]
    assert {a.dtype for a in (batch.source, batch.target, batch.labels)} == {np.dtype("int32")}


def test_each_side_is_padded_to_its_own_longest_without_a_length() -> None:
    batch = make_batch([Example([7, 8, END], [9, END]), Example([7, END], [9, 4, 5, END])])
    assert batch.source.shape == (2, 3)
    assert batch.target.shape == batch.labels.shape == (2, 4)
    assert batch.target.tolist() == [[START, 9, 0, 0], [START, 9, 4, 5]]


def test_batches_fill_the_token_budget_and_are_of_one_length() -> None:
    short, long = examples(40, 6), examples(20, 30, first=100)
    batches = list(one_pass([(short + long, 1.0)], 64, np.random.default_rng(0)))
    for batch in batches:
        rows, length = batch.labels.shape
        assert length in LENGTHS
        assert rows == 64 // length
        assert batch.source.shape == batch.target.shape == (rows, length)
    assert {batch.labels.shape for batch in batches} == {(10, 6), (2, 32)}


def test_each_pair_comes_once_a_pass() -> None:
    found = seen(
        list(one_pass([(examples(40, 6), 1.0), (examples(20, 30, 100), 1.0)], 64, np.random.default_rng(0)))
    )
    assert found == Counter([*range(10, 50), *range(100, 120)])


def test_a_weight_says_how_often_a_source_is_read() -> None:
    sources = [(examples(20, 6), 2.0), (examples(20, 6, 100), 0.5), (examples(20, 6, 200), 0.0)]
    found = seen(list(one_pass(sources, 60, np.random.default_rng(0))))
    assert sum(found.values()) == 50
    assert all(found[i] == 2 for i in range(10, 30))
    tenth = [i for i in range(100, 120) if found[i]]
    assert len(tenth) == 10
    assert max(found[i] for i in tenth) == 1


def test_what_does_not_fill_a_batch_waits() -> None:
    found = seen(list(one_pass([(examples(25, 6), 1.0)], 60, np.random.default_rng(0))))
    assert sum(found.values()) == 20
    assert max(found.values()) == 1
    assert list(one_pass([(examples(9, 6), 1.0)], 60, np.random.default_rng(0))) == []


def test_pairs_longer_than_the_longest_length_are_left_out() -> None:
    assert list(one_pass([(examples(3, 129), 1.0)], 64, np.random.default_rng(0))) == []


def test_a_pass_is_decided_by_its_generator() -> None:
    def order(seed: int) -> list:
        passed = one_pass([(examples(40, 6), 0.5)], 60, np.random.default_rng(seed))
        return [batch.source[:, 0].tolist() for batch in passed]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_padding_is_id_zero() -> None:
    assert PAD == 0
