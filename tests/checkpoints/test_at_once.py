"""How much a decoder reads at once, and the lengths that texts are padded to."""

import pytest

from tests import toy
from transformer.checkpoints.look import LEAST, at_once
from transformer.runtime.common import bucket


def test_as_much_as_memory_allows_is_read_at_once() -> None:
    config = toy.changed(toy.decoder(), max_target=131_072)
    free = [2**24, 2**28, 2**32, 2**40]
    found = [at_once(config, memory) for memory in free]
    assert found == sorted(found) and found[0] >= LEAST and found[-1] < 131_072 == at_once(config, 2**60)
    assert at_once(config, -5) == LEAST and at_once(toy.decoder(), 0) == 16
    # What is kept of a text: three times each map, and four times the scores of its tokens.
    stack = config.decoder
    assert stack
    for length, memory in zip(found[1:3], free[1:3], strict=True):
        maps = 4 * length**2 * stack.layers * stack.attention.heads
        assert 3 * maps + 16 * length * config.vocabulary < memory / 2 < 12 * maps


@pytest.mark.parametrize(
    ("length", "padded"),
    [
        (1, 16),
        (769, 1024),
        (1024, 1024),
        (1025, 1536),
        (1536, 1536),
        (1537, 2048),
        (2049, 3072),
        (70_000, 98_304),
    ],
)
def test_long_texts_have_lengths_of_their_own(length: int, padded: int) -> None:
    assert bucket(length, 131_072) == padded


def test_no_length_is_beyond_the_longest() -> None:
    assert bucket(1500, 1500) == 1500 and bucket(3, 10) == 10 and bucket(3, 9000, 1200) == 1536
    with pytest.raises(ValueError, match="expected from 1 to 10 tokens, received 11"):
        bucket(11, 10)
