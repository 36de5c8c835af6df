"""Pictures of attention by hand, by their data."""

import math

import numpy as np
import pytest

from transformer.analysis.by_hand import WidthCurve, causal_mask
from transformer.figures import theme as themes
from transformer.figures.by_hand import bars, matrix, width_curve
from transformer.trace import Label

WORDS = [Label("The"), Label("<s>"), Label("$on$")]
VALUES = np.array([[1.0, -2.0, 0.5], [0, 0, 0], [0.25, 1.5, -0.125]])
CURVE = WidthCurve(np.array([1, 2, 4]), np.array([2.5, 1.5, 0.5]), np.array([2.5, 2.4, 2.3]))


def test_matrix_of_words_by_words() -> None:
    figure = matrix(VALUES, WORDS, WORDS, title="score")
    (trace,) = figure.data
    np.testing.assert_array_equal(trace.z, VALUES)
    assert (trace.zmin, trace.zmax) == (-2, 2) and trace.texttemplate == "%{z:.2f}"
    assert figure.layout.xaxis.labelalias == {"0": "The", "1": "&lt;s&gt;", "2": "&#36;on&#36;"}
    assert figure.layout.yaxis.autorange == "reversed" and list(trace.y) == ["0", "1", "2"]
    assert trace.colorbar.title.text == "score" and list(trace.colorbar.ticktext) == ["-2", "0", "2"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_zero_is_the_background(theme: str) -> None:
    figure = matrix(VALUES, WORDS, WORDS, title="score", theme=theme)
    middle = [colour for at, colour in figure.data[0].colorscale if at == 0.5]
    assert middle == [themes.get(theme).background]
    assert figure.layout.template.layout.paper_bgcolor == themes.get(theme).background


def test_numbers_of_a_vector_count_from_one() -> None:
    figure = matrix(VALUES, WORDS, title="value")
    assert figure.layout.xaxis.labelalias == {"0": "1", "1": "2", "2": "3"}
    assert "number %{x}" in figure.data[0].hovertemplate


def test_a_wide_matrix_is_a_stripe_of_colours_with_few_ticks() -> None:
    wide = matrix(np.ones((3, 256)), WORDS, title="value", breaks=32)
    assert wide.data[0].texttemplate is None and wide.layout.width < 700
    assert list(wide.layout.xaxis.tickvals) == [str(i - 1) for i in range(32, 257, 32)]
    assert [line.x0 for line in wide.layout.shapes] == [32 * i - 0.5 for i in range(1, 8)]


def test_forbidden_cells_are_not_coloured_by_their_score() -> None:
    allowed = causal_mask(3)
    figure = matrix(VALUES, WORDS, WORDS, title="score", forbidden=~allowed)
    scores, barred = figure.data
    np.testing.assert_array_equal(np.isnan(scores.z), ~allowed)
    np.testing.assert_array_equal(np.isnan(barred.z), allowed)
    np.testing.assert_array_equal(barred.text == "−∞", ~allowed)
    assert barred.texttemplate == "%{text}" and scores.zmax == 1.5


def test_nothing_but_zeros_has_a_scale() -> None:
    assert matrix(np.zeros((3, 3)), WORDS, WORDS, title="value").data[0].zmax == 1


@pytest.mark.parametrize("values", [np.ones((2, 3)), np.ones((3, 2)), np.ones(3), np.full((3, 3), np.nan)])
def test_matrix_checks_what_it_is_given(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected"):
        matrix(values, WORDS, WORDS, title="value")


def test_bars() -> None:
    figure = bars([0.25, -0.5, 0], WORDS, title="change", chosen=1)
    (trace,) = figure.data
    assert list(trace.y) == [0.25, -0.5, 0] and figure.layout.xaxis.labelalias["1"] == "&lt;s&gt;"
    assert trace.marker.color[1] == themes.LIGHT.accent and trace.marker.color[0] != themes.LIGHT.accent
    for wrong in ([1.0], [1.0, 2.0, math.inf]):
        with pytest.raises(ValueError, match="expected 3 finite numbers"):
            bars(wrong, WORDS, title="change")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_width_curve(theme: str) -> None:
    figure = width_curve(CURVE, 8, 2, theme=theme)
    scaled, plain = figure.data
    np.testing.assert_allclose(scaled.y, CURVE.scaled, rtol=1e-6)
    np.testing.assert_allclose(plain.y, CURVE.plain, rtol=1e-6)
    assert list(plain.x) == [1, 2, 4] and figure.layout.xaxis.type == "log"
    assert plain.marker.size.index(max(plain.marker.size)) == 1
    assert figure.layout.shapes[0].y0 == 3  # log2 of 8 keys
    with pytest.raises(ValueError, match="expected a width of the curve, received 3"):
        width_curve(CURVE, 8, 3)
