"""Manifests of clips: transcripts in plain letters, and each error with its line."""

from pathlib import Path

import pytest

from transformer.corpus.clips import Clip, plain, read_manifest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NORTHANGER ABBEY", "northanger abbey"),
        ("It’s 7 o'clock -- isn't it?", "it's seven o'clock isn't it"),
        ("Café  NAÏVE\t42", "cafe naive four two"),
        ("7", "seven"),
        ("...", ""),
    ],
)
def test_transcripts_are_made_plain(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('path\tspeaker\ttranscript\na.ogg\t19\tSAY "NO"\n', Clip("a.ogg", "say no", "19")),
        ("path\tdigit\tspeaker\na.flac\t7\tgeorge\n", Clip("a.flac", "seven", "george")),
        ("path\tword\na.ogg\tHappy\n", Clip("a.ogg", "happy", "")),
    ],
)
def test_a_manifest_is_read_by_its_header(tmp_path: Path, content: str, expected: Clip) -> None:
    (tmp_path / "m.tsv").write_text(content)
    assert read_manifest(tmp_path / "m.tsv") == [expected]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"expected columns path and transcript, digit or word in m.tsv, received \[\]"),
        (b"path\ttext\na\tb\n", "expected columns path and transcript, digit or word in m.tsv"),
        (b"file\ttranscript\na\tb\n", "expected columns path and transcript, digit or word in m.tsv"),
        (b"path\tword\na\tb\nc\n", "expected 2 columns in line 3 of m.tsv, received 1"),
        (b"path\tword\na\tb\tc\n", "expected 2 columns in line 2 of m.tsv, received 3"),
        (b"path\tword\na\t--\n", "expected a path and words in line 2 of m.tsv"),
        (b"path\tword\n\tyes\n", "expected a path and words in line 2 of m.tsv"),
        (b"path\tword\na\t\xff\n", "expected UTF-8 text in m.tsv"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_with_its_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "m.tsv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_manifest(tmp_path / "m.tsv")
