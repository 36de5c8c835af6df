"""A tokenizer.json whose rules multiply a text is refused before they run."""

import base64
import json
import random
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transformer.text import growth
from transformer.text.foreign import open_tokenizer
from transformer.text.tokenizer import SubwordTokenizer

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
DOUBLE = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
SPACES = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
SPREAD = [{"type": "Replace", "pattern": {"String": "a"}, "content": "ﷺ"}, {"type": "NFKC"}]
CHINESE = [{"type": "Replace", "pattern": {"String": " "}, "content": "中"}, {"type": "BertNormalizer"}]


def sequence(part: str, rules: list[Any]) -> dict[str, Any]:
    return {"type": "Sequence", part: rules}


def charsmap(texts: dict[str, str]) -> bytes:
    """A table for single bytes as google/sentencepiece lays it out: a root whose children are one block further on."""
    units = np.zeros(768, "<u4")
    units[0] = 256 << 10
    joined = b""
    for letter, text in texts.items():
        at = 256 ^ ord(letter)
        units[at] = 256 << 10 | 1 << 8 | ord(letter)
        units[at ^ 256] = 0
        units[512 | ord(letter)] = 0
        units[at] = (at ^ (512 | ord(letter))) << 10 | 1 << 8 | ord(letter)
        units[512 | ord(letter)] = 1 << 31 | len(joined)
        joined += text.encode() + b"\0"
    return struct.pack("<I", units.nbytes) + units.tobytes() + joined


def precompiled(table: bytes) -> dict[str, Any]:
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}


def with_rules(folder: Path, **parts: Any) -> Path:
    """The tokenizer.json of a published folder with other parts."""
    values = json.loads((GOLDEN / "tokens-unigram" / "tokenizer.json").read_text("utf-8"))
    (folder / "tokenizer.json").write_text(json.dumps(values | parts))
    return folder


@pytest.mark.parametrize(
    "parts",
    [
        {"normalizer": sequence("normalizers", [DOUBLE] * 40)},
        {"normalizer": sequence("normalizers", [sequence("normalizers", [DOUBLE])] * 7)},
        {"decoder": sequence("decoders", [DOUBLE] * 40)},
        {"normalizer": {"type": "Replace", "pattern": {"Regex": ""}, "content": "a" * 64}},
        {"normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": "a" * 64}},
        {"normalizer": sequence("normalizers", SPREAD * 2)},
        {"normalizer": sequence("normalizers", CHINESE * 6)},
        {"pre_tokenizer": sequence("pretokenizers", [{"type": "ByteLevel"}] * 40)},
        {"decoder": sequence("decoders", [{"type": "BPEDecoder", "suffix": ""}] * 7)},
        {"normalizer": precompiled(charsmap({"a": "a" * 65}))},
        {"normalizer": {"type": "Prepend", "prepend": "a" * 10_000}},
        {"normalizer": sequence("normalizers", [{"type": "Prepend", "prepend": "a"}] * 101)},
        {"added_tokens": [{"id": 1, "content": "a" * 2000, "special": False}]},
        {"model": {"type": "WordPiece", "vocab": {"a": 0}, "max_input_chars_per_word": 10**9}},
        {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "end_of_word_suffix": "a" * 2000}},
        {"model": {"type": "BPE", "vocab": {"a" * 2000: 0}, "merges": []}},
    ],
    ids=lambda parts: str(parts)[:60],
)
def test_what_multiplies_a_text_is_refused(parts: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^expected .*, received .*in tokenizer\.json") as caught:
        open_tokenizer(with_rules(tmp_path, **parts), "bert")
    assert len(str(caught.value)) < 300
    with pytest.raises(ValueError, match=r"in tokenizer\.json"):  # nor in a folder of this project
        SubwordTokenizer.load(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    ("rules", "times"),
    [
        (None, 1),
        ([SPACES] * 3, 8),
        ([DOUBLE] * 6, 64),
        ([{"type": "NFKC"}, {"type": "Lowercase"}, SPACES], 2),
        ({"type": "Replace", "pattern": {"String": "``"}, "content": '"'}, 1),
        ({"type": "Replace", "pattern": {"String": "ab"}, "content": "abc"}, 1.5),
        (precompiled(charsmap({"a": "x", "b": "ﷺ"})), 18),
        ([{"type": "Split"}, {"type": "ByteLevel"}], 1),
    ],
    ids=str,
)
def test_how_much_a_text_grows(rules: Any, times: float) -> None:
    assert growth.growth(rules, "normalizer") == times


def test_a_table_of_characters_is_read_as_the_library_reads_it(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    values = json.loads((GOLDEN / "tokens-unigram" / "tokenizer.json").read_text("utf-8"))
    values["normalizer"] = precompiled(charsmap({"a": "xy", "b": "ﷺ"}))
    assert Tokenizer.from_str(json.dumps(values)).normalizer.normalize_str("abc") == "xyﷺc"


def test_a_damaged_table_of_characters_is_refused_or_harmless() -> None:
    """Whatever passes is run: it would panic, or end the process."""
    from tokenizers import Tokenizer

    rng, table, passed = random.Random(0), charsmap({"a": "xy", "b": "ﷺ", "é"[0].lower(): "e"}), 0
    values = json.loads((GOLDEN / "tokens-unigram" / "tokenizer.json").read_text("utf-8"))
    for _ in range(300):
        spoilt = bytearray(table)
        for _ in range(rng.choice((1, 3, 30))):
            spoilt[rng.randrange(len(table))] = rng.randrange(256)
        if rng.random() < 0.2:
            del spoilt[rng.randrange(len(table)) :]
        rule = precompiled(bytes(spoilt))
        try:
            growth.growth(rule, "normalizer")
        except ValueError as error:
            assert str(error).startswith("expected ")
            continue
        passed += 1
        Tokenizer.from_str(json.dumps(values | {"normalizer": rule})).encode("a B1, é ☃ 你 ab bc")
    assert passed
    for spoilt in (
        b"\xff" * 4 + table[4:],
        table[:4],
        struct.pack("<I", 0) + b"a\0",
        table + b"\xff",
        table[:-1],
    ):
        with pytest.raises(ValueError, match="expected a whole precompiled_charsmap"):
            growth.growth(precompiled(spoilt), "normalizer")


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/tokenizer.json")), ids=lambda path: path.parent.name)
def test_published_tokenizers_pass(path: Path) -> None:
    growth.check(json.loads(path.read_text("utf-8")), path.name)


def test_a_vocabulary_of_long_tokens_is_refused(tmp_path: Path) -> None:
    for file in (GOLDEN / "bert-published").iterdir():
        if file.suffix in (".txt", ".json"):
            shutil.copy(file, tmp_path)
    with (tmp_path / "vocab.txt").open("a") as file:
        file.write("a" * 2000 + "\n")
    with pytest.raises(ValueError, match=r"expected tokens of at most 1,000 letters in vocab\.txt"):
        open_tokenizer(tmp_path, "bert")
