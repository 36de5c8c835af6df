"""Rollout of a network that was changed; that of networks as they are: see `test_statistics`."""

import numpy as np

from transformer.analysis.rollout import rollout
from transformer.interventions import Interventions
from transformer.trace import AttentionMap, Label


def test_of_what_is_off_or_dropped_nothing_flows_on() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(4), (2, 3, 4)).astype(np.float32)
    labels = tuple(Label(letter) for letter in "abcd")
    attention = AttentionMap("encoder", weights, labels, labels)
    off = Interventions.parse("h:e*.*")
    np.testing.assert_array_equal(rollout(attention, interventions=off).values, np.eye(4))
    one = rollout(attention, 0, Interventions.parse("h:e1.1,e1.2=0.5")).values
    mixed = (0.5 * weights[0, 1] + weights[0, 2]) / 3 + np.eye(4)
    np.testing.assert_allclose(one, mixed / mixed.sum(-1, keepdims=True), atol=1e-6)
    dropped = rollout(attention, interventions=Interventions.parse("x:e*.*.*.2!")).values
    np.testing.assert_array_equal(dropped[[0, 2, 3], 1], 0)
    np.testing.assert_allclose(dropped.sum(-1), 1, atol=1e-6)
    # A look that is barred is gone from the weights themselves.
    barred = rollout(attention, interventions=Interventions.parse("x:e*.*.*.2")).values
    np.testing.assert_array_equal(barred, rollout(attention).values)
