"""`trace`: answer one input and record what every head looked at."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from transformer.cli.common import Commands, add_model, fetched, file

# What may be asked of a network of each family, by the names that the command line has for it.
READS = {
    "speech": ("target", "beam", "language"),
    "seq2seq": ("target", "beam"),
    "recurrent": ("target", "beam"),
    "decoder": ("target", "tokens"),
    "recurrent_decoder": ("tokens",),
    "encoder": (),
}
TOKENS = 20


def add(commands: Commands) -> None:
    """The command and its arguments."""
    parser = commands.add_parser("trace", help="answer one input and record what every head looked at")
    add_model(parser)
    parser.add_argument("input", help="the text, or for a speech model the path of an audio file")
    parser.add_argument("--language", metavar="CODE", help="of the clip, for a network that knows several")
    parser.add_argument("--target", metavar="TEXT", help="force this output instead of the network's own")
    parser.add_argument(
        "--beam",
        type=int,
        metavar="N",
        help="beams; 1 is greedy (default: 1, and 4 for speech with a CTC output)",
    )
    parser.add_argument(
        "--tokens",
        type=int,
        metavar="N",
        help=f"how many tokens a network that goes on writing adds (default: {TOKENS})",
    )
    parser.add_argument("--out", type=file, metavar="FILE", help="write the trace: .npz, .json or .html")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trace, write and say."""
    from transformer.trace.trace import WRITTEN

    if options.out and options.out.suffix.lower().removeprefix(".") not in WRITTEN:
        raise ValueError(f"expected --out to end in .npz, .json or .html, received {options.out.name}")
    from transformer.pipeline import load

    model = load(options.model, progress=fetched)
    family = model.config.family
    asked = {name: getattr(options, name) for name in ("target", "beam", "tokens", "language")}
    for name, value in asked.items():
        if value is not None and name not in READS[family]:
            raise ValueError(
                f"expected no --{name} for {model.name}, a network of family {family}, received one"
            )
    tokens = TOKENS if options.tokens is None else options.tokens
    if family == "recurrent_decoder":
        _go_on(model, options, tokens)
        return
    given: Any = options.input
    settings: dict[str, Any] = {"target": options.target}
    if family == "speech":
        clip = file(options.input)
        given = clip.read_bytes()
        settings |= {
            "beams": options.beam,
            "language": options.language or "",
            "name": clip.name,
            "words": True,
        }
    elif "beam" in READS[family]:
        settings["beams"] = 1 if options.beam is None else options.beam
    elif "tokens" in READS[family]:
        settings["tokens"] = tokens
    trace = model.trace(given, **settings)
    if options.out:
        trace.save(options.out)
    print(trace.output)
    for word in trace.words:
        print(f"{word.start:8.2f} {word.end:8.2f} s  {word.confidence:4.0%}  {word.text}")
    if "unknown" in trace.options:
        print(f"not in the vocabulary: {trace.options['unknown']}", file=sys.stderr)


def _go_on(model: Any, options: argparse.Namespace, tokens: int) -> None:
    """A network without attention has nothing to record: it writes, and that is said."""
    if options.out:
        raise ValueError(
            f"expected a network with attention for --out, received {model.name}, which has none"
        )
    print(model.go_on(options.input, tokens))
    print(f"{model.name} has no attention: nothing was recorded", file=sys.stderr)
