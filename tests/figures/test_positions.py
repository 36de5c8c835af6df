"""The lines carry the numbers that they were given, and say what they are."""

import numpy as np
import pytest

from transformer.figures import positions as figures
from transformer.figures.theme import DARK, LIGHT
from transformer.formulas.positions import alibi_slopes, pairs, sinusoids, wavelengths

TABLE = sinusoids(40, 12)


def test_a_line_for_each_chosen_column() -> None:
    figure = figures.along_positions(TABLE, [1, 5])
    assert [line.name for line in figure.data] == ["column 1", "column 5"]
    for line, column in zip(figure.data, (1, 5), strict=True):
        np.testing.assert_array_equal(line.y, TABLE[:, column])
        assert line.y.dtype == np.float32
        assert list(line.x) == list(range(40))
    assert len({line.line.color for line in figure.data}) == 2
    assert len({line.line.dash for line in figure.data}) == 2
    assert figure.layout.xaxis.title.text == "position"
    assert figures.along_positions(np.zeros((81, 2)), [0]).data[0].mode == "lines"
    assert len(figures.along_positions(TABLE, []).data) == 0


def test_sines_and_cosines_of_a_row_are_lines_of_their_own() -> None:
    for kind in ("interleaved", "halves"):
        table, where = sinusoids(40, 12, kind), pairs(12, kind)
        sine, cosine = figures.along_columns(table, [7], pairs=where).data
        np.testing.assert_array_equal(sine.x, where.sine)
        np.testing.assert_array_equal(sine.y, table[7, where.sine])
        np.testing.assert_array_equal(cosine.y, table[7, where.cosine])
        assert (sine.name, sine.showlegend, cosine.showlegend) == ("position 7", True, False)
        assert (sine.line.dash, cosine.line.dash) == ("solid", "dot")
    (whole,) = figures.along_columns(TABLE, [3]).data
    np.testing.assert_array_equal(whole.y, TABLE[3])


def test_wavelengths_are_drawn_by_powers_of_ten() -> None:
    values = np.repeat(wavelengths(12), 2)
    line, dots, end = figures.waves(values, 40, [1, 5]).data
    np.testing.assert_allclose(line.y, values, rtol=1e-6)
    np.testing.assert_allclose(dots.y, values[[1, 5]], rtol=1e-6)
    assert (end.name, list(end.y)) == ("length 40", [40, 40])
    assert figures.waves(values, 40).layout.yaxis.type == "log"


def test_the_picked_position_is_marked() -> None:
    values = (TABLE @ TABLE.T)[9]
    line, dot = figures.alike(values, 9, measure="dot product", theme="dark").data
    np.testing.assert_array_equal(line.y, values)
    assert (list(dot.x), list(dot.y)) == ([9], [values[9]])
    assert dot.marker.color == DARK.accent


def test_hands_point_where_sine_and_cosine_say() -> None:
    angles, turns = [0.5, 2.0, 4.0], [1.0, 0.1, -2.0]
    figure = figures.circles(angles, turns, ["a", "b", "c"])
    before = [line for line in figure.data if line.name == "before"]
    after = [line for line in figure.data if line.name == "after the shift"]
    for i, (start, turn) in enumerate(zip(angles, turns, strict=True)):
        for line, angle in ((before[i], start), (after[i], start + turn)):
            hand = line.x[1] - line.x[0], line.y[1] - line.y[0]
            np.testing.assert_allclose(hand, [np.cos(angle), np.sin(angle)], atol=1e-12)
    assert len({(line.x[0], line.y[0]) for line in before}) == 3
    assert [note.text for note in figure.layout.annotations] == ["a", "b", "c"]


def test_a_bias_line_for_each_head() -> None:
    figure = figures.biases(alibi_slopes(8), 20, head=2)
    assert [line.name for line in figure.data] == [f"head {h}" for h in range(1, 9)]
    np.testing.assert_allclose(figure.data[2].y, -np.arange(20) / 8)
    assert [line.line.color == LIGHT.accent for line in figure.data] == [h == 2 for h in range(8)]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_have_the_look_of_the_others(theme: str) -> None:
    look = DARK if theme == "dark" else LIGHT
    for figure in (
        figures.along_positions(TABLE, [0], theme=theme),
        figures.along_columns(TABLE, [0], theme=theme),
        figures.waves(wavelengths(12), 9, theme=theme),
        figures.circles([0.0], [1.0], ["a"], theme=theme),
        figures.biases([0.5], 9, head=0, theme=theme),
    ):
        assert figure.layout.template.layout.paper_bgcolor == look.background
        assert figure.layout.dragmode is False
