"""The vocabulary of a run: its own where it goes on, another's where it starts from that, else one of its texts."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.text.tokenizer import SubwordTokenizer
from transformer.training.job import Job
from transformer.training.presets import Preset
from transformer.training.vocabulary import tokenizer_of

TEXTS, OTHERS = ["the cat sat on the mat"] * 4, ["um gato dorme"] * 4


def job(out: Path, vocabulary: int = 18, **changes: Any) -> Job:
    return Job(Preset("toy", toy.config(vocabulary=vocabulary)), [], [], out, **changes)


def never() -> Iterable[str]:
    raise AssertionError("no text is read where there is a vocabulary")


def test_it_is_learned_once_and_kept(tmp_path: Path) -> None:
    made = tokenizer_of(job(tmp_path), lambda: TEXTS)
    assert made.size == 18
    assert made.encode("cat").ids == SubwordTokenizer.train(TEXTS, 18).encode("cat").ids
    again = tokenizer_of(job(tmp_path, resume=True), never)
    assert again.encode("the mat").ids == made.encode("the mat").ids


def test_a_run_that_starts_from_another_takes_its_vocabulary(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for place in (first, second):
        place.mkdir()
    SubwordTokenizer.train(OTHERS, 18).save(first / folder.TOKENIZER)
    tokenizer_of(job(second, initial=first), never)
    assert (second / folder.TOKENIZER).read_text() == (first / folder.TOKENIZER).read_text()
    # One that goes on stays with its own.
    SubwordTokenizer.train(TEXTS, 18).save(first / folder.TOKENIZER)
    kept = tokenizer_of(job(second, initial=first, resume=True), never)
    assert kept.encode("gato").ids == SubwordTokenizer.train(OTHERS, 18).encode("gato").ids


def test_a_run_may_take_a_vocabulary_alone(tmp_path: Path) -> None:
    other, started, out = tmp_path / "other", tmp_path / "started", tmp_path / "out"
    for place, texts in ((other, OTHERS), (started, TEXTS), (out, [])):
        place.mkdir()
        if texts:
            SubwordTokenizer.train(texts, 18).save(place / folder.TOKENIZER)
    tokenizer_of(job(out, tokenizer=other, initial=started), never)
    assert (out / folder.TOKENIZER).read_text() == (other / folder.TOKENIZER).read_text()


def test_too_little_text_is_said_and_nothing_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"vocabulary of 500 subwords, received .*too little text"):
        tokenizer_of(job(tmp_path, 500), lambda: TEXTS)
    assert not (tmp_path / folder.TOKENIZER).exists()
