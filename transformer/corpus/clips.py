"""Recorded clips and what is said in them.

A manifest is a tab-separated file with a header: `path` (below the manifest's folder), the words in `transcript`,
`digit` or `word`, and who speaks in `speaker`.
"""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path
from typing import NamedTuple

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Clip(NamedTuple):
    """A line of a manifest: where the sound is, what is said, by whom."""

    path: str
    transcript: str
    speaker: str


def plain(text: str) -> str:
    """A transcript in the letters a to z, apostrophes and single spaces; digits become words, one by one."""
    text = unicodedata.normalize("NFKD", text.replace("’", "'")).lower()
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = "".join(f" {DIGITS[int(c)]} " if c in "0123456789" else c for c in text)
    return " ".join("".join(c if "a" <= c <= "z" or c == "'" else " " for c in text).split())


def read_manifest(path: Path) -> list[Clip]:
    """The clips of a manifest, transcripts made plain.

    Raises:
        ValueError: no UTF-8 text; a column that is missing; a line with other columns, without a path or words.
    """
    clips = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            header = next(lines, [])
            words = next((name for name in ("transcript", "digit", "word") if name in header), None)
            if words is None or "path" not in header:
                raise ValueError(
                    f"expected columns path and transcript, digit or word in {path.name}, received {header}"
                )
            for number, fields in enumerate(lines, 2):
                if len(fields) != len(header):
                    raise ValueError(
                        f"expected {len(header)} columns in line {number} of {path.name}, received {len(fields)}"
                    )
                row = dict(zip(header, fields, strict=True))
                clip = Clip(row["path"], plain(row[words]), row.get("speaker", ""))
                if not clip.path or not clip.transcript:
                    raise ValueError(
                        f"expected a path and words in line {number} of {path.name}, received {fields}"
                    )
                clips.append(clip)
    except UnicodeDecodeError as error:
        raise ValueError(f"expected UTF-8 text in {path.name}, received {error}") from error
    return clips
