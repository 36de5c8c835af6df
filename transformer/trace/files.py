"""How a trace is written to a file and read back: `.npz` for numpy (exact, small), `.json` for other tools.

`.npz`, readable by `numpy.load` without pickle:
    meta                            JSON text: format, version, model, input, output, options, steps, words,
                                    answers, seconds_per_frame
    encoder/weights                 float32 (layers, heads, queries, keys); likewise decoder/ and cross/
    encoder/queries                 text of the labels; likewise .../keys, source, target
    encoder/queries/special         bool, only where a label is special; .../joins likewise
    encoder/queries/seconds         float64 (labels, 2), start and end, NaN for none; only for speech
    encoder/queries/ids             int64, a token's number in the vocabulary, -1 for none
    positions, spectrogram          float32, where the trace has them

`.json`: the same names; weights as nested lists rounded to 7 decimals (read back, a weight is within 1e-7 of
the original).

Files come from strangers: nothing in one is executed (no pickle), sizes are checked before memory is taken,
and whatever is wrong with one ends in a ValueError.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from transformer.trace.labels import Label
from transformer.trace.maps import KINDS, AttentionMap, FloatArray, Spectrogram, frozen_array
from transformer.trace.steps import Alternative, Answer, Step, Word

FORMATS = ("npz", "json")
FORMAT = "headlight-trace"
VERSION = 1

# Whisper-base's 30 seconds (6 layers x 8 heads x 1500 x 1500) are 432 MB.
MAX_NPZ_BYTES = 1 << 30
# Python holds a parsed list of numbers in about eight times the memory of its text.
MAX_JSON_BYTES = 1 << 27
DECIMALS = 7

# What the parsers raise when they meet a file that is not what it says.
_MALFORMED = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError, RecursionError,
    RuntimeError, NotImplementedError, SyntaxError, MemoryError, tokenize.TokenError, struct.error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Fields(TypedDict):
    """What a file holds: the arguments of `Trace` by their names."""

    maps: tuple[AttentionMap, ...]
    output: str
    steps: tuple[Step, ...]
    source: tuple[Label, ...]
    target: tuple[Label, ...]
    positions: FloatArray | None
    spectrogram: Spectrogram | None
    model: str
    input: str
    options: Mapping[str, Any]
    words: tuple[Word, ...]
    answers: tuple[Answer, ...]


def load(path: str | PathLike[str]) -> Fields:
    """What the file at `path` holds; ValueError for what is not a trace, OSError for what cannot be read."""
    path = Path(os.path.expanduser(path))
    format = path.suffix.lower().removeprefix(".")
    if format not in FORMATS:
        raise ValueError(f"expected a file name ending in .npz or .json, received {path.name!r}")
    _check_size(path.stat().st_size, format)
    return from_bytes(path.read_bytes(), format)


def to_bytes(fields: Fields, format: str) -> bytes:
    """The content of a file; `format` is "npz" or "json"."""
    _check_format(format)
    data = _to_npz(fields) if format == "npz" else _to_json(fields)
    _check_size(len(data), format)
    return data


def from_bytes(data: bytes, format: str) -> Fields:
    """What the content of a file holds; `format` is "npz" or "json".

    Raises:
        ValueError: the content is malformed, too large, or of a newer version.
    """
    _check_format(format)
    _check_size(len(data), format)
    try:
        return _from_npz(data) if format == "npz" else _from_json(data)
    except _MALFORMED as error:
        raise ValueError(
            f"expected a Headlight trace as .{format}, received something else: {_line(error)}"
        ) from error


def _line(error: BaseException) -> str:
    """What an error says, in one line of at most 200 characters."""
    line = " ".join(str(error).split())
    return line if len(line) <= 200 else f"{line[:199]}…"


def _check_format(format: str) -> None:
    if format not in FORMATS:
        raise ValueError(f"expected a format out of {', '.join(FORMATS)}, received {format!r}")


def _check_size(size: int, format: str) -> None:
    limit = MAX_NPZ_BYTES if format == "npz" else MAX_JSON_BYTES
    if size > limit:
        hint = "; .npz holds more" if format == "json" else ""
        raise ValueError(f"expected at most {limit:,} bytes of .{format}, received {size:,}{hint}")


def _meta(fields: Fields) -> dict[str, Any]:
    """Everything that is not a matrix or a label."""
    sound = fields["spectrogram"]
    return {
        "format": FORMAT,
        "version": VERSION,
        "model": fields["model"],
        "input": fields["input"],
        "output": fields["output"],
        "options": dict(fields["options"]),
        "steps": [
            {
                "token": step.token,
                "log_probability": float(step.log_probability),
                "entropy": float(step.entropy),
                "alternatives": [
                    {"text": other.text, "probability": float(other.probability)}
                    | ({} if other.id is None else {"id": other.id})
                    for other in step.alternatives
                ],
            }
            for step in fields["steps"]
        ],
        "words": [_word_object(word) for word in fields["words"]],
        "answers": [asdict(answer) for answer in fields["answers"]],
        "seconds_per_frame": None if sound is None else float(sound.seconds_per_frame),
    }


def _word_object(word: Word) -> dict[str, Any]:
    """A word as an object that leaves out what is at its default."""
    values = word._asdict()
    return values if word.joins else {name: value for name, value in values.items() if name != "joins"}


def _fields(
    meta: Mapping[str, Any],
    maps: Iterable[AttentionMap],
    source: tuple[Label, ...],
    target: tuple[Label, ...],
    arrays: Mapping[str, Any],
) -> Fields:
    sound, positions = arrays.get("spectrogram"), arrays.get("positions")
    return Fields(
        maps=tuple(maps),
        output=meta["output"],
        steps=tuple(_step(step) for step in meta["steps"]),
        source=source,
        target=target,
        positions=None if positions is None else frozen_array(positions, 2, "positions (length, width)"),
        spectrogram=None if sound is None else Spectrogram(sound, meta["seconds_per_frame"]),
        model=meta["model"],
        input=meta["input"],
        options=meta["options"],
        words=tuple(Word(**word) for word in meta.get("words", ())),
        answers=tuple(Answer(**answer) for answer in meta.get("answers", ())),
    )


def _step(step: Mapping[str, Any]) -> Step:
    others = (
        Alternative(other["text"], other["probability"], id=other.get("id")) for other in step["alternatives"]
    )
    return Step(step["token"], step["log_probability"], step["entropy"], tuple(others))


def _check_version(meta: Mapping[str, Any]) -> None:
    if meta.get("format") != FORMAT:
        raise ValueError(f"expected format {FORMAT!r}, received {meta.get('format')!r}")
    version = meta.get("version")
    if type(version) is not int or version < 1:
        raise ValueError(f"expected a version from 1, received {version!r}")
    if version > VERSION:
        raise ValueError(f"expected a version up to {VERSION}, received {version} of a newer Headlight")


# .npz


def _to_npz(fields: Fields) -> bytes:
    arrays: dict[str, npt.NDArray[Any]] = {"meta": np.array(json.dumps(_meta(fields)))}
    for attention in fields["maps"]:
        arrays[f"{attention.kind}/weights"] = attention.weights
        if attention.windows:  # older readers leave it out
            arrays[f"{attention.kind}/windows"] = np.array(attention.windows, np.int64)
        arrays |= _label_arrays(f"{attention.kind}/queries", attention.queries)
        arrays |= _label_arrays(f"{attention.kind}/keys", attention.keys)
    arrays |= _label_arrays("source", fields["source"]) | _label_arrays("target", fields["target"])
    if fields["positions"] is not None:
        arrays["positions"] = fields["positions"]
    if fields["spectrogram"] is not None:
        arrays["spectrogram"] = fields["spectrogram"].values
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _from_npz(data: bytes) -> Fields:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        # zipfile never yields more than the declared size, so checking what is declared is enough.
        _check_size(sum(member.file_size for member in members), "npz")
        for member in members:
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"expected members stored or deflated, received {member.filename!r}")
        arrays = {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}
    meta = json.loads(str(arrays["meta"]))
    _check_version(meta)
    maps = [
        AttentionMap(
            kind,
            arrays[f"{kind}/weights"],
            _labels(arrays, f"{kind}/queries"),
            _labels(arrays, f"{kind}/keys"),
            arrays[f"{kind}/windows"].tolist() if f"{kind}/windows" in arrays else (),
        )
        for kind in KINDS
        if f"{kind}/weights" in arrays
    ]
    return _fields(meta, maps, _labels(arrays, "source"), _labels(arrays, "target"), arrays)


def _array(data: bytes) -> npt.NDArray[Any]:
    """The array in an `.npy` file: a view of its bytes, so that a false header cannot ask for memory."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"expected an array of format 1 to 3, received {version}")
    # Format 3 differs from 2 only in the encoding of field names, and an array with fields is refused below.
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    body = data[file.tell() :]
    if dtype.kind not in "fUbi" or dtype.itemsize == 0 or fortran:
        raise ValueError(f"expected numbers or text in C order, received {dtype}")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(body):
        raise ValueError(f"expected {dtype} {shape}, received {len(body)} bytes")
    if dtype.kind == "U":
        # numpy itself does not look, and Python raises SystemError when it meets what is no code point.
        points = np.frombuffer(body, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if points.max(initial=0) > sys.maxunicode:
            raise ValueError("expected text, received numbers that are no characters")
    return np.frombuffer(body, dtype).reshape(shape)


def _label_arrays(name: str, labels: Sequence[Label]) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {name: np.array([label.text for label in labels], np.str_)}
    for flag in ("special", "joins"):
        if any(getattr(label, flag) for label in labels):
            arrays[f"{name}/{flag}"] = np.array([getattr(label, flag) for label in labels], np.bool_)
    if any(label.start is not None for label in labels):
        nothing = (math.nan, math.nan)
        seconds = [nothing if label.start is None else (label.start, label.end) for label in labels]
        arrays[f"{name}/seconds"] = np.array(seconds, np.float64)
    if any(label.id is not None for label in labels):
        arrays[f"{name}/ids"] = np.array([-1 if label.id is None else label.id for label in labels], np.int64)
    return arrays


def _labels(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> tuple[Label, ...]:
    texts = arrays[name]
    if texts.dtype.kind != "U" or texts.ndim != 1:
        raise ValueError(f"expected text as {name}, received {texts.dtype} {texts.shape}")
    count = len(texts)
    special = arrays.get(f"{name}/special", np.zeros(count, np.bool_))
    joins = arrays.get(f"{name}/joins", np.zeros(count, np.bool_))
    seconds = arrays.get(f"{name}/seconds", np.full((count, 2), math.nan))
    ids = arrays.get(f"{name}/ids", np.full(count, -1, np.int64))
    if ids.dtype != np.int64 or not special.shape == joins.shape == ids.shape == (count,):
        raise ValueError(f"expected properties for {count} labels as {name}, received other shapes")
    if ids.min(initial=-1) < -1:
        raise ValueError(f"expected ids from -1 as {name}, received {ids.min()}")
    if seconds.shape != (count, 2):
        raise ValueError(f"expected properties for {count} labels as {name}, received other shapes")
    return tuple(
        Label(
            text,
            special=bool(is_special),
            joins=bool(does_join),
            start=None if math.isnan(start) else start,
            end=None if math.isnan(end) else end,
            id=None if index < 0 else index,
        )
        for text, is_special, does_join, (start, end), index in zip(
            texts.tolist(), special.tolist(), joins.tolist(), seconds.tolist(), ids.tolist(), strict=True
        )
    )


# .json


def _to_json(fields: Fields) -> bytes:
    positions, sound = fields["positions"], fields["spectrogram"]
    document = _meta(fields) | {
        "source": _label_objects(fields["source"]),
        "target": _label_objects(fields["target"]),
        "maps": {
            attention.kind: {
                "queries": _label_objects(attention.queries),
                "keys": _label_objects(attention.keys),
                "weights": _rounded(attention.weights),
            }
            | ({"windows": list(attention.windows)} if attention.windows else {})
            for attention in fields["maps"]
        },
        "positions": None if positions is None else _rounded(positions),
        "spectrogram": None if sound is None else _rounded(sound.values),
    }
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def _from_json(data: bytes) -> Fields:
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("expected an object")
    _check_version(document)
    maps = [
        AttentionMap(
            kind,
            entry["weights"],
            _label_list(entry["queries"]),
            _label_list(entry["keys"]),
            entry.get("windows", ()),
        )
        for kind, entry in document["maps"].items()
    ]
    return _fields(document, maps, _label_list(document["source"]), _label_list(document["target"]), document)


def _rounded(array: npt.NDArray[np.float32]) -> Any:
    # In float64, because a float32 would print the digits of its nearest double.
    return np.round(array.astype(np.float64), DECIMALS).tolist()


def _label_objects(labels: Sequence[Label]) -> list[dict[str, Any]]:
    """Labels as objects that leave out what is at its default."""
    objects: list[dict[str, Any]] = []
    for label in labels:
        entry: dict[str, Any] = {"text": label.text}
        entry |= {flag: True for flag in ("special", "joins") if getattr(label, flag)}
        if label.id is not None:
            entry["id"] = label.id
        if label.start is not None:
            entry |= {"start": label.start, "end": label.end}
        objects.append(entry)
    return objects


def _label_list(objects: Sequence[Mapping[str, Any]]) -> tuple[Label, ...]:
    return tuple(
        Label(
            entry["text"],
            special=entry.get("special") is True,
            joins=entry.get("joins") is True,
            start=entry.get("start"),
            end=entry.get("end"),
            id=entry.get("id"),
        )
        for entry in objects
    )
