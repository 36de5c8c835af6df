"""What every test stands on: a quiet, reproducible environment, and the browser.

The variables are set before anything imports Keras, which reads them once.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads and a fork do not go together
# Most tests ask a network for a few lengths once, which is not worth compiling for. Those of compiled networks, and of
# what is compiled ahead, say so: tests/runtime and whoever takes the fixture `xla`.
os.environ["HEADLIGHT_WARM"] = "none"
os.environ["HEADLIGHT_XLA"] = "off"

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Without a sandbox (CI runs as root) and without the connections that a browser makes of its own accord.
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of these folders can be left out, or run beside the others: `-m "not training"`."""
    for item in items:
        for name in ("pages", "training"):
            if ROOT / "tests" / name in item.path.parents:
                item.add_marker(name)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return ROOT


@pytest.fixture
def xla(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that this test loads are compiled by XLA, as they are for visitors."""
    monkeypatch.setenv("HEADLIGHT_XLA", "on")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of a Chromium that starts: the one `make test` found, else one found now. Without one the test fails."""
    answer = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "chromium.py")], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        pytest.fail(answer.stderr.strip() + " `make test` installs one.", pytrace=False)
    return answer.stdout.strip()


@pytest.fixture(scope="session")
def chromium_launch(chromium_path: str) -> dict[str, Any]:
    """Keywords for Playwright's `chromium.launch(**chromium_launch)`."""
    return {"executable_path": chromium_path, "headless": True, "args": CHROMIUM_ARGS}
