"""Tables hold the numbers of the picture, and survive tokens made to trip them."""

import csv
import io

import numpy as np
import pytest

from transformer.analysis.views import View, hide_special
from transformer.figures import tables
from transformer.trace import Label


def view(queries: list[str], keys: list[str]) -> View:
    values = np.random.default_rng(2).random((len(queries), len(keys)), np.float32)
    return View(values, tuple(map(Label, queries)), tuple(map(Label, keys)))


def test_every_weight_is_in_its_place() -> None:
    shown = view(["the", "train"], ["o", "trem"])
    frame = tables.table(shown)
    assert frame.loc["train", "o"] == shown.values[1, 0]
    np.testing.assert_array_equal(frame.to_numpy(), shown.values)


def test_names_are_unique() -> None:
    frame = tables.table(view(["a", "a", "a (2)", "", ""], ["x", "x"]))
    assert list(frame.index) == ["a", "a (2)'", "a (2)", "∅", "∅ (5)"]
    assert list(frame.columns) == ["x", "x (2)"]


def test_csv_reads_back() -> None:
    shown = view(['"', ",", "=1+1", "two\nlines", "שלום"], ["🚆", "-", "x;y"])
    rows = list(csv.reader(io.StringIO(tables.csv(shown), newline="")))
    assert rows[0][1:] == ["🚆", "'-", "x;y", "sum of the row"]
    assert [row[0] for row in rows[1:]] == ['"', ",", "'=1+1", "two↵lines", "שלום"]
    np.testing.assert_allclose(
        [[float(cell) for cell in row[1:4]] for row in rows[1:]], shown.values, rtol=1e-6
    )


def test_no_table_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one query and key"):
        tables.table(View(np.zeros((0, 0), np.float32), (), ()))


def test_csv_says_what_rows_add_up_to_where_that_is_not_1() -> None:
    labels = [Label("a"), Label("b"), Label("end", special=True)]
    whole = View(
        np.array([[0.5, 0.25, 0.25], [0.25, 0.75, 0], [0, 0, 1]], np.float32), tuple(labels), tuple(labels)
    )
    assert "sum" not in tables.csv(whole)
    found = tables.csv(hide_special(whole))
    assert found == "looks from \\ looks at,a,b,sum of the row\r\na,0.5,0.25,0.75\r\nb,0.25,0.75,1\r\n"
    assert list(tables.table(hide_special(whole)).columns) == ["a", "b"]
