"""Subword tokenizer: text <-> ids, and a label for each id as a person would write it.

Byte-pair encoding (Sennrich et al. 2016) by the `tokenizers` library. `▁` marks the beginning of a word inside the
vocabulary and never leaves this file.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from transformer.config import END, PAD, START, UNKNOWN
from transformer.text.growth import check
from transformer.trace import Label
from transformer.untrusted import VOCABULARY, read_object

SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")  # at the ids PAD, START, END, UNKNOWN
SHOWN = {PAD: "pad", START: "start", END: "end"}
WORD_START = "▁"


class Encoded(NamedTuple):
    """ids with the end token last, a label for each, and the pieces of the text that the vocabulary lacks."""

    ids: list[int]
    labels: list[Label]
    unknown: list[str]


def clean(text: str) -> str:
    """NFC; control characters, halves of surrogate pairs, `▁` and every run of white space become one space."""
    text = unicodedata.normalize("NFC", text.replace(WORD_START, " "))
    return " ".join("".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in text).split())


class SubwordTokenizer:
    """A trained tokenizer. Ids 0 to 3 are padding, start, end and unknown."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        for index, token in enumerate(SPECIAL):
            if tokenizer.id_to_token(index) != token:
                raise ValueError(f"expected {token} at id {index}, received {tokenizer.id_to_token(index)!r}")
        self._tokenizer = tokenizer
        # "<end>" in someone's text is five characters, not the end.
        self._tokenizer.encode_special_tokens = True

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary: int) -> SubwordTokenizer:
        """Learn `vocabulary` subwords, the four special ones included, from an iterable of sentences."""
        tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Replace(Regex("[‘’]"), "'"), normalizers.Replace(Regex("[“”]"), '"')]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Metaspace(WORD_START, prepend_scheme="always"),
                pre_tokenizers.Punctuation("isolated"),
                pre_tokenizers.Digits(individual_digits=True),
            ]
        )
        tokenizer.decoder = decoders.Metaspace(WORD_START, prepend_scheme="always")
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary, special_tokens=list(SPECIAL), min_frequency=2, show_progress=False
        )
        tokenizer.train_from_iterator((clean(text) for text in texts), trainer)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: Path) -> SubwordTokenizer:
        """Read `tokenizer.json`; a file that is none raises ValueError."""
        try:
            values = read_object(path, VOCABULARY)
            check(values, path.name)
            return cls(Tokenizer.from_str(json.dumps(values)))
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"expected a tokenizer file at {path.name}, received {error}") from error

    def save(self, path: Path) -> None:
        self._tokenizer.save(str(path))

    @property
    def size(self) -> int:
        """How many ids there are."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> Encoded:
        """Text -> ids, the end token last. Unknown characters keep their own text as label."""
        text = clean(text)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        labels, unknown = [], []
        for index, token, (begin, stop) in zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True):
            if index == UNKNOWN:
                piece = text[begin:stop]
                unknown.append(piece)
                labels.append(Label(piece.strip() or "?", joins=begin > 0 and text[begin - 1] != " "))
            else:
                labels.append(self._label(token))
        return Encoded([*encoding.ids, END], [*_first_starts(labels), _special(END)], unknown)

    def encode_target(self, text: str) -> Encoded:
        """The same for the output's side: both sides share one vocabulary."""
        return self.encode(text)

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """ids of many texts, the end token last: the fast way, without labels."""
        encodings = self._tokenizer.encode_batch_fast([clean(t) for t in texts], add_special_tokens=False)
        return [[*e.ids, END] for e in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """ids -> text; special ids are left out."""
        return str(
            self._tokenizer.decode([int(i) for i in ids if i > UNKNOWN], skip_special_tokens=False)
        ).strip()

    def labels(self, ids: Sequence[int]) -> list[Label]:
        """A label for each id of one sequence, as `encode` gives them."""
        return _first_starts([self.label(i) for i in ids])

    def label(self, index: int) -> Label:
        """The label of one id on its own."""
        if index in SHOWN:
            return _special(index)
        if index == UNKNOWN:
            return Label("?")
        token = self._tokenizer.id_to_token(int(index)) if index > 0 else None
        if token is None:
            raise ValueError(f"expected an id from 0 to {self.size - 1}, received {index}")
        return self._label(token)

    @staticmethod
    def _label(token: str) -> Label:
        # A word mark on its own stands before punctuation that begins a word, such as an opening quote.
        return Label(token.removeprefix(WORD_START) or " ", joins=not token.startswith(WORD_START))


def _special(index: int) -> Label:
    return Label(SHOWN[index], special=True)


def _first_starts(labels: list[Label]) -> list[Label]:
    """The first real token begins a word, whatever its mark says."""
    for i, label in enumerate(labels):
        if not label.special:
            if label.joins:
                labels[i] = Label(label.text)
            break
    return labels
