"""Token embedding, feed-forward, and the encoder and decoder blocks (Vaswani et al. 2017, section 3).

`place="post"` normalises after each residual sum, as in the paper; `place="pre"` normalises what goes into each
sublayer and leaves the residual stream alone (Xiong et al. 2020, arXiv:2002.04745), as in Tensor2Tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import keras
from keras import ops

from transformer.config import FeedForward as FeedForwardSpec
from transformer.config import ModelConfig, Norm, Stack, Table, implemented, present
from transformer.layers.attention import Cuts, KeyValue, MultiHeadAttention, Put, put_in
from transformer.layers.norms import normalisation
from transformer.layers.positions import PositionTable
from transformer.layers.rotary import Turn


class TokenEmbedding(keras.layers.Layer):
    """ids (B, T) -> vectors (B, T, D): table rows, made as wide as the network where they are not, times a scale, plus
    segments, plus positions, normalised where configured, plus dropout; all as the source or the target of a network
    has them. Where segments and positions are as narrow as the rows, the sum is widened in the end (Lan et al. 2019,
    ALBERT, arXiv:1909.11942, section 3.1).

    Call arguments:
        ids: (B, T).
        types: (B, T), the segment of each token, where the network has any; None means the first.
        start, places, position_scale: see `PositionTable`.
    """

    def __init__(
        self,
        config: ModelConfig,
        side: Literal["source", "target"],
        *,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        source = side == "source"
        spec = present(config.source if source else config.target, side)
        stack = config.encoder if source else config.decoder
        table = stack.table if stack else Table()
        policy, self.width, self.scale = self.dtype_policy, config.width, spec.scale
        self.row_width = spec.width or self.width
        self.late = bool(spec.width) and spec.widened == "sum"
        self.projection = (
            keras.layers.Dense(self.width, use_bias=self.late, dtype=policy, name="projection")
            if spec.width
            else None
        )
        self.sum_width = self.row_width if self.late else self.width
        self.tokens = keras.layers.ReversibleEmbedding(
            spec.vocabulary,
            self.row_width,
            # With the sqrt(D) factor this makes inputs and tied logits both start at unit variance.
            embeddings_initializer=keras.initializers.RandomNormal(stddev=self.row_width**-0.5),
            dtype=policy,
            name="tokens",
        )
        self.positions = PositionTable(
            config.max_source if source else config.max_target,
            self.sum_width,
            table.kind,
            offset=table.offset,
            dtype=policy,
            name="positions",
        )
        self.types = (
            keras.layers.Embedding(spec.types, self.sum_width, dtype=policy, name="token_types")
            if spec.types
            else None
        )
        norm = stack.norm if stack else Norm()
        self.norm = normalisation(norm, policy, "embedding_norm") if spec.norm else None
        self.dropout = keras.layers.Dropout(config.dropout, dtype=policy)

    def build(self, input_shape: Any = None) -> None:
        self.tokens.build(None)
        if self.projection:
            self.projection.build((None, None, self.row_width))
        self.positions.build(None)
        if self.types:
            self.types.build(None)
        if self.norm:
            self.norm.build((None, None, self.sum_width))
        self.built = True

    def call(
        self,
        ids: Any,
        types: Any = None,
        start: Any = None,
        places: Any = None,
        position_scale: Any = (),
        training: bool | None = None,
    ) -> Any:
        return self.placed(self.rows(ids), ids, types, start, places, position_scale, training)

    def rows(self, ids: Any) -> Any:
        """The table's rows (B, T, D) for ids, times the scale: what tokens are before all else; as narrow as they are
        where the sum is widened."""
        rows = self.tokens(ids)
        return (self.projection(rows) if self.projection and not self.late else rows) * self.scale

    def placed(
        self,
        vectors: Any,
        ids: Any,
        types: Any = None,
        start: Any = None,
        places: Any = None,
        position_scale: Any = (),
        training: bool | None = None,
    ) -> Any:
        """`call` from ready rows on."""
        if self.types:
            vectors = vectors + self.types(ops.zeros_like(ids) if types is None else types)
        placed = self.positions(vectors, start=start, places=places, scale=position_scale)
        found = self.dropout(self.norm(placed) if self.norm else placed, training=training)
        return self.projection(found) if self.projection and self.late else found


class Logits(keras.layers.Layer):
    """Vectors (B, T, D) -> scores (B, T, vocabulary): a table of its own, or where tied that of the tokens,
    transposed (Press and Wolf 2017; section 3.4); plus a bias where configured. Vectors are scaled before, and made
    as narrow as the rows of tokens; scores may be capped (Gemma 2, arXiv:2408.00118, section 2).

    Call arguments:
        inputs: (B, T, D).
        many: they are asked for again and again, as by a lens: a large table times vectors takes a third of the time
            that vectors times the table do, without XLA on a processor; sums differ in their last digit.
    """

    def __init__(
        self,
        config: ModelConfig,
        tokens: keras.layers.ReversibleEmbedding,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.config, self.tokens = config, tokens
        side = present(config.target or config.source, "tokens")
        self.width = side.width or config.width
        self.projection = (
            keras.layers.Dense(side.width, use_bias=False, dtype=self.dtype_policy, name="projection")
            if side.width and side.widened == "rows"
            else None
        )

    def build(self, input_shape: Any) -> None:
        if self.projection:
            self.projection.build((None, None, self.config.width))
        if not self.config.task.tied:
            self.kernel = self.add_weight((self.width, self.config.vocabulary), name="kernel")
        if self.config.task.bias:
            self.bias = self.add_weight((self.config.vocabulary,), initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs: Any, many: bool = False) -> Any:
        task = self.config.task
        inputs = self.projection(inputs) if self.projection else inputs
        inputs = inputs if task.scale == 1 else inputs * task.scale
        if task.tied and many:
            columns = ops.matmul(self.tokens.embeddings, ops.swapaxes(inputs, -1, -2))  # (B, vocabulary, T)
            scores = ops.swapaxes(columns, -1, -2)
        else:
            scores = self.tokens(inputs, reverse=True) if task.tied else ops.matmul(inputs, self.kernel)
        scores = scores + self.bias if task.bias else scores
        return ops.tanh(scores / task.softcap) * task.softcap if task.softcap else scores


def activation(name: str) -> Callable[[Any], Any]:
    """The function of that name; `gelu` is exact, `gelu_tanh` its approximation (Hendrycks and Gimpel 2016)."""
    if name == "gelu_tanh":
        return lambda x: keras.activations.gelu(x, approximate=True)
    return keras.activations.get(name)


class FeedForward(keras.layers.Layer):
    """Position-wise feed-forward (section 3.3), gated (Shazeer 2020, arXiv:2002.05202: what is expanded, times an
    activated gate), or Tensor2Tensor's `conv_relu_conv` (common_layers.py).

    The convolution looks at `first_kernel` neighbours: centred in an encoder, to the left only in a decoder.

    Call arguments:
        inputs: (B, T, D).
        real: (B, T) booleans, false at padding, which the convolution must not see; None means no padding.
        state: (B, first_kernel - 1, D), the inputs before this one, while decoding step by step.

    Returns:
        (B, T, D).
    """

    def __init__(
        self, width: int, spec: FeedForwardSpec, *, causal: bool, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.spec, self.width, self.hidden = spec, width, spec.width
        self.convolutional = spec.kind == "conv_relu_conv"
        self.kernel = spec.first_kernel if self.convolutional else 1
        left = self.kernel - 1 if causal else (self.kernel - 1) // 2
        self.edges = (left, self.kernel - 1 - left)
        if self.convolutional:
            implemented(spec, bias=True)
            self.expand = keras.layers.Conv1D(
                self.hidden, self.kernel, padding="valid", dtype=self.dtype_policy, name="expand"
            )
        else:
            self.expand = self._dense(self.hidden, "expand")
        self.gate = self._dense(self.hidden, "gate") if spec.kind == "gated" else None
        self.contract = self._dense(width, "contract")
        self.activation = activation(spec.activation)
        self.dropout = keras.layers.Dropout(spec.dropout, dtype=self.dtype_policy)

    def _dense(self, units: int, name: str) -> keras.layers.Dense:
        return keras.layers.Dense(units, use_bias=self.spec.bias, dtype=self.dtype_policy, name=name)

    def build(self, input_shape: Any) -> None:
        for layer in (self.expand, *([self.gate] if self.gate else [])):
            layer.build((None, None, self.width))
        self.contract.build((None, None, self.hidden))
        self.built = True

    def call(self, inputs: Any, real: Any = None, state: Any = None, training: bool | None = None) -> Any:
        if self.convolutional:
            if real is not None:
                inputs = inputs * ops.cast(real, inputs.dtype)[:, :, None]
            if state is not None:
                inputs = ops.concatenate([state, inputs], axis=1)
            else:
                inputs = ops.pad(inputs, ((0, 0), self.edges, (0, 0)))
            return self._contracted(self.activation(self.expand(inputs)), training)
        shape = ops.shape(inputs)[:-1]
        inputs = ops.reshape(inputs, (-1, self.width))  # see `MultiHeadAttention`
        hidden = self.expand(inputs)
        hidden = self.activation(self.gate(inputs)) * hidden if self.gate else self.activation(hidden)
        return ops.reshape(self._contracted(hidden, training), (*shape, self.width))

    def _contracted(self, hidden: Any, training: bool | None) -> Any:
        return self.contract(self.dropout(hidden, training=training))


class Projections(NamedTuple):
    """What one attention layer made its weights of: inputs (B, T, D), queries (B, H, T, K) and keys (B, G, S, K), as
    they were projected: before a norm, and before a position turns them; its values (B, G, S, K), and what it made of
    them, `mixed` (B, T, H K), see `Attention`.

    These tensors are there anyway: a pass that does not ask for them pays nothing.
    """

    inputs: Any
    query: Any
    key: Any
    value: Any
    mixed: Any


class Puts(NamedTuple):
    """What is put into one block: into the stream behind it, what its feed-forward writes, and what the heads of its
    attentions hand over; None: nothing."""

    stream: Put | None = None
    fed: Put | None = None
    heads: Put | None = None
    cross: Put | None = None


NOTHING = Puts()


class Inside(NamedTuple):
    """The residual stream of a stack, (B, T, D) before each block and behind the last, before any last normalisation;
    and what each feed-forward wrote (B, T, D), before a normalisation of that. Tuples of layers + 1 and of layers."""

    streams: Any
    fed: Any


class EncoderOutput(NamedTuple):
    """Vectors (B, S, D) and the attention weights of one block (B, H, S, S) or of a stack (B, layers, H, S, S).

    `projections` are the `Projections` of the block, or of a stack a tuple of them; `inside` is what the feed-forward
    of the block wrote (B, S, D), or of a stack its `Inside`.
    """

    vectors: Any
    attention: Any
    projections: Any
    inside: Any


class DecoderCache(NamedTuple):
    """What one decoder block remembers between steps.

    `cross_attention` is () without an encoder to look at, `convolution` unless the feed-forward is convolutional.
    """

    self_attention: KeyValue
    cross_attention: Any
    convolution: Any


class DecoderOutput(NamedTuple):
    """Vectors (B, T, D), self-attention (B, H, T, T), cross-attention (B, H, T, S), and the cache after this step.

    Of a stack: weights (B, layers, H, T, ...) and a tuple of caches. Without an encoder to look at, `cross` is None.
    `projections` and `cross_projections` are the `Projections` of the block, or of a stack tuples of them; `inside` is
    as in `EncoderOutput`.
    """

    vectors: Any
    attention: Any
    cross: Any
    cache: Any
    projections: Any
    cross_projections: Any
    inside: Any


class _Sublayers(keras.layers.Layer):
    """The residual wiring that encoder and decoder blocks share."""

    def __init__(
        self, config: ModelConfig, stack: Stack, name: str | None, norms: tuple[str, ...], **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.width, self.stack, self.place = config.width, stack, stack.norm.place
        self.dropout = keras.layers.Dropout(config.dropout, dtype=self.dtype_policy)
        if stack.residual == "parallel_one_norm":
            norms = norms[:1]
        if self.place == "both":
            norms = (*norms, *(f"{norm}_after" for norm in norms))
        self.norms = {norm: normalisation(stack.norm, self.dtype_policy, f"{norm}_norm") for norm in norms}

    def _build_norms(self) -> None:
        for norm in self.norms.values():
            norm.build((None, None, self.width))

    def _residual(
        self, x: Any, norm: str, training: bool | None, sublayer: Callable[[Any], Any]
    ) -> tuple[Any, Any]:
        """x + dropout(sublayer(x)), normalised where the stack says; `sublayer` returns its output and what else."""
        # The first block may take its input as it is.
        normalise, place = self.norms.get(norm, lambda x: x), self.place
        output, rest = sublayer(normalise(x) if place in ("pre", "both") else x)
        if place in ("after", "both"):
            output = self.norms[norm if place == "after" else f"{norm}_after"](output)
        x = x + self.dropout(output, training=training)
        return (normalise(x) if place == "post" else x), rest


class EncoderBlock(_Sublayers):
    """Self-attention and feed-forward, each in a residual connection."""

    def __init__(
        self, config: ModelConfig, layer: int = 0, *, name: str | None = None, **kwargs: Any
    ) -> None:
        stack = present(config.encoder, "encoder")
        spec = stack.attention_at(layer)
        implemented(stack, residual="serial")
        implemented(spec, alibi=False)
        norms = ("self_attention", "feed_forward") if layer or stack.norm.first else ("feed_forward",)
        super().__init__(config, stack, name, norms, **kwargs)
        policy = self.dtype_policy
        self.self_attention = MultiHeadAttention(
            self.width, spec, stack.norm, dtype=policy, name="self_attention"
        )
        self.feed_forward = FeedForward(
            self.width, stack.feed_forward, causal=False, dtype=policy, name="feed_forward"
        )

    def build(self, input_shape: Any) -> None:
        self._build_norms()
        self.self_attention.build(input_shape)
        self.feed_forward.build(input_shape)
        self.built = True

    def call(
        self,
        inputs: Any,
        *,
        attention_mask: Any = None,
        real: Any = None,
        gate: Any = None,
        turn: Turn | None = None,
        bias: Any = None,
        cuts: Cuts | None = None,
        puts: Puts = NOTHING,
        training: bool | None = None,
    ) -> EncoderOutput:
        def attend(x: Any) -> tuple[Any, Any]:
            result = self.self_attention(
                x,
                attention_mask=attention_mask,
                gate=gate,
                turn=turn,
                bias=bias,
                cuts=cuts,
                put=puts.heads,
                training=training,
            )
            own = Projections(x, result.query, result.key, result.cache.value, result.mixed)
            return result.output, (result.weights, own)

        def feed(x: Any) -> tuple[Any, Any]:
            fed = put_in(self.feed_forward(x, real=real, training=training), puts.fed)
            return fed, fed

        x, (weights, projections) = self._residual(inputs, "self_attention", training, attend)
        x, fed = self._residual(x, "feed_forward", training, feed)
        return EncoderOutput(put_in(x, puts.stream), weights, projections, fed)


class DecoderBlock(_Sublayers):
    """Causal self-attention, attention over the encoder's output where there is an encoder, and feed-forward.

    Call arguments:
        inputs: (B, T, D).
        memory: (B, S, D), the encoder's output; not needed with `cache`, nor without an encoder.
        self_mask, cross_mask: as `attention_mask` of `MultiHeadAttention`; turn, bias: as of its self-attention.
        real: (B, T) booleans, false at padding before or between real tokens, see `FeedForward`.
        gate, cross_gate, cuts, cross_cuts: see `MultiHeadAttention`.
        puts: see `Puts`.
        cache, index: a `DecoderCache` from `start` and the position of this one step (T = 1).
    """

    def __init__(
        self, config: ModelConfig, layer: int = 0, *, name: str | None = None, **kwargs: Any
    ) -> None:
        stack = present(config.decoder, "decoder")
        implemented(stack, shared_layers=False)
        implemented(stack.norm, first=True)
        crossing = ("cross_attention",) if stack.cross else ()
        if stack.cross:
            implemented(stack.cross, window=0, rotary=None, alibi=False)
        super().__init__(config, stack, name, ("self_attention", *crossing, "feed_forward"), **kwargs)
        policy = self.dtype_policy
        self.self_attention = MultiHeadAttention(
            self.width, stack.attention_at(layer), stack.norm, dtype=policy, name="self_attention"
        )
        self.cross_attention: Any = (
            MultiHeadAttention(self.width, stack.cross, stack.norm, dtype=policy, name="cross_attention")
            if stack.cross
            else None
        )
        self.feed_forward = FeedForward(
            self.width, stack.feed_forward, causal=True, dtype=policy, name="feed_forward"
        )

    def build(self, input_shape: Any) -> None:
        self._build_norms()
        for layer in (self.self_attention, self.cross_attention, self.feed_forward):
            if layer:
                layer.build(input_shape)
        self.built = True

    def start(self, memory: Any, length: Any) -> DecoderCache:
        """An empty cache for `length` steps, a number or a scalar tensor, that attends over `memory` (B, S, D)."""
        batch, own = ops.shape(memory)[0], self.stack.attention
        empty = ops.zeros((batch, own.heads // own.groups, length, own.head_width), dtype=memory.dtype)
        convolution: Any = ()
        if self.feed_forward.convolutional:
            convolution = ops.zeros((batch, self.feed_forward.kernel - 1, self.width), dtype=memory.dtype)
        cross = self.cross_attention.project(memory) if self.cross_attention else ()
        return DecoderCache(KeyValue(empty, empty), cross, convolution)

    def call(
        self,
        inputs: Any,
        memory: Any = None,
        *,
        self_mask: Any = None,
        turn: Turn | None = None,
        bias: Any = None,
        cross_mask: Any = None,
        real: Any = None,
        gate: Any = None,
        cross_gate: Any = None,
        cuts: Cuts | None = None,
        cross_cuts: Cuts | None = None,
        puts: Puts = NOTHING,
        cache: DecoderCache | None = None,
        index: Any = None,
        training: bool | None = None,
    ) -> DecoderOutput:
        def attend(x: Any) -> tuple[Any, Any]:
            result = self.self_attention(
                x,
                attention_mask=self_mask,
                turn=turn,
                bias=bias,
                gate=gate,
                cuts=cuts,
                put=puts.heads,
                cache=cache.self_attention if cache else None,
                index=index,
                training=training,
            )
            return result.output, (
                result,
                Projections(x, result.query, result.key, result.cache.value, result.mixed),
            )

        def look(x: Any) -> tuple[Any, Any]:
            result = self.cross_attention(
                x,
                memory,
                attention_mask=cross_mask,
                gate=cross_gate,
                cuts=cross_cuts,
                put=puts.cross,
                cache=cache.cross_attention if cache else None,
                training=training,
            )
            # Over ready keys, while it is decoded, nobody asks for them.
            return result.output, (
                result,
                Projections(x, result.query, result.key, result.cache.value, result.mixed),
            )

        def feed(x: Any) -> tuple[Any, Any]:
            state = cache.convolution if cache and self.feed_forward.convolutional else None
            after: Any = () if state is None else ops.concatenate([state, x], axis=1)[:, 1:]
            fed = put_in(self.feed_forward(x, real=real, state=state, training=training), puts.fed)
            return fed, (fed, after)

        cross, cross_projections = None, None
        if self.stack.residual != "serial":
            normed = self.norms["self_attention"](inputs)
            output, (own, projections) = attend(normed)
            other = self.norms.get("feed_forward")
            fed, (_, convolution) = feed(other(inputs) if other else normed)
            x = inputs + self.dropout(output, training=training) + self.dropout(fed, training=training)
            after = DecoderCache(own.cache, (), convolution)
            x = put_in(x, puts.stream)
            return DecoderOutput(x, own.weights, None, after, projections, None, fed)
        x, (own, projections) = self._residual(inputs, "self_attention", training, attend)
        if self.cross_attention:
            x, (cross, cross_projections) = self._residual(x, "cross_attention", training, look)
        x, (fed, convolution) = self._residual(x, "feed_forward", training, feed)
        after = DecoderCache(own.cache, cross.cache if cross else (), convolution)
        seen = cross.weights if cross else None
        x = put_in(x, puts.stream)
        return DecoderOutput(x, own.weights, seen, after, projections, cross_projections, fed)
