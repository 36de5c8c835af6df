"""Heads as dots."""

import pytest

from transformer.analysis.importance import HeadEffect
from transformer.figures.importance import scatter


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_head_is_a_dot_where_its_numbers_are(theme: str) -> None:
    found = [HeadEffect("cross", 1, 4, 0.5, 0.75), HeadEffect("encoder", 0, 0, -0.25, 0.0)]
    equal, cross, encoder = scatter(found, theme=theme).data
    assert (list(cross.x), list(cross.y)) == ([0.5], [0.75]) and list(encoder.x) == [-0.25]
    assert tuple(cross.customdata[0]) == (2, 5) and cross.name == "Cross-attention"
    assert cross.marker.symbol != encoder.marker.symbol
    assert list(equal.x) == list(equal.y) == [-0.25, 0.5]


def test_what_was_not_measured_is_no_dot() -> None:
    with pytest.raises(ValueError, match="expected heads that were measured"):
        scatter([HeadEffect("cross", 0, 0, 0.5, None)])
    with pytest.raises(ValueError, match="expected heads that were measured"):
        scatter([])
