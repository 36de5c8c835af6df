"""`evaluate`: measure a model on a test file."""

from __future__ import annotations

import argparse
import json

from transformer.cli.common import Commands, add_model, fetched, file


def add(commands: Commands) -> None:
    """The command and its arguments."""
    parser = commands.add_parser("evaluate", help="measure a model on a test file")
    add_model(parser)
    parser.add_argument(
        "--data",
        type=file,
        required=True,
        metavar="FILE",
        help="source<TAB>target lines (BLEU, chrF), paragraphs of text (perplexity) or label<TAB>text lines "
        "(accuracy), as the model is; .gz is read too",
    )
    parser.add_argument(
        "--beam",
        type=int,
        metavar="N",
        help="beams; 1 is greedy (default: 4, and 1 for speech without a CTC output)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N lines")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Measure and print the figures."""
    for name, value in (("limit", options.limit), ("beam", options.beam)):
        if value is not None and value < 1:
            raise ValueError(f"expected --{name} of at least 1, received {value}")
    options.data.open("rb").close()  # a wrong path is said before a model is loaded
    from transformer.evaluation.measure import measure
    from transformer.pipeline import load

    model = load(options.model, progress=fetched)
    figures = measure(model, options.data, limit=options.limit, beams=options.beam)
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:22}{value:>10,}" for name, value in figures.items()))
