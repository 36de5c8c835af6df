"""Texts for the synthesisers, and what they make of them where they are installed."""

import random
import shutil
from pathlib import Path

import pytest

from transformer.audio.decode import decode
from transformer.corpus.clips import DIGITS, read_manifest
from transformer.training import read_aloud


def test_every_third_string_is_a_single_digit() -> None:
    strings = [text.split() for text in read_aloud.digit_strings(60, seed=3)]
    assert all(1 <= len(words) <= 6 and set(words) <= set(DIGITS) for words in strings)
    assert [len(words) for words in strings[::3]] == [1] * 20
    assert {word for words in strings for word in words} == set(DIGITS)
    assert strings == [text.split() for text in read_aloud.digit_strings(60, seed=3)]


def test_sentences_of_a_book_fit_a_clip(tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text(
        "Too short. It was a dark night! Was it 12 o'clock at night? Nobody in the house\nslept at all."
    )
    assert sorted(read_aloud.sentences(book, 10)) == [
        "It was a dark night!",
        "Nobody in the house slept at all.",
    ]


def test_a_missing_synthesiser_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None if program == "flite" else program)
    with pytest.raises(ValueError, match="expected the program flite"):
        read_aloud.read_aloud(tmp_path, ["one"])


@pytest.mark.skipif(not (shutil.which("espeak-ng") and shutil.which("flite")), reason="no synthesisers here")
def test_texts_are_spoken(tmp_path: Path) -> None:
    texts = ["one two three", *random.Random(0).choices(DIGITS, k=11)]
    clips = read_manifest(read_aloud.read_aloud(tmp_path, texts))
    assert [clip.transcript for clip in clips] == texts
    assert len({clip.speaker for clip in clips}) > 6
    for clip in clips:
        assert 3_000 < len(decode((tmp_path / clip.path).read_bytes()).samples) < 64_000


@pytest.mark.skipif(not (shutil.which("espeak-ng") and shutil.which("flite")), reason="no synthesisers here")
def test_digits_are_said_in_foreign_accents(tmp_path: Path) -> None:
    clips = read_manifest(read_aloud.read_aloud(tmp_path, ["one"], seed=1, accents=12))[1:]
    assert len(clips) == 12
    assert all(set(clip.transcript.split()) <= set(DIGITS) for clip in clips)
    languages = {clip.speaker.split("+")[0] for clip in clips}
    assert len(languages) > 6 and not any(language.startswith("en") for language in languages)
    sounds = [decode((tmp_path / clip.path).read_bytes()).samples for clip in clips]
    assert all(3_000 < len(sound) < 64_000 and abs(sound).max() > 0.05 for sound in sounds)


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="no synthesiser here")
def test_a_voice_is_given_only_sounds_that_it_has() -> None:
    assert read_aloud._can_say("de", "z'i:ro") and read_aloud._can_say("es", "tr'i:")
    assert not read_aloud._can_say("es", "D@2n'i:")
