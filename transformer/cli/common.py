"""What several commands share: arguments, and what is said while a model is fetched."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

Commands = Any  # what `add_subparsers` gives, whose type has no public name


def file(text: str) -> Path:
    """A path as it was typed; `~` is the home directory where the shell has left it, as in --out=~/x.npz."""
    return Path(os.path.expanduser(text))


def add_model(parser: argparse.ArgumentParser) -> None:
    """The argument that names a model."""
    parser.add_argument("model", help="a shipped name, a model folder or a hub id (org/name)")


def fetched(done: int, total: int) -> None:
    """Say how much of a model has been fetched: in one line that moves, or at the end alone where nobody watches."""
    if sys.stderr.isatty() or done == total:
        end = "\n" if done == total else ""
        print(f"\rfetched {done / 1e6:.1f} of {total / 1e6:.1f} MB", file=sys.stderr, end=end, flush=True)
