"""T5 (Raffel et al. 2020, arXiv:1910.10683), its versions 1.1 and FLAN, and mT5 (Xue et al. 2021, arXiv:2010.11934):
encoder-decoders whose scores know how far apart two positions are, and are not scaled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from transformer.checkpoints.families.bart import writing
from transformer.checkpoints.families.table import (
    Family,
    Row,
    activation,
    biases,
    depth,
    flag,
    ids,
    linear,
    need,
    norm,
    number,
    optional,
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
    Relative,
    Special,
    Stack,
    Task,
    present,
)
from transformer.untrusted import shown

TRAINED = 512  # positions, where settings are silent: distances know no last one
PARTS = (("q", "query"), ("k", "key"), ("v", "value"), ("o", "output"))


def _t5(
    config: Mapping[str, Any], names: Collection[str], *, title: str, gate: str, scaled: bool
) -> ModelConfig:
    """
    Args:
        title: of the family.
        gate: its `feed_forward_proj` where settings are silent.
        scaled: whether vectors may be scaled before the table of the output.
    """
    writing(config, names, title)
    config = {"pad_token_id": 0, "eos_token_id": 1, "feed_forward_proj": gate, **config}
    width, vocabulary, longest = need(config, "d_model"), need(config, "vocab_size"), _longest(config)
    spec: dict[str, Any] = dict(heads=need(config, "num_heads"), head_width=need(config, "d_kv"))
    attention = Attention(**spec, scale=1.0, **biases(False))  # type: ignore[arg-type]
    layers = depth(config, "num_layers")
    given = config.get("num_decoder_layers") is not None

    def stack(count: int, **cross: Any) -> Stack:
        return Stack(
            layers=count,
            attention=attention,
            feed_forward=_feed_forward(config),
            norm=Norm(
                kind="rms",
                bias=False,
                place="pre",
                last=True,
                epsilon=number(config, "layer_norm_epsilon", 1e-6),
            ),
            relative=Relative(
                buckets=int(number(config, "relative_attention_num_buckets", 32)),
                farthest=int(number(config, "relative_attention_max_distance", 128)),
            ),
            **cross,
        )

    table = Embedding(vocabulary=vocabulary)
    pad = token(config, "pad_token_id")
    # Version 1.1 says with a table of its own that it does not scale, and the library goes by that word even where
    # there is one table; which of them there is, the files say.
    told = flag(config, "scale_decoder_outputs", flag(config, "tie_word_embeddings", True))
    return ModelConfig(
        width=width,
        source=table,
        target=table,
        shared_embeddings=True,
        encoder=stack(layers),
        decoder=stack(depth(config, "num_decoder_layers") if given else layers, cross=attention),
        max_source=longest,
        max_target=longest,
        task=Task(tied="lm_head.weight" not in names, scale=width**-0.5 if scaled and told else 1.0),
        special=Special(
            pad=pad,
            start=pad
            if config.get("decoder_start_token_id") is None
            else need(config, "decoder_start_token_id"),
            end=token(config, "eos_token_id"),
            unknown=NO_ID,
            suppressed=ids(config, "suppress_tokens"),
            suppressed_first=ids(config, "begin_suppress_tokens"),
        ),
    )


def _longest(config: Mapping[str, Any]) -> int:
    return optional(config, "n_positions") or TRAINED


def _feed_forward(config: Mapping[str, Any]) -> FeedForward:
    """By its name, such as relu or gated-gelu; by what the library wrote out of it, where that is there.

    Raises:
        ValueError: another name.
    """
    named = config["feed_forward_proj"]
    first, _, second = named.partition("-") if isinstance(named, str) else ("", "", "")
    if not first or (second and first != "gated") or "-" in second:
        raise ValueError(
            f"expected feed_forward_proj such as relu or gated-gelu, received {shown(named)}: not supported"
        )
    # That name has always stood for the approximation.
    usual = "gelu_new" if named == "gated-gelu" else second or first
    return FeedForward(
        width=need(config, "d_ff"),
        kind="gated" if flag(config, "is_gated_act", first == "gated") else "dense",
        activation=activation({"dense_act_fn": usual, **config}, "dense_act_fn"),
        bias=False,
    )


def _t5_rows(config: ModelConfig) -> list[Row]:
    table = [
        Row("shared.weight", "source_embedding/tokens/embeddings"),
        *untied(config, "lm_head.weight", "output_projection/kernel"),
    ]
    for side in ("encoder", "decoder"):
        sublayers = [("SelfAttention", "self_attention")]
        sublayers += [("EncDecAttention", "cross_attention")] if side == "decoder" else []
        block, ours = f"{side}.block.{{}}.layer", f"{side}/block_{{}}"
        for place, (theirs, mine) in enumerate(sublayers):
            for part, name in PARTS:
                table += linear(f"{block}.{place}.{theirs}.{part}", f"{ours}/{mine}/{name}", False)
            table += norm(f"{block}.{place}.layer_norm", f"{ours}/{mine}_norm")[:1]
        last = f"{block}.{len(sublayers)}"
        gated = present(config.encoder, "an encoder").feed_forward.kind == "gated"
        for part, name in (
            (("wi_0", "gate"), ("wi_1", "expand"), ("wo", "contract"))
            if gated
            else (("wi", "expand"), ("wo", "contract"))
        ):
            table += linear(f"{last}.DenseReluDense.{part}", f"{ours}/feed_forward/{name}", False)
        table += norm(f"{last}.layer_norm", f"{ours}/feed_forward_norm")[:1]
        table += norm(f"{side}.final_layer_norm", f"{side}/last_norm")[:1]
        # The first layer keeps it for all.
        theirs = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        table.append(Row(theirs, f"{side}/relative/table"))
    return table


def _family(title: str, gate: str, scaled: bool) -> Family:
    settings: Callable[..., ModelConfig] = partial(_t5, title=title, gate=gate, scaled=scaled)
    return Family(
        "",
        settings,
        _t5_rows,
        {"is_encoder_decoder": (True, None), "is_decoder": (False, None)},
        # The first files have one that nothing reads: from one side to the other there is no distance.
        ("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",),
        {"encoder.embed_tokens.weight": "shared.weight", "decoder.embed_tokens.weight": "shared.weight"},
        title=title,
        kind="seq2seq",
    )


FAMILIES = {
    "t5": _family("T5", "relu", scaled=True),
    "mt5": _family("mT5", "gated-gelu", scaled=False),
}
