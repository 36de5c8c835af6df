"""Words of a text found again through the labels of their subwords."""

import pytest

from transformer.text.words import words
from transformer.trace import Label

CLS, SEP = Label("CLS", special=True), Label("SEP", special=True)


def labels(cut: str) -> list[Label]:
    """`isn ' t play|ing` -> labels; a | joins, a + stands for a space of its own."""
    found = [CLS]
    for word in cut.split():
        parts = word.split("|")
        found += [Label(part.replace("+", " "), joins=i > 0) for i, part in enumerate(parts)]
    return [*found, SEP]


@pytest.mark.parametrize(
    ("text", "cut", "expected"),
    [
        ("The cat  sat.", "the cat sat .", ["The", "cat", "sat", "."]),
        ("She was playing!", "she was play|ing|!", ["She", "was", "playing", "!"]),
        ("Café isn't naïve", "cafe i|s|n ' t naive", ["Café", "isn", "'", "t", "naïve"]),
        ("你好 世界", "你 好 世 界", ["你", "好", "世", "界"]),
        ("a ☃☃ b", "a ‹E2›|‹98›|‹83›|‹E2› b", ["a", "☃☃", "b"]),
        ("go there", "go +|the|re", ["go", "there"]),
        ("ﬁne ½", "fine 1⁄2", ["ﬁne", "½"]),
        ("the cat the", "the cat the", ["the", "cat", "the"]),
        ("a <gap> b", "a [MASK] b", ["a", "<gap>", "b"]),
        ("", "", []),
    ],
)
def test_every_word_knows_how_it_is_written(text: str, cut: str, expected: list[str]) -> None:
    found = words(text, labels(cut))
    assert [text[word.begin : word.end] for word in found] == expected
    places = [place for word in found for place in word.places]
    assert places == list(range(1, len(labels(cut)) - 1)), "each token belongs to one word, markers to none"


def test_letters_that_nothing_tells_apart_are_one_word() -> None:
    assert [word.places for word in words("a 👋☃ b", labels("a ‹F0› ‹E2› b"))] == [(1,), (2, 3), (4,)]
