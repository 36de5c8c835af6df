"""The tokenizer: text -> ids -> text, and labels that read as people write."""

import json
from pathlib import Path

import pytest

from transformer.config import END, PAD, START, UNKNOWN
from transformer.text.tokenizer import SPECIAL, SubwordTokenizer, clean
from transformer.trace import Label

# Every character stands at least twice, so that the vocabulary knows it.
SENTENCES = (
    "O trem saiu da estação na hora.",
    "¿Puedes ayudarme a abrir la puerta?",
    "The train left the station on time, didn't it?",
    'She said: "I don\'t know (yet)!" – and left…',
    "In 2024 it cost 3,141.59 € or 50 %; a/b_c @home #1 & more*",
    "Привет, мир! Как дела?",
    "مرحبا بالعالم",
    "שלום עולם",
    "नमस्ते दुनिया",
    "你好，世界。",
    "こんにちは世界",
    "안녕하세요 세계",
    "Ελληνικά γράμματα",
    "Zażółć gęślą jaźń",
    "🚆 😀 👩‍👧 🇧🇷",
    "x",
    "'quoted' \"twice\" [and] {again}",
)


@pytest.fixture(scope="module")
def tokenizer() -> SubwordTokenizer:
    return SubwordTokenizer.train(SENTENCES * 3, 400)


def joined(labels: list[Label]) -> str:
    """The text that the labels of words and their parts spell."""
    written = "".join(
        (label.text if label.joins else " " + label.text) for label in labels if not label.special
    )
    return " ".join(written.split())


@pytest.mark.parametrize("text", SENTENCES)
def test_ids_come_back_as_the_text(tokenizer: SubwordTokenizer, text: str) -> None:
    encoded = tokenizer.encode(text)
    assert encoded.ids[-1] == END
    assert not {PAD, START, UNKNOWN} & set(encoded.ids)
    assert END not in encoded.ids[:-1]
    assert tokenizer.decode(encoded.ids) == clean(text)
    assert encoded.unknown == []


@pytest.mark.parametrize("text", SENTENCES)
def test_labels_spell_the_text(tokenizer: SubwordTokenizer, text: str) -> None:
    encoded = tokenizer.encode(text)
    assert len(encoded.labels) == len(encoded.ids)
    assert joined(encoded.labels) == clean(text)
    assert encoded.labels[-1] == Label("end", special=True)
    assert not encoded.labels[0].joins
    assert not any("▁" in label.text for label in encoded.labels)
    assert tokenizer.labels(encoded.ids) == encoded.labels


def test_words_are_split_and_their_parts_joined() -> None:
    few = SubwordTokenizer.train(["ab ab abc abc c c"] * 2, 9)
    encoded = few.encode("ab abc")
    assert joined(encoded.labels) == "ab abc"
    assert [label.joins for label in encoded.labels if label.text == "c"] == [True]


def test_many_at_once_are_the_same_as_one_by_one(tokenizer: SubwordTokenizer) -> None:
    assert tokenizer.encode_all(SENTENCES) == [tokenizer.encode(text).ids for text in SENTENCES]
    assert tokenizer.encode_all([]) == []


def test_special_ids_stand_where_they_should(tokenizer: SubwordTokenizer) -> None:
    assert (PAD, START, END, UNKNOWN) == (0, 1, 2, 3)
    shown = [tokenizer.label(i) for i in range(4)]
    assert [label.text for label in shown] == ["pad", "start", "end", "?"]
    assert [label.special for label in shown] == [True, True, True, False]
    assert tokenizer.decode([START, *tokenizer.encode("x").ids, PAD, PAD]) == "x"
    assert tokenizer.decode([]) == tokenizer.decode([END]) == ""


@pytest.mark.parametrize("index", [400, 10**9, -1])
def test_an_id_that_the_vocabulary_lacks_is_refused(tokenizer: SubwordTokenizer, index: int) -> None:
    assert tokenizer.size <= 400
    with pytest.raises(ValueError, match=f"expected an id .*received {index}"):
        tokenizer.label(index)


@pytest.mark.parametrize("text", SPECIAL)
def test_typing_a_special_token_does_not_make_one(tokenizer: SubwordTokenizer, text: str) -> None:
    encoded = tokenizer.encode(f"x {text} x")
    assert not {PAD, START, END} & set(encoded.ids[:-1])
    assert joined(encoded.labels) == f"x {text} x"
    assert not {PAD, START, END} & set(tokenizer.encode_all([text])[0][:-1])


def test_unknown_characters_keep_their_text_as_label(tokenizer: SubwordTokenizer) -> None:
    encoded = tokenizer.encode("x ☃ on⚑ time")
    assert encoded.unknown == ["☃", "⚑"]
    assert encoded.ids.count(UNKNOWN) == 2
    assert joined(encoded.labels) == "x ☃ on⚑ time"


def test_typographic_quotes_are_the_same_as_plain_ones(tokenizer: SubwordTokenizer) -> None:
    assert tokenizer.encode("“didn’t ‘it’”").ids == tokenizer.encode("\"didn't 'it'\"").ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a \t b\r\n\nc  ", "a b c"),
        ("a\x00b\x07c\x1b[0m", "a b c [0m"),
        ("e\u0301", "é"),
        ("a\u00a0b\u2003c\u2028d", "a b c d"),
        ("", ""),
        (" \t\n\x00\x7f\x85", ""),
        ("a\ud800b\udfffc", "a b c"),
        ("a▁b", "a b"),
    ],
)
def test_clean_text(text: str, expected: str) -> None:
    assert clean(text) == expected
    assert clean(clean(text)) == clean(text)


def test_lone_surrogates_and_the_word_mark_are_harmless(tokenizer: SubwordTokenizer) -> None:
    for text in ("x \ud83d x", "▁x▁▁x▁", "▁"):
        encoded = tokenizer.encode(text)
        assert joined(encoded.labels) == clean(text)
        assert not any("▁" in label.text for label in encoded.labels)


def test_empty_text_is_the_end_alone(tokenizer: SubwordTokenizer) -> None:
    assert tokenizer.encode("").ids == tokenizer.encode(" \n").ids == [END]


def test_training_twice_gives_the_same_tokenizer_and_a_file_keeps_it(
    tokenizer: SubwordTokenizer, tmp_path: Path
) -> None:
    again = SubwordTokenizer.train(iter(SENTENCES * 3), 400)
    tokenizer.save(tmp_path / "first.json")
    again.save(tmp_path / "second.json")
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()
    loaded = SubwordTokenizer.load(tmp_path / "first.json")
    assert loaded.size == tokenizer.size
    for text in SENTENCES:
        assert loaded.encode(text) == tokenizer.encode(text)


def test_a_file_that_holds_no_tokenizer_is_refused(tokenizer: SubwordTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    whole = path.read_text(encoding="utf-8")
    other = json.loads(whole)
    other["model"]["vocab"] |= {"<pad>": 1, "<start>": 0}
    other["added_tokens"] = []
    for content in ("", "{}", whole[: len(whole) // 2], json.dumps(other)):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=r"expected a tokenizer file at tokenizer\.json"):
            SubwordTokenizer.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="expected a tokenizer file"):
        SubwordTokenizer.load(path)
    with pytest.raises(ValueError, match="expected a tokenizer file"):
        SubwordTokenizer.load(tmp_path / "none.json")
