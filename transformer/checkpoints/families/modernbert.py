"""ModernBERT (Warner et al. 2024, arXiv:2412.13663): an encoder with rotations, gates, and layers that see through a
window to both sides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from transformer.checkpoints.families.heads import CLASSES, SPANS, TOKENS, WORDS, Head, classifier, task_of
from transformer.checkpoints.families.rotary import FULL, SLIDING, kinds_of_layers, pattern, rotary
from transformer.checkpoints.families.table import (
    Family,
    Part,
    Row,
    activation,
    biases,
    depth,
    flag,
    linear,
    need,
    number,
    optional,
    token,
    untied,
)
from transformer.config import (
    NO_ID,
    OF_TEXTS,
    Attention,
    Embedding,
    FeedForward,
    ModelConfig,
    Norm,
    Special,
    Stack,
    Task,
    present,
)
from transformer.untrusted import shown

_POOLED = {"pooler": True, "pooler_activation": "gelu", "pooler_norm": True}
_HEADS = {
    WORDS: Head(("head.dense.weight",), {"kind": "masked_tokens"}),
    CLASSES: Head(("head.dense.weight", "classifier.weight"), _POOLED),
    TOKENS: Head(("head.dense.weight", "classifier.weight"), _POOLED),
    SPANS: Head(("head.dense.weight", "classifier.weight"), {"kind": "spans", **_POOLED}),
}


def _settings(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    width, layers = need(config, "hidden_size"), depth(config, "num_hidden_layers")
    every = optional(config, "global_attn_every_n_layers") or 3
    kinds = kinds_of_layers(config, layers, [SLIDING if i % every else FULL for i in range(layers)])
    spec = Attention.split(
        width, need(config, "num_attention_heads"), **biases(flag(config, "attention_bias", False))
    )
    # So far to each side, itself among them.
    reach = int(number(config, "local_attention", 128)) // 2 + 1
    turns = {
        kind: rotary(config, theta=number(config, name, theta) or theta, layers=kind)
        for kind, name, theta in (
            (FULL, "global_rope_theta", 160_000.0),
            (SLIDING, "local_rope_theta", 10_000.0),
        )
    }
    whole = replace(spec, rotary=turns[FULL])
    near = replace(spec, rotary=turns[SLIDING], window=reach)
    return ModelConfig(
        width=width,
        source=Embedding(vocabulary=need(config, "vocab_size"), norm=True),
        encoder=Stack(
            layers=layers,
            feed_forward=FeedForward(
                width=need(config, "intermediate_size"),
                kind="gated",
                activation=activation(config, "hidden_activation", "gelu"),
                bias=flag(config, "mlp_bias", False),
            ),
            norm=Norm(
                place="pre",
                first=False,
                last=True,
                bias=flag(config, "norm_bias", False),
                epsilon=number(config, "norm_eps", 1e-5),
            ),
            **pattern([near if kind == SLIDING else whole for kind in kinds]),
        ),
        max_source=need(config, "max_position_embeddings"),
        task=_task(config, names),
        special=Special(
            pad=token(config, "pad_token_id"), start=NO_ID, end=NO_ID, unknown=NO_ID, suppressed=()
        ),
    )


def _task(config: Mapping[str, Any], names: Collection[str]) -> Task:
    task, tied = task_of(config, names, _HEADS), flag(config, "tie_word_embeddings", True)
    if task.kind == "masked_tokens":
        bias = flag(config, "decoder_bias", True)
        return replace(task, tied=tied, bias=bias, pooler_bias=flag(config, "classifier_bias", False))
    if not task.pooler:
        return replace(task, tied=tied)
    pooling = config.get("classifier_pooling", "cls")
    if pooling not in ("cls", "mean"):
        raise ValueError(f"expected classifier_pooling as cls or mean, received {shown(pooling)}")
    return replace(
        task,
        tied=tied,
        pooler_bias=flag(config, "classifier_bias", False),
        pooler_activation=activation(config, "classifier_activation", "gelu"),
        pooling="mean" if pooling == "mean" and task.kind in OF_TEXTS else "first",
    )


def _rows(config: ModelConfig) -> list[Row]:
    stack = present(config.encoder, "an encoder")
    spec, block, ours = stack.attention, "layers.{}", "encoder/block_{}"

    def scales(theirs: str, name: str) -> list[Row]:
        rows = [Row(f"{theirs}.weight", f"{name}/gamma")]
        return rows + ([Row(f"{theirs}.bias", f"{name}/beta")] if stack.norm.bias else [])

    def parts(theirs: str, names: tuple[str, ...], bias: bool) -> list[Row]:
        return [
            Row(f"{theirs}.{side}", f"{ours}/{name}/{here}", Part(i, len(names), then=change))
            for i, name in enumerate(names)
            for side, here, change in (("weight", "kernel", "transpose"), ("bias", "bias", ""))[: 1 + bias]
        ]

    table = [
        Row("embeddings.tok_embeddings.weight", "embedding/tokens/embeddings"),
        *scales("embeddings.norm", "embedding/embedding_norm"),
        *(
            row
            for i in range(1, stack.layers)  # the first block takes its input as it is
            for row in scales(f"layers.{i}.attn_norm", f"encoder/block_{i}/self_attention_norm")
        ),
        *scales(f"{block}.mlp_norm", f"{ours}/feed_forward_norm"),
        *scales("final_norm", "encoder/last_norm"),
        *parts(
            f"{block}.attn.Wqkv",
            ("self_attention/query", "self_attention/key", "self_attention/value"),
            spec.query_bias,
        ),
        *linear(f"{block}.attn.Wo", f"{ours}/self_attention/output", spec.output_bias),
        *parts(f"{block}.mlp.Wi", ("feed_forward/gate", "feed_forward/expand"), stack.feed_forward.bias),
        *linear(f"{block}.mlp.Wo", f"{ours}/feed_forward/contract", stack.feed_forward.bias),
    ]
    if config.output == "masked_tokens":
        table += linear("head.dense", "masked_tokens/transform", config.task.pooler_bias)
        table += scales("head.norm", "masked_tokens/norm")
        table += [Row("decoder.bias", "masked_tokens/logits/bias")] if config.task.bias else []
        return table + untied(config, "decoder.weight", "masked_tokens/logits/kernel")
    if config.task.pooler:
        table += linear("head.dense", "pooler", config.task.pooler_bias)
        table += scales("head.norm", "pooler_norm")
    return table + (classifier(config, "classifier") if config.task.pooler else [])


FAMILIES = {
    "modernbert": Family(
        "model.",
        _settings,
        _rows,
        {"hidden_activation": ("gelu", None), "classifier_activation": ("gelu", None)},
        (),
        {"decoder.weight": "embeddings.tok_embeddings.weight"},
        title="ModernBERT",
        kind="encoder",
        tokenizer="bert",
    )
}
