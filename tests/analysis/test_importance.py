"""Heads in the order of what an answer loses without them."""

import numpy as np
import pytest

from transformer.analysis.importance import HeadEffect, agreement, ranked


def test_what_was_measured_goes_before_what_was_estimated() -> None:
    estimate = {"encoder": np.array([[0.5, -1.0]]), "cross": np.array([[2.0], [0.0]])}
    assert [(head.kind, head.layer, head.head, head.effect) for head in ranked(estimate)] == [
        ("cross", 0, 0, 2.0),
        ("encoder", 0, 0, 0.5),
        ("cross", 1, 0, 0.0),
        ("encoder", 0, 1, -1.0),
    ]
    measured = {"encoder": np.array([[0.25, 3.0]]), "cross": np.array([[1.0], [0.5]])}
    found = ranked(estimate, measured)
    assert found[0] == HeadEffect("encoder", 0, 1, -1.0, 3.0)
    assert [head.effect for head in found] == [3.0, 1.0, 0.5, 0.25]


def test_agreement_is_a_correlation_of_enough_heads_that_vary() -> None:
    def heads(*pairs: tuple[float, float | None]) -> list[HeadEffect]:
        return [HeadEffect("encoder", 0, i, *pair) for i, pair in enumerate(pairs)]

    assert agreement(heads((0, 1), (1, 3), (2, 5))) == pytest.approx(1)
    assert agreement(heads((0, 5), (1, 3), (2, 1))) == pytest.approx(-1)
    assert agreement(heads((0, 1), (1, 3))) is None
    assert agreement(heads((0, 1), (1, 1), (2, 1))) is None
    assert agreement(heads((0, None), (1, None), (2, None))) is None
