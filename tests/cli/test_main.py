"""Whatever becomes of its output, the command line ends quietly or in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from transformer.cli import BROKEN_PIPE, main

COMMAND = [sys.executable, "-m", "transformer", "models"]


def test_a_full_disk_is_one_line(root: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        answer = subprocess.run(
            COMMAND, cwd=root, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (answer.returncode, answer.stderr) == (2, "transformer models: No space left on device\n")


def test_whoever_has_read_enough_hears_nothing(root: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    answer = subprocess.run(COMMAND, cwd=root, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (answer.returncode, answer.stderr) == (BROKEN_PIPE, "")


@pytest.mark.parametrize(
    "arguments",
    [["trace", "pt-en", "a", "--beam", "1.5"], ["train", "pt-en", "--minutes", "long"], ["no-such"], []],
)
def test_arguments_of_another_type_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "error:" in capsys.readouterr().err.splitlines()[-1]
