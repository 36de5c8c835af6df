"""`python -m transformer trace | train | evaluate | bench | models`.

Results go to standard output, progress and messages to standard error. A user's mistake ends with one line and
exit status 2.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return int(options.run(options) or 0)
    except (ValueError, OSError) as error:
        print(f"transformer {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m transformer", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)

    train = commands.add_parser("train", help="train a preset and write a model folder")
    train.add_argument("preset", help="a name from transformer.config.PRESETS")
    train.add_argument("--data", nargs="+", required=True, metavar="FILE[:WEIGHT]", help="source<TAB>target files")
    train.add_argument("--valid", nargs="+", required=True, metavar="FILE")
    train.add_argument("--out", type=Path, required=True)
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    train.add_argument("--init", type=Path, metavar="FOLDER", help="start from this model's weights and tokenizer")
    train.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE", help="change training fields")
    train.add_argument("--precision", default="mixed_bfloat16", help="Keras dtype policy (default: %(default)s)")
    train.add_argument("--minutes", type=float, default=3.0, help="between checkpoints (default: %(default)s)")
    train.add_argument("--tensorboard", type=Path, metavar="DIR")
    train.set_defaults(run=_train)
    return parser


def _train(options: argparse.Namespace) -> None:
    from transformer.config import PRESETS
    from transformer.training.data import Source
    from transformer.training.loop import Job, fit

    if options.preset not in PRESETS:
        raise ValueError(f"expected one of {', '.join(PRESETS)}, received {options.preset!r}")
    preset = PRESETS[options.preset]
    training = preset.training.to_dict()
    for change in options.set:
        name, _, value = change.partition("=")
        if name not in training:
            raise ValueError(f"expected one of {', '.join(training)}, received {name!r}")
        training[name] = type(training[name])(value)
    fit(
        Job(
            preset=dataclasses.replace(preset, training=type(preset.training).from_dict(training)),
            data=[Source.parse(text) for text in options.data],
            valid=[Source.parse(text) for text in options.valid],
            out=options.out,
            resume=options.resume,
            initial=options.init,
            tensorboard=options.tensorboard,
            precision=options.precision,
            minutes=options.minutes,
        )
    )
