"""Tokenizers of published model folders: text <-> ids as the reference library does it, labels as people write them.

`foreign_files` reads the files, `foreign_labels` says what ids are for and how tokens are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from transformer.text.foreign_files import (
    Side,
    byte_pairs,
    settings_of,
    whole_file,
    words,
)
from transformer.text.foreign_labels import AROUND, ROLES
from transformer.text.foreign_pieces import LAYOUTS, pieces, two_sides
from transformer.text.languages import Languages
from transformer.text.tokenizer import Encoded
from transformer.trace import Label

# Names that published settings give to one family.
FAMILY = {"roberta": "bert", "distilbert": "bert"} | dict.fromkeys(LAYOUTS, "seq2seq")

Markers = tuple[tuple[int, ...], tuple[int, ...]]


class ForeignTokenizer:
    """The tokenizer of a published folder, with the interface of `SubwordTokenizer`.

    Where input and output have vocabularies of their own (some of Marian's), `size`, the ids, `label`, `labels` and
    `decode` speak of the output's. Special tokens that someone types are plain text, except the one that leaves a gap
    for BERT to fill. An id that a family lacks is None: GPT-2 and Whisper know every text and have no `unknown_id`.
    """

    def __init__(self, family: str, source: Side, target: Side) -> None:
        self._source, self._target, self._around = source, target, AROUND[family]
        roles = target.vocabulary.roles
        self.size = max(target.vocabulary.tokens) + 1
        self.start_id, self.end_id, self.pad_id = roles["start"], roles["end"], roles["pad"]
        self.mask_id, self.unknown_id = roles.get("mask"), roles["unknown"]
        self.languages: Languages | None = source.languages

    def within(self, vocabulary: int) -> None:
        """Leave out markers beyond the `vocabulary` of a network, such as those of pictures that its kin reads: what is
        typed makes none of them."""
        known = self._target.vocabulary
        if all(i in known.markers for i in known.tokens if i >= vocabulary):
            self.size = min(self.size, vocabulary)

    def encode(self, text: str, language: str = "") -> Encoded:
        """Text -> ids, special tokens around as the family has them. Unknown pieces keep their own text as label.

        Raises:
            ValueError: a language that is not known, where it knows any; "" is the usual one.
        """
        return self._encode(self._source, text, self._markers(self._source, language))

    @property
    def joins(self) -> bool:
        """Whether it knows how two texts are joined to one row."""
        return self._source.joined is not None

    def encode_pair(self, text: str, second: str) -> tuple[Encoded, list[int], int]:
        """Two texts as one row, the segment of each of its ids, and where the second one begins.

        Raises:
            ValueError: the folder does not say how they are joined.
        """
        side, both = self._source, {"A": text, "B": second}
        if side.joined is None:
            raise ValueError("expected one text, received two: the tokenizer does not say how it joins them")
        row, types, begins = Encoded([], [], []), list[int](), 0
        for piece, segment in side.joined:
            if isinstance(piece, str):
                begins = len(types)
                part = self._plain(side, both[piece])
            else:
                part = Encoded([piece], [side.vocabulary.label(piece)], [])
            row.ids.extend(part.ids)
            row.labels.extend(part.labels)
            row.unknown.extend(part.unknown)
            types += [segment] * len(part.ids)
        return row, types, begins

    def encode_target(self, text: str) -> Encoded:
        """The same on the side of the output, without its language."""
        after = self._markers(self._target)
        if self.languages and self.end_id is not None:
            after = ((), (self.end_id,))
        return self._encode(self._target, text, after)

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """ids of many texts, as `encode` gives them."""
        before, after = self._markers(self._source)
        return [[*before, *(piece.id for piece in self._source.pieces(_whole(t))), *after] for t in texts]

    def decode(self, ids: Sequence[int]) -> str:
        """ids -> text; special ids, unknown ones and those without a token are left out."""
        known = self._target.vocabulary
        dropped = known.markers | {known.roles["unknown"]}
        return self._target.text([int(i) for i in ids if i in known.tokens and i not in dropped])

    def labels(self, ids: Sequence[int]) -> list[Label]:
        """A label for each id of one sequence, as `encode_target` gives them."""
        return _first_starts([self.label(i) for i in ids])

    def label(self, index: int) -> Label:
        """The label of one id on its own. A network may have more ids than there are tokens: `‹50260›`."""
        if index < 0:
            raise ValueError(f"expected an id from 0 on, received {index}")
        return self._target.vocabulary.label(int(index))

    def _markers(self, side: Side, language: str = "") -> Markers:
        """The ids before and after a text."""
        if self.languages and self.end_id is not None:
            return self.languages.around(self.end_id, language)
        if side.around is not None:
            return side.around
        roles = side.vocabulary.roles
        before, after = (tuple(i for role in part if (i := roles[role]) is not None) for part in self._around)
        return before, after

    def _encode(self, side: Side, text: str, markers: Markers) -> Encoded:
        known, (before, after) = side.vocabulary, markers
        ids, labels, unknown = self._plain(side, text)
        return Encoded(
            [*before, *ids, *after], [*map(known.label, before), *labels, *map(known.label, after)], unknown
        )

    def _plain(self, side: Side, text: str) -> Encoded:
        """A text without anything around it."""
        known, pieces = side.vocabulary, side.pieces(_whole(text))
        lacking = known.roles["unknown"]
        labels = [
            Label(p.surface or "?", joins=p.joins) if p.id == lacking else known.label(p.id) for p in pieces
        ]
        return Encoded(
            [piece.id for piece in pieces],
            _first_starts(labels),
            [piece.surface for piece in pieces if piece.id == lacking],
        )


def open_tokenizer(folder: Path, family: str) -> ForeignTokenizer | None:
    """The tokenizer of a folder; None where it holds no tokenizer files.

    `tokenizer.json` is read, else `vocab.txt`, else `vocab.json` and `merges.txt`. Marian has its two SentencePiece
    files and `vocab.json` first, as the reference library does.

    Args:
        family: bert (or roberta, distilbert), gpt2, marian, t5, mt5, mbart, m2m_100, pegasus, whisper, or decoder for
            what goes on with a text.

    Raises:
        ValueError: another family; a file that is damaged, empty, over 64 MB, missing beside another one, or that
            does not work. The message names the file.
    """
    layout, family = LAYOUTS.get(family), FAMILY.get(family, family)
    if family not in ROLES:
        raise ValueError(f"expected a family out of {', '.join(ROLES)}, received {family!r}")
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if family == "marian" and ({"source.spm", "target.spm"} & there or "tokenizer.json" not in there):
        if not {"source.spm", "target.spm", "vocab.json"} & there:
            return None
        return ForeignTokenizer("marian", *two_sides(folder, settings_of(folder)))
    if layout and layout.file in there and "tokenizer.json" not in there:
        side = pieces(folder, layout, settings_of(folder))
        return ForeignTokenizer(family, side, side)
    for name, opened in (("tokenizer.json", whole_file), ("vocab.txt", words), ("vocab.json", byte_pairs)):
        if name in there:
            side = opened(folder / name, family, settings_of(folder))
            return ForeignTokenizer(family, side, side)
    return None


def _first_starts(labels: list[Label]) -> list[Label]:
    """The first real token begins a word, whatever its mark says."""
    first = next((i for i, label in enumerate(labels) if not label.special), None)
    if first is not None:
        labels[first] = replace(labels[first], joins=False)
    return labels


def _whole(text: str) -> str:
    """Halves of surrogate pairs, which no library takes, joined or replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
