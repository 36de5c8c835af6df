"""Words change places, and their tokens go with them."""

import pytest

from transformer.analysis.order import reorder, token_places
from transformer.trace import Label

END = Label("end", special=True)


def test_orders() -> None:
    assert reorder(" a  b c ", "As written") == ("a b c", [0, 1, 2])
    assert reorder("a b c", "Reversed") == ("c b a", [2, 1, 0])
    text, places = reorder("a b c d", "Shuffled 1")
    assert (text, places) == reorder("a b c d", "Shuffled 1")
    assert sorted(places) == [0, 1, 2, 3] and places != [0, 1, 2, 3]
    assert text == " ".join("abcd"[place] for place in places)
    for order in ("Shuffled 1", "Shuffled 7"):
        assert reorder("a b", order) == ("b a", [1, 0])
        assert reorder("a", order) == ("a", [0])
        assert reorder("", order) == ("", [])
    for wrong in ("shuffled", "Shuffled x", "Shuffled ", ""):
        with pytest.raises(ValueError, match="expected As written, Reversed or Shuffled N"):
            reorder("a b", wrong)


def test_tokens_of_a_word_stay_together() -> None:
    before = [Label("the"), Label("tr"), Label("ain", joins=True), Label("left"), END]
    after = [Label("left"), Label("the"), Label("tr"), Label("ain", joins=True), END]
    assert token_places(before, after, [2, 0, 1]) == [1, 2, 3, 0, 4]
    assert token_places(before, before, [0, 1, 2]) == [0, 1, 2, 3, 4]


def test_tokens_that_are_others_have_no_places() -> None:
    before = [Label("the"), Label("train"), END]
    assert token_places(before, [Label("tr"), Label("ain", joins=True), Label("the"), END], [1, 0]) is None
    assert token_places(before, [Label("train"), Label("a"), Label("the"), END], [1, 0]) is None
    assert token_places(before, before, [0]) is None
