"""From a name to a model: a shipped one, a folder, or a checkpoint on the hub."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Any, Literal, overload

from transformer import home
from transformer.checkpoints import folder, hub
from transformer.checkpoints.hub import Progress
from transformer.checkpoints.look import OURS, fits, look
from transformer.kinds import kind_of, named
from transformer.models.assembly import assemble
from transformer.pipeline.characters import CharacterRecurrent, CharacterWriter
from transformer.pipeline.checkpoint import open_checkpoint
from transformer.pipeline.listener import Listener
from transformer.pipeline.model import Model
from transformer.pipeline.reader import TextReader
from transformer.pipeline.translator import Translator
from transformer.pipeline.writer import Writer
from transformer.search import ngram
from transformer.text.characters import CharacterTokenizer
from transformer.text.tokenizer import SubwordTokenizer

# The shipped names, so that an editor knows what `load` gives for them; a test holds them to what is shipped.
Translates = Literal["pt-en", "rnn-additive", "rnn-multiplicative"]
Reads = Literal["sentiment-en", "sentiment-en-unordered"]


@overload
def load(name: Translates, *, progress: Progress | None = None) -> Translator: ...
@overload
def load(name: Reads, *, progress: Progress | None = None) -> TextReader: ...
@overload
def load(name: Literal["next-word-en"], *, progress: Progress | None = None) -> Writer: ...
@overload
def load(
    name: Literal["shakespeare-transformer"], *, progress: Progress | None = None
) -> CharacterWriter: ...
@overload
def load(name: Literal["shakespeare-lstm"], *, progress: Progress | None = None) -> CharacterRecurrent: ...
@overload
def load(name: Literal["speech-en"], *, progress: Progress | None = None) -> Listener: ...
@overload
def load(name: str | PathLike[str], *, progress: Progress | None = None) -> Model: ...
def load(name: str | PathLike[str], *, progress: Progress | None = None) -> Model:
    """A shipped model by name; any model folder, of this project or in the Hugging Face format; or a hub id.

    Args:
        name: such as "pt-en", "runs/mine", "~/mine" or "org/name".
        progress: told how many bytes of a hub id have been fetched, and of how many.

    Returns:
        A `Translator`, `Writer`, `TextReader` or `Listener`, as the network is.

    Raises:
        ValueError: nothing there by that name, a folder that is not a whole model of a family that is known, or one
            that does not fit into memory.
    """
    path = find(name, progress=progress)
    return open_folder(path, path.name if _here(name) else str(name))


def open_folder(path: Path, name: str) -> Model:
    """The model in a folder, called `name`; see `load`."""
    found = look(path)
    fits(found.memory)
    if found.kind != OURS:
        return open_checkpoint(path, name)
    config = found.config
    network = assemble(config)
    network.build()
    folder.assign_weights(network, folder.load_weights(path / folder.WEIGHTS))
    characters = config.tokens == "characters"
    reader: Any = CharacterTokenizer if characters else SubwordTokenizer
    tokenizer = reader.load(path / folder.TOKENIZER)
    if tokenizer.size != config.vocabulary:
        raise ValueError(f"expected a tokenizer of {config.vocabulary} subwords, received {tokenizer.size}")
    if config.family == "speech" and (path / ngram.FILE).is_file():
        counted = ngram.load(path / ngram.FILE, config.vocabulary, config.end_id)
        return Listener(name, network, tokenizer, ngram=counted)
    model: Model = named(kind_of(config.family, config.tokens).model)(name, network, tokenizer)
    return model


def find(name: str | PathLike[str], *, progress: Progress | None = None) -> Path:
    """The folder of a shipped name, the folder of that path, or that of a hub id, which is fetched if need be."""
    if found := _here(name):
        return found
    if hub.is_id(str(name)):
        return hub.fetch(str(name), progress)
    raise ValueError(
        f"expected a shipped model ({', '.join(shipped())}), a folder or a hub id such as org/name, "
        f"received {str(name)[:200]!r}"
    )


def _here(name: str | PathLike[str]) -> Path | None:
    """The folder of a shipped name or of a path on this machine; None for what may be a hub id."""
    if not isinstance(name, str | PathLike):
        raise ValueError(f"expected a model's name, a folder or a hub id, received {name!r}")
    if str(name) in shipped():
        return home.models() / name
    path = os.path.expanduser(name)
    # Of names that no system can hold, this says no, where `Path.is_dir` raises an OSError.
    return Path(path).resolve() if os.path.isdir(path) else None


def shipped() -> list[str]:
    """Names of the models that come with the project."""
    return sorted(p.parent.name for p in home.models().glob(f"*/{folder.CONFIG}"))
