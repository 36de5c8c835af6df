"""SentencePiece models of published folders (Kudo and Richardson 2018, arXiv:1808.06226): which ids have their pieces?

Source: Hugging Face transformers 5.24, `models/{marian,t5,pegasus,m2m_100}/tokenization_*.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sentencepiece import SentencePieceProcessor

from transformer.text.foreign_files import SentencePieceSide, Side, ids_in, reading
from transformer.text.foreign_labels import GAP, LANGUAGE, Settings
from transformer.text.languages import M2M, MBART
from transformer.untrusted import VOCABULARY, read_bytes, shown

MOST_GAPS = 10_000
# Which language to translate into may stand ahead of a text for Marian: `>>por<< Hello`.
AHEAD = re.compile(rf"\A{LANGUAGE.pattern}")


class Layout(NamedTuple):
    """file: the model. first: the first tokens, in their order; its own are `offset` further than in the model. gaps:
    how many of T5's come last, where settings are silent. like: the class whose languages come last, where settings are
    silent, and a mask behind them. vocabulary: the file that has the ids instead."""

    file: str
    first: tuple[str, ...] = ()
    offset: int = 0
    gaps: int = 0
    like: str = ""
    vocabulary: str = ""


# Two of the pieces of PEGASUS, padding and the end, stand among its first.
PEGASUS = ("<pad>", "</s>", "<mask_1>", "<mask_2>", *(f"<unk_{i}>" for i in range(2, 103)))
LAYOUTS = {
    "t5": Layout("spiece.model", gaps=100),
    "mt5": Layout("spiece.model", gaps=100),
    "pegasus": Layout("spiece.model", PEGASUS, 103),
    "mbart": Layout("sentencepiece.bpe.model", ("<s>", "<pad>", "</s>", "<unk>"), 1, like="MBartTokenizer"),
    "m2m_100": Layout("sentencepiece.bpe.model", vocabulary="vocab.json"),
}


def pieces(folder: Path, layout: Layout, settings: Settings) -> Side:
    """The tokenizer of a folder with such a model.

    Raises:
        ValueError: files that are damaged, or settings that cannot be.
    """
    path = folder / layout.file
    if layout.vocabulary:
        return _by_vocabulary(path, folder / layout.vocabulary, settings)
    model = SentencePieceProcessor()
    with reading(f"a SentencePiece model in {path.name}"):
        model.LoadFromSerializedProto(read_bytes(path, VOCABULARY))
        known = [str(model.id_to_piece(i)) for i in range(model.get_piece_size())]
    ids = {token: i for i, token in enumerate(layout.first)}
    for i, token in enumerate(known):
        ids.setdefault(token, i + layout.offset)
    gaps = settings.get("extra_ids", layout.gaps) if layout.gaps else 0
    if type(gaps) is not int or not 0 <= gaps <= MOST_GAPS:
        raise ValueError(f"expected extra_ids from 0 to {MOST_GAPS:,}, received {shown(gaps)}")
    last = len(known) + layout.offset
    ids |= {f"<extra_id_{i}>": last + gaps - 1 - i for i in range(gaps)}
    special = {*layout.first} - {"<unk>"}
    if layout.like:
        named = str(settings.get("tokenizer_class", layout.like)).removesuffix("Fast")
        if named not in MBART:
            raise ValueError(f"expected tokenizer_class out of {', '.join(MBART)}, received {shown(named)}")
        settings = {**settings, "tokenizer_class": named}
        more = [*MBART[named].split(), "<mask>"]
        ids |= {token: last + i for i, token in enumerate(more)}
        special |= {*more}
    return SentencePieceSide(path, ids, path.name, "seq2seq", settings, special, GAP if gaps else None)


def _by_vocabulary(path: Path, vocabulary: Path, settings: Settings) -> Side:
    """M2M-100: ids in a file, and behind them a token for each language."""
    ids = ids_in(vocabulary)
    named = settings.get("language_codes", "m2m100")
    if not isinstance(named, str) or named not in M2M:
        raise ValueError(f"expected language_codes out of {', '.join(M2M)}, received {shown(named)}")
    codes = {f"__{code}__": len(ids) + i for i, code in enumerate(M2M[named].split())}
    return SentencePieceSide(path, ids | codes, vocabulary.name, "seq2seq", settings, codes)


def two_sides(folder: Path, settings: Settings) -> tuple[Side, Side]:
    """Marian's files: a model of pieces for each language, and one vocabulary or two."""
    first = folder / "vocab.json"
    second = folder / "target_vocab.json" if settings.get("separate_vocabs") is True else first

    def side(name: str, vocabulary: Path) -> Side:
        ids: Mapping[str, int] = ids_in(vocabulary)
        return SentencePieceSide(folder / name, ids, vocabulary.name, "marian", settings, (), AHEAD)

    return side("source.spm", first), side("target.spm", second)
