"""What a model looked at while it worked: the one contract between models and views.

A model fills a `Trace`; analysis, figures and pages read it and know nothing of the network behind it.
Everything here is numpy and the standard library, and all of it is immutable, so that one trace can be
shared by every visitor. How a trace is written to a file and read back is `tracefile`.

Letters for shapes: L layers, H heads, Q queries, K keys.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

Kind = Literal["encoder", "decoder", "cross"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Scalar = str | int | float | bool | None
FloatArray = npt.NDArray[np.float32]

# Rows that a network computed in bfloat16 or float16 sum to one within less than this.
ROW_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Label:
    """One position of an axis.

    Args:
        text: the token as people write it: no `▁`, no `##`. U+0000, which nothing can show, becomes `␀`.
        special: a marker of the model (start, end, separator), not something a person wrote.
        joins: this subword continues the word of the label before it.
        start, end: seconds, for speech; both or neither.
        id: the token's number in the network's vocabulary; None where a label is no single token.
    """

    text: str
    special: bool = field(default=False, kw_only=True)
    joins: bool = field(default=False, kw_only=True)
    start: float | None = field(default=None, kw_only=True)
    end: float | None = field(default=None, kw_only=True)
    # Two positions that read the same are the same to whoever looks.
    id: int | None = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ValueError(f"expected a label's text as str, received {type(self.text).__name__}")
        if self.id is not None and (type(self.id) is not int or not 0 <= self.id < 2**63):
            raise ValueError(
                f"expected a label's id as a whole number from 0 to 2^63 - 1, received {self.id!r}"
            )
        if "\0" in self.text:
            object.__setattr__(self, "text", self.text.replace("\0", "␀"))
        if (self.start is None) != (self.end is None):
            raise ValueError(
                f"expected both start and end or neither, received start={self.start}, end={self.end}"
            )
        if self.start is None or self.end is None:
            return
        if not (math.isfinite(self.start) and math.isfinite(self.end) and self.start <= self.end):
            raise ValueError(f"expected finite seconds with start <= end, received {self.start}..{self.end}")


def as_labels(labels: Iterable[Label | str]) -> tuple[Label, ...]:
    """Labels as a tuple; plain strings become labels without further properties."""
    return tuple(label if isinstance(label, Label) else Label(label) for label in labels)


def frozen_array(values: npt.ArrayLike, dims: int, name: str) -> FloatArray:
    """`values` as a read-only, finite float32 array of `dims` dimensions.

    An array that is float32 and read-only already is taken as it is; one that its owner could still write to
    is copied.
    """
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
        array = np.asarray(values, np.float32)
    if array.ndim != dims:
        raise ValueError(f"expected {name} with {dims} dimensions, received shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"expected {name} to be finite, received NaN or infinity")
    if array.flags.writeable:
        # A conversion has made an array of its own; anything else may still be someone's.
        array = array.copy() if array is values or array.base is not None else array
        array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """The attention of every layer and head of one stack.

    Args:
        kind: "encoder" (self-attention of the encoder), "decoder" (causal self-attention), or "cross" (the
            decoder looks at the encoder).
        weights: float32 (L, H, Q, K); each row, the weights of one query, is a distribution over keys.
        queries: Q labels, the positions that look; plain strings are accepted.
        keys: K labels, the positions that are looked at.

    Raises:
        ValueError: a shape does not fit its labels, or a row is not a distribution.
    """

    kind: Kind
    weights: FloatArray
    queries: tuple[Label, ...]
    keys: tuple[Label, ...]

    def __init__(
        self, kind: str, weights: npt.ArrayLike, queries: Iterable[Label | str], keys: Iterable[Label | str]
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"expected a kind out of {', '.join(KINDS)}, received {kind!r}")
        array = frozen_array(weights, 4, "weights (layers, heads, queries, keys)")
        rows, columns = as_labels(queries), as_labels(keys)
        if array.shape[2:] != (len(rows), len(columns)):
            fitting = f"(layers, heads, {len(rows)}, {len(columns)})"
            raise ValueError(f"expected weights {fitting} to fit the labels, received {array.shape}")
        if not all(array.shape):
            raise ValueError(f"expected at least one layer, head, query and key, received {array.shape}")
        if array.min() < 0:
            raise ValueError(f"expected weights of at least 0, received {array.min():.6g}")
        off = np.abs(array.sum(-1, dtype=np.float64) - 1).max()
        if off > ROW_TOLERANCE:
            raise ValueError(
                f"expected every row to sum to 1 within {ROW_TOLERANCE:g}, received a row off by {off:.6g}"
            )
        for name, value in (("kind", kind), ("weights", array), ("queries", rows), ("keys", columns)):
            object.__setattr__(self, name, value)

    @property
    def layers(self) -> int:
        """How many layers."""
        return int(self.weights.shape[0])

    @property
    def heads(self) -> int:
        """How many heads each layer has."""
        return int(self.weights.shape[1])


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that the model could have written instead.

    Args:
        text: the token as people write it.
        probability: 0 to 1.
        id: the token's number in the network's vocabulary; None where it is not known, as in a trace from a file.
    """

    text: str
    probability: float
    id: int | None = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        if not -1e-6 <= self.probability <= 1 + 1e-6:
            raise ValueError(f"expected a probability from 0 to 1, received {self.probability}")


class Word(NamedTuple):
    """A word and when it was spoken: seconds, and a confidence from 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Step:
    """One written token.

    Args:
        token: the token as people write it.
        log_probability: natural logarithm of the probability that the model gave to this token.
        entropy: of the model's whole distribution at this step, in bits.
        alternatives: the most probable tokens here, best first; the written one may be among them.
    """

    token: str
    log_probability: float
    entropy: float
    alternatives: tuple[Alternative, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.log_probability) and self.log_probability <= 1e-3):
            raise ValueError(
                f"expected a finite log-probability of at most 0, received {self.log_probability}"
            )
        if not (math.isfinite(self.entropy) and self.entropy >= -1e-3):
            raise ValueError(f"expected a finite entropy of at least 0 bits, received {self.entropy}")
        object.__setattr__(self, "alternatives", tuple(self.alternatives))

    @property
    def probability(self) -> float:
        """The probability of the written token, 0 to 1."""
        return min(1.0, math.exp(self.log_probability))


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """The picture of sound that a speech model read.

    Args:
        values: float32 (frames, bins).
        seconds_per_frame: from one frame to the next.
    """

    values: FloatArray
    seconds_per_frame: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen_array(self.values, 2, "spectrogram (frames, bins)"))
        if not (math.isfinite(self.seconds_per_frame) and self.seconds_per_frame > 0):
            raise ValueError(f"expected seconds_per_frame above 0, received {self.seconds_per_frame}")


@dataclass(frozen=True, eq=False)
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
            "options": _checked_options(options or {}),
            "words": tuple(_checked_word(Word(*word)) for word in words),
        }
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

    def save(self, path: str | PathLike[str]) -> None:
        """Write to `path`; its suffix decides the format: `.npz` (exact) or `.json` (7 decimals)."""
        from transformer import tracefile

        tracefile.save(self, path)

    @staticmethod
    def load(path: str | PathLike[str]) -> Trace:
        """Read what `save` wrote.

        A stranger's file is safe to load: it is a Trace or raises ValueError, and nothing in it is executed.
        """
        from transformer import tracefile

        return tracefile.load(path)

    def to_bytes(self, format: str) -> bytes:
        """The content of the file that `save` would write; `format` is "npz" or "json"."""
        from transformer import tracefile

        return tracefile.to_bytes(self, format)

    @staticmethod
    def from_bytes(data: bytes, format: str) -> Trace:
        """The trace in the content of a file; `format` is "npz" or "json". Errors as with `load`."""
        from transformer import tracefile

        return tracefile.from_bytes(data, format)


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
    if not (
        isinstance(word.text, str) and all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)
    ):
        raise ValueError(f"expected a word with its seconds and confidence, received {word}")
    if not (0 <= word.start <= word.end and 0 <= word.confidence <= 1 + 1e-6):
        raise ValueError(f"expected a word that ends after it begins, received {word}")
    return word


def _checked_options(options: Mapping[str, Scalar | np.generic]) -> Mapping[str, Scalar]:
    plain: dict[str, Scalar] = {}
    for name, value in options.items():
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(name, str) or not (value is None or isinstance(value, str | int | float | bool)):
            raise ValueError(
                f"expected options of str to str, number, bool or None, received {name!r}: {value!r}"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"expected finite numbers as options, received {name}={value}")
        plain[name] = value
    return MappingProxyType(plain)
