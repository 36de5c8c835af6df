"""Labels as pictures show them: every position visible, whatever its text holds, and none too long."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

from transformer.trace import Label

# Long enough for nearly every word; a web address must not push the picture off the page.
LIMIT = 20

# Markers of common tokenizers, and what they are called on the page.
MARKERS = {
    **dict.fromkeys(
        ("end", "</s>", "<eos>", "[end]", "[sep]", "<|endoftext|>", "<|endoftranscript|>"), "⏎ end"
    ),
    **dict.fromkeys(("start", "<s>", "<bos>", "[start]", "[cls]", "<|startoftranscript|>"), "▸ start"),
    **dict.fromkeys(("pad", "<pad>", "[pad]"), "pad"),
    **dict.fromkeys(("unk", "<unk>", "[unk]"), "unknown"),
}

# What the maps of a trace are called.
MAP_NAMES = {
    "encoder": "Encoder self-attention",
    "decoder": "Decoder self-attention",
    "cross": "Cross-attention",
}

# A cell that begins with one of these is run as a formula by spreadsheets (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_VISIBLE = {"": "∅", " ": "␣", "\n": "↵", "\r": "↵", "\u2028": "↵", "\u2029": "↵", "\t": "⇥", "\u00a0": "⍽"}


def display(label: Label, limit: int = LIMIT) -> str:
    """The label's text on one line: white space alone as a sign, control characters as `�`, cut to `limit` with `…`."""
    text = label.text
    if not text.strip():
        return "".join(_VISIBLE.get(character, "␣") for character in text[:limit]) or _VISIBLE[""]
    text = "".join(
        _VISIBLE.get(c, "�") if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text
    )
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown(label: Label) -> str:
    """A marker by what it is called on the page, any other label by its text as it is."""
    return MARKERS.get(label.text.strip().lower(), label.text) if label.special else label.text


def harmless(text: str) -> str:
    """Text for a cell of a spreadsheet, which would run some as a formula: that gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def escape(text: str) -> str:
    """Text for plotly, which reads a small HTML, where `<s>` would vanish, and TeX between dollar signs."""
    return html.escape(text, quote=False).replace("$", "&#36;")


def width(labels: Iterable[Label]) -> float:
    """Roughly how wide the widest label is, in ems: 0.58 for most letters, 1.1 for wide ones (CJK, emoji)."""
    return max((sum(_advance(c) for c in display(label)) for label in labels), default=0.0)


def _advance(character: str) -> float:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    return 1.1 if unicodedata.east_asian_width(character) in "WF" else 0.58
