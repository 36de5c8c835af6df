"""What does a translator lose as its input grows? BLEU over sentences put one behind the other.

Luong et al. 2015 (arXiv:1508.04025), section 5.2, ask the same by sorting a test set by length. Here every number of
sentences is measured on the same text: only where it is cut into inputs differs. `scripts/lengths.py` records the rows
for the networks that come along in `assets/recurrence/length.csv`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from transformer.pipeline import Translator

COUNTS = tuple(range(1, 9))
# The least number that every count divides, so that none leaves a sentence over.
SENTENCES = 840


class Row(NamedTuple):
    """How well one network translates inputs of so many sentences.

    inputs: how many of them; tokens: how long they are on average, in subwords; cut: how many are longer than the
    network reads and lost their end. bleu and chrf: 0 to 100.
    """

    model: str
    sentences: int
    inputs: int
    tokens: float
    cut: int
    bleu: float
    chrf: float


def joined(pairs: Sequence[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    """The pairs, `count` of them as one, with a space between; what is left over at the end is left out.

    Raises:
        ValueError: a count below 1.
    """
    if count < 1:
        raise ValueError(f"expected at least 1 sentence at once, received {count}")
    whole = len(pairs) // count * count
    return [
        (" ".join(s for s, _ in pairs[i : i + count]), " ".join(t for _, t in pairs[i : i + count]))
        for i in range(0, whole, count)
    ]


def by_length(
    model: Translator, pairs: Sequence[tuple[str, str]], counts: Iterable[int] = COUNTS, *, beams: int = 1
) -> list[Row]:
    """Translate the pairs so many at once for each count, and compare with their references by sacrebleu.

    Raises:
        ValueError: fewer pairs than a count.
    """
    from transformer.evaluation.measure import translation

    rows = []
    for count in counts:
        texts = joined(pairs, count)
        if not texts:
            raise ValueError(f"expected at least {count} pairs, received {len(pairs)}")
        lengths = [len(ids) for ids in model.tokenizer.encode_all([source for source, _ in texts])]
        figures = translation(model, texts, beams=beams)
        mean, cut = round(sum(lengths) / len(lengths), 1), sum(n > model.config.max_source for n in lengths)
        rows.append(Row(model.name, count, len(texts), mean, cut, figures["bleu"], figures["chrf"]))
    return rows


def write(path: Path, rows: Iterable[Row]) -> None:
    """Rows as CSV, their names first."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(Row._fields)
        table.writerows(rows)


def read(path: Path) -> list[Row]:
    """What `write` wrote.

    Raises:
        ValueError: other columns, or what is no number where one should be.
    """
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = list(csv.reader(file)) or [[]]
    if tuple(names) != Row._fields or any(len(row) != len(names) for row in rows):
        raise ValueError(f"expected the columns {', '.join(Row._fields)} in {path.name}, received others")
    return [
        Row(model, int(sentences), int(inputs), float(tokens), int(cut), float(bleu), float(chrf))
        for model, sentences, inputs, tokens, cut, bleu, chrf in rows
    ]
