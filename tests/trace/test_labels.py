"""Letters that were cut into bytes, and words of scripts with and without blanks."""

import itertools

import pytest

from transformer.analysis.alignment import word_groups
from transformer.analysis.views import View, merge_words
from transformer.text.foreign_labels import BYTES, byte_word
from transformer.trace import Label, spelt, word_starts

LETTERS = {byte: letter for letter, byte in BYTES.items()}


def cut(*tokens: bytes) -> list[Label]:
    """Labels of byte-level tokens; a blank before a word is part of its first token."""
    return [byte_word("".join(LETTERS[byte] for byte in token)) for token in tokens]


def words(labels: list[Label]) -> list[str]:
    return [spelt(labels[i:j]) for i, j in itertools.pairwise([*word_starts(labels), len(labels)])]


def test_a_letter_cut_into_bytes_is_a_letter_in_a_word() -> None:
    elder = cut(b" \xc3", b"\xa6", b"ldre", b" ord")
    assert [label.text for label in elder] == ["‹C3›", "‹A6›", "ldre", "ord"]
    assert words(elder) == ["ældre", "ord"]
    assert words(cut(b" \xf0\x9f", b"\x99\x82", b"!")) == ["🙂!"]
    assert words(cut(b"bl\xc3", b"\xa5b\xc3", b"\xa6r")) == ["blåbær"]
    # What is no letter at the end either is shown by its bytes, and a quotation that looks like one stays.
    assert words(cut(b" \xc3", b" \xa6")) == ["‹C3›", "‹A6›"]
    assert spelt([Label("‹"), Label("C3"), Label("›"), Label("‹41›")]) == "‹C3›‹41›"


@pytest.mark.parametrize(
    ("text", "cuts", "expected"),
    [
        ("你好世界", (6,), ["你好", "世界"]),
        ("我你好", (3, 4, 6), ["我", "你", "好"]),  # 你 is cut in two
        ("「你好」。是", (3, 9, 12, 15), ["「你好」。", "是"]),
        ("用Python写", (3, 6, 9), ["用", "Python", "写"]),
        ("コーヒー", (3, 6, 9), ["コー", "ヒー"]),  # the mark that lengthens a vowel is not said alone
        ("สวัสดี", (6, 9, 15), ["สวั", "สดี"]),
        ("ສະບາຍ ດີ", (6, 15), ["ສະ", "ບາຍ", "ດີ"]),
        ("ជំរាប", (6,), ["ជំ", "រាប"]),
        ("မြန်မာ", (12,), ["မြန်", "မာ"]),
        ("a cat", (1, 3), ["a", "cat"]),
    ],
)
def test_scripts_without_blanks_have_words(text: str, cuts: tuple[int, ...], expected: list[str]) -> None:
    data = text.encode()
    edges = [0, *cuts, len(data)]
    labels = cut(*(data[i:j] for i, j in itertools.pairwise(edges)))
    assert words(labels) == expected
    view = merge_words(View([[1 / len(labels)] * len(labels)], [Label("a")], labels))  # type: ignore[arg-type]
    assert [label.text for label in view.keys] == expected
    assert ["".join(spelt(labels[i] for i in group)) for group in word_groups(labels)] == expected


def test_markers_are_words_of_their_own() -> None:
    labels = [Label("zh", special=True), *cut("你".encode()), Label("end", special=True)]
    assert word_starts(labels) == [0, 1, 2] and word_starts([]) == []
