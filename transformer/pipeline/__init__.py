"""`load(name)` -> a model with `.trace(...)`: the only place that joins inputs, networks and `Trace`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformer.checkpoints import folder
from transformer.checkpoints.foreign import is_foreign
from transformer.models.assembly import assemble
from transformer.pipeline.checkpoint import KINDS, open_checkpoint
from transformer.pipeline.listener import Listener
from transformer.pipeline.model import MAX_CHARACTERS, Model
from transformer.pipeline.reader import TextReader
from transformer.pipeline.translator import Embedded, Translator
from transformer.pipeline.writer import Writer
from transformer.text.tokenizer import SubwordTokenizer

__all__ = [
    "MAX_CHARACTERS",
    "Embedded",
    "Listener",
    "Model",
    "TextReader",
    "Translator",
    "Writer",
    "find",
    "load",
    "shipped",
]

SHIPPED = Path(__file__).parents[2] / "assets" / "models"


def load(name: str) -> Any:
    """A shipped model by name, or any model folder, of this project or in the Hugging Face format.

    Returns:
        A `Translator`, `Writer`, `TextReader` or `Listener`, as the network is.

    Raises:
        ValueError: nothing there by that name, or a folder that is not a whole model of a family that is known.
    """
    path = find(name)
    if is_foreign(path):
        return open_checkpoint(path)
    config = folder.load_config(path)
    network = assemble(config)
    network.build()
    folder.assign_weights(network, folder.load_weights(path / folder.WEIGHTS))
    tokenizer = SubwordTokenizer.load(path / folder.TOKENIZER)
    if tokenizer.size != config.vocabulary:
        raise ValueError(f"expected a tokenizer of {config.vocabulary} subwords, received {tokenizer.size}")
    return KINDS[config.family](path.name, network, tokenizer)


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
