"""Attention rollout: which input tokens each position has looked at by way of all layers below.

Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3. Attention of one layer speaks
of mixtures that the layers below have made; rollout follows the mixing down to the tokens, with half of each
layer's flow going through its residual connection. It is a model of the flow by the weights alone: values,
projections and feed-forward layers are left out.

In a decoder a row sees the keys up to its own alone, and rollout is not corrected for that: under causal attention that
looks everywhere alike, early keys collect more with every layer, because all later rows pass them on. What stands out
there may be the mask's doing; hold it against `rollout` of such a map.

Letters for shapes: L layers, H heads, T tokens.
"""

from __future__ import annotations

import numpy as np

from transformer.analysis.views import View
from transformer.trace import AttentionMap


def rollout(attention: AttentionMap, layer: int | None = None) -> View:
    """Rollout of a self-attention up to and with `layer`: values (T, T), whose rows sum to one.

    A_l = (mean over heads of the weights + I) / 2, and the result is A_l A_(l-1) ... A_0. Layers count from 0;
    None is the last. Of a decoder it is not corrected for how many keys a row sees.

    Raises:
        ValueError: for cross-attention, for other keys than queries, or where there is no such layer.
    """
    if attention.kind == "cross" or len(attention.queries) != len(attention.keys):
        shape = attention.weights.shape
        raise ValueError(f"expected self-attention over one sequence, received {attention.kind} {shape}")
    top = attention.layers - 1 if layer is None else layer
    if not 0 <= top < attention.layers:
        raise ValueError(f"expected a layer from 0 to {attention.layers - 1}, received {layer}")
    identity = np.eye(len(attention.keys))
    flow = identity
    for heads in attention.weights[: top + 1]:
        flow = (heads.mean(0, dtype=np.float64) + identity) / 2 @ flow  # (T, T)
    return View(flow.astype(np.float32), attention.queries, attention.keys)
