"""`models`: a line for each model that comes with the project."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.shared import run
from transformer import home


def test_models_of_every_family_are_listed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "models", lambda: place)
    status, out, said = run(capsys, "models")
    assert (status, said) == (0, "")
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "classifier encoder 2 layers, 2 heads, width 8, 40 subwords, 0 MB",
        "translator seq2seq 1+2 layers, 2 heads, width 8, 40 subwords, 0 MB",
        "writer decoder 2 layers, 2 heads, width 8, 40 subwords, 0 MB",
    ]


def test_columns_stay_apart_however_long_a_name_is(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("writer", "a-name-that-is-longer-than-any-other"):
        (tmp_path / name).symlink_to(place / "writer")
    monkeypatch.setattr(home, "models", lambda: tmp_path)
    _, out, _ = run(capsys, "models")
    assert len({line.index("decoder") for line in out.splitlines()}) == 1
    assert "other  decoder  2 layers" in out


def test_a_list_loads_nothing_that_runs_networks(root: Path) -> None:
    code = "import sys; from transformer.cli import main; main(['models']); print('keras' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    assert "pt-en" in answer and answer.splitlines()[-1] == "False"
