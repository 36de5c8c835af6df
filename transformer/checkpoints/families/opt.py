"""OPT (Zhang et al. 2022, arXiv:2205.01068) and GPT-Neo: decoders after GPT-2, with positions that are learned."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from transformer.checkpoints.families.rotary import pattern
from transformer.checkpoints.families.table import (
    Row,
    activation,
    biases,
    decoder,
    dense,
    depth,
    either,
    flag,
    linear,
    need,
    norm,
    number,
    optional,
    untied,
    writes,
)
from transformer.config import (
    Attention,
    Embedding,
    FeedForward,
    ModelConfig,
    Norm,
    Stack,
    Table,
    Task,
    present,
)
from transformer.untrusted import shown


def _opt(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    width, vocabulary = need(config, "hidden_size"), need(config, "vocab_size")
    before, bias = flag(config, "do_layer_norm_before", True), flag(config, "enable_bias", True)
    narrow = optional(config, "word_embed_proj_dim")
    return ModelConfig(
        width=width,
        target=Embedding(vocabulary=vocabulary, width=0 if narrow == width else narrow),
        decoder=Stack(
            layers=depth(config, "num_hidden_layers"),
            attention=Attention.split(
                width,
                need(config, "num_attention_heads"),
                **biases(bias),
            ),
            feed_forward=FeedForward(
                width=need(config, "ffn_dim"),
                activation=activation(config, "activation_function", "relu"),
                bias=bias,
            ),
            norm=Norm(
                place="pre" if before else "post",
                last=before and not flag(config, "_remove_final_layer_norm", False),
                epsilon=1e-5,  # not a setting there
            ),
            table=Table(kind="learned", offset=2),
        ),
        max_target=need(config, "max_position_embeddings"),
        task=Task(tied=flag(config, "tie_word_embeddings", True)),
        special=writes(config, vocabulary),
    )


def _opt_rows(config: ModelConfig) -> list[Row]:
    stack = present(config.decoder, "a decoder")
    block, ours, spec = "decoder.layers.{}", "decoder/block_{}", stack.attention
    table = [
        Row("decoder.embed_tokens.weight", "embedding/tokens/embeddings"),
        Row("decoder.embed_positions.weight", "embedding/positions/table"),
        *norm(f"{block}.self_attn_layer_norm", f"{ours}/self_attention_norm"),
        *norm(f"{block}.final_layer_norm", f"{ours}/feed_forward_norm"),
        *linear(f"{block}.fc1", f"{ours}/feed_forward/expand", stack.feed_forward.bias),
        *linear(f"{block}.fc2", f"{ours}/feed_forward/contract", stack.feed_forward.bias),
        *linear(f"{block}.self_attn.out_proj", f"{ours}/self_attention/output", spec.output_bias),
    ]
    for part in ("query", "key", "value"):
        theirs = f"{block}.self_attn.{part[0]}_proj"
        table += linear(theirs, f"{ours}/self_attention/{part}", spec.query_bias)
    if present(config.target, "a target").width:
        table += linear("decoder.project_in", "embedding/projection", False)
        table += linear("decoder.project_out", "output_projection/projection", False)
    table += norm("decoder.final_layer_norm", "decoder/last_norm") if stack.norm.last else []
    return table + untied(config, "lm_head.weight", "output_projection/kernel")


def _gpt_neo(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    width, vocabulary = need(config, "hidden_size"), need(config, "vocab_size")
    count = depth(config, "num_layers", "num_hidden_layers")
    spec = Attention.split(
        width,
        either(config, "num_heads", "num_attention_heads"),
        query_bias=False,
        key_bias=False,
        value_bias=False,
        scale=1.0,
    )
    local = replace(spec, window=int(number(config, "window_size", 256)))
    kinds = _reaches(config, count)
    return ModelConfig(
        width=width,
        target=Embedding(vocabulary=vocabulary),
        decoder=Stack(
            layers=count,
            feed_forward=FeedForward(
                width=optional(config, "intermediate_size") or 4 * width,
                activation=activation(config, "activation_function", "gelu_new"),
            ),
            norm=Norm(place="pre", last=True, epsilon=number(config, "layer_norm_epsilon", 1e-5)),
            table=Table(kind="learned"),
            **pattern([local if kind == "local" else spec for kind in kinds]),
        ),
        max_target=need(config, "max_position_embeddings"),
        task=Task(tied=flag(config, "tie_word_embeddings", True)),
        special=writes(config, vocabulary),
    )


def _reaches(config: Mapping[str, Any], count: int) -> list[str]:
    """global or local of each layer, by rows of kinds and how often they come.

    Raises:
        ValueError: no such rows, or not one kind a layer.
    """
    rows, found = config.get("attention_types", [[["global", "local"], count // 2]]), list[str]()
    wrong = ValueError(f"expected attention_types as {count} of global and local, received {shown(rows)}")
    try:
        for kinds, times in rows:
            if type(times) is not int or not 0 <= times <= count:
                raise wrong
            found += [str(kind) for kind in kinds] * times
            if len(found) > count:
                raise wrong
    except (TypeError, ValueError):
        raise wrong from None
    if len(found) != count or not {"global", "local"} >= set(found):
        raise wrong
    return found


def _gpt_neo_rows(config: ModelConfig) -> list[Row]:
    block, ours = "h.{}", "decoder/block_{}"
    return [
        Row("wte.weight", "embedding/tokens/embeddings"),
        Row("wpe.weight", "embedding/positions/table"),
        *norm(f"{block}.ln_1", f"{ours}/self_attention_norm"),
        *norm(f"{block}.ln_2", f"{ours}/feed_forward_norm"),
        *norm("ln_f", "decoder/last_norm"),
        *(
            row
            for part in ("query", "key", "value")
            for row in linear(
                f"{block}.attn.attention.{part[0]}_proj", f"{ours}/self_attention/{part}", False
            )
        ),
        *dense(f"{block}.attn.attention.out_proj", f"{ours}/self_attention/output"),
        *dense(f"{block}.mlp.c_fc", f"{ours}/feed_forward/expand"),
        *dense(f"{block}.mlp.c_proj", f"{ours}/feed_forward/contract"),
        *untied(config, "lm_head.weight", "output_projection/kernel"),
    ]


FAMILIES = {
    "opt": decoder(
        "model.",
        _opt,
        _opt_rows,
        fixed={"layer_norm_elementwise_affine": (True, None)},
        tied={"lm_head.weight": "decoder.embed_tokens.weight"},
        title="OPT",
    ),
    "gpt_neo": decoder(
        "transformer.",
        _gpt_neo,
        _gpt_neo_rows,
        spare=("h.{}.attn.attention.bias", "h.{}.attn.attention.masked_bias"),
        tied={"lm_head.weight": "wte.weight"},
        title="GPT-Neo",
    ),
}
