"""Toy networks that tests share, and a second opinion on them: the same sums written out in numpy float64."""

import functools
import math
from typing import Any

import numpy as np

from transformer.checkpoints import folder
from transformer.config import PAD, ModelConfig
from transformer.layers.positions import sinusoids
from transformer.models.seq2seq import Transformer

CONFIG = dict(
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
    """The toy configuration, with these fields changed."""
    return ModelConfig(**(CONFIG | changes))


@functools.cache
def shared(toy: ModelConfig) -> Transformer:
    """One network for each configuration; whoever changes its weights makes one of their own."""
    return network(toy)


def network(toy: ModelConfig, seed: int = 0) -> Transformer:
    """A network whose every weight, biases and norms included, is random."""
    made = Transformer(toy, dtype="float32")
    made.build()
    folder.assign_weights(made, tensors(made, seed))
    return made


def tensors(made: Transformer, seed: int = 0) -> dict[str, np.ndarray]:
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
    """The network of figure 1 over one unpadded pair, one head and one position at a time, in float64."""

    def __init__(self, toy: ModelConfig, weights: dict[str, np.ndarray]) -> None:
        self.config = toy
        self.weights = {name: np.asarray(value, np.float64) for name, value in weights.items()}

    def dense(self, x: np.ndarray, name: str) -> np.ndarray:
        out = x @ self.weights[f"{name}/kernel"]
        return out + self.weights.get(f"{name}/bias", 0.0)

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + self.config.norm_epsilon)
        return scaled * self.weights[f"{name}/gamma"] + self.weights[f"{name}/beta"]

    def attention(
        self, x: np.ndarray, source: np.ndarray, name: str, causal: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        queries, keys, values = (
            self.dense(side, f"{name}/{part}")
            for side, part in ((x, "query"), (source, "key"), (source, "value"))
        )
        size = self.config.width // self.config.heads
        mixed, maps = [], []
        for head in range(self.config.heads):
            own = slice(head * size, (head + 1) * size)
            scores = queries[:, own] @ keys[:, own].T / math.sqrt(size)
            if causal:
                scores[np.triu_indices(len(x), 1)] = -np.inf
            maps.append(softmax(scores))
            mixed.append(maps[-1] @ values[:, own])
        return self.dense(np.concatenate(mixed, -1), f"{name}/output"), np.stack(maps)

    def activation(self, x: np.ndarray) -> np.ndarray:
        if self.config.activation == "relu":
            return np.maximum(x, 0)
        return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2

    def feed(self, x: np.ndarray, name: str, causal: bool) -> np.ndarray:
        if self.config.feed_forward_kind == "dense":
            return self.dense(self.activation(self.dense(x, f"{name}/expand")), f"{name}/contract")
        kernel, bias = self.weights[f"{name}/expand/kernel"], self.weights[f"{name}/expand/bias"]
        size = len(kernel)
        reach = size - 1 if causal else (size - 1) // 2
        hidden = np.tile(bias, (len(x), 1))
        for position in range(len(x)):
            for tap in range(size):
                if 0 <= position + tap - reach < len(x):
                    hidden[position] += x[position + tap - reach] @ kernel[tap]
        return self.dense(self.activation(hidden), f"{name}/contract")

    def residual(self, x: np.ndarray, name: str, sublayer: Any) -> tuple[np.ndarray, Any]:
        if self.config.norm == "pre":
            output, rest = sublayer(self.norm(x, f"{name}_norm"))
            return x + output, rest
        output, rest = sublayer(x)
        return self.norm(x + output, f"{name}_norm"), rest

    def embed(self, tokens: np.ndarray, side: str) -> np.ndarray:
        table = "source_embedding" if self.config.shared_embeddings else side
        x = self.weights[f"{table}/tokens/embeddings"][tokens]
        x = x * (math.sqrt(self.config.width) if self.config.scale_embeddings else 1)
        if self.config.positions == "learned":
            x = x + self.weights[f"{side}/positions/table"][: len(x)]
        elif self.config.positions != "none":
            x = x + sinusoids(len(x), self.config.width, self.config.positions)
        return x

    def block(
        self, x: np.ndarray, name: str, memory: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """One block: vectors, self-attention, and cross-attention where there is a memory."""
        causal, cross = memory is not None, None
        place = f"{name}/self_attention"
        x, own = self.residual(x, place, lambda y: self.attention(y, y, place, causal))
        if memory is not None:
            place = f"{name}/cross_attention"
            x, cross = self.residual(x, place, lambda y: self.attention(y, memory, place))
        place = f"{name}/feed_forward"
        x, _ = self.residual(x, place, lambda y: (self.feed(y, place, causal), None))
        return x, own, cross

    def forward(self, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, ...]:
        """Logits (T, V) and the three maps, (layers, H, queries, keys)."""
        assert PAD not in source
        x, encoder = self.embed(source, "source_embedding"), []
        for layer in range(self.config.encoder_layers):
            x, own, _ = self.block(x, f"encoder/block_{layer}")
            encoder.append(own)
        memory = self.norm(x, "encoder/last_norm") if self.config.norm == "pre" else x
        x, decoder, crosses = self.embed(target, "target_embedding"), [], []
        for layer in range(self.config.decoder_layers):
            x, own, cross = self.block(x, f"decoder/block_{layer}", memory)
            decoder.append(own)
            crosses.append(cross)
        x = self.norm(x, "decoder/last_norm") if self.config.norm == "pre" else x
        if self.config.tied_logits:
            side = "source_embedding" if self.config.shared_embeddings else "target_embedding"
            logits = x @ self.weights[f"{side}/tokens/embeddings"].T
        else:
            logits = self.dense(x, "output_projection")
        return logits, np.stack(encoder), np.stack(decoder), np.stack(crosses)
