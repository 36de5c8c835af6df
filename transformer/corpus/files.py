"""What stands in a text file, packed with gzip or not: pairs, paragraphs, or all of it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from transformer.text.tokenizer import clean


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """The file as text; what turns out to be none raises ValueError."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            yield lines
    except (UnicodeDecodeError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(f"expected UTF-8 text in {path.name}, received {error}") from error


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """The `source<TAB>target` lines of a .tsv or .tsv.gz file.

    Raises:
        ValueError: a line without exactly two columns, with its number; a file that cannot be read as text.
    """
    pairs = []
    with _opened(path) as lines:
        for number, line in enumerate(lines, 1):
            columns = line.rstrip("\n").split("\t")
            if len(columns) != 2:
                raise ValueError(
                    f"expected two columns in line {number} of {path.name}, received {len(columns)}"
                )
            pairs.append((columns[0], columns[1]))
    return pairs


def read_paragraphs(path: Path) -> list[str]:
    """The paragraphs of a .txt or .txt.gz file, one a line; empty lines are left out.

    Raises:
        ValueError: a file that cannot be read as text.
    """
    with _opened(path) as lines:
        return [text for line in lines if (text := clean(line))]


def read_text(path: Path) -> str:
    """A .txt or .txt.gz file as it is, line breaks as `\\n`.

    Raises:
        ValueError: a file that cannot be read as text, or an empty one.
    """
    with _opened(path) as lines:
        text = lines.read()
    if not text:
        raise ValueError(f"expected text in {path.name}, received an empty file")
    return text


def numbered(labels: Sequence[str], names: Sequence[str], classes: int) -> np.ndarray:
    """The numbers (N,) of classes that are written by number from 0, or by name.

    Raises:
        ValueError: a label that is no class.
    """
    known = {str(i): i for i in range(classes)} | {name: i for i, name in enumerate(names)}
    unknown = sorted(set(labels) - known.keys())
    if unknown:
        raise ValueError(f"expected labels out of {', '.join(known)}, received {unknown[0][:80]!r}")
    return np.array([known[label] for label in labels], np.int32)
