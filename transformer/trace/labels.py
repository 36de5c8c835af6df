"""What stands at one position of an axis, and what labels make together: letters, and words.

A byte-level vocabulary (GPT-2, RoBERTa, Whisper) may cut a letter in two: each part is shown by its bytes, `‹C3›`, and
is a letter again wherever labels are put together. Scripts without blanks between words are split as Whisper's own
`split_tokens_on_unicode` does (openai/whisper, whisper/tokenizer.py): each token that completes its letters is a word.
"""

from __future__ import annotations

import codecs
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PART = "headlight.part_of_a_character"  # how bytes that are no letter are decoded
_PART = re.compile("‹([89A-F][0-9A-F](?: [89A-F][0-9A-F])*)›")
# Written without blanks between words: Thai, Lao, Burmese, Khmer, Chinese and Japanese.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff\u19e0-\u19ff"
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9d\U00020000-\U0003ffff]"
)
_STOPS = ("。", "、", "，", "！", "？", "：")  # as wide as letters, their blank included


@dataclass(frozen=True, slots=True)
class Label:
    """One position of an axis.

    Args:
        text: the token as people write it: no `▁`, no `##`. U+0000, which nothing can show, becomes `␀`.
        special: a marker of the model (start, end, separator), not something a person wrote.
        joins: this subword continues the word of the label before it.
        start, end: seconds, for speech; both or neither.
        id: the token's number in the network's vocabulary; None where a label is no single token.
    """

    text: str
    special: bool = field(default=False, kw_only=True)
    joins: bool = field(default=False, kw_only=True)
    start: float | None = field(default=None, kw_only=True)
    end: float | None = field(default=None, kw_only=True)
    # Two positions that read the same are the same to whoever looks.
    id: int | None = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ValueError(f"expected a label's text as str, received {type(self.text).__name__}")
        check_id("a label's id", self.id)
        if "\0" in self.text:
            object.__setattr__(self, "text", self.text.replace("\0", "␀"))
        if (self.start is None) != (self.end is None):
            raise ValueError(
                f"expected both start and end or neither, received start={self.start}, end={self.end}"
            )
        if self.start is None or self.end is None:
            return
        if not (math.isfinite(self.start) and math.isfinite(self.end) and self.start <= self.end):
            raise ValueError(f"expected finite seconds with start <= end, received {self.start}..{self.end}")


def as_labels(labels: Iterable[Label | str]) -> tuple[Label, ...]:
    """Labels as a tuple; plain strings become labels without further properties."""
    return tuple(label if isinstance(label, Label) else Label(label) for label in labels)


def spelt(labels: Iterable[Label]) -> str:
    """What labels spell together; a letter that was cut into bytes is whole again, as far as its bytes are there."""
    texts = [label.text for label in labels]
    if not any("‹" in text for text in texts):
        return "".join(texts)
    return b"".join(map(_bytes, texts)).decode("utf-8", PART)


def word_starts(labels: Sequence[Label]) -> list[int]:
    """Which labels begin a word: all but those that join the one before, where neither of the two is special.

    In scripts without blanks a label that joins begins a word, too, if it begins a letter; punctuation and marks
    stay with what they follow. So do the first letters behind an opening bracket or quotation mark.
    """
    starts: list[int] = []
    word = ""
    for place, text in _letters(labels):
        alone = place == 0 or not labels[place].joins or labels[place].special or labels[place - 1].special
        if alone or _apart(word, text):
            starts.append(place)
            word = ""
        word += text
    return starts


def unspaced(letter: str) -> bool:
    """Whether a letter is of a script that has no blanks between words."""
    return bool(_UNSPACED.match(letter))


def one_text(texts: Iterable[str]) -> str:
    """Texts that follow each other as one: a blank between two, but none between letters of scripts without blanks."""
    whole = ""
    for text in filter(None, map(str.strip, texts)):
        close = unspaced(text[0]) and (unspaced(whole[-1:]) or whole[-1:] in _STOPS)
        whole += text if close or not whole else f" {text}"
    return whole


def _apart(word: str, text: str) -> bool:
    """Whether `text` begins another word than the one before it, although no blank is between them."""
    first = text[:1]
    if not first or unicodedata.category(first)[0] == "M" or unicodedata.category(first) == "Lm":
        return False
    if unspaced(first):
        return any(letter.isalnum() for letter in word)
    return first.isalnum() and unspaced(word[-1:])


def _letters(labels: Sequence[Label]) -> Iterable[tuple[int, str]]:
    """The text of each label with those that its last letter goes on in, and the place of the first of them."""
    decoder = codecs.getincrementaldecoder("utf-8")(PART)
    begin, text = 0, ""
    for place, label in enumerate(labels):
        if place and not (label.joins and not label.special and decoder.getstate()[0]):
            yield begin, text + decoder.decode(b"", True)
            decoder.reset()
            begin, text = place, ""
        text += label.text if label.special else decoder.decode(_bytes(label.text))
    if labels:
        yield begin, text + decoder.decode(b"", True)


def _bytes(text: str) -> bytes:
    """UTF-8, in which bytes that are shown as `‹C3›` are themselves."""
    parts = _PART.split(text)
    shown = [
        bytes.fromhex(part) if i % 2 else part.encode("utf-8", "replace") for i, part in enumerate(parts)
    ]
    return b"".join(shown)


def _part_of_a_character(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return f"‹{error.object[error.start : error.end].hex(' ').upper()}›", error.end


codecs.register_error(PART, _part_of_a_character)


def check_id(name: str, id: object) -> None:
    """ValueError for what is neither None nor a token's number."""
    if id is not None and (type(id) is not int or not 0 <= id < 2**63):
        raise ValueError(f"expected {name} as a whole number from 0 to 2^63 - 1, received {id!r}")
