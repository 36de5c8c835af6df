"""Files of words, held against what their formats say: written out by hand, and read back by other readers."""

import csv
import io
import json
import re

import pytest

from transformer.figures import subtitles
from transformer.trace import Word

WORDS = (
    Word("Seven", 0.2, 0.9, 0.75),
    Word('"two"', 0.9, 1.5, 0.5),
    Word("<one> & nine", 3725.0, 3726.25, 1.0),
)


def test_srt() -> None:
    assert subtitles.srt(WORDS) == (
        '1\n00:00:00,200 --> 00:00:01,500\nSeven "two"\n\n2\n01:02:05,000 --> 01:02:06,250\n<one> & nine\n'
    )
    assert subtitles.srt([]) == ""


def test_vtt() -> None:
    assert subtitles.vtt(WORDS) == (
        'WEBVTT\n\n00:00:00.200 --> 00:00:01.500\nSeven <00:00:00.900>"two"\n\n'
        "01:02:05.000 --> 01:02:06.250\n&lt;one&gt; &amp; nine\n"
    )


def test_no_blank_stands_where_the_text_has_none() -> None:
    words = [Word("你好", 0.0, 0.4, 1), Word("世界", 0.4, 0.8, 1, True), Word("สวัสดี", 0.8, 1.2, 1)]
    assert "\n你好世界 สวัสดี\n" in subtitles.srt(words)
    assert "你好<00:00:00.400>世界 <00:00:00.800>สวัสดี\n" in subtitles.vtt(words)
    assert [len(line) for line in subtitles.lines([words[1]] * 30)] == [21, 9]


def test_lines_are_short() -> None:
    words = [Word("0123456789", i, i + 1, 1) for i in range(9)]
    assert [len(line) for line in subtitles.lines(words)] == [3, 3, 3]
    assert [len(line) for line in subtitles.lines([Word("x" * 60, 0, 1, 1), Word("y", 1, 2, 1)])] == [1, 1]


def test_a_textgrid_covers_the_clip_without_gap_or_overlap() -> None:
    overlapping = [Word("a", 0.5, 1.0, 1), Word("none", 1.0, 1.0, 1), Word('b"', 0.9, 2.5, 1)]
    text = subtitles.textgrid({"Attention": overlapping, "CTC": []}, 2.0)
    assert text.startswith(
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 2.000000\n'
    )
    assert "size = 2\n" in text and 'name = "CTC"' in text
    found = re.findall(r"intervals \[(\d)\]:\n +xmin = (.+)\n +xmax = (.+)\n +text = \"(.*)\"", text)
    assert [(int(i), float(start), float(end), said) for i, start, end, said in found] == [
        (1, 0.0, 0.5, ""),
        (2, 0.5, 1.0, "a"),
        (3, 1.0, 2.0, 'b""'),
        (1, 0.0, 2.0, ""),
    ]
    assert "intervals: size = 3" in text and "intervals: size = 1" in text


def test_csv_and_json_are_read_back() -> None:
    rows = list(csv.DictReader(io.StringIO(subtitles.csv({"Attention": WORDS}))))
    assert [row["word"] for row in rows] == [word.text for word in WORDS]
    assert [float(row["end"]) for row in rows] == [word.end for word in WORDS]
    whole = json.loads(subtitles.json({"CTC": WORDS[:1]}, "Seven", 1.25))
    assert whole == {
        "text": "Seven",
        "seconds": 1.25,
        "words": {"CTC": [{"word": "Seven", "start": 0.2, "end": 0.9, "confidence": 0.75}]},
    }


@pytest.mark.parametrize(("seconds", "clock"), [(0.0004, "00:00:00.000"), (59.9996, "00:01:00.000")])
def test_clocks_round_to_milliseconds(seconds: float, clock: str) -> None:
    assert f"{clock} -->" in subtitles.vtt([Word("a", seconds, 70.0, 1)])
