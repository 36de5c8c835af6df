"""What do all components share between Python and the browser?

A component is a script and a style in `assets/components/`; the module that draws with it registers it once, when it is
imported. What the browser answers was written by whoever sits there, so it is checked before a page sees it. All draw
in the colours of `transformer.figures.theme` and follow the switch between light and dark by themselves.
"""

from __future__ import annotations

import base64
import re
from typing import Any, Literal

import streamlit as st

from transformer import home
from transformer.figures.theme import THEMES


def component(name: str, *scripts: str) -> Any:
    """Registers `name`.js and `name`.css, of which Streamlit takes one each: joined with `common`, and with the scripts
    that `name`.js builds on."""
    folder = home.components()
    parts = [(folder / f"{script}.js").read_text("utf-8") for script in ("common", *scripts, name)]
    styles = [(folder / f"{style}.css").read_text("utf-8") for style in ("common", name)]
    return st.components.v2.component(
        f"headlight.{name}", js="\n".join(parts), css=_brief("\n".join(styles)), isolate_styles=True
    )


def _brief(style: str) -> str:
    """A style without comments and indentation: Streamlit sends it with every run of a page."""
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)).strip()


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
