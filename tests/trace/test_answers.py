"""What a network that reads answers, in a trace and in its files."""

import json
import math
from typing import Any

import pytest

from transformer.trace import Answer, Label, Trace

FOUND = (Answer("PER", 4.5, 0.9, 1, 3), Answer("good", -1.0, 0.25), Answer("score", 7.25))
SOURCE = [Label("CLS", special=True), Label("Wolf"), Label("gang", joins=True)]


@pytest.mark.parametrize("format", ["npz", "json"])
def test_answers_come_back(format: str) -> None:
    trace = Trace((), "Wolfgang (PER)", source=SOURCE, answers=FOUND)
    assert Trace.from_bytes(trace.to_bytes(format), format).answers == FOUND


def test_files_from_before_there_were_answers_open() -> None:
    document = json.loads(Trace((), "good").to_bytes("json"))
    assert document.pop("answers") == []
    assert Trace.from_bytes(json.dumps(document).encode(), "json").answers == ()


@pytest.mark.parametrize(
    "wrong",
    [
        dict(name=3),
        dict(score=math.nan),
        dict(score="1"),
        dict(probability=1.5),
        dict(begin=0),
        dict(begin=2, end=2),
        dict(begin=-1, end=2),
        dict(begin=1, end=4),  # there are three positions
        dict(begin=0.5, end=1),
        dict(unknown=1),
    ],
    ids=str,
)
def test_answers_of_strangers_are_checked(wrong: dict[str, Any]) -> None:
    document = json.loads(Trace((), "x", source=SOURCE).to_bytes("json"))
    document["answers"] = [{"name": "a", "score": 1.0} | wrong]
    with pytest.raises(ValueError, match="expected"):
        Trace.from_bytes(json.dumps(document).encode(), "json")
