"""`python -m transformer trace | train | evaluate | bench | models`.

Results go to standard output, progress and messages to standard error. A user's mistake ends with one line and
exit status 2.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return int(options.run(options) or 0)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print(f"transformer {options.command}: {error.strerror or error}{where}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"transformer {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m transformer", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)

    trace = commands.add_parser("trace", help="answer one input and record what every head looked at")
    trace.add_argument("model", help="a shipped name, a model folder or a hub id (org/name)")
    trace.add_argument("input", help="the text, or for a speech model the path of an audio file")
    trace.add_argument(
        "--language", default="", metavar="CODE", help="of the clip, for a network that knows several"
    )
    trace.add_argument("--target", metavar="TEXT", help="force this output instead of the network's own")
    trace.add_argument(
        "--beam",
        type=int,
        metavar="N",
        help="beams; 1 is greedy (default: 1, and 4 for speech with a CTC output)",
    )
    trace.add_argument(
        "--tokens",
        type=int,
        default=20,
        metavar="N",
        help="how many tokens a network that goes on writing adds (default: %(default)s)",
    )
    trace.add_argument("--out", type=Path, metavar="FILE", help="write the trace: .npz, .json or .html")
    trace.set_defaults(run=_trace)

    evaluate = commands.add_parser("evaluate", help="measure a model on a test file")
    evaluate.add_argument("model", help="a shipped name, a model folder or a hub id (org/name)")
    evaluate.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help="source<TAB>target lines (BLEU, chrF), paragraphs of text (perplexity) or label<TAB>text lines "
        "(accuracy), as the model is; .gz is read too",
    )
    evaluate.add_argument(
        "--beam",
        type=int,
        metavar="N",
        help="beams; 1 is greedy (default: 4, and 1 for speech without a CTC output)",
    )
    evaluate.add_argument("--limit", type=int, metavar="N", help="only the first N lines")
    evaluate.add_argument("--json", action="store_true", help="one JSON object")
    evaluate.set_defaults(run=_evaluate)

    bench = commands.add_parser("bench", help="time what a person waits for, on this machine")
    bench.add_argument("--json", action="store_true", help="a JSON list")
    bench.add_argument("--only", metavar="TEXT", help="only rows whose name contains this")
    bench.set_defaults(run=_bench)

    models = commands.add_parser("models", help="list the models that come with the project")
    models.set_defaults(run=_models)

    train = commands.add_parser("train", help="train a preset and write a model folder")
    train.add_argument("preset", help="a name from transformer.config.PRESETS")
    train.add_argument(
        "--data", nargs="+", required=True, metavar="FILE[:WEIGHT]", help="source<TAB>target files"
    )
    train.add_argument("--valid", nargs="+", required=True, metavar="FILE")
    train.add_argument("--out", type=Path, required=True)
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    train.add_argument(
        "--init", type=Path, metavar="FOLDER", help="start from this model's weights and tokenizer"
    )
    train.add_argument(
        "--tokenizer", type=Path, metavar="FOLDER", help="take this model's tokenizer instead of making one"
    )
    train.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE", help="change training fields")
    train.add_argument(
        "--precision", default="mixed_bfloat16", help="Keras dtype policy (default: %(default)s)"
    )
    train.add_argument(
        "--minutes", type=float, default=3.0, help="between checkpoints (default: %(default)s)"
    )
    train.add_argument(
        "--average", type=int, default=8, metavar="N", help="export the mean of the last N checkpoints"
    )
    train.add_argument(
        "--validate", type=int, default=1000, metavar="N", help="steps between two (default: %(default)s)"
    )
    train.add_argument("--tensorboard", type=Path, metavar="DIR")
    train.add_argument(
        "--cache", type=Path, metavar="DIR", help="where decoded sound is kept (default: inside --out)"
    )
    train.set_defaults(run=_train)
    return parser


def _trace(options: argparse.Namespace) -> None:
    from transformer.trace.files import FORMATS

    suffix = options.out.suffix.lower().removeprefix(".") if options.out else None
    if options.out and suffix not in (*FORMATS, "html"):
        raise ValueError(f"expected --out to end in .npz, .json or .html, received {options.out.name}")
    from transformer.pipeline import load

    model = load(options.model, progress=_fetched)
    given: Any = options.input
    if model.config.family == "speech":
        given = Path(options.input).read_bytes()
    settings = {
        "speech": {
            "target": options.target,
            "beams": options.beam,
            "language": options.language,
            "name": Path(options.input).name,
            "words": True,
        },
        "seq2seq": {"target": options.target, "beams": options.beam or 1},
        "recurrent": {"target": options.target, "beams": options.beam or 1},
        "decoder": {"target": options.target, "tokens": options.tokens},
        "encoder": {"target": options.target},
    }
    trace = model.trace(given, **settings[model.config.family])
    if suffix == "html":
        from transformer.figures.standalone import html

        options.out.write_text(html(trace), encoding="utf-8")
    elif options.out:
        trace.save(options.out)
    print(trace.output)
    for word in trace.words:
        print(f"{word.start:8.2f} {word.end:8.2f} s  {word.confidence:4.0%}  {word.text}")
    if "unknown" in trace.options:
        print(f"not in the vocabulary: {trace.options['unknown']}", file=sys.stderr)


def _fetched(done: int, total: int) -> None:
    if sys.stderr.isatty() or done == total:
        end = "\n" if done == total else ""
        print(f"\rfetched {done / 1e6:.1f} of {total / 1e6:.1f} MB", file=sys.stderr, end=end, flush=True)


def _evaluate(options: argparse.Namespace) -> None:
    if options.limit is not None and options.limit < 1:
        raise ValueError(f"expected --limit of at least 1, received {options.limit}")
    options.data.open("rb").close()  # a wrong path is said before a model is loaded
    from transformer.evaluation.measure import measure
    from transformer.pipeline import load

    model = load(options.model, progress=_fetched)
    figures = measure(model, options.data, limit=options.limit, beams=options.beam)
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:22}{value:>10,}" for name, value in figures.items()))


def _bench(options: argparse.Namespace) -> None:
    from transformer.bench import run

    rows = []
    for row in run(only=options.only):
        rows.append(row)
        if not options.json:
            size = f"{row['bytes']:>12,} bytes" if "bytes" in row else ""
            print(f"{row['name']:32}{row['median_ms']:>12.2f} ms{size}", flush=True)
    if options.json:
        print(json.dumps(rows))


def _models(options: argparse.Namespace) -> None:
    from transformer.checkpoints.folder import WEIGHTS, load_config
    from transformer.pipeline import find, shipped

    for name in shipped():
        folder = find(name)
        config = load_config(folder)
        size = (folder / WEIGHTS).stat().st_size / 1e6
        layers = "+".join(str(count) for count in (config.encoder_layers, config.decoder_layers) if count)
        shape = f"{layers} layers, {config.heads} heads, width {config.width}, {config.vocabulary:,} subwords"
        print(f"{name:16}{config.family:10}{shape}, {size:.0f} MB")


def _train(options: argparse.Namespace) -> None:
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # see transformer/__init__.py; read when TensorFlow is imported
    from transformer.config import PRESETS
    from transformer.training.data import Source
    from transformer.training.job import Job
    from transformer.training.loop import fit

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
            tokenizer=options.tokenizer,
            tensorboard=options.tensorboard,
            cache=options.cache,
            precision=options.precision,
            minutes=options.minutes,
            validate_every=options.validate,
            average=options.average,
        )
    )
