"""Learning rate and loss against their formulas in float64."""

import math

import keras
import numpy as np
import pytest

from tests.toy import softmax
from transformer.training.presets import TrainingConfig
from transformer.training.schedule import SmoothedCrossEntropy, WarmUp, optimizer


def rates(width: int, at: list[int], **training: float) -> np.ndarray:
    schedule = WarmUp(width, TrainingConfig.from_dict(training))
    return np.array([float(schedule(step)) for step in at])


def test_the_rate_is_equation_3_with_the_first_step_counted_as_one() -> None:
    steps = [0, 1, 99, 3998, 3999, 4000, 99_999]
    expected = [512**-0.5 * min((s + 1) ** -0.5, (s + 1) * 4000**-1.5) for s in steps]
    np.testing.assert_allclose(rates(512, steps), expected, rtol=1e-5)
    np.testing.assert_allclose(rates(512, steps, learning_rate=2.0), 2 * np.array(expected), rtol=1e-5)


def test_the_rate_is_highest_at_the_end_of_the_warm_up() -> None:
    found = rates(64, list(range(50)), warmup_steps=10)
    assert found.argmax() == 9
    assert found.max() == pytest.approx(64**-0.5 * 10**-0.5)
    assert (np.diff(found[:10]) > 0).all()
    assert (np.diff(found[9:]) < 0).all()


def test_the_cool_down_is_a_straight_line_to_zero() -> None:
    options = dict(warmup_steps=10, steps=100)
    steps = list(range(101))
    plain, cooled = rates(64, steps, **options), rates(64, steps, cooldown_steps=20, **options)
    # The last 20 of 100 steps are those counted 81 to 100; the line would reach 0 at step 101.
    factor = np.clip((100 - np.arange(101)) / 20, 0, 1)
    np.testing.assert_allclose(cooled, plain * factor, rtol=1e-4, atol=1e-9)
    assert cooled[80] == pytest.approx(plain[80], rel=1e-5)
    assert 0 < cooled[99] < cooled[98]


def test_a_schedule_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="warm-up of at least 1, received 64 and 0"):
        WarmUp(64, TrainingConfig(warmup_steps=0))


def test_the_optimizer_is_adam_with_these_numbers() -> None:
    adam = optimizer(64, TrainingConfig(beta_1=0.8, beta_2=0.99, epsilon=1e-7, clip_norm=1.5))
    assert isinstance(adam, keras.optimizers.Adam)
    assert (adam.beta_1, adam.beta_2, adam.epsilon, adam.global_clipnorm) == (0.8, 0.99, 1e-7, 1.5)
    assert adam.weight_decay is None
    plain = optimizer(64, TrainingConfig(weight_decay=0.01))
    assert plain.global_clipnorm is None
    assert plain.weight_decay == 0.01


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_is_the_smoothed_cross_entropy_of_real_tokens(smoothing: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4, 7)).astype(np.float32) * 3
    labels = np.array([[5, 1, 2, 0], [6, 0, 0, 0], [4, 3, 3, 2]])
    total, count = 0.0, 0
    for b, t in zip(*np.nonzero(labels), strict=True):
        target = np.full(7, smoothing / 7)
        target[labels[b, t]] += 1 - smoothing
        total -= float(target @ np.log(softmax(logits[b, t].astype(np.float64))))
        count += 1
    assert float(SmoothedCrossEntropy(smoothing)(labels, logits)) == pytest.approx(total / count, rel=1e-5)


def test_what_stands_at_padding_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(1, 4, 7)).astype(np.float32)
    labels = np.array([[5, 1, 0, 0]])
    changed = logits.copy()
    changed[:, 2:] = 99
    loss = SmoothedCrossEntropy(0.1)
    assert float(loss(labels, logits)) == pytest.approx(float(loss(labels, changed)), rel=1e-6)
    assert float(loss(labels[:, :2], logits[:, :2])) == pytest.approx(float(loss(labels, logits)), rel=1e-6)
    assert float(loss(np.zeros((1, 4), int), logits)) == 0


def test_a_uniform_guess_costs_the_logarithm_of_the_vocabulary() -> None:
    labels = np.array([[3, 4]])
    for smoothing in (0.0, 0.1):
        found = float(SmoothedCrossEntropy(smoothing)(labels, np.zeros((1, 2, 50), np.float32)))
        assert found == pytest.approx(math.log(50), rel=1e-6)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_a_smoothing_that_cannot_be_is_refused(smoothing: float) -> None:
    with pytest.raises(ValueError, match=r"expected a smoothing in \[0, 1\)"):
        SmoothedCrossEntropy(smoothing)
