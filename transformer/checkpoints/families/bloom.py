"""BLOOM (arXiv:2211.05100): scores fall with distance, and tokens are normalised before the first block."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from transformer.checkpoints.families.table import (
    Row,
    decoder,
    dense,
    depth,
    either,
    flag,
    fused,
    need,
    norm,
    number,
    optional,
    untied,
    writes,
)
from transformer.config import Attention, Embedding, FeedForward, ModelConfig, Norm, Stack, Task, present

TRAINED = 2048  # positions, where settings are silent: scores that fall with distance know no last one


def _bloom(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    width, vocabulary = either(config, "n_embed", "hidden_size"), need(config, "vocab_size")
    return ModelConfig(
        width=width,
        target=Embedding(vocabulary=vocabulary, norm=True),
        decoder=Stack(
            layers=depth(config, "n_layer", "num_hidden_layers"),
            attention=Attention.split(width, either(config, "n_head", "num_attention_heads"), alibi=True),
            feed_forward=FeedForward(width=4 * width, activation="gelu_tanh"),
            norm=Norm(place="pre", last=True, epsilon=number(config, "layer_norm_epsilon", 1e-5)),
        ),
        max_target=optional(config, "seq_length") or TRAINED,
        task=Task(tied=flag(config, "tie_word_embeddings", True)),
        special=writes(config, vocabulary),
    )


def _bloom_rows(config: ModelConfig) -> list[Row]:
    block, ours = "h.{}", "decoder/block_{}"
    heads = present(config.decoder, "a decoder").attention.heads
    return [
        Row("word_embeddings.weight", "embedding/tokens/embeddings"),
        *norm("word_embeddings_layernorm", "embedding/embedding_norm"),
        *norm(f"{block}.input_layernorm", f"{ours}/self_attention_norm"),
        *norm(f"{block}.post_attention_layernorm", f"{ours}/feed_forward_norm"),
        *fused(f"{block}.self_attention.query_key_value", f"{ours}/self_attention", heads, True),
        *dense(f"{block}.self_attention.dense", f"{ours}/self_attention/output"),
        *dense(f"{block}.mlp.dense_h_to_4h", f"{ours}/feed_forward/expand"),
        *dense(f"{block}.mlp.dense_4h_to_h", f"{ours}/feed_forward/contract"),
        *norm("ln_f", "decoder/last_norm"),
        *untied(config, "lm_head.weight", "output_projection/kernel"),
    ]


FAMILIES = {
    "bloom": decoder(
        "transformer.",
        _bloom,
        _bloom_rows,
        fixed={"apply_residual_connection_post_layernorm": (False, None)},
        tied={"lm_head.weight": "word_embeddings.weight"},
        title="BLOOM",
    ),
}
