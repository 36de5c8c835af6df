"""The tokenizer files of a published folder: what do they hold, and what is refused?

`tokenizer.json`; `vocab.txt` (WordPiece, Wu et al. 2016, arXiv:1609.08144, with BERT's rules for text); `vocab.json`
and `merges.txt` (byte-level BPE, Radford et al. 2019); `source.spm`, `target.spm` (SentencePiece, Kudo and Richardson
2018, arXiv:1808.06226) and `vocab.json`. All of them are data: nothing in a folder is run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from sentencepiece import SentencePieceProcessor
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from transformer.text.foreign_labels import (
    GAP,
    ROLES,
    TIMESTAMP,
    Settings,
    Vocabulary,
    byte_word,
    candidates,
    fallback_word,
    marked_word,
    roles_of,
    word_piece,
)
from transformer.text.growth import check, check_tokens
from transformer.text.languages import Languages, languages_of
from transformer.text.template import Around, Joined, joined_by, pair, template
from transformer.text.tokenizer import WORD_START
from transformer.trace import Label
from transformer.untrusted import VOCABULARY, read_bytes, read_object, shown

STYLES: dict[type, Callable[[str], Label]] = {
    decoders.WordPiece: word_piece,
    decoders.ByteLevel: byte_word,
    decoders.Metaspace: marked_word,
}
# The same by a part of a sequence of decoders: the first that is in it says how tokens are written.
PARTS: dict[str, Callable[[str], Label]] = {
    "WordPiece": word_piece,
    "ByteLevel": byte_word,
    "ByteFallback": fallback_word,
    "Metaspace": marked_word,
    "Replace": marked_word,
}
# With a letter of each kind, and signs that few vocabularies have.
TRIAL = "a B1, é ☃ 你"


class Piece(NamedTuple):
    """One subword of a text: its id, what stands in the text, and whether that continues a word."""

    id: int
    surface: str
    joins: bool


class Side:
    """One language of a translator, or the only one there is."""

    vocabulary: Vocabulary
    around: Around | None = None  # the ids around a text where the folder says them
    joined: Joined | None = None  # how two texts are joined, likewise
    languages: Languages | None = None  # that a text is said to be in, where it is

    def pieces(self, text: str) -> list[Piece]:
        """The subwords of a text, without special tokens around."""
        raise NotImplementedError

    def text(self, ids: list[int]) -> str:
        """What ids of plain tokens spell."""
        raise NotImplementedError


class LibrarySide(Side):
    """A side by the `tokenizers` library, read from the file `name`; `special` are the tokens that mark something."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        family: str,
        settings: Settings,
        special: set[str],
        name: str,
        around: Around | None = None,
        joined: Joined | None = None,
    ) -> None:
        ids = tokenizer.get_vocab()
        check_tokens(ids, name)
        roles = roles_of(ids, family, settings, name)
        self.joined = joined
        if family == "decoder":
            self.around = around or _said(settings, roles)
        elif family == "seq2seq":
            self.around = around
            codes = {token: ids[token] for token in special if token in ids}
            self.languages = languages_of(codes, settings, around.after if around else ())
        elif family == "bert" and joined is None:
            first, last = roles["start"], roles["end"]
            if first is not None and last is not None:
                self.joined = joined_by(first, last, twice=ids.get("<s>") == first)
        markers = {ids[token] for token in special} | {i for i in roles.values() if i is not None}
        added = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
        read = _style(tokenizer.decoder)
        timeless = ids.get("<|notimestamps|>")  # the timestamps follow it
        self.vocabulary = Vocabulary(
            {index: token for token, index in ids.items()},
            roles,
            frozenset(markers - {roles["unknown"]}),
            lambda token: Label(token.strip() or " ") if token in added else read(token),
            None if timeless is None else timeless + 1,
        )
        tokenizer.encode_special_tokens = True  # then those that someone types are plain text
        self._tokenizer, self._name = tokenizer, name
        self._marks_words = read in (marked_word, fallback_word)
        self.text([piece.id for piece in self.pieces(TRIAL)])  # what cannot work fails here

    def pieces(self, text: str) -> list[Piece]:
        with reading(f"a tokenizer in {self._name} that takes this text"):
            encoding = self._tokenizer.encode(text, add_special_tokens=False)
        pieces = []
        for index, (begin, stop) in zip(encoding.ids, encoding.offsets, strict=True):
            apart = begin == 0 or any(letter.isspace() for letter in text[begin - 1 : begin + 1])
            pieces.append(Piece(index, text[begin:stop].strip(), self._marks_words and not apart))
        return pieces

    def text(self, ids: list[int]) -> str:
        with reading(f"a tokenizer in {self._name} that writes these ids"):
            return str(self._tokenizer.decode(ids, skip_special_tokens=False))


def whole_file(path: Path, family: str, settings: Settings) -> Side:
    """tokenizer.json. What it says of padding, cutting and tokens around a text is for batches of its own library."""
    values, gap = read_object(path, VOCABULARY), candidates(family, "mask", settings)
    around, joined = None, None
    with suppress(ValueError, TypeError, AttributeError):  # texts by themselves are read all the same
        joined = pair(values.get("post_processor"))
    with reading(f"a tokenizer in {path.name}"):
        if family in ("decoder", "seq2seq"):
            around = template(values.get("post_processor"))
        values |= {"padding": None, "truncation": None, "post_processor": None}
        check(values, path.name)
    with reading(f"a tokenizer in {path.name}"):
        special = set()
        for row in values.get("added_tokens") or []:
            if row["special"] or TIMESTAMP.fullmatch(row["content"]):
                special.add(row["content"])
            leaves_gap = row["content"] in gap or GAP.fullmatch(row["content"])
            row["special"] = row["content"] in special and not leaves_gap
        tokenizer = Tokenizer.from_str(json.dumps(values))
        return LibrarySide(tokenizer, family, settings, special, path.name, around, joined)


def _style(decoder: Any) -> Callable[[str], Label]:
    """How tokens are written, by what makes a text of them."""
    if isinstance(decoder, decoders.Sequence):
        parts = {part.get("type") for part in json.loads(decoder.__getstate__())["decoders"]}
        return next((style for part, style in PARTS.items() if part in parts), Label)
    return next((style for kind, style in STYLES.items() if isinstance(decoder, kind)), Label)


def _said(settings: Settings, roles: Mapping[str, int | None]) -> Around:
    """What stands around a text where no template says it."""
    start = roles["start"] if settings.get("add_bos_token") is True else None
    end = roles["end"] if settings.get("add_eos_token") is True else None
    return Around(() if start is None else (start,), () if end is None else (end,))


def words(path: Path, family: str, settings: Settings) -> Side:
    """vocab.txt: WordPiece, one token a line, with BERT's own rules for text."""
    with reading(f"one subword a line in {path.name}"):
        lines = read_bytes(path, VOCABULARY).decode("utf-8").removesuffix("\n").split("\n")
    ids = {line.removesuffix("\r"): index for index, line in enumerate(lines)}
    unknown = next((token for token in candidates(family, "unknown", settings) if token in ids), "[UNK]")
    with reading(f"settings for {path.name} in tokenizer_config.json"):
        tokenizer = Tokenizer(models.WordPiece(ids, unk_token=unknown))
        tokenizer.normalizer = normalizers.BertNormalizer(
            lowercase=settings.get("do_lower_case", True),
            strip_accents=settings.get("strip_accents"),
            handle_chinese_chars=settings.get("tokenize_chinese_chars", True),
        )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    special = _add_special(tokenizer, (), family, settings)
    return LibrarySide(tokenizer, family, settings, special, path.name)


def byte_pairs(path: Path, family: str, settings: Settings) -> Side:
    """vocab.json and merges.txt: byte-level BPE, with the tokens that other files of the folder add.

    Raises:
        ValueError: files that are damaged, or of a class that cuts text otherwise than GPT-2's.
    """
    by = settings.get("tokenizer_class")
    if family == "decoder" and by not in (None, "GPT2Tokenizer", "GPT2TokenizerFast"):
        raise ValueError(f"expected tokenizer.json for a {shown(by)}, received {path.name} without it")
    ids, more, merging = ids_in(path), path.with_name("added_tokens.json"), path.with_name("merges.txt")
    added = ids_in(more) if more.exists() else {}
    with reading("added tokens by id in tokenizer_config.json"):
        rows = settings.get("added_tokens_decoder", {})
        added |= {str(row["content"]): int(index) for index, row in rows.items()}
    with reading(f"merges of {path.name}, two subwords a line, in {merging.name}"):
        lines = read_bytes(merging, VOCABULARY).decode("utf-8").split("\n")
        pairs = [line.rstrip("\r").split(" ") for line in lines if line and not line.startswith("#version")]
        merges = [(first, second) for first, second in pairs]
        tokenizer = Tokenizer(models.BPE(ids | added, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=settings.get("add_prefix_space") is True
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = _add_special(tokenizer, added, family, settings)
    return LibrarySide(tokenizer, family, settings, special, path.name)


def _add_special(tokenizer: Tokenizer, added: Iterable[str], family: str, settings: Settings) -> set[str]:
    """Tell a tokenizer which of its tokens are special; returns them. The one for a gap is read where it is typed."""
    gap = set(candidates(family, "mask", settings))
    special = set(added).union(*(candidates(family, role, settings) for role in ROLES[family]))
    special = {token for token in special if tokenizer.token_to_id(token) is not None}
    tokenizer.add_special_tokens(sorted(special - gap))
    # RoBERTa's takes the space before it along, as its published tokenizer.json says.
    tokenizer.add_tokens(
        [AddedToken(token, lstrip=token == "<mask>", normalized=False) for token in sorted(special & gap)]
    )
    return special


class SentencePieceSide(Side):
    """One language of a translator, or the only one there is: pieces by a SentencePiece model.

    Args:
        path: of the model.
        ids: its pieces, and whatever else has an id, by the file `name`.
        family, settings: as of `LibrarySide`.
        special: tokens that mark something, beside those with a role.
        typed: what is read as the token that it spells where someone types it.
    """

    def __init__(
        self,
        path: Path,
        ids: Mapping[str, int],
        name: str,
        family: str,
        settings: Settings,
        special: Collection[str] = (),
        typed: re.Pattern[str] | None = None,
    ) -> None:
        check_tokens(ids, name)
        roles = roles_of(ids, family, settings, name)
        if roles["unknown"] is None:
            raise ValueError(f"expected <unk> in {name}, received a vocabulary without it")
        marked = {i for i in roles.values() if i is not None} | {ids[token] for token in special}
        # A piece of a text that happens to be spelt like a special token is none.
        self._ids = {token: i for token, i in ids.items() if i not in marked}
        self._typed = typed
        self._spelt = {token: i for token, i in ids.items() if typed and typed.fullmatch(token)}
        markers = frozenset((marked | set(self._spelt.values())) - {roles["unknown"]})
        self.vocabulary = Vocabulary({i: token for token, i in ids.items()}, roles, markers, marked_word)
        if family == "seq2seq":
            self.languages = languages_of({token: ids[token] for token in special}, settings, ())
        self._name, self._unknown, self._model = path.name, roles["unknown"], SentencePieceProcessor()
        with reading(f"a SentencePiece model in {path.name}"):
            self._model.LoadFromSerializedProto(read_bytes(path, VOCABULARY))
        self.text([piece.id for piece in self.pieces(TRIAL)])

    def pieces(self, text: str) -> list[Piece]:
        found, begin = list[Piece](), 0
        for code in self._typed.finditer(text) if self._typed else ():
            found += self._plain(text[begin : code.start()])
            found.append(Piece(self._spelt.get(code[0], self._unknown), code[0], False))
            begin = code.end()
        return found + self._plain(text[begin:])

    def _plain(self, text: str) -> list[Piece]:
        with reading(f"a SentencePiece model in {self._name} that takes this text"):
            tokens = self._model.encode(text, out_type=str)
        found = []
        for token in tokens:
            surface = token.replace(WORD_START, " ").strip()
            found.append(
                Piece(self._ids.get(token, self._unknown), surface, not token.startswith(WORD_START))
            )
        return found

    def text(self, ids: list[int]) -> str:
        with reading(f"a SentencePiece model in {self._name} that writes these ids"):
            written = self._model.decode([self.vocabulary.tokens[i] for i in ids])
        return str(written).replace(WORD_START, " ").strip()


def settings_of(folder: Path) -> Settings:
    """What else the folder says of its tokenizer."""
    names = ("special_tokens_map.json", "tokenizer_config.json")
    parts = [read_object(folder / name) for name in names if (folder / name).exists()]
    return {field: value for part in parts for field, value in part.items() if value is not None}


def ids_in(path: Path) -> dict[str, int]:
    ids = read_object(path, VOCABULARY)
    wrong = [index for index in ids.values() if type(index) is not int or not 0 <= index < 2**31]
    if wrong or not ids:
        raise ValueError(
            f"expected an id for each token in {path.name}, received {shown(wrong[0]) if wrong else 'none'}"
        )
    return ids


@contextmanager
def reading(expected: str) -> Iterator[None]:
    """Whatever a library makes of a bad file, as one ValueError of one line."""
    try:
        yield
    except BaseException as error:
        # A panic in the library's Rust code is no Exception, and has no name to import.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        said = " ".join(str(error).split())
        if isinstance(error, ValueError) and said.startswith("expected "):
            raise
        raise ValueError(f"expected {expected}, received {said[:160] or type(error).__name__}") from error
