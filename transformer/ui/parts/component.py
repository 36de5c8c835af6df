"""What do all components share between Python and the browser?

A component is a script and a style in `assets/components/`; the module that draws with it registers it once, when it is
imported. What the browser answers was written by whoever sits there, so it is checked before a page sees it. All draw
in the colours of `transformer.figures.theme` and follow the switch between light and dark by themselves.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any, Literal

import streamlit as st

from transformer import home
from transformer.figures.theme import THEMES


def component(name: str, *scripts: str) -> Any:
    """Registers a script and its style, of which Streamlit takes one each, joined with `common` and the scripts that it
    builds on."""
    return st.components.v2.component(
        f"headlight.{name}",
        js=_joined(f"{script}.js" for script in ("common", *scripts, name)),
        css=_joined(("common.css", f"{name}.css")),
        isolate_styles=True,
    )


def _joined(names: Iterable[str]) -> str:
    return _brief("\n".join((home.components() / name).read_text("utf-8") for name in names))


def _brief(text: str) -> str:
    """A script or style without comments and indentation, a quarter of it: it travels with every run of a page."""
    lines = (line.strip() for line in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def unseen(name: str, *scripts: str) -> Any:
    """Registers a script that draws nothing, so that it has no style, joined with those that it builds on."""
    return st.components.v2.component(
        f"headlight.{name}", js=_joined(f"{script}.js" for script in (*scripts, name))
    )


_CARRIER = unseen("carrier", "shelf")


def carry(digest: bytes, content: bytes, *, key: str) -> None:
    """Brings bytes to the page once, however often it runs: a component finds them by their digest of 16 bytes."""
    _CARRIER(key=key, data=digest + content)


def accents() -> dict[str, str]:
    """The accent colour of each theme."""
    return {name: look.accent for name, look in THEMES.items()}


def scales(scale: Literal["attention", "difference"] = "attention") -> dict[str, str]:
    """The colours of a scale in each theme, three bytes each, in base64."""
    return {name: base64.b64encode(getattr(look, scale).tobytes()).decode() for name, look in THEMES.items()}


def integers(value: object, count: int) -> list[int] | None:
    """`count` plain integers out of what a browser sent, or None."""
    if not isinstance(value, list) or len(value) != count:
        return None
    return value if all(isinstance(item, int) and not isinstance(item, bool) for item in value) else None


def pair(value: object, rows: int, columns: int) -> tuple[int, int] | None:
    """A row and a column that there are out of what a browser sent, or None."""
    numbers = integers(value, 2)
    if numbers is None or not (0 <= numbers[0] < rows and 0 <= numbers[1] < columns):
        return None
    return numbers[0], numbers[1]
