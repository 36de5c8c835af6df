"""Which stretch of a text does each word stand for that a tokenizer cut into subwords?

Tokenizers fold case, strip accents and split at punctuation (Devlin et al. 2019, appendix A.2 and the code of BERT's
`BasicTokenizer`), so labels are found again in the text by letters that are folded alike, from left to right.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from transformer.trace import Label, word_starts

NEAR = 64  # letters; farther away is another word that reads the same


class Word(NamedTuple):
    """A word of a text: the positions of its tokens, and the characters [begin, end) that it is written with."""

    places: tuple[int, ...]
    begin: int
    end: int


def words(text: str, labels: Sequence[Label]) -> list[Word]:
    """The words of a text in order; special labels belong to none.

    A word is a run of labels that join and hold letters or digits, of `trace.word_starts` where a script has no blanks;
    punctuation is a word of its own. A label that is
    not found in the text, such as one byte of a letter, has what is left between its neighbours.
    """
    spans = _spans(text, labels)
    found: list[Word] = []
    for run in _runs(labels):
        written = [spans[place] for place in run if labels[place].text.strip()] or [spans[run[0]]]
        word = Word(tuple(run), written[0][0], written[-1][1])
        if found and word.begin < found[-1].end:  # bytes of letters that nothing tells apart
            before = found.pop()
            word = Word((*before.places, *run), before.begin, max(before.end, word.end))
        found.append(word)
    return found


def _runs(labels: Sequence[Label]) -> Iterator[list[int]]:
    run: list[int] = []
    starts = set(word_starts(labels))
    for place, label in enumerate(labels):
        if run and (place in starts or not _goes_on(labels[place - 1], label)):
            yield run
            run = []
        if not label.special:
            run.append(place)
    if run:
        yield run


def _goes_on(before: Label, label: Label) -> bool:
    # Some tokenizers have the space before a word as a token of its own.
    return (
        label.joins and not label.special and (not before.text.strip() or (_wordy(before) and _wordy(label)))
    )


def _wordy(label: Label) -> bool:
    # Bytes that are only part of a letter are shown as ‹E2 80›, which has digits.
    return any(letter.isalnum() for letter in label.text)


def _spans(text: str, labels: Sequence[Label]) -> list[tuple[int, int]]:
    """[begin, end) in the text for each label; special ones are empty."""
    folded = [(letter, index) for index, original in enumerate(text) for letter in _fold(original)]
    letters = "".join(letter for letter, _ in folded)
    found: list[tuple[int, int] | None] = []
    at = 0
    for label in labels:
        wanted = "".join(map(_fold, label.text))
        begin = -1 if label.special or not wanted else letters.find(wanted, at, at + NEAR + len(wanted))
        if begin < 0:
            found.append(None)
            continue
        at = begin + len(wanted)
        found.append((folded[begin][1], folded[at - 1][1] + 1))
    return _filled(text, labels, found)


def _fold(letter: str) -> str:
    parts = unicodedata.normalize("NFKD", letter).casefold()
    return "".join(part for part in parts if not unicodedata.combining(part) and not part.isspace())


def _filled(
    text: str, labels: Sequence[Label], found: Sequence[tuple[int, int] | None]
) -> list[tuple[int, int]]:
    """Labels that were not found share the gap between those that were."""
    spans: list[tuple[int, int]] = []
    end = 0
    for place, span in enumerate(found):
        if span is None:
            until = next((later[0] for later in found[place:] if later), len(text))
            gap = text[end:until]
            begin = end + len(gap) - len(gap.lstrip())
            lost = not labels[place].special and labels[place].text.strip()
            span = (begin, max(begin, end + len(gap.rstrip()))) if lost else (end, end)
        else:
            end = span[1]
        spans.append(span)
    return spans
