"""Curves of networks of characters: every number drawn where it belongs, and lines that can be told apart."""

import numpy as np
import pytest

from transformer.figures import theme
from transformer.figures.characters import Band, Curve, learning, reaches

CURVES = {
    "LSTM": Curve([10, 20, 30], [4.0, 3.0, 2.5], [20, 30], [3.2, 2.7]),
    "Transformer": Curve([15, 30], [3.5, 2.6], [30], [2.8]),
}


@pytest.mark.parametrize("name", theme.THEMES)
def test_learning_has_two_lines_for_each_network(name: str) -> None:
    figure = learning(CURVES, theme=name)
    learnt, seen, *others = figure.data
    assert (list(learnt.x), list(learnt.y)) == ([10, 20, 30], [4.0, 3.0, 2.5])
    assert (list(seen.x), list(seen.y)) == ([20, 30], [3.2, 2.7])
    assert [line.legendgroup for line in figure.data] == ["LSTM", "LSTM", "Transformer", "Transformer"]
    assert learnt.line.color == seen.line.color != others[0].line.color
    assert (learnt.name, seen.name) == ("LSTM, text it learns from", "LSTM, text it never saw")
    assert figure.layout.xaxis.rangemode == "tozero"


def test_learning_without_training_leaves_what_was_measured() -> None:
    figure = learning(CURVES, training=False)
    assert [(line.name, list(line.y)) for line in figure.data] == [
        ("LSTM", [3.2, 2.7]),
        ("Transformer", [2.8]),
    ]
    assert (
        len({line.line.color for line in figure.data}) == len({line.line.dash for line in figure.data}) == 2
    )


@pytest.mark.parametrize("name", theme.THEMES)
def test_the_reach_stands_with_its_quartiles_against_the_distance(name: str) -> None:
    mean = np.array([0.5, 0.3, 0.2])
    figure = reaches({"LSTM": Band(mean, mean / 2, mean * 1.5)}, theme=name)
    band, line = figure.data
    assert list(line.x) == [1, 2, 3]
    np.testing.assert_allclose(line.y, mean, rtol=1e-6)
    assert list(band.x) == [1, 2, 3, 3, 2, 1]
    np.testing.assert_allclose(band.y, [0.75, 0.45, 0.3, 0.1, 0.15, 0.25], rtol=1e-6)
    assert not band.showlegend and line.name == "LSTM"
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
