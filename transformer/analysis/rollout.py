"""Attention rollout: which input tokens each position has looked at by way of all layers below.

Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3. Attention of one layer speaks
of mixtures that the layers below have made; rollout follows the mixing down to the tokens, with half of each
layer's flow going through its residual connection. It is a model of the flow by the weights alone: values,
projections and feed-forward layers are left out.

In a decoder a row sees the keys up to its own alone, and rollout is not corrected for that: under causal attention that
looks everywhere alike, early keys collect more with every layer, because all later rows pass them on. `corrected` holds
it against such a map, so that what stands out is not the mask's doing.

Letters for shapes: L layers, H heads, T tokens.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from transformer.analysis.scores import cut_of
from transformer.analysis.statistics import visible
from transformer.analysis.views import Combination, View, combine
from transformer.interventions import NONE, Interventions
from transformer.trace import AttentionMap


def rollout(attention: AttentionMap, layer: int | None = None, interventions: Interventions = NONE) -> View:
    """Rollout of a self-attention up to and with `layer`: values (T, T), whose rows sum to one.

    A_l = (mean over heads of the weights + I) / 2, and the result is A_l A_(l-1) ... A_0. Layers count from 0;
    None is the last. Of a decoder it is not corrected for how many keys a row sees. `interventions` are what was
    changed in the network meanwhile: of heads that are off and of looks that are dropped nothing flows on, and rows are
    scaled to sum to one again.

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
    flow: npt.NDArray[np.float64] = identity
    factors = np.abs(interventions.factors(attention.kind, attention.layers, attention.heads))
    for i, heads in enumerate(attention.weights[: top + 1]):
        heads = heads * factors[i][:, None, None]
        heads[cut_of(interventions.edges, attention.kind, i, heads.shape, "drop")] = 0.0
        mixed = heads.mean(0, dtype=np.float64) + identity
        flow = mixed / mixed.sum(-1, keepdims=True) @ flow  # (T, T)
    return View(flow.astype(np.float32), attention.queries, attention.keys)


def corrected(attention: AttentionMap, layer: int | None = None, interventions: Interventions = NONE) -> View:
    """Rollout, in a decoder over that of attention which looks alike at every key that a row may see, rows scaled to
    sum to one again: attention that looks everywhere alike gives even rows. The paper has encoders alone; this is ours.

    Raises:
        ValueError: as of `rollout`.
    """
    found = rollout(attention, layer, interventions)
    if attention.kind != "decoder":
        return found
    seen = visible(attention)  # (L, T)
    behind = np.arange(seen.shape[1])[:, None] - np.arange(seen.shape[1])
    allowed = (behind >= 0) & (behind < seen[:, :, None])  # (L, T, T)
    even = (allowed / seen[:, :, None])[:, None].astype(np.float32)
    base = rollout(AttentionMap("decoder", even, attention.queries, attention.keys), layer).values
    flow = np.divide(found.values, base, out=np.zeros_like(base), where=base > 0)
    return View(flow / flow.sum(-1, keepdims=True), attention.queries, attention.keys)


def follows(attention: AttentionMap) -> bool:
    """Whether there is a rollout: of self-attention over one sequence."""
    return attention.kind != "cross" and len(attention.queries) == len(attention.keys)


def chosen(
    attention: AttentionMap,
    how: Combination | Literal["rollout"],
    layer: int | None,
    head: int | None,
    interventions: Interventions = NONE,
) -> View:
    """The chosen heads as one picture: see `views.combine`; by "rollout" what the layers up to the chosen one mix, all
    heads together, with what was changed in the network meanwhile."""
    if how == "rollout":
        return corrected(attention, layer, interventions)
    return combine(attention, how, layer=layer, head=head)
