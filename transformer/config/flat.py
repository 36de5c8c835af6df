"""The first format of `config.json`, 55 fields side by side, and what each is in the second.

Its defaults are those of the day when it was left: an old file means what it meant then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from transformer.config.attention import Attention
from transformer.config.records import Record, need
from transformer.config.tokens import END, NO_ID, PAD, START, UNKNOWN

Table = Literal["interleaved", "halves", "halves_minus_one", "learned", "none"]
TargetTable = Literal["same", "interleaved", "halves", "halves_minus_one", "learned", "none"]


@dataclass(frozen=True, kw_only=True)
class FirstFormat(Record):
    """Every field. A number of 0 often stood for "as in the encoder" or "none"."""

    vocabulary: int = 8000
    source_vocabulary: int = 0
    encoder_layers: int = 6
    decoder_layers: int = 6
    width: int = 512
    heads: int = 8
    feed_forward: int = 2048
    decoder_heads: int = 0
    decoder_feed_forward: int = 0
    max_source: int = 128
    max_target: int = 128
    norm: Literal["pre", "post"] = "post"
    norm_epsilon: float = 1e-6
    activation: Literal["relu", "gelu", "gelu_tanh", "silu"] = "relu"
    positions: Table = "interleaved"
    target_positions: TargetTable = "same"
    position_offset: int = 0
    token_types: int = 0
    embedding_norm: bool = False
    feed_forward_kind: Literal["dense", "conv_relu_conv"] = "dense"
    first_kernel: int = 3
    stem: Literal["none", "t2t", "whisper"] = "none"
    bins: int = 80
    prior_frames: int = 0
    stem_channels: int = 128
    tokens: Literal["subwords", "characters"] = "subwords"
    embedding_width: int = 0
    recurrence: Literal["none", "gru", "lstm"] = "none"
    score: Literal["additive", "dot", "general", "scaled"] = "additive"
    ctc: bool = False
    dropout: float = 0.1
    attention_dropout: float = 0.0
    feed_forward_dropout: float = 0.0
    query_bias: bool = True
    key_bias: bool = True
    value_bias: bool = True
    output_bias: bool = True
    logits_bias: bool = False
    shared_embeddings: bool = True
    tied_logits: bool = True
    scale_embeddings: bool = True
    output: Literal["tokens", "masked_tokens", "classes", "vectors"] = "tokens"
    classes: int = 0
    class_names: tuple[str, ...] = ()
    pooling: Literal["first", "max"] = "first"
    classifier_dropout: float = 0.0
    pooler: bool = False
    pad_id: int = PAD
    start_id: int = START
    end_id: int = END
    unknown_id: int = UNKNOWN
    mask_id: int = NO_ID
    suppressed: tuple[int, ...] = (PAD, START, UNKNOWN)
    suppressed_first: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        # What the second format has no words for; the rest is checked by its records.
        need(self.width > 0, "width of at least 1", self.width)
        fine = (self.recurrence == "lstm") == (self.embedding_width > 0)
        need(fine, "an embedding_width with recurrence lstm", f"{self.embedding_width} and {self.recurrence}")
        layers = (self.encoder_layers, self.decoder_layers)
        fine = self.recurrence != "lstm" or layers == (0, 1)
        need(fine, "one decoder layer alone with recurrence lstm", f"{layers[0]} and {layers[1]}")
        ones = {*layers, self.heads, self.decoder_heads or 1} == {1}
        plain = ones and self.stem == "none" and not self.ctc and self.positions == "none"
        said = "one layer and one head a side, no stem, ctc or positions where there is a recurrence"
        need(
            self.recurrence != "gru" or plain, said, f"{layers[0]} and {layers[1]} layers, {self.heads} heads"
        )


def v2(values: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration of the first format as one of the second, with every field that the first could say.

    Raises:
        ValueError: what is not a configuration of the first format.
    """
    f = FirstFormat.from_dict(values)
    stacks = f.recurrence == "none"
    reads = f.encoder_layers != 0 and f.stem == "none"
    writes = f.decoder_layers != 0
    # The network of characters has never scaled its embeddings.
    root = f.width**0.5 if f.scale_embeddings and f.recurrence != "lstm" else 1.0

    def embedding(vocabulary: int) -> dict[str, Any]:
        return dict(vocabulary=vocabulary, scale=root, types=f.token_types, norm=f.embedding_norm)

    def attention(heads: int) -> Attention:
        return Attention.split(
            f.width,
            heads,
            query_bias=f.query_bias,
            key_bias=f.key_bias,
            value_bias=f.value_bias,
            output_bias=f.output_bias,
            dropout=f.attention_dropout,
        )

    def stack(layers: int, heads: int, feed_forward: int, table: str, crosses: bool) -> dict[str, Any]:
        return dict(
            layers=layers,
            attention=attention(heads),
            cross=attention(heads) if crosses else None,
            norm=dict(place=f.norm, epsilon=f.norm_epsilon, last=f.norm == "pre"),
            feed_forward=dict(
                width=feed_forward,
                kind=f.feed_forward_kind,
                activation=f.activation,
                first_kernel=f.first_kernel,
                dropout=f.feed_forward_dropout,
            ),
            table=dict(kind=table, offset=f.position_offset),
        )

    encoder = decoder = sound = recurrent = None
    if stacks and f.encoder_layers:
        encoder = stack(f.encoder_layers, f.heads, f.feed_forward, f.positions, False)
    if stacks and writes:
        heads, wide = f.decoder_heads or f.heads, f.decoder_feed_forward or f.feed_forward
        table = f.positions if f.target_positions == "same" else f.target_positions
        decoder = stack(f.decoder_layers, heads, wide, table, f.encoder_layers != 0)
    if f.stem != "none":
        scale = root if f.stem == "t2t" else 1.0
        sound = dict(
            kind=f.stem, bins=f.bins, channels=f.stem_channels, scale=scale, prior_frames=f.prior_frames
        )
    if not stacks:
        recurrent = dict(kind=f.recurrence, score=f.score, embedding_width=f.embedding_width)
    return dict(
        format=2,
        width=f.width,
        source=embedding(f.source_vocabulary or f.vocabulary) if reads else None,
        sound=sound,
        target=embedding(f.vocabulary) if writes else None,
        shared_embeddings=f.shared_embeddings and reads and writes,
        encoder=encoder,
        decoder=decoder,
        recurrent=recurrent,
        max_source=f.max_source if f.encoder_layers else 0,
        max_target=f.max_target if writes else 0,
        dropout=f.dropout,
        tokens=f.tokens,
        task=dict(
            kind=f.output,
            classes=f.classes,
            names=f.class_names,
            pooling=f.pooling,
            pooler=f.pooler,
            dropout=f.classifier_dropout,
            tied=f.tied_logits,
            bias=f.logits_bias,
            ctc=f.ctc,
        ),
        special=dict(
            pad=f.pad_id,
            start=f.start_id,
            end=f.end_id,
            unknown=f.unknown_id,
            mask=f.mask_id,
            suppressed=f.suppressed,
            suppressed_first=f.suppressed_first,
            prefix=f.prefix,
        ),
    )
