"""Which tokens stand around a text: said by the template in tokenizer.json, or by settings where there is none.

This is the one place where a first token is added. What a template looks like: huggingface/tokenizers,
`src/processors/{template,bert,roberta,sequence}.rs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from transformer.untrusted import shown

DEEP = 20  # sequences within sequences
# What stands in a row of two texts, with its segment: "A" and "B" are the texts, numbers the ids around them.
Joined = tuple[tuple[int | str, int], ...]


class Around(NamedTuple):
    """The ids before a text and after it."""

    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()


def template(processor: Any, deep: int = 0) -> Around | None:
    """What a `post_processor` puts around one text; None where there is no processor.

    Raises:
        ValueError: one that is damaged, or of a kind that is not known.
    """
    if processor is None:
        return None
    if not isinstance(processor, Mapping) or deep > DEEP:
        raise _strange(processor)
    kind = processor.get("type")
    if kind == "ByteLevel":  # it tells where tokens stand, and adds none
        return Around()
    if kind == "Sequence":
        found = Around()
        for part in _list(processor.get("processors")):
            inner = template(part, deep + 1) or Around()
            found = Around((*inner.before, *found.before), (*found.after, *inner.after))
        return found
    if kind in ("BertProcessing", "RobertaProcessing"):
        return Around((_id(_list(processor.get("cls"))[-1]),), (_id(_list(processor.get("sep"))[-1]),))
    if kind != "TemplateProcessing":
        raise _strange(kind)
    known, sides = processor.get("special_tokens"), ([], [])  # type: tuple[Any, tuple[list[int], list[int]]]
    begun = False
    for part in _list(processor.get("single")):
        special = part.get("SpecialToken") if isinstance(part, Mapping) else None
        if special is None:
            begun = True
            continue
        row = (
            known.get(special.get("id"))
            if isinstance(known, Mapping) and isinstance(special, Mapping)
            else None
        )
        ids = row.get("ids") if isinstance(row, Mapping) else None
        sides[begun].extend(_id(i) for i in _list(ids))
    return Around(tuple(sides[0]), tuple(sides[1]))


def pair(processor: Any, deep: int = 0) -> Joined | None:
    """How a `post_processor` joins two texts; None where it does not say.

    Raises:
        ValueError: one that is damaged, or of a kind that is not known.
    """
    if processor is None:
        return None
    if not isinstance(processor, Mapping) or deep > DEEP:
        raise _strange(processor)
    kind = processor.get("type")
    if kind == "Sequence":
        found = (pair(part, deep + 1) for part in _list(processor.get("processors")))
        return next((joined for joined in found if joined), None)
    if kind in ("BertProcessing", "RobertaProcessing"):
        first, last = _id(_list(processor.get("cls"))[-1]), _id(_list(processor.get("sep"))[-1])
        return joined_by(first, last, twice=kind == "RobertaProcessing")
    if kind != "TemplateProcessing":
        return None
    known, row = processor.get("special_tokens"), list[tuple[int | str, int]]()
    for part in _list(processor.get("pair")):
        (role, inside), *_ = part.items() if isinstance(part, Mapping) and part else [(None, None)]
        if not isinstance(inside, Mapping) or role not in ("SpecialToken", "Sequence"):
            raise _strange(part)
        segment = _id(inside.get("type_id"))
        if role == "Sequence":
            row.append((str(inside.get("id")), segment))
            continue
        token = known.get(inside.get("id")) if isinstance(known, Mapping) else None
        row += [(_id(i), segment) for i in _list(token.get("ids") if isinstance(token, Mapping) else None)]
    if [piece for piece, _ in row if isinstance(piece, str)] != ["A", "B"]:
        raise _strange(row)
    return tuple(row)


def joined_by(first: int, last: int, *, twice: bool) -> Joined:
    """Two texts as BERT joins them, one marker between them and a segment each, or as RoBERTa does, with two markers
    and one segment."""
    between = [(last, 0)] * (2 if twice else 1)
    segment = 0 if twice else 1
    return ((first, 0), ("A", 0), *between, ("B", segment), (last, segment))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise _strange(value)
    return value


def _id(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise _strange(value)
    return value


def _strange(value: Any) -> ValueError:
    return ValueError(f"expected a post_processor that puts tokens around a text, received {shown(value)}")
