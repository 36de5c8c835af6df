"""Toy networks that tests share, and a second opinion on them: the same sums written out in numpy float64."""

import functools
import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from transformer.analysis.scores import Learned, cut_of, mask_of, normalised, weights_of
from transformer.checkpoints import folder
from transformer.config import END, PAD, ModelConfig, Stack, present
from transformer.interventions import ALL, Edge, Patch
from transformer.layers.positions import sinusoids
from transformer.models.assembly import assemble

CONFIG: dict[str, Any] = dict(
    vocabulary=23,
    encoder_layers=2,
    decoder_layers=2,
    width=8,
    heads=2,
    feed_forward=12,
    max_source=16,
    max_target=16,
    norm="pre",
)


def config(**changes: Any) -> ModelConfig:
    """The toy configuration, with these fields of the first format changed."""
    return ModelConfig.from_dict(CONFIG | changes)


def changed(made: ModelConfig, **changes: Any) -> ModelConfig:
    """A configuration with other fields, a field of a record within it as `encoder__attention__heads`."""
    values = made.to_dict()
    for path, value in changes.items():
        *records, name = path.split("__")
        functools.reduce(dict.__getitem__, records, values)[name] = value
    return ModelConfig.from_dict(values)


def decoder(**changes: Any) -> ModelConfig:
    """The toy configuration of a decoder alone, with these fields changed."""
    return config(**(dict(encoder_layers=0) | changes))


def encoder(**changes: Any) -> ModelConfig:
    """The toy configuration of an encoder alone, with these fields changed."""
    return config(**(dict(decoder_layers=0, output="vectors") | changes))


@functools.cache
def shared(toy: ModelConfig) -> Any:
    """One network for each configuration; whoever changes its weights makes one of their own."""
    return network(toy)


def network(toy: ModelConfig, seed: int = 0) -> Any:
    """A network whose every weight, biases and norms included, is random."""
    made = assemble(toy, dtype="float32")
    made.build()
    folder.assign_weights(made, tensors(made, seed))
    return made


def brief(vocabulary: int = 23, **changes: Any) -> Any:
    """A network of one block a side that likes to end, so that outputs differ in length."""
    sizes = dict(vocabulary=vocabulary, encoder_layers=1, decoder_layers=1)
    made = network(config(**sizes, tied_logits=False, logits_bias=True, **changes))
    made.output_projection.bias.assign(np.eye(vocabulary, dtype=np.float32)[END] * 2)
    return made


def tensors(made: Any, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights of a size that lets attention and output vary."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, variable in sorted(folder.variable_names(made).items()):
        values = rng.normal(size=tuple(variable.shape)) * 0.4
        drawn[name] = (values + (1.0 if name.endswith("gamma") else 0.0)).astype(np.float32)
    return drawn


def ids(shape: tuple[int, int], seed: int = 0, vocabulary: int = 23) -> np.ndarray:
    """Random ids that are no special ones."""
    return np.random.default_rng(seed).integers(4, vocabulary, shape, dtype=np.int32)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Along the last axis; a row may hold -inf."""
    shifted = np.exp(scores - scores.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


class Reference:
    """The network of figure 1, or one of its stacks alone, one head and one position at a time, in float64.

    Nothing is padded here: a row stands for itself. What `edges` forbid is forbidden, and where `patches` say so stands
    what the last run of `other` had there.
    """

    def __init__(
        self,
        toy: ModelConfig,
        weights: dict[str, np.ndarray],
        edges: Iterable[Edge] = (),
        patches: Iterable[Patch] = (),
        other: "Reference | None" = None,
    ) -> None:
        self.config, self.edges, self.patches, self.other = toy, tuple(edges), tuple(patches), other
        self.weights = {name: np.asarray(value, np.float64) for name, value in weights.items()}
        self.seen: dict[tuple[str, str, int], np.ndarray] = {}

    def here(self, x: np.ndarray, site: str, name: str) -> np.ndarray:
        """x (T, ...), or heads' (H, T, K), with what is put in there; it is remembered."""
        block = re.search(r"block_(\d+)", name)
        kind = "cross" if name.endswith("cross_attention") else name.split("/")[0]
        key = site, kind, int(block[1]) if block else 0
        x = x.copy()
        for patch in self.patches:
            if (patch.site, patch.kind, patch.layer) == key and self.other:
                theirs = self.other.seen[key]
                rows, heads = (x[None], theirs[None]) if site != "head" else (x, theirs)
                for t in (
                    range(min(rows.shape[1], heads.shape[1])) if patch.position == ALL else [patch.position]
                ):
                    origin = t if patch.origin == ALL else patch.origin
                    for head in range(len(rows)) if patch.head == ALL else [patch.head]:
                        if t < rows.shape[1]:
                            rows[head, t] = heads[head, origin]
        self.seen[key] = x
        return x

    def dense(self, x: np.ndarray, name: str) -> np.ndarray:
        out = x @ self.weights[f"{name}/kernel"]
        return out + self.weights.get(f"{name}/bias", 0.0)

    def own(self, name: str) -> Stack:
        """The stack that a weight's name lies in, or whose side it is on."""
        writes = name.startswith(("d", "target")) or not self.config.encoder
        return present(self.config.decoder if writes else self.config.encoder, name)

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        scale, shift = self.weights[f"{name}/gamma"], self.weights.get(f"{name}/beta")
        return normalised(x, self.own(name).norm, scale, shift)

    def attention(
        self, x: np.ndarray, source: np.ndarray, name: str, causal: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        queries, keys, values = (
            self.dense(side, f"{name}/{part}")
            for side, part in ((x, "query"), (source, "key"), (source, "value"))
        )
        stack, block = self.own(name), re.search(r"block_(\d+)", name)
        layer = int(block[1]) if block else 0
        spec = stack.attention_at(layer)
        spec = present(stack.cross, name) if name.endswith("cross_attention") else spec
        queries, keys, values = (
            part.reshape(len(part), -1, spec.head_width).swapaxes(0, 1) for part in (queries, keys, values)
        )
        scales, shifts = (
            [self.weights.get(f"{name}/{part}_norm/{kind}") for part in ("query", "key")]
            for kind in ("gamma", "beta")
        )
        learned = Learned(scales[0], scales[1], shifts[0], shifts[1], stack.norm)
        mask = mask_of("decoder" if causal else "encoder", len(x), len(source), spec.window)
        kind = "cross" if name.endswith("cross_attention") else name.split("/")[0]
        shape = (spec.heads, len(x), len(source))
        barred = cut_of(self.edges, kind, layer, shape) if self.edges else None
        maps = weights_of(queries, keys, spec, mask, learned, barred=barred).weights
        used = np.where(cut_of(self.edges, kind, layer, shape, "drop"), 0.0, maps)
        mixed = np.stack([used[head] @ values[head // spec.groups] for head in range(spec.heads)])
        mixed = self.here(mixed, "head", name)
        return self.dense(np.concatenate(mixed, -1), f"{name}/output"), maps

    def activation(self, x: np.ndarray, name: str) -> np.ndarray:
        kind = self.own(name).feed_forward.activation
        if kind == "relu":
            return np.maximum(x, 0)
        if kind == "silu":
            return x / (1 + np.exp(-x))
        if kind == "gelu_tanh":
            return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
        return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2

    def feed(self, x: np.ndarray, name: str, causal: bool) -> np.ndarray:
        return self.here(self.fed(x, name, causal), "feed_forward", name)

    def fed(self, x: np.ndarray, name: str, causal: bool) -> np.ndarray:
        if self.own(name).feed_forward.kind == "gated":
            gate = self.activation(self.dense(x, f"{name}/gate"), name)
            return self.dense(gate * self.dense(x, f"{name}/expand"), f"{name}/contract")
        if self.own(name).feed_forward.kind == "dense":
            return self.dense(self.activation(self.dense(x, f"{name}/expand"), name), f"{name}/contract")
        kernel, bias = self.weights[f"{name}/expand/kernel"], self.weights[f"{name}/expand/bias"]
        size = len(kernel)
        reach = size - 1 if causal else (size - 1) // 2
        hidden = np.tile(bias, (len(x), 1))
        for position in range(len(x)):
            for tap in range(size):
                if 0 <= position + tap - reach < len(x):
                    hidden[position] += x[position + tap - reach] @ kernel[tap]
        return self.dense(self.activation(hidden, name), f"{name}/contract")

    def residual(self, x: np.ndarray, name: str, sublayer: Any) -> tuple[np.ndarray, Any]:
        place = self.own(name).norm.place
        output, rest = sublayer(self.norm(x, f"{name}_norm") if place in ("pre", "both") else x)
        if place in ("after", "both"):
            output = self.norm(output, f"{name}_norm" if place == "after" else f"{name}_after_norm")
        return (self.norm(x + output, f"{name}_norm") if place == "post" else x + output), rest

    def embed(self, tokens: np.ndarray, side: str, types: np.ndarray | None = None) -> np.ndarray:
        table = "source_embedding" if side == "target_embedding" and self.config.shared_embeddings else side
        x = self.weights[f"{table}/tokens/embeddings"][tokens]
        stack = self.own(side)
        spec = present(self.config.target if stack is self.config.decoder else self.config.source, side)
        x = self.dense(x, f"{side}/projection") if spec.width else x
        x = x * spec.scale
        if spec.types:
            x = x + self.weights[f"{side}/token_types/embeddings"][0 if types is None else types]
        if stack.table.kind == "learned":
            x = x + self.weights[f"{side}/positions/table"][stack.table.offset :][: len(x)]
        elif stack.table.kind != "none":
            x = x + sinusoids(len(x), self.config.width, stack.table.kind)
        return self.norm(x, f"{side}/embedding_norm") if spec.norm else x

    def block(
        self, x: np.ndarray, name: str, memory: np.ndarray | None = None, causal: bool | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """One block: vectors, self-attention, and cross-attention where there is a memory."""
        causal, cross = memory is not None if causal is None else causal, None
        place, residual = f"{name}/self_attention", self.own(name).residual
        if residual != "serial":
            normed = self.norm(x, f"{place}_norm")
            output, own = self.attention(normed, normed, place, causal)
            fed = f"{name}/feed_forward"
            other = self.norm(x, f"{fed}_norm") if residual == "parallel" else normed
            return self.here(x + output + self.feed(other, fed, causal), "stream", name), own, None
        x, own = self.residual(x, place, lambda y: self.attention(y, y, place, causal))
        if memory is not None:
            place = f"{name}/cross_attention"
            x, cross = self.residual(x, place, lambda y: self.attention(y, memory, place))
        place = f"{name}/feed_forward"
        x, _ = self.residual(x, place, lambda y: (self.feed(y, place, causal), None))
        return self.here(x, "stream", name), own, cross

    def stack(
        self, x: np.ndarray, name: str, memory: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, list[Any]]:
        """`encoder` or `decoder` over ready vectors: vectors, self-attention (layers, H, T, T), cross-attentions."""
        stack = self.own(name)
        maps, crosses = [], []
        for layer in range(stack.layers):
            x, own, cross = self.block(x, f"{name}/block_{layer}", memory, causal=name == "decoder")
            maps.append(own)
            crosses.append(cross)
        x = self.norm(x, f"{name}/last_norm") if stack.norm.last else x
        return x, np.stack(maps), crosses

    def logits(self, x: np.ndarray, table: str, name: str) -> np.ndarray:
        """(T, V): the token table `table` transposed, or the kernel of `name`; and the bias of `name`."""
        task, side = self.config.task, self.config.target or self.config.source
        x = (self.dense(x, f"{name}/projection") if side and side.width else x) * task.scale
        if task.tied:
            scores = x @ self.weights[f"{table}/tokens/embeddings"].T + self.weights.get(f"{name}/bias", 0.0)
        else:
            scores = self.dense(x, name)
        return task.softcap * np.tanh(scores / task.softcap) if task.softcap else scores

    def forward(self, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, ...]:
        """Both stacks: logits (T, V) and the three maps, (layers, H, queries, keys)."""
        assert PAD not in source
        memory, encoder, _ = self.stack(self.embed(source, "source_embedding"), "encoder")
        x, decoder, crosses = self.stack(self.embed(target, "target_embedding"), "decoder", memory)
        table = "source_embedding" if self.config.shared_embeddings else "target_embedding"
        return self.logits(x, table, "output_projection"), encoder, decoder, np.stack(crosses)

    def write(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A decoder alone: logits (T, V) and its map."""
        x, decoder, _ = self.stack(self.embed(ids, "embedding"), "decoder")
        return self.logits(x, "embedding", "output_projection"), decoder

    def read(self, ids: np.ndarray, types: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """An encoder alone: what its configuration's `output` says, (S, V), (classes,) or (S, D), and its map."""
        x, encoder, _ = self.stack(self.embed(ids, "embedding", types), "encoder")
        if self.config.output == "masked_tokens":
            x = self.dense(x, "masked_tokens/transform")
            x = self.norm(self.activation(x, "masked_tokens"), "masked_tokens/norm")
            return self.logits(x, "embedding", "masked_tokens/logits"), encoder
        if self.config.output == "classes":
            x = x.max(0) if self.config.task.pooling == "max" else x[0]
            x = np.tanh(self.dense(x, "pooler")) if self.config.task.pooler else x
            x = self.dense(x, "classifier")
        return x, encoder
