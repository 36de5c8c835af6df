"""The CTC loss of training, against the one that Keras ships."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from transformer.config import END, PAD
from transformer.training.speech import CTC, best_path


def test_ctc_is_that_of_keras_per_real_token() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(3, 9, (3, 7)).astype(np.int32)
    for row, length in enumerate((7, 4, 2)):
        labels[row, length - 1] = END
        labels[row, length:] = PAD
    logits = rng.normal(size=(3, 16, 9)).astype(np.float32)
    counts = np.array([6, 3, 1], np.int32)
    wanted = ops.ctc_loss(labels, logits, counts, np.full(3, 16, np.int32), mask_index=PAD)
    assert float(CTC()(labels, logits)) == pytest.approx(float(ops.sum(wanted)) / 10, rel=1e-5)


def test_a_clip_too_short_for_its_text_teaches_nothing() -> None:
    labels = np.array([[3, 4, 5, 6, END], [3, END, PAD, PAD, PAD]], np.int32)
    logits = np.zeros((2, 3, 8), np.float32)
    # The second alone: 3 positions, of whose 8^3 paths 6 spell it; shared among the 5 tokens of both.
    assert float(CTC()(labels, logits)) == pytest.approx(-np.log(6 / 8**3) / 5, rel=1e-5)


def test_neither_does_one_that_is_too_short_within_its_padding() -> None:
    """Four tokens and one that comes twice, over three positions and seven that are certain of the blank."""
    labels = np.array([[5, 5, 6, 7, END, PAD], [5, 6, END, PAD, PAD, PAD]])
    logits = np.random.default_rng(0).normal(size=(2, 10, 8)).astype(np.float32)
    logits[0, 3:] = np.where(np.arange(8) == PAD, 1e9, -1e9)
    alone = float(CTC()(labels[1:], logits[1:])) * 2
    with tf.GradientTape() as tape:
        given = tf.constant(logits)
        tape.watch(given)
        loss = CTC()(labels, given)
    assert float(loss) == pytest.approx(alone / 6, rel=1e-5)
    gradient = tape.gradient(loss, given).numpy()
    assert np.isfinite(gradient).all() and not gradient[0].any() and gradient[1].any()


def test_a_path_is_read_without_repetitions_and_blanks() -> None:
    assert best_path([PAD, 5, 5, PAD, 5, 6, 6, END]) == [5, 5, 6]
