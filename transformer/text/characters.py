"""Text as characters: the ids that Keras's `StringLookup` gives, in plain Python, and a label for each.

Id 0 is padding, 1 what the vocabulary lacks, and from 2 on stand the characters in the order of their code points, so
that the line break comes first: it ends a line and begins the next, and is used as start and as end.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from transformer.text.tokenizer import Encoded
from transformer.trace import Label
from transformer.untrusted import VOCABULARY, read_object

MASK, UNKNOWN_CHARACTER, FIRST = 0, 1, 2
LINE_BREAK = "\n"
SHOWN = {LINE_BREAK: "↵", " ": "␣"}  # how a label shows what has no ink


class CharacterTokenizer:
    """One id a character.

    Raises:
        ValueError: characters that are not single, not sorted, or without the line break.
    """

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = list(characters)
        if self.characters != sorted(set(self.characters)) or any(len(c) != 1 for c in self.characters):
            raise ValueError("expected single characters in order, each once, received others")
        if LINE_BREAK not in self.characters:
            raise ValueError("expected a line break among the characters, received none")
        self._ids = {character: index for index, character in enumerate(self.characters, FIRST)}

    @classmethod
    def train(cls, text: str) -> CharacterTokenizer:
        """All characters of a text."""
        return cls(sorted({*text, LINE_BREAK}))

    @classmethod
    def load(cls, path: Path) -> CharacterTokenizer:
        """Read `tokenizer.json`; a file that is none raises ValueError."""
        try:
            return cls(read_object(path, VOCABULARY)["characters"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ValueError(f"expected a list of characters at {path.name}, received {error}") from error

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"characters": self.characters}) + "\n", encoding="utf-8")

    @property
    def size(self) -> int:
        """How many ids there are."""
        return FIRST + len(self.characters)

    def ids(self, text: str) -> list[int]:
        """An id for each character, and none more."""
        return [self._ids.get(character, UNKNOWN_CHARACTER) for character in text]

    def encode(self, text: str) -> Encoded:
        """Text -> ids, a line break last, as the tokenizers of words end with theirs."""
        text = unicodedata.normalize("NFC", text)
        labels = []
        for before, character in zip(LINE_BREAK + text, text, strict=False):
            labels.append(Label(SHOWN.get(character, character), joins=not before.isspace()))
        unknown = [character for character in text if character not in self._ids]
        return Encoded([*self.ids(text), FIRST], [*labels, Label(SHOWN[LINE_BREAK])], unknown)

    encode_target = encode

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """ids of many texts, a line break last."""
        return [[*self.ids(text), FIRST] for text in texts]

    def decode(self, ids: Iterable[int]) -> str:
        """ids -> text; padding and unknown characters are left out."""
        return "".join(self.characters[int(i) - FIRST] for i in ids if int(i) >= FIRST)

    def label(self, index: int) -> Label:
        """The label of one id on its own."""
        if index == MASK:
            return Label("pad", special=True)
        if index == UNKNOWN_CHARACTER:
            return Label("?")
        if not FIRST <= index < self.size:
            raise ValueError(f"expected an id from 0 to {self.size - 1}, received {index}")
        character = self.characters[index - FIRST]
        return Label(SHOWN.get(character, character), joins=not character.isspace())

    def labels(self, ids: Sequence[int]) -> list[Label]:
        """A label for each id of one text: what follows a space or a line break begins a word."""
        found, begins = [], True
        for index in ids:
            label = self.label(int(index))
            found.append(Label(label.text, joins=not begins, special=label.special))
            begins = self.decode([index]).isspace()
        return found
