"""Decoders whose attention and feed-forward stand side by side: GPT-NeoX (Pythia; Black et al. 2022, arXiv:2204.06745)
and Phi 1 to 2."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from transformer.checkpoints.families.rotary import INVERSE, longest, rotary
from transformer.checkpoints.families.table import (
    Row,
    activation,
    biases,
    decoder,
    dense,
    depth,
    flag,
    fused,
    linear,
    need,
    norm,
    number,
    optional,
    untied,
    writes,
)
from transformer.config import Attention, Embedding, FeedForward, ModelConfig, Norm, Stack, Task, present

SHARE = 0.25  # of a GPT-NeoX head that is turned, where settings are silent


def _neox(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    width, vocabulary = need(config, "hidden_size"), need(config, "vocab_size")
    base = number(config, "rotary_emb_base", 10_000.0) or 10_000.0
    turns = rotary(config, theta=base, share=number(config, "rotary_pct", SHARE) or SHARE)
    bias = flag(config, "attention_bias", True)
    return ModelConfig(
        width=width,
        target=Embedding(vocabulary=vocabulary),
        decoder=Stack(
            layers=depth(config, "num_hidden_layers"),
            attention=Attention.split(
                width,
                need(config, "num_attention_heads"),
                **biases(bias),
                rotary=turns,
            ),
            feed_forward=FeedForward(
                width=need(config, "intermediate_size"), activation=activation(config, "hidden_act", "gelu")
            ),
            norm=Norm(place="pre", last=True, epsilon=number(config, "layer_norm_eps", 1e-5)),
            residual="parallel" if flag(config, "use_parallel_residual", True) else "serial",
        ),
        max_target=longest(config, turns),
        task=Task(tied=flag(config, "tie_word_embeddings", False)),
        special=writes(config, vocabulary),
    )


def _neox_rows(config: ModelConfig) -> list[Row]:
    spec = present(config.decoder, "a decoder").attention
    block, ours = "layers.{}", "decoder/block_{}"
    return [
        Row("embed_in.weight", "embedding/tokens/embeddings"),
        *norm(f"{block}.input_layernorm", f"{ours}/self_attention_norm"),
        *norm(f"{block}.post_attention_layernorm", f"{ours}/feed_forward_norm"),
        *fused(f"{block}.attention.query_key_value", f"{ours}/self_attention", spec.heads, spec.query_bias),
        *linear(f"{block}.attention.dense", f"{ours}/self_attention/output", spec.output_bias),
        *dense(f"{block}.mlp.dense_h_to_4h", f"{ours}/feed_forward/expand"),
        *dense(f"{block}.mlp.dense_4h_to_h", f"{ours}/feed_forward/contract"),
        *norm("final_layer_norm", "decoder/last_norm"),
        *untied(config, "embed_out.weight", "output_projection/kernel"),
    ]


def _phi(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    width, heads = need(config, "hidden_size"), need(config, "num_attention_heads")
    vocabulary, turns = need(config, "vocab_size"), rotary(config, share=0.5)
    return ModelConfig(
        width=width,
        target=Embedding(vocabulary=vocabulary),
        decoder=Stack(
            layers=depth(config, "num_hidden_layers"),
            attention=Attention(
                heads=heads,
                head_width=optional(config, "head_dim") or width // max(heads, 1),
                key_heads=optional(config, "num_key_value_heads"),
                qk_norm="head" if flag(config, "qk_layernorm", False) else "none",
                rotary=turns,
            ),
            feed_forward=FeedForward(
                width=need(config, "intermediate_size"),
                activation=activation(config, "hidden_act", "gelu_new"),
            ),
            norm=Norm(place="pre", last=True, epsilon=number(config, "layer_norm_eps", 1e-5)),
            residual="parallel_one_norm",
        ),
        max_target=longest(config, turns),
        task=Task(tied=flag(config, "tie_word_embeddings", False), bias=True),
        special=writes(config, vocabulary),
    )


def _phi_rows(config: ModelConfig) -> list[Row]:
    block, ours = "layers.{}", "decoder/block_{}"
    spec = present(config.decoder, "a decoder").attention
    table = [
        Row("embed_tokens.weight", "embedding/tokens/embeddings"),
        *norm(f"{block}.input_layernorm", f"{ours}/self_attention_norm"),
        *dense(f"{block}.self_attn.dense", f"{ours}/self_attention/output"),
        *dense(f"{block}.mlp.fc1", f"{ours}/feed_forward/expand"),
        *dense(f"{block}.mlp.fc2", f"{ours}/feed_forward/contract"),
        *norm("final_layernorm", "decoder/last_norm"),
        Row("lm_head.bias", "output_projection/bias"),
    ]
    for part in ("query", "key", "value"):
        table += dense(f"{block}.self_attn.{part[0]}_proj", f"{ours}/self_attention/{part}")
        if part != "value" and spec.qk_norm != "none":
            table += norm(f"{block}.self_attn.{part[0]}_layernorm", f"{ours}/self_attention/{part}_norm")
    return table + untied(config, "lm_head.weight", "output_projection/kernel")


FAMILIES = {
    "gpt_neox": decoder(
        "gpt_neox.",
        _neox,
        _neox_rows,
        spare=(
            "layers.{}.attention.bias",
            "layers.{}.attention.masked_bias",
            "layers.{}.attention.rotary_emb.inv_freq",
            *INVERSE,
        ),
        tied={"embed_out.weight": "embed_in.weight", "lm_head.weight": "embed_in.weight"},
        title="GPT-NeoX (Pythia)",
    ),
    "phi": decoder(
        "model.",
        _phi,
        _phi_rows,
        spare=INVERSE,
        tied={"lm_head.weight": "embed_tokens.weight"},
        title="Phi",
    ),
}
