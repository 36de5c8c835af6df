"""Parts of a score as bars."""

import pytest

from transformer.analysis.shares import Share
from transformer.figures.shares import bars, name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_largest_have_a_bar_and_the_rest_one_together(theme: str) -> None:
    found = [
        Share("cross", 1, 4, 2.0),
        Share("biases", None, None, -1.5),
        Share("feed_forward", 0, None, 0.25),
        Share("encoder", 2, 0, -0.5),
    ]
    (bar,) = bars(found, theme=theme, most=2).data
    assert list(bar.y) == ["Cross-attention 2.5", "Biases", "2 others"]
    assert list(bar.x) == [2.0, -1.5, -0.25]
    assert bar.marker.color[0] != bar.marker.color[1] == bar.marker.color[2]
    assert name(found[2]) == "Feed-forward 1" and name(found[3]) == "Self-attention 3.1"
    with pytest.raises(ValueError, match="at least one part"):
        bars([])
