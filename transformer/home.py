"""Where files of the project lie: the one place that knows. Functions, so that tests can put other places there."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def script() -> Path:
    """What `streamlit run` is given."""
    return ROOT / "app.py"


def assets(*parts: str) -> Path:
    """A file or folder below assets/."""
    return ROOT.joinpath("assets", *parts)


def models() -> Path:
    """The folder of the shipped models, one folder each."""
    return assets("models")


def examples() -> Path:
    """Recorded traces, and clips to begin with."""
    return assets("examples")


def components() -> Path:
    """Scripts and styles of the components."""
    return assets("components")


def recorded() -> Path:
    """What was measured of recurrent networks, for the page that shows it."""
    return assets("recurrence")
