"""`trace`: answer one input and record what every head looked at."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from transformer.analysis.doubt import doubt
from transformer.ask import Ask
from transformer.cli.common import Commands, add_model, fetched, file
from transformer.interventions import Interventions
from transformer.trace import Word

# What the command line calls the fields of a question.
FIELDS = {
    "second": "second",
    "target": "target",
    "beam": "beams",
    "tokens": "tokens",
    "language": "language",
    "into": "into",
    "change": "interventions",
}
TOKENS = 20


def add(commands: Commands) -> None:
    """The command and its arguments."""
    parser = commands.add_parser("trace", help="answer one input and record what every head looked at")
    add_model(parser)
    parser.add_argument("input", help="the text, or for a speech model the path of an audio file")
    parser.add_argument(
        "--second", metavar="TEXT", help="the other text of a pair, for a network that reads two"
    )
    parser.add_argument(
        "--language",
        metavar="CODE",
        help="of the clip or text, for a network that knows several; a listener that knows English alone takes en",
    )
    parser.add_argument(
        "--into", metavar="CODE", help="the language to write, for a translator that knows several"
    )
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
    parser.add_argument(
        "--change",
        metavar="TEXT",
        help="what is changed in the network meanwhile: h:e2.3,d1.*=0.5 switches head 3 of encoder layer 2 off and "
        "halves every head of decoder layer 1; x:x2.3.5.7 forbids one look, in cross-attention layer 2, head 3, from "
        "the fifth token to the seventh (see transformer/interventions.py)",
    )
    parser.add_argument(
        "--out",
        type=file,
        metavar="FILE",
        help="write the trace: .npz, .json or .html; of a clip in parts x-1.npz, x-2.npz, …",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trace, write and say."""
    from transformer.trace.trace import WRITTEN

    if options.out and options.out.suffix.lower().removeprefix(".") not in WRITTEN:
        raise ValueError(f"expected --out to end in .npz, .json or .html, received {options.out.name}")
    from transformer.pipeline import load

    model = load(options.model, progress=fetched)
    asked = {name: value for name in FIELDS if (value := getattr(options, name)) is not None}
    recurrent = model.config.family == "recurrent_decoder"
    for name in asked:
        if FIELDS[name] not in model.READS and not (recurrent and name == "tokens"):
            raise ValueError(f"expected no --{name} for {model.name}, {model.WHAT}, received one")
    if recurrent:
        _go_on(model, options, asked.get("tokens", TOKENS))
        return
    if "tokens" in model.READS and "target" not in asked:
        asked.setdefault("tokens", TOKENS)
    if "change" in asked:
        asked["change"] = Interventions.parse(asked["change"])
    question, given = {FIELDS[name]: value for name, value in asked.items()}, None
    if "name" in model.READS:  # it listens
        from transformer.audio.clip import samples_of

        clip = file(options.input)
        question |= {"given": clip.name, "name": clip.name, "words": True}
        given = samples_of(clip)
        if len(model.passes(given)) > 1:
            _part_by_part(model, given, question, options)
            return
    else:
        question["given"] = options.input
    trace = model.ask(Ask(model=model.name, **question), given)
    if options.out:
        trace.save(options.out)
    print(trace.output)
    _times(trace.words)
    if why := doubt(trace.options):
        print(why, file=sys.stderr)
    if "unknown" in trace.options:
        print(f"not in the vocabulary: {trace.options['unknown']}", file=sys.stderr)


def _times(words: Sequence[Word]) -> None:
    for word in words:
        print(f"{word.start:8.2f} {word.end:8.2f} s  {word.confidence:4.0%}  {word.text}")


def _part_by_part(model: Any, samples: Any, question: dict[str, Any], options: argparse.Namespace) -> None:
    """A clip longer than a pass: one transcript, times of the whole clip, and a trace for each part."""
    asked = {name: value for name, value in question.items() if name not in ("given", "words")}
    found = model.trace_parts(samples, **asked)
    print(found.text)
    _times(found.words)
    for number, part in enumerate(found.parts, 1):
        where = f"part {number}, {part.start:.2f} to {part.end:.2f} s"
        if part.trace is None:
            print(f"{where}: silent", file=sys.stderr)
            continue
        if why := doubt(part.trace.options):
            print(f"{where}: {why}", file=sys.stderr)
        if options.out:
            path = options.out.with_stem(f"{options.out.stem}-{number}")
            part.trace.save(path)
            print(f"{where}: {path.name}", file=sys.stderr)


def _go_on(model: Any, options: argparse.Namespace, tokens: int) -> None:
    """A network without attention has nothing to record: it writes, and that is said."""
    if options.out:
        raise ValueError(
            f"expected a network with attention for --out, received {model.name}, which has none"
        )
    print(model.go_on(options.input, tokens))
    print(f"{model.name} has no attention: nothing was recorded", file=sys.stderr)
