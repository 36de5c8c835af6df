"""`load(name)` -> a model with `.trace(...)`: the only place that joins inputs, networks and `Trace`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformer.checkpoints import folder
from transformer.models.assembly import assemble
from transformer.pipeline.model import MAX_CHARACTERS, Model
from transformer.pipeline.reader import TextReader
from transformer.pipeline.translator import Embedded, Translator
from transformer.pipeline.writer import Writer
from transformer.text.tokenizer import SubwordTokenizer

__all__ = [
    "MAX_CHARACTERS",
    "Embedded",
    "Model",
    "TextReader",
    "Translator",
    "Writer",
    "find",
    "load",
    "shipped",
]

SHIPPED = Path(__file__).parents[2] / "assets" / "models"
KINDS: dict[str, type[Model]] = {"seq2seq": Translator, "decoder": Writer, "encoder": TextReader}


def load(name: str) -> Any:
    """A shipped model by name, or any model folder: a `Translator`, a `Writer` or a `TextReader`.

    Raises:
        ValueError: nothing there by that name, or a folder that is not a whole model of this project.
    """
    path = find(name)
    config = folder.load_config(path)
    if config.family not in KINDS:
        raise ValueError(f"expected a network of {', '.join(KINDS)}, received one of {config.family}")
    network = assemble(config)
    network.build()
    folder.assign_weights(network, folder.load_weights(path / folder.WEIGHTS))
    return KINDS[config.family](path.name, network, SubwordTokenizer.load(path / folder.TOKENIZER))


def find(name: str) -> Path:
    """The folder of a shipped name, or the folder of that path."""
    if name in shipped():
        return SHIPPED / name
    path = Path(name)
    if path.is_dir():
        return path.resolve()
    raise ValueError(f"expected a shipped model ({', '.join(shipped())}) or a folder, received {name!r}")


def shipped() -> list[str]:
    """Names of the models that come with the project."""
    return sorted(p.parent.name for p in SHIPPED.glob(f"*/{folder.CONFIG}"))
