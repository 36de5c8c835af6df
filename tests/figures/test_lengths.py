"""The lines are the rows, in the order of the sentences, and the chosen number is marked."""

import pytest

from transformer.evaluation.lengths import Row
from transformer.figures import theme
from transformer.figures.lengths import curves

ROWS = [
    Row("b", 2, 5, 20.0, 0, 30.0, 40.0),
    Row("b", 1, 10, 10.0, 0, 45.5, 60.0),
    Row("a", 1, 10, 10.0, 0, 50.0, 65.0),
    Row("unseen", 1, 10, 10.0, 0, 1.0, 2.0),
]


@pytest.mark.parametrize("name", theme.THEMES)
def test_a_line_for_each_network(name: str) -> None:
    figure = curves(ROWS, {"a": "First", "b": "Second", "c": "Third"}, chosen=2, theme=name)
    first, second = figure.data
    assert (first.name, list(first.x), list(first.y)) == ("First", [1], [50.0])
    assert (second.name, list(second.x), list(second.y)) == ("Second", [1, 2], [45.5, 30.0])
    assert list(second.customdata) == [10.0, 20.0]
    assert (
        len({line.line.color for line in figure.data}) == len({line.line.dash for line in figure.data}) == 2
    )
    (mark,) = figure.layout.shapes
    assert (mark.x0, mark.x1, mark.line.color) == (2, 2, theme.get(name).accent)
    assert not curves(ROWS, {"a": "First"}).layout.shapes
