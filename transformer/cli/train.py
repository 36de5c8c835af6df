"""`train`: train a preset and write a model folder."""

from __future__ import annotations

import argparse
import dataclasses
import os

from transformer.cli.common import Commands, file


def add(commands: Commands) -> None:
    """The command and its arguments."""
    parser = commands.add_parser("train", help="train a preset and write a model folder")
    parser.add_argument("preset", help="a name from transformer.training.presets")
    parser.add_argument(
        "--data", nargs="+", required=True, metavar="FILE[:WEIGHT]", help="source<TAB>target files"
    )
    parser.add_argument("--valid", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--out", type=file, required=True)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    parser.add_argument(
        "--init", type=file, metavar="FOLDER", help="start from this model's weights and tokenizer"
    )
    parser.add_argument(
        "--tokenizer", type=file, metavar="FOLDER", help="take this model's tokenizer instead of making one"
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE", help="change training fields")
    parser.add_argument(
        "--precision", default="mixed_bfloat16", help="Keras dtype policy (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes", type=float, default=3.0, help="between checkpoints (default: %(default)s)"
    )
    parser.add_argument(
        "--average", type=int, default=8, metavar="N", help="export the mean of the last N checkpoints"
    )
    parser.add_argument(
        "--validate", type=int, default=1000, metavar="N", help="steps between two (default: %(default)s)"
    )
    parser.add_argument("--tensorboard", type=file, metavar="DIR")
    parser.add_argument(
        "--cache", type=file, metavar="DIR", help="where decoded sound is kept (default: inside --out)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train until the preset's steps are done."""
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # see transformer/__init__.py; read when TensorFlow is imported
    from transformer.training.data import Source
    from transformer.training.job import Job
    from transformer.training.loop import fit
    from transformer.training.presets import PRESETS

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
            data=[Source.parse(os.path.expanduser(text)) for text in options.data],
            valid=[Source.parse(os.path.expanduser(text)) for text in options.valid],
            out=options.out,
            resume=options.resume,
            initial=options.init,
            tokenizer=options.tokenizer,
            tensorboard=options.tensorboard,
            cache=options.cache,
            precision=options.precision,
            minutes=options.minutes,
            validate_every=options.validate,
            average=options.average,
        )
    )
