"""Rewrite `config.json` of model folders in today's format, every field written: a default that changes one day then
changes no network that is there. `python -m transformer.config.upgrade FOLDER...`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from transformer.config.model import ModelConfig


def upgrade(folder: Path) -> ModelConfig:
    """Rewrite one folder's configuration; what it holds else stays as it is.

    Raises:
        ValueError: no configuration of this project.
        OSError: a file that is not there or cannot be written.
    """
    path = folder / "config.json"
    values = json.loads(path.read_text("utf-8"))
    if not isinstance(values, dict) or "family" not in values:
        raise ValueError(f"expected a configuration of this project in {path}, received another")
    config = ModelConfig.from_dict({name: value for name, value in values.items() if name != "family"})
    path.write_text(config.to_text(), "utf-8")
    return config


def main(folders: Sequence[str]) -> None:
    """Upgrade each folder; leaves with a line on the first that is none."""
    if not folders:
        sys.exit("expected one folder or more, received none")
    for folder in folders:
        try:
            upgrade(Path(folder))
        except (OSError, ValueError) as error:
            sys.exit(f"{folder}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
