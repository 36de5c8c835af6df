"""`bench`: time what a person waits for, on this machine."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from transformer.cli.common import Commands


def add(commands: Commands) -> None:
    """The command and its arguments."""
    parser = commands.add_parser("bench", help="time what a person waits for, on this machine")
    parser.add_argument("--json", action="store_true", help="a JSON list, a row a line")
    parser.add_argument("--only", metavar="TEXT", help="only groups of rows whose name contains this")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure group by group and print each row as it comes; 1 where a group that was begun came to no end."""
    from transformer.bench import chosen

    groups, missing = chosen(options.only)
    for name, why in missing.items():
        print(f"left out: {name}: {why}", file=sys.stderr, flush=True)
    failed, before = 0, "["
    try:
        for name, measure in groups.items():
            try:
                for row in measure():
                    if options.json:
                        print(before + json.dumps(row), end="", flush=True)
                        before = ",\n"
                    else:
                        size = f"{row['bytes']:>12,} bytes" if "bytes" in row else ""
                        print(f"{row['name']:36}{row['median_ms']:>12.2f} ms{size}", flush=True)
            except BrokenPipeError:
                raise
            except (ValueError, OSError, subprocess.CalledProcessError) as error:
                failed = 1
                print(f"given up: {name}: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
    finally:
        if options.json:  # whole even where somebody has had enough of waiting
            print("[]" if before == "[" else "]")
    return failed
