"""Words with their times as files: SRT, WebVTT, Praat's TextGrid, CSV and JSON.

WebVTT: the W3C's "WebVTT: The Web Video Text Tracks Format". SRT has no standard; this is what players read: numbered
cues, comma before the milliseconds. TextGrid: Praat's manual, "TextGrid file formats", the long text format.
"""

from __future__ import annotations

import csv as csv_module
import io
import json as json_module
from collections.abc import Mapping, Sequence

from transformer.trace import Word

LONGEST = 42  # characters of a line of subtitles, as broadcasters keep it
PAUSE = 1.0  # seconds of silence that begin another line


def lines(words: Sequence[Word]) -> list[list[Word]]:
    """Words in lines of at most 42 characters, a new one after each second of silence; blanks stand where the text has
    them."""
    found: list[list[Word]] = []
    for word in words:
        if found:
            length = len(_joined([*found[-1], word]))
            if length <= LONGEST and word.start - found[-1][-1].end < PAUSE:
                found[-1].append(word)
                continue
        found.append([word])
    return found


def srt(words: Sequence[Word]) -> str:
    """SubRip subtitles."""
    cues = [
        f"{i}\n{_clock(line[0].start, ',')} --> {_clock(line[-1].end, ',')}\n{_joined(line)}\n"
        for i, line in enumerate(lines(words), 1)
    ]
    return "\n".join(cues)


def vtt(words: Sequence[Word]) -> str:
    """WebVTT subtitles; inside a line each word after the first has a time stamp of its own."""
    cues = []
    for line in lines(words):
        said = [_escaped(line[0].text)]
        for word in line[1:]:
            # A time stamp must lie inside its cue and behind the one before it.
            inside = line[0].start < word.start < line[-1].end
            said.append("" if word.joins else " ")
            said.append(f"<{_clock(word.start)}>{_escaped(word.text)}" if inside else _escaped(word.text))
        cues.append(f"{_clock(line[0].start)} --> {_clock(line[-1].end)}\n{''.join(said)}\n")
    return "\n".join(["WEBVTT\n", *cues])


def textgrid(tiers: Mapping[str, Sequence[Word]], seconds: float) -> str:
    """A Praat TextGrid with a tier of words for each way of timing; silence is an empty interval.

    Praat takes no empty interval and no overlap: words without length are left out, and one begins where the one
    before it has ended.
    """
    out = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {seconds:.6f}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, words) in enumerate(tiers.items(), 1):
        intervals = _intervals(words, seconds)
        out += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(name)}",
            "        xmin = 0",
            f"        xmax = {seconds:.6f}",
            f"        intervals: size = {len(intervals)}",
        ]
        for i, (start, end, text) in enumerate(intervals, 1):
            out += [
                f"        intervals [{i}]:",
                f"            xmin = {start:.6f}",
                f"            xmax = {end:.6f}",
                f"            text = {_quoted(text)}",
            ]
    return "\n".join(out) + "\n"


def csv(tiers: Mapping[str, Sequence[Word]]) -> str:
    """A row for each word of each tier: how it was timed, word, start and end in seconds, confidence from 0 to 1."""
    out = io.StringIO()
    writer = csv_module.writer(out, lineterminator="\n")
    writer.writerow(["times_by", "word", "start", "end", "confidence"])
    for name, words in tiers.items():
        for word in words:
            times = (f"{word.start:.3f}", f"{word.end:.3f}", f"{word.confidence:.4f}")
            writer.writerow([name, word.text, *times])
    return out.getvalue()


def json(tiers: Mapping[str, Sequence[Word]], text: str, seconds: float) -> str:
    """The transcript, the length of the clip, and the words of each tier."""
    words = {
        name: [
            {
                "word": word.text,
                "start": round(word.start, 3),
                "end": round(word.end, 3),
                "confidence": round(word.confidence, 4),
            }
            for word in tier
        ]
        for name, tier in tiers.items()
    }
    whole = {"text": text, "seconds": round(seconds, 3), "words": words}
    return json_module.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def _clock(seconds: float, point: str = ".") -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def _joined(line: Sequence[Word]) -> str:
    said = "".join(word.text if word.joins else f" {word.text}" for word in line[1:])
    return line[0].text + said


def _escaped(text: str) -> str:
    """Text in a WebVTT cue, where a tag begins with < and an arrow separates times."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _intervals(words: Sequence[Word], seconds: float) -> list[tuple[float, float, str]]:
    found: list[tuple[float, float, str]] = []
    at = 0.0
    for word in words:
        start, end = max(word.start, at), min(word.end, seconds)
        if round(end - start, 6) <= 0:
            continue
        if round(start - at, 6) > 0:
            found.append((at, start, ""))
        found.append((start, end, word.text))
        at = end
    if round(seconds - at, 6) > 0:
        found.append((at, seconds, ""))
    return found
