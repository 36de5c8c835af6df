"""Encoder-decoders in the code of BART: what they share; Marian; BART (Lewis et al. 2020, arXiv:1910.13461), mBART (Liu
et al. 2020, arXiv:2001.08210), M2M-100 and NLLB (Fan et al. 2020, arXiv:2010.11125; NLLB Team 2022, arXiv:2207.04672),
and PEGASUS (Zhang et al. 2020, arXiv:1912.08777)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from transformer.checkpoints.families.heads import BODY, kind_of
from transformer.checkpoints.families.table import (
    Family,
    Row,
    activation,
    dense,
    flag,
    ids,
    need,
    norm,
    optional,
    rows_of_ids,
    token,
    untied,
)
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
    present,
)
from transformer.untrusted import shown


def both_stacks(query: Callable[[str, str], list[Row]]) -> list[Row]:
    table = []
    for stack in ("encoder", "decoder"):
        block, ours = f"{stack}.layers.{{}}", f"{stack}/block_{{}}"
        attentions = [("self_attn", "self_attention")]
        attentions += [("encoder_attn", "cross_attention")] if stack == "decoder" else []
        for theirs, mine in attentions:
            for part, name in (
                ("q_proj", "query"),
                ("k_proj", "key"),
                ("v_proj", "value"),
                ("out_proj", "output"),
            ):
                table += query(f"{block}.{theirs}.{part}", f"{ours}/{mine}/{name}")
            table += norm(f"{block}.{theirs}_layer_norm", f"{ours}/{mine}_norm")
        table += dense(f"{block}.fc1", f"{ours}/feed_forward/expand")
        table += dense(f"{block}.fc2", f"{ours}/feed_forward/contract")
        table += norm(f"{block}.final_layer_norm", f"{ours}/feed_forward_norm")
    return table


def seq2seq(
    config: Mapping[str, Any],
    *,
    vocabulary: int,
    norm: Norm,
    table: Table,
    suppressed: tuple[int, ...],
    suppressed_first: tuple[int, ...] = (),
    prefix: tuple[int, ...] = (),
    key_bias: bool = True,
    embedding_norm: bool = False,
    **more: Any,
) -> ModelConfig:
    """An encoder-decoder; `more` are fields of `ModelConfig`."""
    width = need(config, "d_model")

    def stack(side: str, **cross: Any) -> Stack:
        return Stack(
            layers=need(config, f"{side}_layers"),
            attention=attention(side),
            feed_forward=FeedForward(
                width=need(config, f"{side}_ffn_dim"), activation=activation(config, "activation_function")
            ),
            norm=norm,
            table=table,
            **cross,
        )

    def attention(side: str) -> Attention:
        return Attention.split(width, need(config, f"{side}_attention_heads"), key_bias=key_bias)

    encoder, decoder = stack("encoder"), stack("decoder", cross=attention("decoder"))
    return ModelConfig(
        width=width,
        target=Embedding(vocabulary=vocabulary, scale=scale(config), norm=embedding_norm),
        encoder=encoder,
        decoder=decoder,
        special=Special(
            pad=token(config, "pad_token_id"),
            start=need(config, "decoder_start_token_id"),
            end=token(config, "eos_token_id"),
            unknown=NO_ID,
            suppressed=suppressed,
            suppressed_first=suppressed_first,
            prefix=prefix,
        ),
        **more,
    )


def writing(config: Mapping[str, Any], names: Collection[str], title: str) -> None:
    """Refuse an encoder-decoder with a head that does not write, and an encoder alone.

    Raises:
        ValueError: names its architecture, and one that would open.
    """
    beheaded = bool(names) and not any(name.startswith("decoder.") for name in names)
    if beheaded or kind_of(config) not in (None, BODY, "ConditionalGeneration"):
        what = "an encoder alone" if beheaded else "one with another head"
        raise ValueError(
            f"expected a {title} that writes, received {what}, {shown(config.get('architectures'))}: open one for "
            "ConditionalGeneration, such as it was made from"
        )


def scale(config: Mapping[str, Any]) -> float:
    """Of the embeddings."""
    width: int = need(config, "d_model")
    return width**0.5 if config.get("scale_embedding") is True and width > 0 else 1.0


def _marian(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    shared = config.get("share_encoder_decoder_embeddings") is not False
    vocabulary = optional(config, "decoder_vocab_size") or need(config, "vocab_size")
    longest = need(config, "max_position_embeddings")
    return seq2seq(
        config,
        vocabulary=vocabulary,
        source=Embedding(
            vocabulary=vocabulary if shared else need(config, "vocab_size"), scale=scale(config)
        ),
        shared_embeddings=shared,
        max_source=longest,
        max_target=longest,
        norm=Norm(epsilon=1e-5),  # not a setting there
        table=Table(kind="halves"),
        task=Task(bias=True, tied=config.get("tie_word_embeddings") is not False),
        suppressed=_barred(config),
    )


def _barred(config: Mapping[str, Any]) -> tuple[int, ...]:
    """A rule against several tokens in a row is one of search: here single tokens are barred."""
    words = rows_of_ids(config, "bad_words_ids")
    return tuple(dict.fromkeys([*(w[0] for w in words if len(w) == 1), *ids(config, "suppress_tokens")]))


class _Way(NamedTuple):
    """What the library does in one way for all networks of a family, and what it takes where settings are silent."""

    title: str
    norm: Norm
    table: Table
    embedding_norm: bool
    usual: Mapping[str, Any]


def _bart(config: Mapping[str, Any], names: Collection[str], *, way: _Way) -> ModelConfig:
    writing(config, names, way.title)
    config = {**way.usual, **config}
    if config.get("decoder_start_token_id") is None:  # as the library begins then
        config["decoder_start_token_id"] = config.get("bos_token_id")
    vocabulary, longest = need(config, "vocab_size"), need(config, "max_position_embeddings")
    tied = flag(config, "tie_word_embeddings", True)
    first, pad = token(config, "forced_bos_token_id"), token(config, "pad_token_id")
    # Sinusoids of M2M-100 begin behind the row of padding.
    table = way.table if way.table.kind != "halves_minus_one" else replace(way.table, offset=pad + 1)
    return seq2seq(
        config,
        vocabulary=vocabulary,
        source=Embedding(vocabulary=vocabulary, scale=scale(config), norm=way.embedding_norm),
        # Without one table for all, each side may have its own.
        shared_embeddings=tied or not set(TABLES) <= set(names),
        max_source=longest,
        max_target=longest,
        norm=way.norm,
        table=table,
        embedding_norm=way.embedding_norm,
        task=Task(bias="final_logits_bias" in names, tied=tied),
        suppressed=_barred(config),
        suppressed_first=ids(config, "begin_suppress_tokens"),
        prefix=() if first == NO_ID else (first,),
    )


TABLES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")


def _bart_rows(config: ModelConfig) -> list[Row]:
    table = both_stacks(dense)
    if config.task.bias:
        table.append(Row("final_logits_bias", "output_projection/bias", "squeeze"))
    table += untied(config, "lm_head.weight", "output_projection/kernel")
    for side, ours, stack in (
        ("encoder", "source_embedding", config.encoder),
        ("decoder", "target_embedding", config.decoder),
    ):
        spec = present(stack, side)
        if not config.shared_embeddings:
            table.append(Row(f"{side}.embed_tokens.weight", f"{ours}/tokens/embeddings"))
        if spec.table.kind == "learned":
            table.append(Row(f"{side}.embed_positions.weight", f"{ours}/positions/table"))
        if present(config.source, "a source").norm:
            table += norm(f"{side}.layernorm_embedding", f"{ours}/embedding_norm")
        if spec.norm.last:
            table += norm(f"{side}.layer_norm", f"{side}/last_norm")
    if config.shared_embeddings:
        table.append(Row("shared.weight", "source_embedding/tokens/embeddings"))
    return table


def _family(way: _Way, tokenizer: str) -> Family:
    return Family(
        "model.",
        partial(_bart, way=way),
        _bart_rows,
        {"is_encoder_decoder": (True, None), "is_decoder": (False, None)},
        (*(f"{side}.{name}" for side in ("encoder", "decoder") for name in SPARE), "shared.weight"),
        dict.fromkeys(("lm_head.weight", *TABLES), "shared.weight"),
        title=way.title,
        kind="seq2seq",
        tokenizer=tokenizer,
    )


SPARE = ("embed_positions.weight", "version")  # sinusoids, where they are stored
POST, PRE = Norm(epsilon=1e-5), Norm(place="pre", last=True, epsilon=1e-5)  # not a setting there
FAIRSEQ = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
WAYS = {
    "bart": (
        _Way(
            "BART",
            POST,
            Table(kind="learned", offset=2),
            True,
            FAIRSEQ | {"decoder_start_token_id": 2, "activation_function": "gelu"},
        ),
        "bert",
    ),
    "mbart": (
        _Way("mBART", PRE, Table(kind="learned", offset=2), True, FAIRSEQ | {"activation_function": "gelu"}),
        "",
    ),
    "m2m_100": (
        _Way(
            "M2M-100, NLLB",
            PRE,
            Table(kind="halves_minus_one"),
            False,
            FAIRSEQ | {"decoder_start_token_id": 2, "activation_function": "relu", "scale_embedding": True},
        ),
        "",
    ),
    "pegasus": (
        _Way(
            "PEGASUS",
            PRE,
            Table(kind="halves"),
            False,
            {
                "pad_token_id": 0,
                "eos_token_id": 1,
                "decoder_start_token_id": 0,
                "activation_function": "gelu",
            },
        ),
        "",
    ),
}


def _marian_rows(config: ModelConfig) -> list[Row]:
    table = [Row("final_logits_bias", "output_projection/bias", "squeeze"), *both_stacks(dense)]
    table += untied(config, "lm_head.weight", "output_projection/kernel")
    if config.shared_embeddings:
        return [Row("shared.weight", "source_embedding/tokens/embeddings"), *table]
    return [
        Row("encoder.embed_tokens.weight", "source_embedding/tokens/embeddings"),
        Row("decoder.embed_tokens.weight", "target_embedding/tokens/embeddings"),
        *table,
    ]


FAMILIES = {
    "marian": Family(
        "model.",
        _marian,
        _marian_rows,
        {
            "normalize_before": (False, None),
            "normalize_embedding": (False, None),
            "add_final_layer_norm": (False, None),
            "static_position_embeddings": (True, None),
            "extra_pos_embeddings": (0, None),
            "add_bias_logits": (False, None),
        },
        ("encoder.embed_positions.weight", "decoder.embed_positions.weight"),
        {
            "lm_head.weight": "shared.weight",
            "encoder.embed_tokens.weight": "shared.weight",
            "decoder.embed_tokens.weight": "shared.weight",
        },
        title="Marian",
        kind="seq2seq",
    ),
} | {name: _family(*way) for name, way in WAYS.items()}
