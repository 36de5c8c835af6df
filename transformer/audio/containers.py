"""Which sound container do these bytes hold, and how long does its header say the sound is?

Signatures: RFC 9639 (FLAC), RFC 3533 (Ogg), RFC 9559 (Matroska, WebM), ISO 14496-12 (MP4), ISO 11172-3 (MP3),
ISO 13818-7 (AAC), ID3v2.4 for the tags that may stand before the last two.
"""

from __future__ import annotations

import re
from typing import Any

import av

KNOWN = "a wav, flac, ogg, opus, mp3, m4a, aac or webm file"

# What other files begin with, to name them in the refusal: (first bytes, words).
_OTHERS = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"RIFF", "a RIFF file without sound (a WebP picture or an AVI film)"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"FORM", "an AIFF file"),
    (b"caff", "a CAF file"),
    (b"#!AMR", "an AMR file"),
    (b"\x30\x26\xb2\x75", "a Windows Media file"),
    (b"MThd", "a MIDI file"),
    (b"#EXTM3U", "a playlist"),
    (b"ID3", "ID3 tags without such a file behind them"),
)
_TAGS = 16  # before a sound stand one or two: a file of nothing else is not read to its end
_PADDING = re.compile(rb"\0*")


def container_of(data: bytes) -> tuple[str, int]:
    """FFmpeg's name of the container, and the byte at which it begins behind ID3 tags.

    Raises:
        ValueError: anything but the sound files that are known, with a word on what it looks like.
    """
    first = 0
    for _ in range(_TAGS):
        if data[first : first + 3] != b"ID3" or len(data) <= first + 10:
            break
        size = 0
        for byte in data[first + 6 : first + 10]:  # seven bits of each count (ID3v2.4, section 6.2)
            size = size << 7 | byte & 0x7F
        padding = _PADDING.match(data, first + 10 + size)  # in place: a copy of the rest for each tag adds up
        first = padding.end() if padding else len(data)
    head = data[first : first + 12]
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav", first
    for magic, kind in ((b"fLaC", "flac"), (b"OggS", "ogg"), (b"\x1a\x45\xdf\xa3", "webm")):
        if head.startswith(magic):
            return kind, first
    if head[4:8] == b"ftyp":
        return "m4a", first
    if len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0:
        layer = head[1] >> 1 & 3  # ISO 11172-3: 1 is layer III, 2 layer II; 0 is ADTS of AAC (ISO 13818-7)
        if layer in (1, 2):
            return "mp3", first
        if layer == 0 and head[1] >= 0xF0:
            return "aac", first
    what = next((words for magic, words in _OTHERS if data.startswith(magic)), None)
    if what is None:
        what = "text" if min(data[:512]) >= 9 else "another kind of file"  # below 9: no characters of texts
    raise ValueError(f"expected {KNOWN}, received {what}")


def promised_seconds(container: Any, kind: str, data: bytes, first: int) -> float | None:
    """How long the header says the sound is; None where it does not, or where FFmpeg would only estimate it."""
    stream = container.streams.audio[0]
    if kind == "wav":
        # FFmpeg cuts what is claimed here down to the size of the file.
        rate, at = (stream.codec_context.bit_rate or 0) / 8, first + 12
        while rate and at + 8 <= len(data):
            size = int.from_bytes(data[at + 4 : at + 8], "little")
            if data[at : at + 4] == b"data":
                # The largest number is written by programs that stream: it promises nothing.
                return size / rate if size < 0xFFFFFFFF else None
            at += 8 + size + size % 2
        return None
    # The frame count of an mp3 stands behind its side information (17 or 32 bytes, 9 in low-rate mono).
    if kind == "mp3" and not {b"Xing", b"Info"} & {data[first + n :][:4] for n in (13, 21, 36)}:
        return None
    if kind in ("flac", "m4a", "mp3") and stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if kind == "webm" and container.duration else None
