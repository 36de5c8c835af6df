"""The tensors of a published folder: one safetensors file, or several with an index.

Only safetensors is read: a pickle (`pytorch_model.bin`, `.pt`) can run code when it is opened. Names, shapes and number
types are known from the files' headers before anything large is read. Format: huggingface/safetensors, README "Format".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, deserialize, safe_open

from transformer.untrusted import read_object, shown

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
# Other formats of weights: their name, the files that hold them, and the way to safetensors.
_OPEN = "Open the checkpoint that it was made from"
_SAVE = (
    "Convert it where you trust it, by transformers: model.save_pretrained(folder, safe_serialization=True)"
)
_OTHERS = (
    ("GGUF", ("*.gguf",), 'Convert it, by transformers: AutoModel.from_pretrained(folder, gguf_file="NAME")'
     ".save_pretrained(other)"),
    ("ONNX", ("*.onnx", "onnx/*.onnx"), _OPEN),
    ("CTranslate2", ("model.bin",), _OPEN),
    ("a pickle, which can run code when it is opened", ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl"), _SAVE),
    ("Keras or Flax", ("*.h5", "*.msgpack"), _SAVE),
)  # fmt: skip
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


class Header(NamedTuple):
    """Where a tensor lies and what it is, without its numbers."""

    name: str
    file: Path
    shape: tuple[int, ...]
    dtype: str


def only_safetensors(folder: Path) -> None:
    """Refuse a folder whose weights are in another format alone.

    Raises:
        ValueError: names the format and the way to safetensors.
    """
    if (folder / SINGLE).is_file() or (folder / INDEX).is_file():
        return
    for format, patterns, way in _OTHERS:
        if found := sorted(path.name for pattern in patterns for path in folder.glob(pattern)):
            raise ValueError(
                f"expected {SINGLE} in {folder.name}, received {found[0]}: {format}. {way.replace('NAME', found[0])}"
            )


def headers(folder: Path) -> dict[str, Header]:
    """Every tensor of the folder by name, read from the headers alone.

    Raises:
        ValueError: no safetensors file, an index that points elsewhere, a damaged file, or an unknown number type.
    """
    found: dict[str, Header] = {}
    for file, wanted in _files(folder).items():
        with _opened(file) as tensors:
            for name in tensors.keys() if wanted is None else wanted:
                try:
                    piece = tensors.get_slice(name)
                except SafetensorError as error:
                    raise ValueError(f"expected {name} in {file.name}, received a file without it") from error
                header = Header(name, file, tuple(piece.get_shape()), str(piece.get_dtype()))
                if header.dtype not in _BYTES:
                    raise ValueError(f"expected numbers of a known type in {name}, received {header.dtype}")
                found[name] = header
    if not found:
        raise ValueError(f"expected tensors in {folder.name}, received none")
    return found


def size(found: Iterable[Header]) -> int:
    """How many numbers there are."""
    return sum(prod(header.shape) for header in found)


def tensors(wanted: Iterable[Header]) -> Iterator[tuple[Header, np.ndarray]]:
    """The tensors one by one, file by file, as stored; bfloat16 becomes float32.

    Raises:
        ValueError: a damaged file.
    """
    for file, group in groupby(
        sorted(wanted, key=lambda header: (header.file, header.name)), lambda h: h.file
    ):
        here = list(group)
        # numpy has no bfloat16: it is the upper half of a float32.
        halves = any(header.dtype == "BF16" for header in here)
        raw = dict(deserialize(file.read_bytes())) if halves else {}
        with _opened(file) as opened:
            for header in here:
                if header.dtype == "BF16":
                    upper = np.frombuffer(raw[header.name]["data"], np.uint16).astype(np.uint32) << 16
                    yield header, upper.view(np.float32).reshape(header.shape)
                else:
                    yield header, opened.get_tensor(header.name)


def _files(folder: Path) -> dict[Path, list[str] | None]:
    """Each file and which tensors to take from it; None takes all."""
    if (folder / SINGLE).is_file():
        return {folder / SINGLE: None}
    if not (folder / INDEX).is_file():
        only_safetensors(folder)
        raise ValueError(f"expected {SINGLE} in {folder.name}, received a folder without it")
    places = read_object(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ValueError(f"expected a weight_map in {INDEX}, received none")
    files: dict[Path, list[str] | None] = {}
    for name, place in places.items():
        # A name such as ../../secret or /etc/passwd would lead out of the folder.
        if not isinstance(place, str) or Path(place).name != place or not place.endswith(".safetensors"):
            raise ValueError(f"expected names of safetensors files in {INDEX}, received {shown(place)}")
        if not (folder / place).is_file():
            raise ValueError(f"expected {place} in {folder.name}, received an index that names it without it")
        listed = files.setdefault(folder / place, [])
        if listed is not None:
            listed.append(name)
    return files


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        with safe_open(file, "numpy") as opened:
            yield opened
    except (SafetensorError, OSError, MemoryError) as error:
        raise ValueError(
            f"expected a whole safetensors file at {file.name}, received {str(error)[:120]}"
        ) from error
