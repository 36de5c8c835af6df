"""`load(name)` -> a model with `.trace(...)` and `.ask(...)`: the only place that joins inputs, networks and `Trace`.

What runs networks brings TensorFlow and is imported when somebody asks for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformer.pipeline.characters import CharacterRecurrent, CharacterWriter
    from transformer.pipeline.listener import Listener
    from transformer.pipeline.loading import find, load, open_folder, shipped
    from transformer.pipeline.model import Model
    from transformer.pipeline.reader import TextReader
    from transformer.pipeline.translator import Embedded, Translator
    from transformer.pipeline.writer import Writer

__all__ = [
    "CharacterRecurrent",
    "CharacterWriter",
    "Embedded",
    "Listener",
    "Model",
    "TextReader",
    "Translator",
    "Writer",
    "find",
    "load",
    "open_folder",
    "shipped",
]

_PLACES = {
    "characters": ("CharacterRecurrent", "CharacterWriter"),
    "listener": ("Listener",),
    "loading": ("find", "load", "open_folder", "shipped"),
    "model": ("Model",),
    "reader": ("TextReader",),
    "translator": ("Embedded", "Translator"),
    "writer": ("Writer",),
}


def __getattr__(name: str) -> Any:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
