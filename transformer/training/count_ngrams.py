"""Counts which of a speech network's tokens follow each other in text, for its search: `ngram.safetensors`.

    python -m transformer.training.count_ngrams FOLDER --data FILE [FILE ...] [--order 6]

FOLDER holds the network's tokenizer and is given the counts. A FILE is a manifest of clips (.tsv), whose transcripts
are counted, or running text, a paragraph a line (.txt, .txt.gz), which is counted by sentences.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from safetensors.numpy import save

from transformer.checkpoints.folder import TOKENIZER
from transformer.corpus.clips import plain, read_manifest
from transformer.corpus.files import read_paragraphs
from transformer.search.ngram import FILE, count
from transformer.text.tokenizer import SubwordTokenizer

_ENDS = re.compile(r"[.!?;:][\"')]*\s")  # of sentences and clauses: recordings of novels are cut there, too


def texts(path: Path) -> list[str]:
    """What a file says, by sentences, in the letters that `speech_data.plain` leaves.

    Raises:
        ValueError: a file that cannot be read.
    """
    if path.suffix == ".tsv":
        return [clip.transcript for clip in read_manifest(path)]
    sentences = (part for line in read_paragraphs(path) for part in _ENDS.split(line))
    return [text for sentence in sentences if (text := plain(sentence))]


def count_ngrams(folder: Path, data: Sequence[Path], order: int = 6) -> None:
    """Write the counts of all files together into a model's folder.

    Raises:
        ValueError: a file that cannot be read, or nothing in them.
    """
    tokenizer = SubwordTokenizer.load(folder / TOKENIZER)
    counts = count(tokenizer.encode_all([text for path in data for text in texts(path)]), order)
    (folder / FILE).write_bytes(save(counts._asdict()))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a speech network, as `train` writes it")
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--order", type=int, default=6, help="tokens to an n-gram, 1 to 7")
    given = parser.parse_args()
    try:
        count_ngrams(given.folder, given.data, given.order)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
