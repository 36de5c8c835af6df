"""GPT-2: a decoder alone, which goes on writing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from transformer.checkpoints.families.table import (
    Family,
    Part,
    Row,
    activation,
    need,
    norm,
    optional,
    untied,
    writes,
)
from transformer.config import Attention, Embedding, FeedForward, ModelConfig, Norm, Stack, Table, Task


def _gpt2(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    width = need(config, "n_embd")
    return ModelConfig(
        width=width,
        target=Embedding(vocabulary=need(config, "vocab_size")),
        decoder=Stack(
            layers=need(config, "n_layer"),
            attention=Attention.split(width, need(config, "n_head")),
            feed_forward=FeedForward(
                width=optional(config, "n_inner") or 4 * width,
                activation=activation(config, "activation_function"),
            ),
            norm=Norm(place="pre", last=True, epsilon=need(config, "layer_norm_epsilon", float)),
            table=Table(kind="learned"),
        ),
        max_target=optional(config, "n_positions") or need(config, "n_ctx"),
        task=Task(tied=config.get("tie_word_embeddings") is not False),
        special=writes(config, need(config, "vocab_size")),
    )


def _gpt2_rows(config: ModelConfig) -> list[Row]:
    block, ours = "h.{}", "decoder/block_{}"
    table = [
        Row("wte.weight", "embedding/tokens/embeddings"),
        Row("wpe.weight", "embedding/positions/table"),
        *norm(f"{block}.ln_1", f"{ours}/self_attention_norm"),
        *norm(f"{block}.ln_2", f"{ours}/feed_forward_norm"),
        *norm("ln_f", "decoder/last_norm"),
    ]
    for third, part in enumerate(("query", "key", "value")):
        for theirs, kind in (("weight", "kernel"), ("bias", "bias")):
            name = f"{ours}/self_attention/{part}/{kind}"
            table.append(Row(f"{block}.attn.c_attn.{theirs}", name, Part(third, 3, axis=-1)))
    for theirs, part in (
        ("attn.c_proj", "self_attention/output"),
        ("mlp.c_fc", "feed_forward/expand"),
        ("mlp.c_proj", "feed_forward/contract"),
    ):
        table += [
            Row(f"{block}.{theirs}.weight", f"{ours}/{part}/kernel"),
            Row(f"{block}.{theirs}.bias", f"{ours}/{part}/bias"),
        ]
    return table + untied(config, "lm_head.weight", "output_projection/kernel")


FAMILIES = {
    "gpt2": Family(
        "transformer.",
        _gpt2,
        _gpt2_rows,
        {
            "scale_attn_by_inverse_layer_idx": (False, None),
            "reorder_and_upcast_attn": (False, None),
            "scale_attn_weights": (True, None),
            "add_cross_attention": (False, None),
        },
        ("h.{}.attn.bias", "h.{}.attn.masked_bias"),
        {"lm_head.weight": "wte.weight"},
        title="GPT-2",
        kind="decoder",
    ),
}
