"""All that is known of one run of a model."""

from __future__ import annotations

import math
import os
import reprlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from transformer.trace import files
from transformer.trace.files import Fields
from transformer.trace.labels import Label, as_labels
from transformer.trace.maps import AttentionMap, FloatArray, Kind, Spectrogram, frozen_array
from transformer.trace.steps import Answer, Step, Word

Scalar = str | int | float | bool | None

# What `Trace.save` can write: the formats of `files`, and a page.
WRITTEN = (*files.FORMATS, "html")


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """All that is known of one run of a model.

    Args:
        maps: at most one AttentionMap of each kind; depths may differ.
        output: the text that came out (a translation, a transcript, a class).
        steps: one Step per output token, in order; empty where a model writes no tokens.
        source: labels of the input's positions.
        target: labels of the output's tokens; as many as steps where both are given.
        positions: the position table that the network really added, float32 (length, width), or None.
        spectrogram: for speech, what the network read.
        model: the model's name.
        input: the text, or the name of the clip, that went in.
        options: small settings of this run (beam width, penalties): str to str, number, bool or None.
        words: for speech, the words of the output with their times, where somebody has asked for them.
        answers: of a network that reads, the classes, labels or numbers it gives to the text, or the stretches that it
            marks in it; the option "answers" says which: classes (one of them), labels (any of them), score,
            token_classes, or replaced.

    `trace["cross"]` is the map of that kind, `"cross" in trace` says whether there is one, and iteration
    yields the kinds.
    """

    maps: tuple[AttentionMap, ...]
    output: str
    steps: tuple[Step, ...] = ()
    source: tuple[Label, ...] = ()
    target: tuple[Label, ...] = ()
    positions: FloatArray | None = None
    spectrogram: Spectrogram | None = None
    model: str = ""
    input: str = ""
    options: Mapping[str, Scalar] = field(default_factory=dict)
    words: tuple[Word, ...] = ()
    answers: tuple[Answer, ...] = ()

    def __init__(
        self,
        maps: Iterable[AttentionMap],
        output: str,
        steps: Iterable[Step] = (),
        *,
        source: Iterable[Label | str] = (),
        target: Iterable[Label | str] = (),
        positions: npt.ArrayLike | None = None,
        spectrogram: Spectrogram | None = None,
        model: str = "",
        input: str = "",
        options: Mapping[str, Scalar | np.generic] | None = None,
        words: Iterable[Word] = (),
        answers: Iterable[Answer] = (),
    ) -> None:
        values: dict[str, Any] = {
            "maps": _one_of_each_kind(maps),
            "output": output,
            "steps": tuple(steps),
            "source": as_labels(source),
            "target": as_labels(target),
            "positions": None
            if positions is None
            else frozen_array(positions, 2, "positions (length, width)"),
            "spectrogram": spectrogram,
            "model": model,
            "input": input,
            "options": _checked_options({} if options is None else options),
            "words": tuple(_checked_word(Word(*word)) for word in words),
            "answers": tuple(answers),
        }
        beyond = [answer for answer in values["answers"] if (answer.end or 0) > len(values["source"])]
        if beyond:
            received = f"one up to {beyond[0].end}"
            raise ValueError(
                f"expected answers within {len(values['source'])} positions, received {received}"
            )
        if values["steps"] and values["target"] and len(values["steps"]) != len(values["target"]):
            received = f"{len(values['steps'])} steps and {len(values['target'])} labels"
            raise ValueError(f"expected one step per target label, received {received}")
        for name in ("output", "model", "input"):
            if not isinstance(values[name], str):
                raise ValueError(f"expected {name} as str, received {type(values[name]).__name__}")
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __getitem__(self, kind: str) -> AttentionMap:
        for attention in self.maps:
            if attention.kind == kind:
                return attention
        raise KeyError(f"expected a kind out of {', '.join(self)}, received {kind!r}")

    def __contains__(self, kind: object) -> bool:
        return any(attention.kind == kind for attention in self.maps)

    def __iter__(self) -> Iterator[Kind]:
        return (attention.kind for attention in self.maps)

    def __len__(self) -> int:
        return len(self.maps)

    @property
    def nbytes(self) -> int:
        """Bytes that the arrays occupy."""
        arrays = [attention.weights for attention in self.maps]
        arrays += [] if self.positions is None else [self.positions]
        arrays += [] if self.spectrogram is None else [self.spectrogram.values]
        return sum(array.nbytes for array in arrays)

    def __repr__(self) -> str:
        maps = ", ".join(f"{attention.kind} {attention.weights.shape}" for attention in self.maps)
        texts = f"{_short(self.input)} -> {_short(self.output)}"
        return f"<Trace of {self.model or 'no model'}\n {texts}\n {maps or 'no maps'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy goes through the constructor, which makes its arrays and options read-only again.
        return _from_fields, (self._fields() | {"options": dict(self.options)},)

    def _fields(self) -> Fields:
        return cast(Fields, {field.name: getattr(self, field.name) for field in fields(self)})

    def save(self, path: str | PathLike[str]) -> None:
        """Write to `path`; its suffix decides the format.

        `.npz` is exact, `.json` has 7 decimals, and `.html` is a page that shows all heads anywhere, which `load` does
        not read.
        """
        path = Path(os.path.expanduser(path))
        format = path.suffix.lower().removeprefix(".")
        if format not in WRITTEN:
            raise ValueError(f"expected a file name ending in .npz, .json or .html, received {path.name!r}")
        path.write_bytes(self.to_bytes(format))

    @staticmethod
    def load(path: str | PathLike[str]) -> Trace:
        """Read what `save` wrote as `.npz` or `.json`.

        A stranger's file is safe to load: it is a Trace or raises ValueError, and nothing in it is executed.
        """
        return _from_fields(files.load(path))

    def to_bytes(self, format: str) -> bytes:
        """The content of the file that `save` would write; `format` is "npz", "json" or "html"."""
        if format == "html":
            from transformer.figures.standalone import html

            return html(self).encode()
        if format not in WRITTEN:
            raise ValueError(f"expected a format out of {', '.join(WRITTEN)}, received {format!r}")
        return files.to_bytes(self._fields(), format)

    @staticmethod
    def from_bytes(data: bytes, format: str) -> Trace:
        """The trace in the content of a file; `format` is "npz" or "json". Errors as with `load`."""
        return _from_fields(files.from_bytes(data, format))


def _from_fields(given: Fields) -> Trace:
    return Trace(**given)


def _short(text: str, longest: int = 80) -> str:
    return repr(text if len(text) <= longest else f"{text[: longest - 1]}…")


def _one_of_each_kind(maps: Iterable[AttentionMap]) -> tuple[AttentionMap, ...]:
    given = tuple(maps)
    for attention in given:
        if not isinstance(attention, AttentionMap):
            raise ValueError(f"expected maps of type AttentionMap, received {type(attention).__name__}")
    kinds = [attention.kind for attention in given]
    if len(set(kinds)) != len(kinds):
        raise ValueError(f"expected at most one map of each kind, received {', '.join(kinds)}")
    return given


def _checked_word(word: Word) -> Word:
    numbers = word[1:]
    # Compared, not asked whether it is finite: a whole number may be too large for a float.
    if not (
        isinstance(word.text, str)
        and all(isinstance(n, int | float) and 0 <= n <= sys.float_info.max for n in numbers)
    ):
        raise ValueError(
            f"expected a word with its seconds and confidence, received {reprlib.repr(tuple(word))}"
        )
    if not (word.start <= word.end and word.confidence <= 1 + 1e-6):
        raise ValueError(f"expected a word that ends after it begins, received {word}")
    return word


def _checked_options(options: Mapping[str, Scalar | np.generic]) -> Mapping[str, Scalar]:
    if not isinstance(options, Mapping):
        raise ValueError(f"expected options by name, received {type(options).__name__}")
    plain: dict[str, Scalar] = {}
    for name, value in options.items():
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(name, str) or not (value is None or isinstance(value, str | int | float | bool)):
            raise ValueError(
                "expected options of str to str, number, bool or None, "
                f"received {reprlib.repr(name)}: {reprlib.repr(value)}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"expected finite numbers as options, received {name}={value}")
        plain[name] = value
    return MappingProxyType(plain)
