"""One plain head against its own queries and keys, as many tests ask for it."""

from typing import Any

import numpy as np

from transformer.analysis.check import Check, check_layer
from transformer.config import Attention


def check(weights: Any, queries: Any, keys: Any, mask: np.ndarray, scale: float = 0.0) -> Check:
    """`check_layer` of a layer that has this head alone: weights (T, S), queries (T, K), keys (S, K)."""
    spec = Attention(heads=1, head_width=np.shape(keys)[-1], scale=scale)
    weights, queries, keys = (np.asarray(part)[None] for part in (weights, queries, keys))
    return check_layer(weights, queries, keys, spec, mask)[0]
