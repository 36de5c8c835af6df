"""A table that a person has typed: words and a few numbers each, checked cell by cell, and as a short text for links.

Cells are text, as typed: what is no number is named by its row and column instead of being lost on the way.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from transformer.analysis.by_hand import Array

FEATURES = ("thing", "motion", "place", "time")
MAX_WORDS, MAX_WIDTH, MAX_LETTERS, MAX_SIZE = 16, 8, 24, 1000.0

# Made by hand for the sentence that the page begins with: what each word has to do with things, motion, place, time.
MEANINGS = {
    "the": (0.2, -0.2, 0.0, 0.0),
    "train": (1.2, 0.6, 0.2, 0.0),
    "left": (0.0, 1.2, 1.0, -0.6),
    "station": (0.8, 0.0, 1.2, -0.8),
    "on": (-0.4, -0.2, 0.0, 1.0),
    "time": (-0.8, -0.8, -0.8, 1.2),
    ".": (0.2, 0.0, -0.2, -0.2),
}

Rows = list[list[str]]


class Table(NamedTuple):
    """A good table: its words, and a vector (T, D) for each."""

    words: tuple[str, ...]
    vectors: Array


def words_of(text: str) -> list[str]:
    """A sentence as words and signs of punctuation."""
    return re.findall(r"\w+(?:['’]\w+)*|[^\w\s]", text)


def sentence_of(words: Sequence[str]) -> str:
    """The other way: no space before what closes."""
    return re.sub(r" ([.,;:!?…)\]}»])", r"\1", " ".join(words))


def rows_for(words: Sequence[str], known: Sequence[Sequence[str]] = ()) -> Rows:
    """A table for these words: numbers that they have in `known`, or by hand, or else made up (always the same)."""
    given = {str(row[0]): [str(cell) for cell in row[1:]] for row in known if len(row) == len(FEATURES) + 1}
    rows = []
    for word in words[:MAX_WORDS]:
        numbers = MEANINGS.get(word.lower())
        if numbers is None:
            rng = np.random.default_rng(zlib.crc32(word.lower().encode()))
            numbers = tuple(rng.integers(-5, 11, len(FEATURES)) / 5)
        rows.append([word, *(given.get(word) or (f"{number:g}" for number in numbers))])
    return rows


def read(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> Table:
    """A typed table as numbers. Rows in which nothing stands at the end of the table are left out.

    Args:
        rows: for each word its text and one cell a column; cells are text, numbers or None.
        columns: names of the columns after the first, for messages.

    Raises:
        ValueError: names the row (counted from 1) and the column of the first cell that is no good.
    """
    cells = [["" if cell is None or cell != cell else str(cell).strip() for cell in row] for row in rows]
    while cells and not any(cells[-1]):
        cells.pop()
    if len(cells) < 2:
        raise ValueError(f"The table has {_count(len(cells), 'row')}; attention needs at least two words.")
    if len(cells) > MAX_WORDS:
        raise ValueError(f"The table has {len(cells)} rows; there is room for {MAX_WORDS}.")
    if not 1 <= len(columns) <= MAX_WIDTH:
        raise ValueError(
            f"The table has {len(columns)} columns of numbers; there is room for 1 to {MAX_WIDTH}."
        )
    vectors = np.zeros((len(cells), len(columns)))
    for place, row in enumerate(cells, 1):
        if not any(row):
            raise ValueError(f"Row {place} is empty: give it a word and numbers, or delete it.")
        if not row[0]:
            raise ValueError(f"Row {place} has no word.")
        if len(row[0]) > MAX_LETTERS:
            raise ValueError(f"Row {place}: “{row[0][:MAX_LETTERS]}…” is longer than {MAX_LETTERS} letters.")
        if len(row) != len(columns) + 1:
            given, wanted = _count(len(row) - 1, "number"), _count(len(columns), "column")
            raise ValueError(f"Row {place} (“{row[0]}”) has {given}, the table has {wanted}.")
        for column, (name, cell) in enumerate(zip(columns, row[1:], strict=True)):
            vectors[place - 1, column] = _number(cell, f"Row {place} (“{row[0]}”), column “{name}”")
    return Table(tuple(row[0] for row in cells), vectors)


def encode(rows: Sequence[Sequence[object]]) -> str:
    """A table as a short text: `train,1,0.5;left,0,1`. Commas, semicolons and backslashes of a word are escaped."""
    return ";".join(
        ",".join(re.sub(r"([\\,;])", r"\\\1", "" if c is None or c != c else str(c).strip()) for c in row)
        for row in rows
    )


def decode(text: str) -> Rows:
    """What `encode` wrote; any text is some table, whose faults `read` names.

    Raises:
        ValueError: more text than a table can have.
    """
    if len(text) > 4000:
        raise ValueError(f"The table in the address has {len(text)} characters; there is room for 4000.")
    rows: Rows = [[""]]
    for part in re.findall(r"\\.|.", text, re.DOTALL):
        if part == ";":
            rows.append([""])
        elif part == ",":
            rows[-1].append("")
        else:
            rows[-1][-1] += part[1:] if len(part) == 2 else part
    return rows


def columns_for(rows: Sequence[Sequence[object]]) -> list[str]:
    """Names for as many columns of numbers as most rows have: the four meanings, or numbers if there are not four."""
    widths = Counter(len(row) - 1 for row in rows)
    width = min(max(widths, key=lambda w: (widths[w], w), default=0), MAX_WIDTH + 1)
    return list(FEATURES) if width == len(FEATURES) else [str(i + 1) for i in range(width)]


def _number(cell: str, where: str) -> float:
    if not cell:
        raise ValueError(f"{where} is empty: expected a number.")
    try:
        # "1,5" is how much of the world writes it.
        number = float(cell.replace(",", ".").replace("−", "-"))
    except ValueError:
        raise ValueError(f"{where}: expected a number, received “{cell[:20]}”.") from None
    if not math.isfinite(number) or abs(number) > MAX_SIZE:
        raise ValueError(
            f"{where}: expected a number from −{MAX_SIZE:g} to {MAX_SIZE:g}, received {cell[:20]}."
        )
    return number


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
