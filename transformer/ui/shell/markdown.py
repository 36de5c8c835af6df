"""Text that somebody typed, inside Streamlit's Markdown: it stands there as it was typed."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """Text with everything escaped that Markdown, its formulas, colours or icons would take for their own."""
    return re.sub(r"([\\`*_{}\[\]()<>#$|~:+!-])", r"\\\1", text)
