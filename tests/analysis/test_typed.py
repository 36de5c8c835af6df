"""Tables that people type: what is wrong is named by its cell, what is right survives a link."""

import math
from typing import Any

import numpy as np
import pytest

from transformer.analysis import typed

START = typed.rows_for(typed.words_of("The train left the station on time."))


def test_the_table_that_the_page_begins_with() -> None:
    table = typed.read(START, typed.FEATURES)
    assert table.words == ("The", "train", "left", "the", "station", "on", "time", ".")
    np.testing.assert_array_equal(table.vectors[1], typed.MEANINGS["train"])
    np.testing.assert_array_equal(table.vectors[0], table.vectors[3])
    assert typed.sentence_of(table.words) == "The train left the station on time."


def test_a_word_that_nobody_described_gets_numbers_that_stay() -> None:
    one, other = typed.rows_for(["whale", "Whale"])
    assert one[1:] == other[1:] and len(one) == 5 and one != typed.rows_for(["shark"])[0]
    assert typed.rows_for(["train", "whale"], [["train", "9", "9", "9", "9"]])[0] == [
        "train",
        "9",
        "9",
        "9",
        "9",
    ]


@pytest.mark.parametrize("cell", ["1,5", " 1.5 ", 1.5, "15e-1", np.float64(1.5)])
def test_numbers_as_people_write_them(cell: object) -> None:
    assert typed.read([["a", cell], ["b", "−2"]], ["x"]).vectors.tolist() == [[1.5], [-2.0]]


def bad(**changes: Any) -> list[list[Any]]:
    rows: list[list[Any]] = [["cat", 1, 2], ["sat", 3, 4], ["mat", 5, 6]]
    for place, cell in changes.items():
        row, column = (int(digit) for digit in place[1:])
        rows[row][column] = cell
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (bad(_11="abc"), r"Row 2 (“sat”), column “x”: expected a number, received “abc”."),
        (bad(_22=""), "Row 3 (“mat”), column “y” is empty: expected a number."),
        (bad(_22=None), "Row 3 (“mat”), column “y” is empty: expected a number."),
        (bad(_02=math.nan), "Row 1 (“cat”), column “y” is empty: expected a number."),
        (bad(_01="nan"), "Row 1 (“cat”), column “x”: expected a number from −1000 to 1000, received nan."),
        (bad(_01="inf"), "Row 1 (“cat”), column “x”: expected a number from −1000 to 1000, received inf."),
        (
            bad(_01=-1e300),
            "Row 1 (“cat”), column “x”: expected a number from −1000 to 1000, received -1e+300.",
        ),
        (bad(_01="1001"), "Row 1 (“cat”), column “x”: expected a number from −1000 to 1000, received 1001."),
        (bad(_10=""), "Row 2 has no word."),
        (bad(_10="w" * 25), f"Row 2: “{'w' * 24}…” is longer than 24 letters."),
        (bad(_10="", _11="", _12=None), "Row 2 is empty: give it a word and numbers, or delete it."),
        ([["cat", 1, 2], ["sat", 3]], "Row 2 (“sat”) has 1 number, the table has 2 columns."),
        ([["cat", 1, 2], ["sat", 3, 4, 5]], "Row 2 (“sat”) has 3 numbers, the table has 2 columns."),
        ([["cat", 1, 2]], "The table has 1 row; attention needs at least two words."),
        ([["cat", 1, 2], ["", "", ""]], "The table has 1 row; attention needs at least two words."),
        ([], "The table has 0 rows; attention needs at least two words."),
        ([["cat", 1, 2]] * 17, "The table has 17 rows; there is room for 16."),
    ],
)
def test_the_message_names_the_cell(rows: list[list[Any]], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        typed.read(rows, ["x", "y"])
    assert str(caught.value) == message


@pytest.mark.parametrize("width", [0, 9])
def test_width_has_bounds(width: int) -> None:
    rows = [["a", *["1"] * width], ["b", *["1"] * width]]
    with pytest.raises(
        ValueError, match=f"The table has {width} columns of numbers; there is room for 1 to 8."
    ):
        typed.read(rows, typed.columns_for(rows))


def test_empty_rows_at_the_end_are_nobodys_fault() -> None:
    assert len(typed.read([*bad(), [None, None, None], ["", " ", ""]], ["x", "y"]).words) == 3


@pytest.mark.parametrize(
    "rows",
    [
        START,
        [["a,b", "1"], ["c;d", "2"], ["e\\f", "3"], ["\\", "4"]],
        [["", ""], ["x", ""]],
        [["日本 🚆", "−1"]],
    ],
)
def test_a_link_brings_the_table_back(rows: typed.Rows) -> None:
    assert typed.decode(typed.encode(rows)) == rows


@pytest.mark.parametrize("text", ["", ";;;", ",,", "\\", "\n\r\0", "a" * 3999, "<script>,1;=1+1"])
def test_nonsense_in_a_link_is_some_table_with_a_message(text: str) -> None:
    rows = typed.decode(text)
    with pytest.raises(ValueError, match=r"^(Row|The table)"):
        typed.read(rows, typed.columns_for(rows))


def test_a_link_has_bounds() -> None:
    with pytest.raises(ValueError, match="there is room for 4000"):
        typed.decode("a" * 4001)


def test_words_and_sentences() -> None:
    assert typed.words_of("It's  (not) “here”, is it?") == [
        "It's",
        "(",
        "not",
        ")",
        "“",
        "here",
        "”",
        ",",
        "is",
        "it",
        "?",
    ]
    assert typed.sentence_of(["Oh", ",", "no", "!"]) == "Oh, no!"
