"""Multi-head scaled dot-product attention that returns what it looked at (Vaswani et al. 2017, section 3.2).

Letters for shapes: B batch, T queries, S keys, H heads, G heads of keys (Ainslie et al. 2023, arXiv:2305.13245: each
serves H / G query heads that follow each other), D width, K width of one head.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from transformer.config import Attention as Spec
from transformer.config import Norm, implemented
from transformer.layers.norms import normalisation
from transformer.layers.rotary import Turn, turned

# Added to the score of a forbidden position: exp() of it is exactly 0, in bfloat16 too.
FORBIDDEN = -1e9


class KeyValue(NamedTuple):
    """Keys, as they are multiplied with queries, and values of every position seen so far, each (B, G, S, K)."""

    key: Any
    value: Any


class Cuts(NamedTuple):
    """Looks that are forbidden, booleans (B, H, T, S): before the softmax, and behind it (attention knockout: Geva et
    al. 2023, arXiv:2304.14767, section 4)."""

    bar: Any
    drop: Any


class Put(NamedTuple):
    """Vectors that stand in for others (activation patching: Vig et al. 2020, arXiv:2004.12265): `vectors` (B, P, W),
    of which the first columns count, and `there`, 1 where each of them belongs and 0 elsewhere, (B, P, T), or of heads
    (B, P, H, T); none belongs where another does."""

    there: Any
    vectors: Any


def put_in(x: Any, put: Put | None) -> Any:
    """x (B, T, D), or of heads (B, H, T, K), with those vectors in it; None: as it is."""
    if put is None:
        return x
    there, vectors = (ops.cast(part, x.dtype) for part in (put.there, put.vectors[..., : int(x.shape[-1])]))
    axes = "ht" if len(x.shape) == 4 else "t"
    found = ops.einsum(f"bp{axes},bpd->b{axes}d", there, vectors)
    return ops.where(ops.any(there > 0, axis=1)[..., None], found, x)


class Attention(NamedTuple):
    """What one attention layer returns: output (B, T, D), weights (B, H, T, S) float32, its keys and values; as they
    were projected, before any norm or rotation, queries (B, H, T, K) and the keys (B, G, S, K) of its source; and what
    its output is projected from, `mixed` (B, T, H K): of each head the weighted values times its gate."""

    output: Any
    weights: Any
    cache: KeyValue
    query: Any
    key: Any
    mixed: Any


def padding_mask(real: Any) -> Any:
    """(B, S) booleans, true where a position is not padding -> (B, 1, 1, S), as `attention_mask` takes it."""
    return real[:, None, None, :]


def causal_mask(length: int) -> Any:
    """(1, 1, T, T) booleans: position t may look at itself and at what came before (section 3.2.3)."""
    steps = ops.arange(length)
    return (steps[:, None] >= steps[None, :])[None, None]


def scaled_dot_product(
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any = None,
    *,
    factor: float | None = None,
    softcap: float = 0.0,
    bias: Any = None,
    cuts: Cuts | None = None,
) -> tuple[Any, Any]:
    """softmax(Q K^T / sqrt(K)) V, equation 1, as an explicit softmax in float32.

    Args:
        query: (B, H, T, K).
        key, value: (B, G, S, K).
        attention_mask: booleans that broadcast to (B, H, T, S), true where a query may look; None allows all.
        factor: what scores are multiplied by instead of 1 / sqrt(K).
        softcap: scores s become softcap * tanh(s / softcap) where it is not 0 (Gemma 2, arXiv:2408.00118, section 2).
        bias: added to scores, broadcasts to (B, H, T, S); None adds nothing.
        cuts: looks that are forbidden; a row of which nothing would be left is not barred.

    Returns:
        context (B, H, T, K) and weights (B, H, T, S) float32, those that are dropped included. A forbidden position
        weighs exactly 0 as long as its row allows at least one other.
    """
    # Scaling the query instead of the scores is the same number over a smaller tensor.
    query = query * (int(key.shape[-1]) ** -0.5 if factor is None else factor)
    scores = ops.cast(_by_group(query, ops.swapaxes(key, -1, -2)), "float32")  # (B, H, T, S)
    if softcap:
        scores = ops.tanh(scores / softcap) * softcap
    if bias is not None:
        scores = scores + bias
    if attention_mask is not None:
        scores = scores + (1.0 - ops.cast(attention_mask, "float32")) * FORBIDDEN
    if cuts is not None:
        # At -1e9 a float32 tells no scores apart: a row that had nothing else would look everywhere, padding included.
        left = ops.logical_not(cuts.bar)
        left = left if attention_mask is None else ops.logical_and(left, attention_mask)
        scores = ops.where(
            ops.logical_and(cuts.bar, ops.any(left, axis=-1, keepdims=True)), FORBIDDEN, scores
        )
    # A single key weighs 1 whatever its score; Keras warns of a softmax over one.
    weights = ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1)
    used = weights if cuts is None else ops.where(cuts.drop, 0.0, weights)
    return _by_group(ops.cast(used, value.dtype), value), weights


def _by_group(each: Any, shared: Any) -> Any:
    """Products of (B, H, T, X) with (B, G, X, Y) -> (B, H, T, Y): the rows of a group's heads are one longer matrix."""
    heads, groups = int(each.shape[1]), int(shared.shape[1])
    if heads == groups:
        return ops.matmul(each, shared)
    batch, length, inner = ops.shape(each)[0], ops.shape(each)[2], ops.shape(each)[3]
    found = ops.matmul(ops.reshape(each, (batch, groups, heads // groups * length, inner)), shared)
    return ops.reshape(found, (batch, heads, length, ops.shape(shared)[3]))


class MultiHeadAttention(keras.layers.Layer):
    """Multi-head attention with separate query, key, value and output projections (section 3.2.2).

    Args:
        width: D, of inputs and output.
        spec: heads, their width, biases, norms and scores; the weights that are returned are those before its dropout.
        norm: of what kind its norms of queries and keys are, where it has them.

    Call arguments:
        inputs: (B, T, D), where the queries come from.
        source: (B, S, D), where keys and values come from; None means `inputs` (self-attention).
        attention_mask: booleans that broadcast to (B, H, T, S), true where a query may look.
        turn: by which angles queries, and keys of `inputs`, are turned, where the specification has a rotation.
        bias: added to scores, broadcasts to (B, H, T, S).
        gate: (H,) or (B, H); each head's contribution is multiplied by it before the output projection, so 0
            switches a head off (Michel et al. 2019, "Are Sixteen Heads Really Better than One?", equation 1).
        cuts: looks that are forbidden, see `scaled_dot_product`.
        put: what heads hand over instead, behind their gates.
        cache: `KeyValue`. Without `index`: attend to these ready keys and values (cross-attention while decoding).
        index: position at which the keys and values of `inputs` (T = 1) are written into `cache` before attending.

    Returns:
        `Attention`; its `key` is None where ready keys came in.

    Raises:
        ValueError: the specification asks for what is not implemented, `index` is given without `cache`, or `gate` has
            not one number a head.
    """

    def __init__(
        self, width: int, spec: Spec, norm: Norm | None = None, *, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        implemented(spec, sink=False)
        self.width, self.spec, self.heads = width, spec, spec.heads

        def dense(units: int, bias: bool, name: str) -> keras.layers.Dense:
            return keras.layers.Dense(units, use_bias=bias, dtype=self.dtype_policy, name=name)

        self.query = dense(spec.joined, spec.query_bias, "query")
        self.key = dense(spec.keys_joined, spec.key_bias, "key")
        self.value = dense(spec.keys_joined, spec.value_bias, "value")
        self.output_projection = dense(width, spec.output_bias, "output")
        self.query_norm = self.key_norm = None
        if spec.qk_norm != "none":
            policy, kind = self.dtype_policy, norm or Norm(kind="rms")
            self.query_norm = normalisation(kind, policy, "query_norm")
            self.key_norm = normalisation(kind, policy, "key_norm")
        self.dropout = keras.layers.Dropout(spec.dropout, dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        for projection in (self.query, self.key, self.value):
            projection.build((None, None, self.width))
        self.output_projection.build((None, None, self.spec.joined))
        whole, size = self.spec.qk_norm == "whole", self.spec.head_width
        for norm, joined in ((self.query_norm, self.spec.joined), (self.key_norm, self.spec.keys_joined)):
            if norm:
                norm.build((None, None, joined if whole else size))
        self.built = True

    # Where lengths are not known before a graph runs, each `shape` costs ten operations: one serves all that share it.
    # And a product of (B, T, D) with a matrix costs twenty, of (B T, D) one: what is projected is flat.
    def _flat(self, x: Any) -> Any:
        return ops.reshape(x, (-1, int(x.shape[-1])))

    def _split(self, x: Any, shape: tuple[Any, Any]) -> Any:
        x = ops.reshape(x, (*shape, int(x.shape[-1]) // self.spec.head_width, self.spec.head_width))
        return ops.transpose(x, (0, 2, 1, 3))  # (B, H or G, T, K)

    def project(self, source: Any) -> KeyValue:
        """Keys and values of (B, S, D) that no position turns, ready to be used as `cache`."""
        shape, source = ops.shape(source)[:2], self._flat(source)
        key, _ = self._ready(self.key(source), shape, self.key_norm, None)
        return KeyValue(key, self._split(self.value(source), shape))

    def _ready(self, projected: Any, shape: tuple[Any, Any], norm: Any, by: Turn | None) -> tuple[Any, Any]:
        """Projected queries or keys (B T, heads K) as they are multiplied, (B, heads, T, K), and as they were."""
        raw = x = self._split(projected, shape)
        if norm and self.spec.qk_norm == "whole":
            x = self._split(norm(projected), shape)
        elif norm and self.spec.qk_norm == "head":
            x = norm(x)
        return (turned(x, by, self.spec.rotary.pairs) if self.spec.rotary and by else x), raw

    def call(
        self,
        inputs: Any,
        source: Any = None,
        *,
        attention_mask: Any = None,
        turn: Turn | None = None,
        bias: Any = None,
        gate: Any = None,
        cuts: Cuts | None = None,
        put: Put | None = None,
        cache: KeyValue | None = None,
        index: Any = None,
        training: bool | None = None,
    ) -> Attention:
        if index is not None and cache is None:
            raise ValueError("expected a cache to write to at the index, received none")
        shape, raw_key = ops.shape(inputs)[:2], None
        inputs = self._flat(inputs)
        if cache is None or index is not None:
            heard, size = (inputs, shape) if source is None else (self._flat(source), ops.shape(source)[:2])
            key, raw_key = self._ready(self.key(heard), size, self.key_norm, turn)
            new = KeyValue(key, self._split(self.value(heard), size))
            cache = new if cache is None else _write(cache, new, index)
        query, raw = self._ready(self.query(inputs), shape, self.query_norm, turn)
        context, weights = scaled_dot_product(
            query,
            cache.key,
            cache.value,
            attention_mask,
            factor=self.spec.factor,
            softcap=self.spec.softcap,
            bias=bias,
            cuts=cuts,
        )
        if training and self.dropout.rate > 0:
            dropped = self.dropout(weights, training=True)
            context = _by_group(ops.cast(dropped, cache.value.dtype), cache.value)
        if gate is not None:
            gate = ops.cast(gate, context.dtype)
            if len(gate.shape) not in (1, 2) or gate.shape[-1] != self.heads:
                raise ValueError(
                    f"expected a gate (H,) or (B, H) of {self.heads} heads, received {gate.shape}"
                )
            context = context * ops.reshape(gate, (-1, self.heads, 1, 1))
        context = ops.transpose(put_in(context, put), (0, 2, 1, 3))  # (B, T, H, K)
        mixed = ops.reshape(context, (-1, shape[1], self.spec.joined))  # (B, T, H K)
        output = ops.reshape(self.output_projection(self._flat(mixed)), (*shape, self.width))
        return Attention(output, weights, cache, raw, raw_key, mixed)


def _write(cache: KeyValue, new: KeyValue, index: Any) -> KeyValue:
    """`cache` with the one position of `new` (B, G, 1, K) put at `index`.

    Select by mask instead of a slice update: it is the same on every backend, needs no kernel of its own, and the
    caches of these networks are small.
    """
    here = (ops.arange(ops.shape(cache.key)[2]) == index)[None, None, :, None]
    return KeyValue(ops.where(here, new.key, cache.key), ops.where(here, new.value, cache.value))
