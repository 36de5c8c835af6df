"""How much longer can the rules of a tokenizer.json make a text, and are its tables whole?

The `tokenizers` library runs whatever a file says, and cannot be stopped: forty rules that write `aa` for `a` fill the
memory of any machine, and a damaged table ends the process. So the rules are looked at before they run. Which there
are: huggingface/tokenizers, `src/{normalizers,pre_tokenizers,decoders}`; how a table of characters is laid out:
google/sentencepiece, `builder.cc`, and the double array of s-yata/darts-clone.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from transformer.untrusted import shown

MOST = 64.0  # times: published ones reach 36, by NFKC (18 letters for one Arabic ligature) and a rule for white space
RULES = 100
LETTERS = 4_000  # of one string of a rule; patterns of published ones have hundreds
TOKEN = 1_000  # letters of one token: a text of many is as long as they are together
WORD = 1_000  # letters of a word that is looked up whole, each part of it: WordPiece's own limit is 100
ADDED = 2**26  # letters of all added tokens once they have grown: the library applies the rules to each

# What a rule makes of one letter at most where it meets what an earlier one of its kind has made.
_AGAIN = {"BertNormalizer": 3.0, "ByteLevel": 2.0, "Metaspace": 2.0, "Prepend": 2.0}
_PARTS = ("normalizers", "pretokenizers", "decoders")


def check(values: Mapping[str, Any], name: str) -> None:
    """Refuse the content of a tokenizer.json, the file `name`, whose rules multiply a text or whose tables are damaged.

    Raises:
        ValueError: says what.
    """
    try:
        _check(values)
    except ValueError as error:
        raise ValueError(f"{error} (in {name})") from error


def check_tokens(found: Iterable[object], name: str) -> None:
    """Refuse a vocabulary, the file `name`, with a token longer than any text needs.

    Raises:
        ValueError: a longer one.
    """
    longest = max((len(token) for token in found if isinstance(token, str)), default=0)
    if longest > TOKEN:
        raise ValueError(
            f"expected tokens of at most {TOKEN:,} letters in {name}, received one of {longest:,}"
        )


def _check(values: Mapping[str, Any]) -> None:
    before = growth([values.get("normalizer"), values.get("pre_tokenizer")], "normalizer")
    growth([values.get("decoder")], "decoder")
    model = values.get("model")
    if isinstance(model, Mapping):
        for name in ("continuing_subword_prefix", "end_of_word_suffix"):
            if len(str(model.get(name) or "")) > TOKEN:
                raise ValueError(f"expected a {name} of at most {TOKEN:,} letters, received more")
        longest = model.get("max_input_chars_per_word") or 0
        if model.get("type") == "WordPiece" and type(longest) is int and longest > WORD:
            raise ValueError(
                f"expected max_input_chars_per_word of at most {WORD:,}, received {shown(longest)}"
            )
        vocabulary = model.get("vocab") or ()
        # A Unigram's rows are a token and a score.
        check_tokens((row[0] if isinstance(row, list) and row else row for row in vocabulary), "the model")
    added = values.get("added_tokens") or ()
    contents = (
        [row.get("content") for row in added if isinstance(row, Mapping)] if isinstance(added, list) else []
    )
    check_tokens(contents, "added_tokens")
    if sum(len(str(content)) for content in contents) * before > ADDED:
        raise ValueError(f"expected added tokens of at most {ADDED:,} letters, received more")


def growth(rules: Any, what: str) -> float:
    """How many letters rules, one after the other, make of one letter at most.

    Raises:
        ValueError: more than `MOST`, too many or too long rules, or a damaged table.
    """
    total, seen = 1.0, set[str]()
    for count, rule in enumerate(_each(rules)):
        kind = str(rule.get("type"))
        if count >= RULES:
            raise ValueError(f"expected at most {RULES} rules in the {what}, received more")
        for name, value in rule.items():
            if name != "precompiled_charsmap" and len(str(value)) > LETTERS:
                raise ValueError(
                    f"expected rules of at most {LETTERS:,} letters in the {what}, received a longer one"
                )
        total *= _replaced(rule) if kind in ("Replace", "Precompiled") else 1.0
        total *= _AGAIN[kind] if kind in seen and kind in _AGAIN else 1.0
        # An empty string stands between any two letters.
        total *= 2.0 if "" in (rule.get("suffix"), rule.get("word_delimiter_token")) else 1.0
        seen.add(kind)
        if total > MOST:
            raise ValueError(
                f"expected a {what} that makes a text at most {MOST:g} times as long, received one that makes it longer"
            )
    return total


def _each(rules: Any) -> Iterator[Mapping[str, Any]]:
    """Rules in their order, those of sequences within sequences too."""
    waiting = [rules]
    while waiting:
        rule = waiting.pop()
        if isinstance(rule, list):
            waiting += reversed(rule)
        elif isinstance(rule, Mapping):
            inner = [rule[part] for part in _PARTS if part in rule]
            waiting += inner
            if not inner:
                yield rule


def _replaced(rule: Mapping[str, Any]) -> float:
    """What a rule that puts one thing for another makes of a letter at most."""
    if rule.get("type") == "Precompiled":
        return _charsmap(rule.get("precompiled_charsmap"))
    pattern, content = rule.get("pattern"), rule.get("content")
    if not isinstance(pattern, Mapping) or not isinstance(content, str):
        return 1.0  # which the library refuses
    text = pattern.get("String")
    if isinstance(text, str) and text:
        return max(1.0, _length(content) / len(text))
    return 1.0 + _length(content)  # an expression may match between two letters


def _length(text: str) -> int:
    """Letters of a text once everything in it is taken apart, as a later rule may do."""
    return len(unicodedata.normalize("NFKD", text))


def _charsmap(text: Any) -> float:
    """The longest of what stands in a table of characters, which must be whole.

    It is the size of a double array in bytes, that array of uint32, and texts that end with a zero byte. A unit holds
    the label of its byte, whether a text ends there, and how far its children are; units with the highest bit are such
    ends, and say where the text begins.

    Raises:
        ValueError: a size, a step or a beginning that leads outside.
    """
    try:
        table = base64.b64decode(text, validate=True) if text else b""
        size = int.from_bytes(table[:4], "little")
        units, texts = np.frombuffer(table[4 : 4 + size], "<u4"), table[4 + size :]
        words = texts.decode("utf-8").split("\0")
    except (ValueError, TypeError) as error:
        raise _damaged() from error
    if not table:
        return 1.0
    place, ends = np.arange(len(units), dtype=np.uint32), units >> 31 == 1
    child = place ^ ((units >> 10) << ((units & 0x200) >> 6))
    if not size or size % 4 or 4 * len(units) != size or not texts.endswith(b"\0"):
        raise _damaged()
    if (child[~ends] | 0xFF).max(initial=0) >= len(units):
        raise _damaged()
    begins = units[child[~ends & (units >> 8 & 1 == 1)]] & 0x7FFFFFFF
    letters = np.frombuffer(texts, np.uint8)
    if begins.max(initial=0) >= len(letters) or (letters[begins] & 0xC0 == 0x80).any():
        raise _damaged()
    return float(max(1, *(_length(word) for word in words)))


def _damaged() -> ValueError:
    return ValueError("expected a whole precompiled_charsmap, received a damaged one")
