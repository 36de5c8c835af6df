"""Encoder-decoders in the code of BART: what they share, and Marian."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from transformer.checkpoints.families.heads import BODY, kind_of
from transformer.checkpoints.families.table import (
    Family,
    Row,
    activation,
    dense,
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
    key_bias: bool = True,
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
        target=Embedding(vocabulary=vocabulary, scale=scale(config)),
        encoder=encoder,
        decoder=decoder,
        special=Special(
            pad=token(config, "pad_token_id"),
            start=need(config, "decoder_start_token_id"),
            end=token(config, "eos_token_id"),
            unknown=NO_ID,
            suppressed=suppressed,
            suppressed_first=suppressed_first,
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
        # A rule against several tokens in a row is one of search: here single tokens are barred.
        suppressed=tuple(word[0] for word in rows_of_ids(config, "bad_words_ids") if len(word) == 1),
    )


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
}
