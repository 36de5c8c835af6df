"""BERT, RoBERTa and DistilBERT: encoders that read a text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from transformer.checkpoints.families.table import Family, Row, activation, dense, need, norm, token, untied
from transformer.config import (
    NO_ID,
    Attention,
    Embedding,
    FeedForward,
    ModelConfig,
    Norm,
    Special,
    Stack,
    Table,
    Task,
)


def _bert(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    roberta = config["model_type"] == "roberta"
    offset = need(config, "pad_token_id") + 1 if roberta else 0  # its first positions belong to padding
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
        types=need(config, "type_vocab_size"),
        offset=offset,
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
) -> ModelConfig:
    return ModelConfig(
        width=width,
        source=Embedding(vocabulary=need(config, "vocab_size"), types=types, norm=True),
        encoder=Stack(
            layers=layers,
            attention=Attention.split(width, heads),
            feed_forward=feed_forward,
            norm=Norm(epsilon=epsilon),
            table=Table(kind="learned", offset=offset),
        ),
        max_source=need(config, "max_position_embeddings") - offset,
        task=_task(config, names),
        special=Special(
            pad=token(config, "pad_token_id"), start=NO_ID, end=NO_ID, unknown=NO_ID, suppressed=()
        ),
    )


def _task(config: Mapping[str, Any], names: Collection[str]) -> Task:
    _answered(config, names)
    tied = config.get("tie_word_embeddings") is not False
    if {"cls.predictions.bias", "lm_head.bias", "vocab_projector.bias"} & set(names):
        return Task(kind="masked_tokens", bias=True, tied=tied)
    pooler = bool({"pooler.dense.weight", "classifier.dense.weight"} & set(names))
    if {"classifier.weight", "classifier.out_proj.weight"} & set(names):
        labels = config.get("id2label") or {}
        if not isinstance(labels, dict) or not all(str(i) in labels for i in range(len(labels))):
            raise ValueError("expected id2label in config.json with a name for each class, received another")
        if labels:
            named = tuple(str(labels[str(i)]) for i in range(len(labels)))
            return Task(kind="classes", classes=len(named), names=named, pooler=pooler, tied=tied)
    return Task(kind="vectors", pooler=pooler, tied=tied)


# Heads whose answers would be read as one class of the whole text, or not at all: by the end of an architecture's name.
_HEADS = {
    "ForTokenClassification": "a label for each token",
    "ForMultipleChoice": "which of several texts fits",
    "ForQuestionAnswering": "where an answer begins and ends",
}
_PROBLEMS = {
    "multi_label_classification": "any number of labels",
    "regression": "scores without a scale",
}
_POOLED = ("pooler.dense.weight", "pre_classifier.weight", "classifier.dense.weight")
_INSTEAD = (
    "That is not shown yet. The body opens without that head, by transformers: "
    "AutoModel.from_pretrained(folder).save_pretrained(other)"
)


def _answered(config: Mapping[str, Any], names: Collection[str]) -> None:
    """Refuse a head that says something else than one class of the whole text. Without `names` of tensors, as before a
    model is fetched, its architecture alone tells.

    Raises:
        ValueError: says what it answers, and how to open the network without it.
    """
    heads, pooled = {"classifier.weight", "classifier.out_proj.weight", "qa_outputs.weight"}, set(_POOLED)
    if names and not heads & set(names):
        return
    kinds, labels = config.get("architectures"), config.get("id2label")
    kind = str(kinds[0])[:80] if isinstance(kinds, list) and kinds else "a classifier"
    says = next((words for end, words in _HEADS.items() if kind.endswith(end)), None)
    if says is None and "classifier.weight" in names and not pooled & set(names):
        says = _HEADS["ForTokenClassification"]
    if says is None and (names or kind.endswith("ForSequenceClassification")):
        one = config.get("num_labels") == 1 or (isinstance(labels, dict) and len(labels) == 1)
        says = _PROBLEMS.get(str(config.get("problem_type")), "a score" if one else None)
    if says:
        raise ValueError(
            f"expected a head that says one class of a whole text, received {kind}: {says}. {_INSTEAD}"
        )


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
    table = dense("classifier", "classifier") if config.output == "classes" else []
    return table + (dense("pooler.dense", "pooler") if config.task.pooler else [])


def _roberta_head(config: ModelConfig) -> list[Row]:
    if config.output == "masked_tokens":
        return [
            *dense("lm_head.dense", "masked_tokens/transform"),
            *norm("lm_head.layer_norm", "masked_tokens/norm"),
            Row("lm_head.bias", "masked_tokens/logits/bias"),
            *untied(config, "lm_head.decoder.weight", "masked_tokens/logits/kernel"),
        ]
    if config.output == "classes":
        return [*dense("classifier.dense", "pooler"), *dense("classifier.out_proj", "classifier")]
    return dense("pooler.dense", "pooler") if config.task.pooler else []


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
    return table


_ALONE = {"is_decoder": (False, None), "add_cross_attention": (False, None)}
_WORDS = "embeddings.word_embeddings.weight"

FAMILIES = {
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
    "roberta": Family(
        "roberta.",
        _bert,
        _bert_rows(_roberta_head),
        _ALONE | {"position_embedding_type": ("absolute", None)},
        ("embeddings.position_ids", "embeddings.token_type_ids", "pooler."),
        {"lm_head.decoder.weight": _WORDS, "lm_head.decoder.bias": "lm_head.bias"},
        title="RoBERTa",
        kind="encoder",
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
