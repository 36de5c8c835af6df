"""Tokenizers of decoders: ids and texts of the reference library, who adds the first token, bytes without a token."""

import json
from pathlib import Path
from typing import Any

import pytest

from transformer.text.foreign import ForeignTokenizer, open_tokenizer
from transformer.text.foreign_labels import fallback_word
from transformer.text.template import Around, template
from transformer.trace import Label
from transformer.trace.labels import spelt

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
NAMES = ["tokens-llama", "tokens-gemma", "tokens-llama3", "tokens-opt"]
each = pytest.mark.parametrize("name", NAMES)


def opened(name: str) -> ForeignTokenizer:
    tokenizer = open_tokenizer(GOLDEN / name, "decoder")
    assert tokenizer is not None
    return tokenizer


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / name / "expected_tokens.json").read_text("utf-8"))
    return found


@each
def test_ids_and_texts_are_those_of_the_reference_library(name: str) -> None:
    tokenizer, rows = opened(name), recorded(name)
    for row in [*rows["source"], *rows["typed_markers"]]:
        encoded = tokenizer.encode(row["text"])
        assert encoded.ids == row["ids"], row["text"]
        assert len(encoded.labels) == len(encoded.ids)
        assert tokenizer.decode(row["ids"]) == row["decoded"], row["text"]


@each
def test_one_first_token_is_added_and_marked(name: str) -> None:
    tokenizer = opened(name)
    labels = tokenizer.encode("The cat sat").labels
    assert labels[0].special and labels[0].text in ("start", "end")  # OPT begins with its end
    assert not any(label.special for label in labels[1:]) and not labels[1].joins
    text = "".join((" " * (not label.joins)) + label.text for label in labels[1:])
    assert text.split() == ["The", "cat", "sat"]


@pytest.mark.parametrize("name", NAMES[:3])
def test_letters_that_no_token_spells_are_whole_again(name: str) -> None:
    labels = opened(name).encode("a 🙂").labels[1:]
    assert any("‹" in label.text for label in labels)
    assert spelt(labels).replace(" ", "") == "a🙂"


def test_a_byte_is_no_word_of_its_own() -> None:
    assert fallback_word("<0x0A>") == Label("\n", joins=True)
    assert fallback_word("<0xC3>") == Label("‹C3›", joins=True)
    assert fallback_word("▁the") == Label("the") and fallback_word("the") == Label("the", joins=True)


def test_markers_beyond_a_vocabulary_are_left_out(tmp_path: Path) -> None:
    """As Gemma 3 has one for pictures, which its networks of text have no row for."""
    values = json.loads((GOLDEN / "tokens-gemma" / "tokenizer.json").read_text("utf-8"))
    picture = values["added_tokens"][0] | {"id": 410, "content": "<image_soft_token>"}
    values["added_tokens"].append(picture)
    for special, size in ((True, 410), (False, 411)):
        picture["special"] = special
        (tmp_path / "tokenizer.json").write_text(json.dumps(values))
        tokenizer = open_tokenizer(tmp_path, "decoder")
        assert tokenizer and tokenizer.size == 411
        tokenizer.within(410)
        assert tokenizer.size == size
        tokenizer.within(5)  # tokens that text is made of are not left out
        assert tokenizer.size == size


SINGLE = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
KNOWN = {"<s>": {"id": "<s>", "ids": [7], "tokens": ["<s>"]}}
PLAIN = {"type": "TemplateProcessing", "single": SINGLE, "special_tokens": KNOWN}


@pytest.mark.parametrize(
    ("processor", "wanted"),
    [
        (None, None),
        ({"type": "ByteLevel"}, Around()),
        (PLAIN, Around((7,))),
        (PLAIN | {"single": SINGLE[::-1]}, Around((), (7,))),
        ({"type": "Sequence", "processors": [{"type": "ByteLevel"}, PLAIN]}, Around((7,))),
        ({"type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 2]}, Around((0,), (2,))),
    ],
)
def test_what_a_template_puts_around_a_text(processor: Any, wanted: Any) -> None:
    assert template(processor) == wanted


@pytest.mark.parametrize(
    "processor",
    [
        3,
        {"type": "Other"},
        PLAIN | {"special_tokens": {}},
        PLAIN | {"single": 5},
        PLAIN | {"special_tokens": {"<s>": {"ids": [-1]}}},
        {"type": "BertProcessing", "cls": [], "sep": ["x", 1]},
    ],
    ids=str,
)
def test_a_damaged_template_is_one_line(processor: Any, tmp_path: Path) -> None:
    values = json.loads((GOLDEN / "tokens-llama" / "tokenizer.json").read_text("utf-8"))
    (tmp_path / "tokenizer.json").write_text(json.dumps(values | {"post_processor": processor}))
    with pytest.raises(
        ValueError, match="expected a post_processor that puts tokens around a text"
    ) as caught:
        open_tokenizer(tmp_path, "decoder")
    assert "\n" not in str(caught.value)


def test_endless_sequences_are_refused() -> None:
    deep: Any = PLAIN
    for _ in range(50):
        deep = {"type": "Sequence", "processors": [deep]}
    with pytest.raises(ValueError, match="expected a post_processor"):
        template(deep)


def test_files_of_another_class_are_not_cut_as_those_of_gpt2(tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / name).write_bytes((GOLDEN / "tokens-opt" / name).read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "Qwen2Tokenizer"}')
    with pytest.raises(
        ValueError, match=r"expected tokenizer\.json for a 'Qwen2Tokenizer', received vocab\.json"
    ):
        open_tokenizer(tmp_path, "decoder")
