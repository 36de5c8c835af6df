"""A JSON file that somebody else wrote -> the object in it, or one line on why not.

Every such file of a model folder is read here: settings, indices, vocabularies. What costs the reader more than the
writer is refused: size, depth, numbers of thousands of digits (Python refuses the last two itself).
"""

from __future__ import annotations

import json
import reprlib
from pathlib import Path
from typing import Any

# Settings of published models take kilobytes, an index of many files a few megabytes: this many are parsed at once.
SETTINGS = 4 * 2**20
# A vocabulary of half a million subwords takes about 20 MB.
VOCABULARY = 64 * 2**20


def read_object(path: Path, most: int = SETTINGS) -> dict[str, Any]:
    """The object in a JSON file of at most so many bytes.

    Raises:
        ValueError: no such file, one that is empty or too large, or something else than an object.
    """
    content = read_bytes(path, most)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"expected JSON in {path.name}, received {' '.join(str(error).split())[:100]}"
        ) from error
    if not isinstance(found, dict):
        raise ValueError(f"expected a JSON object in {path.name}, received {type(found).__name__}")
    return found


def read_bytes(path: Path, most: int) -> bytes:
    """The content of an ordinary file; no more of it is read than that, whatever its size.

    Raises:
        ValueError: no such file, or one that is empty or too large.
    """
    try:
        if not path.is_file():  # a device or a pipe is read for ever
            raise ValueError(f"expected a file {path.name} in {path.parent.name}, received none")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ValueError(f"expected {path.name} in {path.parent.name}, received {error.strerror}") from error
    if not 0 < len(content) <= most:
        size = f"more than {most / 2**20:g} MB" if content else "an empty file"
        raise ValueError(f"expected a file of at most {most / 2**20:g} MB at {path.name}, received {size}")
    return content


def shown(value: object) -> str:
    """A value as a message may hold it: a few characters of what may be megabytes."""
    return reprlib.repr(value)
