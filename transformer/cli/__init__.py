"""`python -m transformer trace | train | evaluate | bench | models`: a file of this folder for each.

Results go to standard output, progress and messages to standard error. A user's mistake ends with one line and
exit status 2.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from transformer.cli import bench, evaluate, models, trace, train

BROKEN_PIPE = 141  # what a shell says of a program that the signal of this name ended: 128 + 13


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m transformer", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (trace, evaluate, bench, models, train):
        command.add(commands)
    try:
        options = parser.parse_args(arguments)
    finally:
        _let_go()  # what --help has said
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        status = int(options.run(options) or 0)
        sys.stdout.flush()  # a full disk is found out here, not when Python ends
        return status
    except BrokenPipeError:
        _let_go()
        return BROKEN_PIPE
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        message = f"{error.strerror or error}{where}"
    except ValueError as error:
        message = str(error)
    except KeyboardInterrupt:
        return 130
    _let_go()
    print(f"transformer {options.command}: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _let_go() -> None:
    """Where standard output takes nothing any more, send what is left of it nowhere: Python writes it as it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
