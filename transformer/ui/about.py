"""What a network is, in a sentence or two or in a table, read off its folder without loading it."""

from __future__ import annotations

import json
from functools import cache
from math import prod
from pathlib import Path

from transformer.config import ModelConfig
from transformer.ui import calls, opened


def about_model(name: str) -> str:
    """What is known of a model by its name, shipped or opened; "" where there is none."""
    if (model := opened.get(name)) and model.found:
        return (
            f"`{name}` {layers(model.found.config)}, and learned {counted(model.found.parameters)} numbers."
        )
    return about(calls.MODELS / name)


def layers(config: ModelConfig) -> str:
    """Such as "reads with 2 layers of 4 heads and writes with 1 layer of 2 heads"."""
    stacks = (
        ("reads", config.encoder_layers, config.heads),
        ("writes", config.decoder_layers, config.decoder_heads or config.heads),
    )
    parts = [f"{verb} with {_count(n, 'layer')} of {_count(heads, 'head')}" for verb, n, heads in stacks if n]
    return " and ".join(parts)


def counted(numbers: int) -> str:
    """Such as "26,104" or "7.9 million"."""
    return f"{numbers / 1e6:,.1f} million" if numbers >= 1e6 else f"{numbers:,}"


def sized(size: int) -> str:
    """Bytes as "0.4 MB" or "1.2 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@cache
def about(folder: Path) -> str:
    """Such as "`pt-en` reads with 4 layers and writes with 3, …", followed by the summary of its model card.

    The summary is the first quoted paragraph (`> …`) of the card, README.md; without one nothing is added. A folder
    that is no whole model has no description: "".
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        reads, writes = config["encoder_layers"], config["decoder_layers"]
        if reads and writes:
            does = f"reads with {reads} layers and writes with {writes}"
        else:
            layer = _count(reads or writes, "layer")
            does = f"reads with {layer}" if reads else f"reads and writes with {layer}"
        learned = f"learned {_parameters(folder) / 1e6:.1f} million numbers"
        sentence = f"`{folder.name}` {does}, {config['heads']} heads in each, and {learned}."
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f"{sentence} {summary(folder / 'README.md')}".strip()


def _parameters(folder: Path) -> int:
    """How many weights the file holds: shapes stand in its header (8 bytes of length, then JSON)."""
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def summary(card: Path) -> str:
    """The first quoted paragraph of a model card; "" where there is none."""
    if not card.is_file():
        return ""
    lines = card.read_text("utf-8").splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith(">")), len(lines))
    quoted = []
    for line in lines[first:]:
        if not line.startswith(">"):
            break
        quoted.append(line.lstrip("> ").strip())
    return " ".join(quoted)
