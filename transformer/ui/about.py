"""What a network is, in a sentence or two, read off its folder without loading it."""

from __future__ import annotations

import json
from functools import cache
from math import prod
from pathlib import Path


@cache
def about(folder: Path) -> str:
    """Such as "`pt-en` reads with 4 layers and writes with 3, …", followed by the summary of its model card.

    The summary is the first quoted paragraph (`> …`) of the card, README.md; without one nothing is added. A folder
    that is no whole model has no description: "".
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        sentence = (
            f"`{folder.name}` reads with {config['encoder_layers']} layers and writes with {config['decoder_layers']}, "
            f"{config['heads']} heads in each, and learned {_parameters(folder) / 1e6:.1f} million numbers."
        )
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f"{sentence} {_summary(folder / 'README.md')}".strip()


def _parameters(folder: Path) -> int:
    """How many weights the file holds: shapes stand in its header (8 bytes of length, then JSON)."""
    with (folder / "model.safetensors").open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _summary(card: Path) -> str:
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
