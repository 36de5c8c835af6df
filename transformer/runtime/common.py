"""What the compiled passes of every kind of network share: padded lengths, gates, and what a pass records."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from keras import ops

from transformer.config import ModelConfig
from transformer.models.seq2seq import Gates
from transformer.search.generate import permitted

__all__ = ["tf"]

# It warns of many compilations: here each padded length is meant to have one.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

ALTERNATIVES = 5
_BUCKETS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


# From this width on TensorFlow's own kernels beat XLA's matrix products on a processor (BERT-base, 128 tokens: 280 ms
# instead of 740 on the same busy machine), and need no compilation for each length.
WIDE = 768


def compiled(function: Any, config: ModelConfig, signature: Any = None) -> Any:
    """`function` as a graph: under XLA for narrow networks, else without; `signature` then lets one graph serve all
    lengths."""
    if config.width < WIDE:
        return tf.function(function, jit_compile=True, autograph=False)
    return tf.function(function, autograph=False, input_signature=signature)


def gate_signature(config: ModelConfig) -> Gates:
    """The shapes of `gate_tensors`."""
    return Gates(*(tf.TensorSpec(gate.shape, tf.float32) for gate in gate_tensors(config, None)))


class Recorded(NamedTuple):
    """One forced pass, cropped to the real lengths S and T; a map that the network does not have is None.

    encoder (layers, H, S, S), decoder (layers, H, T, T), cross (layers, H, T, S): attention weights, float32.
    log_probability (T,) of each target token, natural log; entropy (T,) in bits; alternatives (T, 5) ids and their
    probabilities, best first.
    """

    encoder: Any
    decoder: Any
    cross: Any
    log_probability: np.ndarray
    entropy: np.ndarray
    alternatives: np.ndarray
    probabilities: np.ndarray


class Projected(NamedTuple):
    """What the attention layers of one stack made their weights of, float32.

    inputs (layers, T, D): what each layer was given; queries (layers, H, T, K) and keys (layers, H, S, K).
    """

    inputs: np.ndarray
    queries: np.ndarray
    keys: np.ndarray


def bucket(length: int, longest: int, at_least: int = 0) -> int:
    """The padded length for `length` tokens: the next of the few, and never more than `longest`."""
    if not 1 <= length <= longest:
        raise ValueError(f"expected from 1 to {longest} tokens, received {length}")
    return min(next((b for b in _BUCKETS if b >= max(length, at_least)), longest), longest)


def ids_row(ids: Sequence[int], length: int, fill: int) -> Any:
    """ids as a tensor (1, length), the rest filled."""
    row = np.full((1, length), fill, np.int32)
    row[0, : len(ids)] = ids
    return tf.constant(row)


def gate_tensors(config: ModelConfig, gates: Gates | None) -> Gates:
    """Gates as tensors, all on where there are none.

    Raises:
        ValueError: gates of another shape than (layers, heads).
    """
    shapes = config.attention_shapes()
    tensors = []
    for kind, gate in zip(Gates._fields, gates or Gates(), strict=True):
        shape = shapes.get(kind, (0, 0))
        values = np.ones(shape) if gate is None else np.asarray(gate)
        if values.shape != shape:
            raise ValueError(f"expected gates {shape}, received shape {values.shape}")
        tensors.append(tf.constant(values, tf.float32))
    return Gates(*tensors)


def foretold(logits: Any, target: Any, config: ModelConfig) -> tuple[Any, ...]:
    """Of scores (B, T, vocabulary) for the tokens `target` (B, T): log-probability, entropy in bits, and the best
    alternatives with their probabilities, as `Recorded` has them."""
    log_p = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)  # (B, T, V)
    entropy = -ops.sum(ops.exp(log_p) * log_p, axis=-1) / np.log(2.0)
    # What could have been written instead: what is barred never is.
    best, ids = ops.top_k(permitted(log_p, config), min(ALTERNATIVES, config.vocabulary))
    own = ops.take_along_axis(log_p, target[:, :, None], axis=-1)[:, :, 0]
    return own, entropy, ids, ops.exp(best)


def ctc_loss(labels: Any, logits: Any, counts: Any, lengths: Any) -> Any:
    """Negative log-probability (B,) of the first `counts` (B,) labels (B, T), id 0 being the blank; 0 where a clip is
    too short for them.

    Keras takes the loss that TensorFlow writes out in its own operations, which is half of a training step on a
    processor. This is its older kernel, which wants sparse labels and the blank last.
    """
    places = tf.where(tf.sequence_mask(counts, tf.shape(labels)[1]))
    ids = tf.cast(tf.gather_nd(labels, places), tf.int32) - 1
    sparse = tf.SparseTensor(places, ids, tf.cast(tf.shape(labels), tf.int64))
    return tf.compat.v1.nn.ctc_loss(
        sparse, tf.roll(logits, -1, axis=2), lengths, ignore_longer_outputs_than_inputs=True, time_major=False
    )
