"""How much does a look bring? A weight times the length of what is handed over for it.

Kobayashi et al. 2020, "Attention is Not Only a Weight: Analyzing Transformers with Vector Norms" (arXiv:2004.10102),
section 3: the output of attention is a sum of weighted vectors, a key's value put through the output projection of the
head, so a large weight on a short vector brings little. As a weight is one number, the length of the product is the
product of both.

Letters for shapes: L layers, H heads, G heads of keys, Q queries, K keys, W width of one head, D width.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transformer.trace import AttentionMap, FloatArray


def lengths(values: npt.ArrayLike, kernel: npt.ArrayLike, gates: npt.ArrayLike | None = None) -> FloatArray:
    """How long each vector is that a key hands over through a head of one layer: ||v W_O||, (H, K).

    Args:
        values: (G, K, W), biases included; each of the G serves H / G heads that follow each other.
        kernel: (H W, D), of the output projection.
        gates: (H,), what each head is multiplied by; None: 1.

    Raises:
        ValueError: shapes that do not go together.
    """
    each, whole = np.asarray(values, np.float64), np.asarray(kernel, np.float64)
    if each.ndim != 3 or whole.ndim != 2 or len(whole) % each.shape[2]:
        raise ValueError(
            f"expected values (G, K, W) and a kernel (H W, D), received {each.shape}, {whole.shape}"
        )
    heads = whole.reshape(-1, each.shape[2], whole.shape[1])  # (H, W, D)
    if len(heads) % len(each):
        raise ValueError(f"expected {len(each)} heads of keys to serve {len(heads)} heads alike")
    found = [
        np.linalg.norm(each[i * len(each) // len(heads)] @ head, axis=-1) for i, head in enumerate(heads)
    ]
    scaled = np.stack(found) * (1.0 if gates is None else np.abs(np.asarray(gates, np.float64))[:, None])
    return scaled.astype(np.float32)


class Weighted(AttentionMap):
    """A map whose numbers are weights times lengths, as shares of the largest of all its heads: no row adds up to 1.

    Args:
        attention: the map.
        handed: (L, H, K), the `lengths` of each layer.

    Raises:
        ValueError: lengths that do not fit, or nothing that is handed over.
    """

    longest: float  # what 1 stands for

    def __init__(self, attention: AttentionMap, handed: FloatArray) -> None:
        layers, heads, _, keys = attention.weights.shape
        if handed.shape != (layers, heads, keys):
            raise ValueError(f"expected lengths {(layers, heads, keys)}, received {handed.shape}")
        product = attention.weights * handed[:, :, None]
        longest = float(product.max())
        if not 0 < longest < np.inf:
            raise ValueError(f"expected something that is handed over, received at most {longest}")
        values = product / np.float32(longest)
        values.flags.writeable = False
        own = (attention.kind, values, attention.queries, attention.keys, attention.windows, longest)
        for name, value in zip(
            ("kind", "weights", "queries", "keys", "windows", "longest"), own, strict=True
        ):
            object.__setattr__(self, name, value)
