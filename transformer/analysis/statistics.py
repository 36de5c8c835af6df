"""Figures that describe a head: how spread, how far, how much along the diagonal, how much into special tokens.

Every function takes an `AttentionMap` and gives float64 (L, H): one number for each head, averaged over its
queries. In the formulas a(q, k) is the weight that query q gives to key k; positions count from 0.

Letters for shapes: L layers, H heads, Q queries, K keys.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transformer.trace import AttentionMap

PerHead = npt.NDArray[np.float64]


def entropy(attention: AttentionMap, *, normalised: bool = False) -> PerHead:
    """Mean entropy of the rows in bits: 0 for a look at one key, log2 K for an even look at all.

    The mean over q of -sum_k a(q, k) log2 a(q, k); Clark et al. 2019, "What Does BERT Look At?", section 3.3.

    Args:
        normalised: divide each row by the most it could be, log2 of the keys that it may see (a causal row sees
            only those up to itself, as far as a window reaches), so that 1 is an even look whatever the length.
            Rows that see a single key say nothing and are left out; where there are no others, the result is 0.
    """
    weights = attention.weights.astype(np.float64)
    bits = 0.0 - (weights * np.log2(np.where(weights > 0, weights, 1.0))).sum(-1)  # (L, H, Q)
    if not normalised:
        return bits.mean(-1)
    seen = visible(attention)[:, None]  # (L, 1, Q)
    free = np.broadcast_to(seen > 1, bits.shape)
    shares = np.where(free, bits / np.log2(np.maximum(seen, 2)), 0.0)
    return shares.sum(-1) / np.maximum(free.sum(-1), 1)


def confidence(attention: AttentionMap) -> PerHead:
    """Mean of the largest weight in each row, max_k a(q, k), 0 to 1.

    Voita et al. 2019, "Analyzing Multi-Head Self-Attention" (there without the end token): heads that matter
    tend to be confident.
    """
    return attention.weights.max(-1).mean(-1, dtype=np.float64)


def distance(attention: AttentionMap) -> PerHead:
    """Mean distance of the look in tokens, sum_k a(q, k) |q - k|, of a self-attention.

    Vig and Belinkov 2019, "Analyzing the Structure of Attention in a Transformer Language Model".

    Raises:
        ValueError: for cross-attention, whose two axes count different things.
    """
    _check_self_attention(attention)
    steps = np.abs(_offsets(attention))
    return np.einsum("lhqk,qk->lh", attention.weights, steps, dtype=np.float64) / len(steps)


def at_offset(attention: AttentionMap, offset: int) -> PerHead:
    """Share of weight on the token `offset` places on (-1 the one before, 0 itself, 1 the next), 0 to 1.

    The mean of a(q, q + offset) over the queries that have such a token; 0 where none has one. Heads where one
    offset takes nearly all are the positional heads of Voita et al. 2019.

    Raises:
        ValueError: for cross-attention.
    """
    _check_self_attention(attention)
    chosen = _offsets(attention) == offset
    if not chosen.any():
        return np.zeros((attention.layers, attention.heads))
    return attention.weights[..., chosen].mean(-1, dtype=np.float64)


def special_share(attention: AttentionMap) -> PerHead:
    """Share of weight that goes to special tokens, 0 to 1.

    Clark et al. 2019, section 3.2: much of it there usually means that the head has nothing to do for this token.
    """
    special = np.array([label.special for label in attention.keys])
    return attention.weights[..., special].sum(-1, dtype=np.float64).mean(-1)


def diagonality(attention: AttentionMap, *, spread: float = 0.2) -> PerHead:
    """How much the weight keeps to the diagonal from the first pair to the last, 0 to 1.

    The mean over q of sum_k a(q, k) exp(-(q / (Q - 1) - k / (K - 1))^2 / (2 spread^2)): one minus the guided
    attention loss of Tachibana et al. 2018, "Efficiently Trainable Text-to-Speech System Based on Deep
    Convolutional Networks with Guided Attention", with positions scaled so that both ends lie on the diagonal.
    """
    queries, keys = np.linspace(0, 1, len(attention.queries)), np.linspace(0, 1, len(attention.keys))
    near = np.exp(-((queries[:, None] - keys) ** 2) / (2 * spread**2))
    return np.einsum("lhqk,qk->lh", attention.weights, near, dtype=np.float64) / len(queries)


def monotonicity(attention: AttentionMap) -> PerHead:
    """How steadily the look moves on, 0 to 1: the share of steps on which its centre does not move back.

    From one query to the next is a step, and the centre of a row is its mean key, sum_k a(q, k) k. 1 means that
    the head reads on without turning back, as the monotonic attention of Raffel et al. 2017 is built to do;
    with a single query there is no step, and the result is 1.
    """
    centres = np.einsum("lhqk,k->lhq", attention.weights, np.arange(len(attention.keys)), dtype=np.float64)
    steps = np.diff(centres, axis=-1)
    # Weights are float32: a difference below this is rounding, not a move.
    return (steps >= -1e-5 * len(attention.keys)).mean(-1) if steps.shape[-1] else np.ones(steps.shape[:2])


def visible(attention: AttentionMap) -> npt.NDArray[np.int64]:
    """How many keys each query may see, (L, Q): as far as a layer's window reaches, in a decoder those up to itself."""
    count, keys = len(attention.queries), len(attention.keys)
    if attention.kind == "encoder" and attention.windows:
        reach = np.array([(window or keys) - 1 for window in attention.windows])[:, None]
        place = np.arange(keys)
        return 1 + np.minimum(place, reach) + np.minimum(place[::-1], reach)
    seen = np.arange(keys - count + 1, keys + 1) if attention.kind == "decoder" else np.full(count, keys)
    reach = np.array([window or keys for window in attention.windows or (0,) * attention.layers])
    return np.minimum(seen, reach[:, None])


def _offsets(attention: AttentionMap) -> npt.NDArray[np.int64]:
    """Key position minus query position, (Q, K); the last query of fewer queries than keys is at the last key."""
    count, keys = len(attention.queries), len(attention.keys)
    return np.arange(keys) - np.arange(keys - count, keys)[:, None]


def _check_self_attention(attention: AttentionMap) -> None:
    if attention.kind == "cross":
        raise ValueError("expected self-attention (encoder or decoder), received cross-attention")
