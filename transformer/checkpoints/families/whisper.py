"""Whisper: an encoder-decoder from sound to tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from transformer.checkpoints.families.bart import both_stacks, seq2seq
from transformer.checkpoints.families.heads import BODY, kind_of
from transformer.checkpoints.families.table import Family, Row, dense, ids, need, norm
from transformer.config import ModelConfig, Norm, Sound, Table
from transformer.untrusted import shown


def _whisper(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    if kind_of(config) not in (None, BODY, "ConditionalGeneration"):
        raise ValueError(
            "expected a Whisper that writes down what it hears, received one with another head, "
            f"{shown(config['architectures'])}: open one of WhisperForConditionalGeneration, such as it was made from"
        )
    return seq2seq(
        config,
        vocabulary=need(config, "vocab_size"),
        sound=Sound(kind="whisper", bins=need(config, "num_mel_bins")),
        max_source=need(config, "max_source_positions"),
        max_target=need(config, "max_target_positions"),
        norm=Norm(place="pre", last=True, epsilon=1e-5),  # not a setting there
        table=Table(kind="learned"),  # the encoder's are sinusoids, but stored like learned ones
        key_bias=False,
        suppressed=ids(config, "suppress_tokens"),
        suppressed_first=ids(config, "begin_suppress_tokens"),
    )


def _whisper_rows(config: ModelConfig) -> list[Row]:
    def projection(theirs: str, ours: str) -> list[Row]:
        rows = dense(theirs, ours)
        return rows[:1] if ours.endswith("/key") else rows

    table = both_stacks(projection)
    for i in range(2):
        table.append(
            Row(f"encoder.conv{i + 1}.weight", f"source_embedding/convolution_{i}/kernel", "convolution")
        )
        table.append(Row(f"encoder.conv{i + 1}.bias", f"source_embedding/convolution_{i}/bias"))
    return [
        Row("encoder.embed_positions.weight", "source_embedding/positions/table"),
        Row("decoder.embed_tokens.weight", "target_embedding/tokens/embeddings"),
        Row("decoder.embed_positions.weight", "target_embedding/positions/table"),
        *norm("encoder.layer_norm", "encoder/last_norm"),
        *norm("decoder.layer_norm", "decoder/last_norm"),
        *table,
    ]


FAMILIES = {
    "whisper": Family(
        "model.",
        _whisper,
        _whisper_rows,
        {},
        (),
        {"proj_out.weight": "decoder.embed_tokens.weight"},
        title="Whisper",
        kind="speech",
    ),
}
