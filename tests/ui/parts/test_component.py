"""What every component has: scripts and styles that are joined, colours, and answers that are checked."""

import base64
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from transformer import home
from transformer.figures import theme
from transformer.ui.parts.component import _brief, component, integers, pair, scales


def test_scripts_and_styles_are_joined_without_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("common.css", "mine.css", "common.js", "base.js"):
        (tmp_path / name).write_text(f"/* About\n   it. */\n\n{name}\n")
    (tmp_path / "mine.js").write_text("// About it.\nif (a) {\n  /** b */\n  b('x // y'); // c\n}\n")
    given: dict[str, Any] = {}
    monkeypatch.setattr(home, "components", lambda: tmp_path)
    monkeypatch.setattr(
        "streamlit.components.v2.component", lambda name, **rest: given.update(rest, name=name)
    )
    component("mine", "base")
    assert given == {
        "name": "headlight.mine",
        "js": "common.js\nbase.js\nif (a) {\nb('x // y'); // c\n}",
        "css": "common.css\nmine.css",
        "isolate_styles": True,
    }


def test_scales_are_three_bytes_a_colour() -> None:
    for name, colours in theme.THEMES.items():
        sent = np.frombuffer(base64.b64decode(scales("difference")[name]), np.uint8).reshape(-1, 3)
        assert (sent == colours.difference).all()


@pytest.mark.parametrize(
    "answer", [None, 3, "12", (1, 2), [1], [1, 2, 3], [1.0, 2], [True, 2], ["1", 2], {"0": 1}]
)
def test_only_plain_integers_are_let_through(answer: object) -> None:
    assert integers(answer, 2) is None and pair(answer, 9, 9) is None


def test_a_pair_is_one_that_there_is() -> None:
    assert integers([-1, 7], 2) == [-1, 7]
    assert [pair(answer, 2, 3) for answer in ([1, 2], [2, 0], [0, 3], [-1, 0])] == [(1, 2), None, None, None]


def test_components_mount_in_a_page_without_a_browser() -> None:
    page = AppTest.from_file(
        str(home.ROOT / "tests" / "browser" / "demo_components.py"), default_timeout=60
    ).run()
    assert not page.exception
    assert "selected: layer 1 head 1" in [text.value for text in page.text]


def test_the_page_has_the_colours_and_type_of_the_figures() -> None:
    settings = tomllib.loads((home.ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]
    assert (settings["font"], settings["codeFont"]) == (theme.FONT, theme.MONOSPACE)
    for name, colours in theme.THEMES.items():
        assert settings[name] == {
            "primaryColor": colours.accent,
            "backgroundColor": colours.background,
            "secondaryBackgroundColor": colours.surface,
            "textColor": colours.text,
            "borderColor": colours.grid,
        }


@pytest.mark.parametrize("path", sorted(home.components().iterdir()), ids=lambda path: path.name)
def test_scripts_bring_text_in_as_text_and_fetch_nothing(path: Path) -> None:
    forbidden = {
        ".js": (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "fetch(",
            "XMLHttpRequest",
            "import",
            "eval(",
        ),
        ".css": ("url(", "@import"),
    }
    content = path.read_text("utf-8")
    for word in (*forbidden[path.suffix], "http:", "https:"):
        assert word not in content


def test_a_style_is_sent_without_what_people_read() -> None:
    style = "/* A note\n   of two lines. */\na {\n  color: red; /* why */\n  margin: 0 1px;\n}\n\nb > c {}\n"
    assert _brief(style) == "a {\ncolor: red;\nmargin: 0 1px;\n}\nb > c {}"


@pytest.mark.parametrize("path", sorted(home.components().glob("*.js")), ids=lambda path: path.name)
def test_no_text_runs_over_lines_or_looks_like_a_comment(path: Path) -> None:
    """Comments and indentation are taken out line by line."""
    for line in path.read_text("utf-8").splitlines():
        assert line.count("`") % 2 == 0
        assert "/*" not in line or line.strip().startswith("/*")
