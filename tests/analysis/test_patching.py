"""What two runs are asked, and how far an answer moved, against numbers worked out by hand."""

import numpy as np

from transformer.analysis.patching import Patched, both, contest
from transformer.interventions import ALL, Interventions, Patch
from transformer.trace import Label


def test_the_likeliest_answers_are_asked_or_those_that_move_most() -> None:
    first, second = np.log([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
    assert contest(4, first, second) == (4, 1, 0)
    # Both would say 0: 2 gains most, and 1 loses most.
    first, second = np.log([[0.5, 0.4, 0.1], [0.5, 0.2, 0.3]])
    assert contest(0, first, second) == (0, 2, 1)
    assert contest(0, first, second, count=1) == (0, 0, 0)


def test_how_far_it_moved_is_a_share_of_the_way_between_both_runs() -> None:
    runs = np.log([[0.2, 0.8], [0.8, 0.2]])  # odds of ln 1/4 and ln 4
    chances = np.log([[[0.2, 0.8], [0.5, 0.5]], [[0.8, 0.2], [16 / 17, 1 / 17]]])
    found = Patched("stream", "encoder", False, (Label("a"), Label("b")), chances, runs)
    np.testing.assert_allclose(found.ends, (-np.log(4), np.log(4)))
    np.testing.assert_allclose(found.moved, [[0, 0.5], [1, 1.5]])


def test_a_cell_is_a_change_that_a_link_can_hold() -> None:
    found = Patched("stream", "decoder", False, (), np.zeros((2, 3, 2)), np.zeros((2, 2)))
    assert found.change(1, 2, "x") == Interventions(patches=(Patch("stream", "decoder", 1, 2),), other="x")
    heads = found._replace(site="head", kind="cross").change(0, 1, "x y")
    assert heads.patches == (Patch("head", "cross", 0, ALL, 1),) and heads.text() == "p:hx1.*.2;o:x%20y"


def test_places_are_called_by_both_texts_where_they_differ() -> None:
    found = both([Label("The"), Label(" man")], [Label("The"), Label(" woman")])
    assert [label.text for label in found] == ["The", "man / woman"]
