"""Text as characters: ids against Keras's lookup layer, and back."""

from pathlib import Path

import numpy as np
import pytest

from transformer.text.characters import CharacterTokenizer
from transformer.training.characters import lookup_ids

TEXT = "First Citizen:\nBefore we proceed, hear me speak.\n\nAll: \t'tis\n"


def test_ids_are_those_of_the_string_lookup_of_keras() -> None:
    tokenizer = CharacterTokenizer.train("".join(c for c in TEXT if c != "\t"))
    for text in (TEXT, "Zebra é"):  # with characters that the vocabulary lacks
        assert tokenizer.ids(text) == lookup_ids(tokenizer, text).tolist()
    assert tokenizer.ids("\n") == [3 - 1]  # the first after padding and unknown
    assert tokenizer.ids("\t") == [1]


def test_there_and_back() -> None:
    tokenizer = CharacterTokenizer.train(TEXT)
    assert tokenizer.decode(tokenizer.ids(TEXT)) == TEXT
    assert tokenizer.size == len(set(TEXT)) + 2
    found = tokenizer.encode("a p\u00e9")
    assert found.ids == [*tokenizer.ids("a p\u00e9"), 2] and found.unknown == ["\u00e9"]
    assert [label.text for label in found.labels] == ["a", "␣", "p", "\u00e9", "↵"]
    assert [label.joins for label in found.labels[:4]] == [False, True, False, True]


def test_labels_of_ids_are_those_of_the_text() -> None:
    tokenizer = CharacterTokenizer.train(TEXT)
    for text in ("we are", "me:\nspeak"):
        assert tokenizer.labels(tokenizer.ids(text)) == tokenizer.encode(text).labels[:-1]
    assert tokenizer.label(0).special
    with pytest.raises(ValueError, match="expected an id from 0 to"):
        tokenizer.label(tokenizer.size)


def test_a_file_is_read_again_and_another_refused(tmp_path: Path) -> None:
    tokenizer, path = CharacterTokenizer.train(TEXT), tmp_path / "tokenizer.json"
    tokenizer.save(path)
    assert CharacterTokenizer.load(path).characters == tokenizer.characters
    for content in ("{}", "[", '{"characters": ["\\n", "ab"]}', '{"characters": ["a"]}', '{"characters": 3}'):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"expected a list of characters at tokenizer\.json, received"):
            CharacterTokenizer.load(path)


def test_ids_of_an_empty_text_are_none() -> None:
    tokenizer = CharacterTokenizer.train(TEXT)
    assert tokenizer.ids("") == [] and tokenizer.encode("").ids == [2]
    assert np.size(tokenizer.ids("")) == 0
