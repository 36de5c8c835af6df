"""Short clips out of long ones: single words and phrases, cut where a trained network's CTC path hears them.

    python -m transformer.training.cut_words FOLDER --model MODEL --data MANIFEST [--seed 0]

writes FOLDER/digits.tsv, every digit that somebody says in a sentence (at most 40 of each), FOLDER/phrases.tsv, one to
four words out of each sentence, and their sound files. So a network that is to know single words hears hundreds of
voices say them, where the recordings of single words have only four.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from transformer.audio.decode import RATE, decode
from transformer.audio.wav import wav
from transformer.corpus.clips import DIGITS, read_manifest
from transformer.pipeline import load
from transformer.pipeline.listener import Listener
from transformer.trace import Word

_MARGIN = (
    0.16  # s at most around the first and the last sign of a word: CTC says a letter late and for a moment
)
_EACH = 40  # of each digit: "one" and "two" are said far more often than the rest
_SURE = 0.2  # confidence below which a word is not trusted to be where the path has it


class Piece(NamedTuple):
    """What is said from `start` to `end` seconds of a clip."""

    text: str
    start: float
    end: float


def piece(words: Sequence[Word], first: int, last: int) -> Piece:
    """Words `first` to `last`, cut half-way to their neighbours, but no further off than 160 ms."""
    before = words[first - 1].end if first else 0.0
    after = words[last + 1].start if last + 1 < len(words) else float("inf")
    start, end = words[first].start, words[last].end
    return Piece(
        " ".join(word.text for word in words[first : last + 1]),
        max(start - _MARGIN, (before + start) / 2),
        min(end + _MARGIN, (end + after) / 2),
    )


def cut_words(folder: Path, model: Listener, manifest: Path, seed: int = 0) -> None:
    """Cut the clips of a manifest into `digits.tsv` and `phrases.tsv` in `folder`.

    A clip that is too long for one pass or too short for its transcript is left out, and so is a word of which the
    network is not sure.

    Raises:
        ValueError: a network without a CTC output, or a sound file that cannot be read.
    """
    if not model.config.ctc:
        raise ValueError(f"expected a network with a CTC output, received {model.name}")
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    clips = read_manifest(manifest)
    rng.shuffle(clips)
    lines = {"digits": list[str](), "phrases": list[str]()}
    seen = Counter[str]()
    for clip in tqdm(clips, unit="clip", file=sys.stderr):
        samples = decode((manifest.parent / clip.path).read_bytes()).samples
        try:
            words = model.align(samples, clip.transcript)
        except ValueError:  # too long for one pass, or too short for what is said to be in it
            continue
        for kind, cut in _pieces(words, seen, rng):
            name = f"audio/{kind}-{len(lines[kind]):05d}.wav"
            first, last = (round(seconds * RATE) for seconds in (cut.start, cut.end))
            (folder / name).write_bytes(wav(samples[first:last]))
            lines[kind].append(f"{name}\t{cut.text}\t{clip.speaker}")
    for kind, found in lines.items():
        (folder / f"{kind}.tsv").write_text("\n".join(["path\ttranscript\tspeaker", *found]) + "\n")


def _pieces(words: Sequence[Word], seen: Counter[str], rng: random.Random) -> Iterator[tuple[str, Piece]]:
    """The digits of one clip, counted in `seen`, and one phrase."""
    for i, word in enumerate(words):
        if word.text in DIGITS and word.confidence >= _SURE and seen[word.text] < _EACH:
            seen[word.text] += 1
            yield "digits", piece(words, i, i)
    if words:
        first = rng.randrange(len(words))
        last = min(first + rng.randrange(4), len(words) - 1)
        if min(words[first].confidence, words[last].confidence) >= _SURE:
            yield "phrases", piece(words, first, last)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--model", required=True, help="a speech network with a CTC output: a name or a folder"
    )
    parser.add_argument("--data", type=Path, required=True, help="the manifest of the clips to cut")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        cut_words(given.folder, load(given.model), given.data, given.seed)
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
