"""`models`: list the models that come with the project."""

from __future__ import annotations

import argparse

from transformer import home
from transformer.cli.common import Commands


def add(commands: Commands) -> None:
    """The command; it has no arguments."""
    commands.add_parser("models", help="list the models that come with the project").set_defaults(run=run)


def run(_: argparse.Namespace) -> None:
    """Print a line for each model: name, family, shape and size."""
    from transformer.checkpoints.folder import CONFIG, WEIGHTS, load_config

    rows = []
    # Not by `pipeline.shipped`: nothing is run here, and TensorFlow takes seconds to load.
    for folder in sorted(path.parent for path in home.models().glob(f"*/{CONFIG}")):
        config = load_config(folder)
        size = (folder / WEIGHTS).stat().st_size / 1e6
        shape = f"{config.summary()}, {config.vocabulary:,} {config.tokens}"
        rows.append((folder.name, config.family, f"{shape}, {size:.0f} MB"))
    names, families = (max((len(row[column]) for row in rows), default=0) + 2 for column in (0, 1))
    for name, family, shape in rows:
        print(f"{name:{names}}{family:{families}}{shape}")
