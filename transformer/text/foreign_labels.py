"""What the ids of a published vocabulary are for, and how a token is written for a person.

`##` as in BERT (Devlin et al. 2019, arXiv:1810.04805); byte-level tokens as in GPT-2 (Radford et al. 2019, "Language
Models are Unsupervised Multitask Learners"); `▁` as in SentencePiece (Kudo and Richardson 2018, arXiv:1808.06226).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from transformer.text.languages import CODE, written
from transformer.text.tokenizer import WORD_START
from transformer.trace import Label
from transformer.trace.labels import PART

Settings = Mapping[str, Any]

# For each family: what an id is for -> its field in tokenizer_config.json, and the tokens to look for otherwise.
# Marian's decoder starts from padding.
ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "bert": {
        "start": ("cls_token", "[CLS]", "<s>"),
        "end": ("sep_token", "[SEP]", "</s>"),
        "mask": ("mask_token", "[MASK]", "<mask>"),
        "pad": ("pad_token", "[PAD]", "<pad>"),
        "unknown": ("unk_token", "[UNK]", "<unk>"),
    },
    "gpt2": {
        "start": ("bos_token", "<|endoftext|>"),
        "end": ("eos_token", "<|endoftext|>"),
        "pad": ("pad_token",),
        "unknown": ("unk_token", "[UNK]", "<unk>"),
    },
    "decoder": {
        "start": ("bos_token",),
        "end": ("eos_token",),
        "pad": ("pad_token",),
        "unknown": ("unk_token", "<unk>"),
    },
    "marian": {
        "start": ("pad_token", "<pad>"),
        "end": ("eos_token", "</s>"),
        "pad": ("pad_token", "<pad>"),
        "unknown": ("unk_token", "<unk>"),
    },
    "seq2seq": {
        "start": ("bos_token", "<s>"),
        "end": ("eos_token", "</s>"),
        "pad": ("pad_token", "<pad>"),
        "unknown": ("unk_token", "<unk>"),
    },
    "whisper": {
        "start": ("", "<|startoftranscript|>"),
        "end": ("eos_token", "<|endoftext|>"),
        "pad": ("pad_token", "<|endoftext|>"),
        "unknown": ("unk_token",),
    },
}
# What stands before and after a text. Around one that a decoder goes on with it is what the folder says: `template.py`.
AROUND: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "decoder": ((), ()),
    "bert": (("start",), ("end",)),
    "gpt2": ((), ()),
    "marian": ((), ("end",)),
    "seq2seq": ((), ("end",)),
    "whisper": ((), ()),
}

SHOWN = {
    "[MASK]": "MASK",
    "<mask>": "MASK",
    "[PAD]": "pad",
    "<s>": "start",
    "<bos>": "start",
    "<|begin_of_text|>": "start",
    "<|startoftranscript|>": "start",
    "</s>": "end",
    "<eos>": "end",
    "<|end_of_text|>": "end",
    "<|endoftext|>": "end",
    "<|notimestamps|>": "no timestamps",
    "<|startofprev|>": "previous text",
    "<|startoflm|>": "language model",
    "<|nospeech|>": "no speech",
    "<|nocaptions|>": "no speech",
}
TIMESTAMP = re.compile(r"<\|(\d+\.\d\d)\|>")
GAP = re.compile(r"<extra_id_\d+>")  # of T5, which leaves several
FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
LANGUAGE = re.compile(r">>(.+?)<<")
BRACKETS = re.compile(r"<\|(.+)\|>|>>(.+)<<|\[(.+)\]|<(.+)>")


class Vocabulary(NamedTuple):
    """What the ids of one side stand for.

    Args:
        tokens: id -> token.
        roles: what an id is for (ROLES) -> id, or None.
        markers: ids of special tokens, without the unknown one.
        read: a token that is no marker -> its label.
        timestamps: Whisper's first timestamp, 0.00 s, where the tokens leave timestamps out; then every 0.02 s.
    """

    tokens: Mapping[int, str]
    roles: Mapping[str, int | None]
    markers: frozenset[int]
    read: Callable[[str], Label]
    timestamps: int | None = None

    def label(self, index: int) -> Label:
        """The label of an id; one that has no token is shown by its number."""
        if index == self.roles["unknown"]:
            return Label("?")
        token = self.tokens.get(index)
        if token is not None:
            return Label(short(token), special=True) if index in self.markers else self.read(token)
        if self.timestamps is not None and self.timestamps <= index <= self.timestamps + 1500:
            return Label(f"{0.02 * (index - self.timestamps):.2f} s", special=True)
        return Label(f"‹{index}›", special=True)


def candidates(family: str, role: str, settings: Settings) -> list[str]:
    """The tokens that may play a role, the one that the folder names first."""
    field, *usual = ROLES[family].get(role, ("",))
    named = settings.get(field)
    named = named.get("content") if isinstance(named, dict) else named
    return [named, *usual] if isinstance(named, str) else usual


def roles_of(ids: Mapping[str, int], family: str, settings: Settings, name: str) -> dict[str, int | None]:
    """What an id is for -> id, from the vocabulary in the file `name`.

    Raises:
        ValueError: a token that stands around every text is not there.
    """
    roles: dict[str, int | None] = {}
    for role in ROLES[family]:
        wanted = candidates(family, role, settings)
        roles[role] = next((ids[token] for token in wanted if token in ids), None)
        if roles[role] is None and any(role in part for part in AROUND[family]):
            raise ValueError(f"expected {' or '.join(wanted)} in {name}, received a vocabulary without it")
    if roles["unknown"] == roles["end"]:
        roles["unknown"] = None  # GPT-2 names its end for it, but knows every byte
    return roles


def short(token: str) -> str:
    """A special token in a word: `[CLS]` is CLS, `<|en|>` is en, `<|1.20|>` is 1.20 s."""
    if token in SHOWN:
        return SHOWN[token]
    if time := TIMESTAMP.fullmatch(token):
        return f"{time[1]} s"
    if CODE.fullmatch(token):
        return written(token)
    inside = BRACKETS.fullmatch(token)
    return next(filter(None, inside.groups())) if inside else token


def word_piece(token: str) -> Label:
    """`##ing` continues a word."""
    return Label(token.removeprefix("##") or token, joins=token.startswith("##") and token != "##")


def marked_word(token: str) -> Label:
    """`▁the` begins a word; the mark alone stands before punctuation that does."""
    text = token.removeprefix(WORD_START).replace(WORD_START, " ")
    return Label(text or " ", joins=not token.startswith(WORD_START))


def fallback_word(token: str) -> Label:
    """As `marked_word`; a byte that no token spells, `<0x0A>`, goes on what stands before it."""
    byte = FALLBACK.fullmatch(token)
    return Label(bytes.fromhex(byte[1]).decode("utf-8", PART), joins=True) if byte else marked_word(token)


def byte_word(token: str) -> Label:
    """GPT-2's letters for bytes as the text that they are; what is only part of a character as `‹E2 80›`."""
    if not set(token) <= BYTES.keys():
        return Label(token)
    text = bytes(BYTES[letter] for letter in token).decode("utf-8", PART)
    return Label(text.removeprefix(" ") or " ", joins=not text.startswith(" "))


def _byte_table() -> dict[str, int]:
    """Letter -> byte: visible ones of Latin-1 stand for themselves, the others are written with letters from Ā on."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(0x100 + n): byte for n, byte in enumerate(hidden)}


BYTES = _byte_table()
