"""Words that somebody gave, inside Streamlit's Markdown: they stand there as they were given.

Whatever a visitor typed, a link held, a file or checkpoint is called, and every message of a library, which may repeat
such words, comes to the screen through here.
"""

from __future__ import annotations

import re

MOST = 300  # characters of a message: a sentence or two, with the way on
# An absolute path, of which a message needs the last name alone.
_FOLDERS = re.compile(r"(?<![\w.~/\\:])(?:~|[A-Za-z]:)?[/\\](?:[^/\\\s'\"“”]+[/\\])+(?=[^/\\\s])")


def plain(text: str) -> str:
    """Text with everything escaped that Markdown, its formulas, colours or icons would take for their own."""
    # Arrows and a name that Streamlit looks for behind Markdown, where no escape is left: what joins is not seen.
    text = re.sub(r"(?<!\S)(<->|->|<-|--|>=|<=|~=)(?!\S)|(?<=:)(?=streamlit:)", _apart, text)
    escaped = re.sub(r"([\\`*_{}\[\]()<>#$|~:+!&=-])", r"\\\1", text)
    escaped = escaped.replace(":material/", r":material\/")  # which it looks for before
    return re.sub(r"^(\s*\d+)\.", r"\1\\.", escaped)  # not the first item of a list


def _apart(found: re.Match[str]) -> str:
    return f"{found[0][:1]}\u2060{found[0][1:]}"


def line(words: object, most: int = MOST) -> str:
    """What a message says or repeats, as one line of at most `most` characters, escaped, with folders left out."""
    text = _FOLDERS.sub("…/", " ".join(str(words)[: 20 * most].split()))
    return plain(text if len(text) <= most else f"{text[: most - 1]}…")


def code(name: str) -> str:
    """A name in type of fixed width; one that would end that by itself is escaped."""
    return plain(name) if "`" in name or "\n" in name else f"`{name}`"
