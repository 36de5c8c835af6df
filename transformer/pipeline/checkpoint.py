"""A published checkpoint as a model: its network, its tokenizer where it has one, and what its settings say of use."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformer.checkpoints import folder, foreign
from transformer.checkpoints.families import FAMILIES
from transformer.checkpoints.families.table import rows_of_ids
from transformer.checkpoints.look import fits
from transformer.config import NO_ID, ModelConfig
from transformer.kinds import kind_of, named
from transformer.models.assembly import assemble
from transformer.pipeline.listener import Listener, Spoken
from transformer.pipeline.model import Model
from transformer.pipeline.translator import Translator
from transformer.text.numbers import Numbers
from transformer.untrusted import shown

MOST_TASKS, LONGEST_TASK = 12, 80


def open_checkpoint(path: Path, name: str = "") -> Model:
    """Open a folder in the Hugging Face format; the model is called `name`, or as the folder is.

    Raises:
        ValueError: see `checkpoints.foreign`; or a network that does not fit into this machine's memory.
    """
    from transformer.text.foreign import open_tokenizer

    checkpoint = foreign.inspect(path)
    fits(checkpoint.memory)
    tokenizer: Any = open_tokenizer(path, FAMILIES[checkpoint.family].tokenizer or checkpoint.family)
    config = checkpoint.config
    if tokenizer is not None:
        tokenizer.within(config.vocabulary)
        config = _special(config, tokenizer)
    network = assemble(config)
    network.build()
    folder.assign_weights(network, foreign.weights(checkpoint))
    tokenizer = tokenizer or Numbers(config.vocabulary)
    if config.family == "speech":
        return Listener(name or path.name, network, tokenizer, spoken(checkpoint.settings, tokenizer))
    if config.family == "seq2seq":
        return Translator(name or path.name, network, tokenizer, tasks(checkpoint.settings))
    model: Model = named(kind_of(config.family).model)(name or path.name, network, tokenizer)
    return model


def tasks(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What a text may begin with for a T5 to know what to do with it, by its config.json."""
    found = settings.get("task_specific_params")
    rows = found.values() if isinstance(found, dict) else ()
    named = (row.get("prefix") for row in rows if isinstance(row, dict))
    return tuple(dict.fromkeys(p for p in named if isinstance(p, str) and 0 < len(p) <= LONGEST_TASK))[
        :MOST_TASKS
    ]


def spoken(settings: Mapping[str, Any], tokenizer: Any) -> Spoken:
    """What Whisper is told with tokens, by its generation_config.json; where that is silent, by the tokens' names."""
    languages = _ids(settings.get("lang_to_id"))
    tasks = _ids(settings.get("task_to_id"))
    without = settings.get("no_timestamps_token_id")
    heads = rows_of_ids(settings, "alignment_heads")
    if not all(len(pair) == 2 for pair in heads):
        raise ValueError(f"expected alignment_heads as pairs of layer and head, received {shown(heads)}")
    return Spoken(
        {code.strip("<|>"): i for code, i in languages.items()},
        tasks,
        without if type(without) is int else None,
        tuple((layer, head) for layer, head in heads),
    )


def _ids(found: Any) -> dict[str, int]:
    return {str(k): v for k, v in found.items() if type(v) is int} if isinstance(found, dict) else {}


def _special(config: ModelConfig, tokenizer: Any) -> ModelConfig:
    """The configuration with the special ids that only the tokenizer knows."""
    known = {
        name: value
        for name in ("mask", "unknown")
        if getattr(config.special, name) == NO_ID and (value := getattr(tokenizer, f"{name}_id")) is not None
    }
    return dataclasses.replace(config, special=dataclasses.replace(config.special, **known))
