"""The learning rate over time, and the loss (Vaswani et al. 2017, sections 5.3 and 5.4)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from transformer.config import PAD
from transformer.training.presets import TrainingConfig


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """scale * width^-0.5 * min(step^-0.5, step * warmup^-1.5), equation 3; the first step counts as 1.

    With `decay` "none" it rises in a straight line to `learning_rate` and stays there.
    Where `cooldown_steps` is set, the rate is also scaled from 1 down to 0 in a straight line over the last of `steps`
    (Hagele et al. 2024, arXiv:2405.18392, section 3): a run of known length ends better than one cut off.
    """

    def __init__(self, width: int, training: TrainingConfig) -> None:
        if width < 1 or training.warmup_steps < 1:
            raise ValueError(
                f"expected a width and warm-up of at least 1, received {width} and {training.warmup_steps}"
            )
        self.width, self.training = width, training

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32") + 1.0
        training = self.training
        if training.decay == "none":
            rate = training.learning_rate * ops.minimum(1.0, step / training.warmup_steps)
        else:
            rate = training.learning_rate * self.width**-0.5
            rate = rate * ops.minimum(step**-0.5, step * training.warmup_steps**-1.5)
        if training.cooldown_steps:
            left = (training.steps + 1.0 - step) / training.cooldown_steps
            rate = rate * ops.clip(left, 0.0, 1.0)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {"width": self.width, "training": self.training}


def optimizer(width: int, training: TrainingConfig) -> keras.optimizers.Optimizer:
    """Adam as `training` describes it."""
    return keras.optimizers.Adam(
        WarmUp(width, training),
        beta_1=training.beta_1,
        beta_2=training.beta_2,
        epsilon=training.epsilon,
        global_clipnorm=training.clip_norm or None,
        weight_decay=training.weight_decay or None,
    )


class SmoothedCrossEntropy:
    """Mean cross-entropy per real token against labels smoothed towards the uniform distribution (Szegedy et al. 2016).

    With smoothing e over V words the target gives the true word 1 - e + e/V and every other e/V.

    Call arguments: labels (B, T) ids with 0 as padding, logits (B, T, V). Returns a scalar, in nats.
    """

    def __init__(self, smoothing: float) -> None:
        if not 0 <= smoothing < 1:
            raise ValueError(f"expected a smoothing in [0, 1), received {smoothing}")
        self.smoothing = smoothing
        self.__name__ = "smoothed_cross_entropy"

    def __call__(self, labels: Any, logits: Any) -> Any:
        logits = ops.cast(logits, "float32")
        real = ops.cast(ops.not_equal(labels, PAD), "float32")
        loss = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        if self.smoothing:
            uniform = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
            loss = (1 - self.smoothing) * loss + self.smoothing * uniform
        return ops.sum(loss * real) / ops.maximum(ops.sum(real), 1.0)
