"""BERT, RoBERTa with XLM-RoBERTa and CamemBERT, DistilBERT, ELECTRA, ALBERT and MPNet: encoders that read a text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from transformer.checkpoints.families.heads import (
    CLASSES,
    FOLLOWING,
    FOLLOWS,
    REPLACED,
    SPANS,
    TOKENS,
    WORDS,
    Head,
    classifier,
    task_of,
)
from transformer.checkpoints.families.table import Family, Row, activation, dense, need, norm, token, untied
from transformer.config import (
    NO_ID,
    OF_TEXTS,
    OF_TOKENS,
    Attention,
    Embedding,
    FeedForward,
    ModelConfig,
    Norm,
    Relative,
    Special,
    Stack,
    Table,
    Task,
    present,
)


def _bert(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    counted = config["model_type"] in _ROBERTAS  # their first positions belong to padding
    offset = need(config, "pad_token_id") + 1 if counted else 0
    mpnet = config["model_type"] == "mpnet"
    offset = 2 if mpnet else offset  # there the id of padding is no setting
    narrow = need(config, "embedding_size") if config["model_type"] in ("electra", "albert") else 0
    return _encoder(
        config,
        names,
        layers=need(config, "num_hidden_layers"),
        width=need(config, "hidden_size"),
        heads=need(config, "num_attention_heads"),
        feed_forward=FeedForward(
            width=need(config, "intermediate_size"), activation=activation(config, "hidden_act")
        ),
        epsilon=need(config, "layer_norm_eps", float),
        types=0 if mpnet else need(config, "type_vocab_size"),
        offset=offset,
        relative=Relative() if mpnet else None,
        # ALBERT widens vectors that are as wide as the network already, too.
        narrow=0 if config["model_type"] == "electra" and narrow == need(config, "hidden_size") else narrow,
        shared=config["model_type"] == "albert",
    )


def _distilbert(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    return _encoder(
        config,
        names,
        layers=need(config, "n_layers"),
        width=need(config, "dim"),
        heads=need(config, "n_heads"),
        feed_forward=FeedForward(
            width=need(config, "hidden_dim"), activation=activation(config, "activation")
        ),
        epsilon=1e-12,  # not a setting there
        types=0,
        offset=0,
    )


def _encoder(
    config: Mapping[str, Any],
    names: Collection[str],
    *,
    layers: int,
    width: int,
    heads: int,
    feed_forward: FeedForward,
    epsilon: float,
    types: int,
    offset: int,
    narrow: int = 0,
    shared: bool = False,
    relative: Relative | None = None,
) -> ModelConfig:
    return ModelConfig(
        width=width,
        source=Embedding(
            vocabulary=need(config, "vocab_size"),
            width=narrow,
            widened="sum" if narrow else "rows",
            types=types,
            norm=True,
        ),
        encoder=Stack(
            layers=layers,
            attention=Attention.split(width, heads),
            feed_forward=feed_forward,
            norm=Norm(epsilon=epsilon),
            table=Table(kind="learned", offset=offset),
            shared_layers=shared,
            relative=relative,
        ),
        max_source=need(config, "max_position_embeddings") - offset,
        task=_task(config, names),
        special=Special(
            pad=token(config, "pad_token_id"), start=NO_ID, end=NO_ID, unknown=NO_ID, suppressed=()
        ),
    )


_ROBERTAS = ("roberta", "xlm-roberta", "camembert")  # one network with vocabularies of their own
_WORDS_HEAD = {"kind": "masked_tokens", "bias": True}
_HEADS = {
    "bert": {
        WORDS: Head(("cls.predictions.bias",), _WORDS_HEAD),
        CLASSES: Head(("classifier.weight", "pooler.dense.weight"), {"pooler": True}),
        FOLLOWS: Head(
            ("cls.seq_relationship.weight", "pooler.dense.weight"),
            {"kind": "classes", "classes": 2, "names": FOLLOWING, "pooler": True},
        ),
        TOKENS: Head(("classifier.weight",)),
    },
    "roberta": {
        WORDS: Head(("lm_head.bias",), _WORDS_HEAD),
        CLASSES: Head(("classifier.out_proj.weight",), {"pooler": True}),
        TOKENS: Head(("classifier.weight",)),
    },
    "electra": {
        WORDS: Head(("generator_lm_head.bias",), _WORDS_HEAD),
        REPLACED: Head(
            ("discriminator_predictions.dense_prediction.weight",),
            {"kind": "replaced", "classes": 2, "names": ("original", "replaced"), "pooler": True},
        ),
        CLASSES: Head(("classifier.out_proj.weight",), {"pooler": True, "pooler_activation": "gelu"}),
        TOKENS: Head(("classifier.weight",)),
    },
    "mpnet": {
        WORDS: Head(("lm_head.bias",), _WORDS_HEAD),
        CLASSES: Head(("classifier.out_proj.weight",), {"pooler": True}),
        TOKENS: Head(("classifier.weight",)),
    },
    "albert": {
        WORDS: Head(("predictions.bias",), _WORDS_HEAD),
        CLASSES: Head(("classifier.weight", "pooler.weight"), {"pooler": True}),
        TOKENS: Head(("classifier.weight",)),
    },
    "distilbert": {
        WORDS: Head(("vocab_projector.bias",), _WORDS_HEAD),
        CLASSES: Head(("pre_classifier.weight",), {"pooler": True, "pooler_activation": "relu"}),
        TOKENS: Head(("classifier.weight",)),
    },
}


def _task(config: Mapping[str, Any], names: Collection[str]) -> Task:
    kind = config["model_type"]
    pooler = bool({"pooler.dense.weight", "pooler.weight"} & set(names))
    heads = _HEADS["roberta" if kind in _ROBERTAS else kind] | {
        SPANS: Head(("qa_outputs.weight",), {"kind": "spans"})
    }
    found = task_of(config, names, heads, pooler=pooler)
    if found.kind == "replaced":
        found = replace(found, pooler_activation=activation(config, "hidden_act"))
    return replace(found, tied=config.get("tie_word_embeddings") is not False)


def _bert_rows(head: Callable[[ModelConfig], list[Row]]) -> Callable[[ModelConfig], list[Row]]:
    def rows(config: ModelConfig) -> list[Row]:
        block, ours = "encoder.layer.{}", "encoder/block_{}"
        table = [
            Row("embeddings.word_embeddings.weight", "embedding/tokens/embeddings"),
            Row("embeddings.position_embeddings.weight", "embedding/positions/table"),
            *norm("embeddings.LayerNorm", "embedding/embedding_norm"),
        ]
        if config.token_types:
            table.append(Row("embeddings.token_type_embeddings.weight", "embedding/token_types/embeddings"))
        if present(config.source, "a source").width:
            table += dense("embeddings_project", "embedding/projection")
        for part in ("query", "key", "value"):
            table += dense(f"{block}.attention.self.{part}", f"{ours}/self_attention/{part}")
        table += dense(f"{block}.attention.output.dense", f"{ours}/self_attention/output")
        table += norm(f"{block}.attention.output.LayerNorm", f"{ours}/self_attention_norm")
        table += dense(f"{block}.intermediate.dense", f"{ours}/feed_forward/expand")
        table += dense(f"{block}.output.dense", f"{ours}/feed_forward/contract")
        table += norm(f"{block}.output.LayerNorm", f"{ours}/feed_forward_norm")
        return table + head(config)

    return rows


def _bert_head(config: ModelConfig) -> list[Row]:
    if config.output == "masked_tokens":
        return [
            *dense("cls.predictions.transform.dense", "masked_tokens/transform"),
            *norm("cls.predictions.transform.LayerNorm", "masked_tokens/norm"),
            Row("cls.predictions.bias", "masked_tokens/logits/bias"),
            *untied(config, "cls.predictions.decoder.weight", "masked_tokens/logits/kernel"),
        ]
    named = "cls.seq_relationship" if config.task.names == FOLLOWING else "classifier"
    table = classifier(config, named) if config.classes else []
    return table + (dense("pooler.dense", "pooler") if config.task.pooler else [])


def _roberta_head(config: ModelConfig) -> list[Row]:
    if config.output == "masked_tokens":
        return [
            *dense("lm_head.dense", "masked_tokens/transform"),
            *norm("lm_head.layer_norm", "masked_tokens/norm"),
            Row("lm_head.bias", "masked_tokens/logits/bias"),
            *untied(config, "lm_head.decoder.weight", "masked_tokens/logits/kernel"),
        ]
    if config.output in OF_TEXTS:
        return [*dense("classifier.dense", "pooler"), *classifier(config, "classifier.out_proj")]
    if config.output in OF_TOKENS:
        return classifier(config, "classifier")
    return dense("pooler.dense", "pooler") if config.task.pooler else []


def _electra_head(config: ModelConfig) -> list[Row]:
    if config.output == "masked_tokens":
        return [
            *dense("generator_predictions.dense", "masked_tokens/transform"),
            *norm("generator_predictions.LayerNorm", "masked_tokens/norm"),
            Row("generator_lm_head.bias", "masked_tokens/logits/bias"),
            *untied(config, "generator_lm_head.weight", "masked_tokens/logits/kernel"),
        ]
    if config.output == "replaced":
        own = "discriminator_predictions"
        return [*dense(f"{own}.dense", "pooler"), *dense(f"{own}.dense_prediction", "classifier")]
    return _roberta_head(config)


def _mpnet_rows(config: ModelConfig) -> list[Row]:
    block, ours = "encoder.layer.{}", "encoder/block_{}"
    table = [
        Row("embeddings.word_embeddings.weight", "embedding/tokens/embeddings"),
        Row("embeddings.position_embeddings.weight", "embedding/positions/table"),
        *norm("embeddings.LayerNorm", "embedding/embedding_norm"),
        Row("encoder.relative_attention_bias.weight", "encoder/relative/table"),
        *norm(f"{block}.attention.LayerNorm", f"{ours}/self_attention_norm"),
        *dense(f"{block}.intermediate.dense", f"{ours}/feed_forward/expand"),
        *dense(f"{block}.output.dense", f"{ours}/feed_forward/contract"),
        *norm(f"{block}.output.LayerNorm", f"{ours}/feed_forward_norm"),
    ]
    for part in ("query", "key", "value", "output"):
        table += dense(f"{block}.attention.attn.{part[0]}", f"{ours}/self_attention/{part}")
    return table + _roberta_head(config)


def _albert_rows(config: ModelConfig) -> list[Row]:
    """One block, which stands in every layer."""
    block, ours = "encoder.albert_layer_groups.0.albert_layers.0", "encoder/block_0"
    table = [
        Row("embeddings.word_embeddings.weight", "embedding/tokens/embeddings"),
        Row("embeddings.position_embeddings.weight", "embedding/positions/table"),
        Row("embeddings.token_type_embeddings.weight", "embedding/token_types/embeddings"),
        *norm("embeddings.LayerNorm", "embedding/embedding_norm"),
        *dense("encoder.embedding_hidden_mapping_in", "embedding/projection"),
        *dense(f"{block}.attention.dense", f"{ours}/self_attention/output"),
        *norm(f"{block}.attention.LayerNorm", f"{ours}/self_attention_norm"),
        *dense(f"{block}.ffn", f"{ours}/feed_forward/expand"),
        *dense(f"{block}.ffn_output", f"{ours}/feed_forward/contract"),
        *norm(f"{block}.full_layer_layer_norm", f"{ours}/feed_forward_norm"),
    ]
    for part in ("query", "key", "value"):
        table += dense(f"{block}.attention.{part}", f"{ours}/self_attention/{part}")
    if config.output == "masked_tokens":
        return [
            *table,
            *dense("predictions.dense", "masked_tokens/transform"),
            *norm("predictions.LayerNorm", "masked_tokens/norm"),
            Row("predictions.bias", "masked_tokens/logits/bias"),
            *untied(config, "predictions.decoder.weight", "masked_tokens/logits/kernel"),
        ]
    table += classifier(config, "classifier") if config.classes else []
    return table + (dense("pooler", "pooler") if config.task.pooler else [])


def _distilbert_rows(config: ModelConfig) -> list[Row]:
    block, ours = "transformer.layer.{}", "encoder/block_{}"
    table = [
        Row("embeddings.word_embeddings.weight", "embedding/tokens/embeddings"),
        Row("embeddings.position_embeddings.weight", "embedding/positions/table"),
        *norm("embeddings.LayerNorm", "embedding/embedding_norm"),
    ]
    for theirs, part in (("q_lin", "query"), ("k_lin", "key"), ("v_lin", "value"), ("out_lin", "output")):
        table += dense(f"{block}.attention.{theirs}", f"{ours}/self_attention/{part}")
    table += norm(f"{block}.sa_layer_norm", f"{ours}/self_attention_norm")
    table += dense(f"{block}.ffn.lin1", f"{ours}/feed_forward/expand")
    table += dense(f"{block}.ffn.lin2", f"{ours}/feed_forward/contract")
    table += norm(f"{block}.output_layer_norm", f"{ours}/feed_forward_norm")
    if config.output == "masked_tokens":
        table += dense("vocab_transform", "masked_tokens/transform")
        table += norm("vocab_layer_norm", "masked_tokens/norm")
        table.append(Row("vocab_projector.bias", "masked_tokens/logits/bias"))
        table += untied(config, "vocab_projector.weight", "masked_tokens/logits/kernel")
    if config.classes:
        table += classifier(config, "classifier")
    return table + (dense("pre_classifier", "pooler") if config.task.pooler else [])


_ALONE = {"is_decoder": (False, None), "add_cross_attention": (False, None)}
_WORDS = "embeddings.word_embeddings.weight"

_FAMILIES = {
    "bert": Family(
        "bert.",
        _bert,
        _bert_rows(_bert_head),
        _ALONE | {"position_embedding_type": ("absolute", None)},
        ("embeddings.position_ids", "pooler.", "cls.seq_relationship."),
        {"cls.predictions.decoder.weight": _WORDS, "cls.predictions.decoder.bias": "cls.predictions.bias"},
        title="BERT",
        kind="encoder",
    ),
    **{
        kind: Family(
            "roberta.",
            _bert,
            _bert_rows(_roberta_head),
            _ALONE | {"position_embedding_type": ("absolute", None)},
            ("embeddings.position_ids", "embeddings.token_type_ids", "pooler."),
            {"lm_head.decoder.weight": _WORDS, "lm_head.decoder.bias": "lm_head.bias"},
            title=title,
            kind="encoder",
            tokenizer="" if kind == "roberta" else "bert",
        )
        for kind, title in zip(_ROBERTAS, ("RoBERTa", "XLM-RoBERTa", "CamemBERT"), strict=True)
    },
    "electra": Family(
        "electra.",
        _bert,
        _bert_rows(_electra_head),
        _ALONE | {"position_embedding_type": ("absolute", None), "hidden_act": ("gelu",)},
        ("embeddings.position_ids", "embeddings.token_type_ids"),
        {"generator_lm_head.weight": _WORDS},
        title="ELECTRA",
        kind="encoder",
        tokenizer="bert",
    ),
    "mpnet": Family(
        "mpnet.",
        _bert,
        _mpnet_rows,
        # The library cuts distances into as many, whatever the setting says.
        {"relative_attention_num_buckets": (32, None)},
        ("embeddings.position_ids", "pooler."),
        {"lm_head.decoder.weight": _WORDS, "lm_head.decoder.bias": "lm_head.bias"},
        title="MPNet",
        kind="encoder",
        tokenizer="bert",
    ),
    "albert": Family(
        "albert.",
        _bert,
        _albert_rows,
        {
            "position_embedding_type": ("absolute", None),
            "num_hidden_groups": (1, None),
            "inner_group_num": (1, None),
        },
        ("embeddings.position_ids", "embeddings.token_type_ids", "pooler.", "sop_classifier."),
        {"predictions.decoder.weight": _WORDS, "predictions.decoder.bias": "predictions.bias"},
        title="ALBERT",
        kind="encoder",
        tokenizer="bert",
    ),
    "distilbert": Family(
        "distilbert.",
        _distilbert,
        _distilbert_rows,
        {"sinusoidal_pos_embds": (False, None)},
        ("embeddings.position_ids",),
        {"vocab_projector.weight": _WORDS},
        title="DistilBERT",
        kind="encoder",
    ),
}


def _or_spans(rows: Callable[[ModelConfig], list[Row]]) -> Callable[[ModelConfig], list[Row]]:
    """The same head in all of these families: where an answer begins and ends."""
    return lambda config: (
        rows(config) + (classifier(config, "qa_outputs") if config.output == "spans" else [])
    )


FAMILIES = {kind: family._replace(rows=_or_spans(family.rows)) for kind, family in _FAMILIES.items()}
