"""What is in a model folder, and what will it cost to open it? Read off settings and headers, never the numbers."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import NamedTuple

from transformer import settings
from transformer.checkpoints import foreign
from transformer.checkpoints.folder import CONFIG, TOKENIZER, WEIGHTS, load_config
from transformer.checkpoints.shards import headers, only_safetensors, size
from transformer.config import ModelConfig

OURS = "headlight"
LEAST = 256  # tokens that are read at once however little memory is free
# Any one of these makes a tokenizer.
TOKENIZERS = (
    *(TOKENIZER, "vocab.txt", "vocab.json", "source.spm"),
    *("spiece.model", "sentencepiece.bpe.model"),
)
# What is read of a folder, tensors aside.
SETTINGS = (
    CONFIG,
    foreign.GENERATION,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "preprocessor_config.json",
    "merges.txt",
    "target.spm",
    "target_vocab.json",
    *TOKENIZERS,
)


class Look(NamedTuple):
    """What a folder holds.

    kind: `model_type` of a published checkpoint, such as "marian", or "headlight" for a folder of this project.
    parameters: how many numbers its files hold. memory: bytes that it takes while it is opened.
    tokenizer: whether there is one, so that the model reads text.
    """

    folder: Path
    kind: str
    config: ModelConfig
    parameters: int
    memory: int
    tokenizer: bool


def look(folder: Path) -> Look:
    """Look at a model folder, of this project or in the Hugging Face format.

    Raises:
        ValueError: no such folder, a model that is not supported or not whole, or files that cannot be read.
    """
    try:
        _plain_files(folder)
        only_safetensors(folder)
        tokenizer = any((folder / name).is_file() for name in TOKENIZERS)
        if foreign.is_foreign(folder):
            found = foreign.inspect(folder)
            return Look(folder, found.family, found.config, found.parameters, found.memory, tokenizer)
        config = load_config(folder)
        if not (folder / WEIGHTS).is_file():
            raise ValueError(f"expected {WEIGHTS} in {folder.name}, received a folder without it")
        tensors = headers(folder).values()
    except OSError as error:
        raise ValueError(
            f"expected a folder that can be read at {folder.name}, received {error.strerror}"
        ) from error
    foreign.plausible(config, size(tensors))
    return Look(folder, OURS, config, size(tensors), foreign.memory(tensors), tokenizer)


def _plain_files(folder: Path) -> None:
    """Refuse what only looks like a file: a device or a pipe is read for ever."""
    if not folder.is_dir():
        raise ValueError(f"expected a folder at {folder.name}, received none")
    directory = settings.models_directory()
    if directory and folder.resolve().is_relative_to(
        directory
    ):  # not the hub's cache, which is links into itself
        for path in folder.iterdir():
            if not Path(os.path.realpath(path)).is_relative_to(directory):
                raise ValueError(
                    f"expected files of {folder.name} itself, received a link out of it: {path.name}"
                )
    if not (folder / CONFIG).exists():
        only_safetensors(folder)
        raise ValueError(f"expected {CONFIG} in {folder.name}, received a folder without it")
    for name in SETTINGS:
        if (folder / name).exists() and not (folder / name).is_file():
            raise ValueError(f"expected an ordinary file at {name} in {folder.name}, received something else")


def free_memory() -> int:
    """Bytes of this machine's memory that are free."""
    import psutil

    return int(psutil.virtual_memory().available)


def at_once(config: ModelConfig, free: int) -> int:
    """How many tokens one stack alone reads at once: as many as it has positions and as its maps and scores, which
    grow with the square of a text, leave in half of the `free` bytes; `LEAST` in any case."""
    stack = config.encoder or config.decoder
    if not stack or (config.encoder and config.decoder):
        return config.max_target
    layers, heads = stack.layers, stack.attention.heads
    # float32: every map as it is made, stacked and handed over; scores of one layer; what is foretold; vectors.
    square = 4 * (3 * layers * heads + 4 * heads)
    line = 4 * (4 * config.vocabulary + 8 * layers * config.width)
    room = max(free, 0) / 2
    most = int((math.sqrt(line**2 + 4 * square * room) - line) / (2 * square))
    return min(config.longest, max(most, LEAST))


def fits(needed: int) -> None:
    """Refuse a network that needs more bytes than the machine has left.

    Raises:
        ValueError: with both sizes.
    """
    free = free_memory()
    if needed > free:
        raise ValueError(
            f"expected a network that fits into {free / 1e9:.1f} GB of free memory, received one that needs about "
            f"{needed / 1e9:.1f} GB"
        )
