"""More voices to train on: texts read aloud by the synthesisers espeak-ng and flite, in voices drawn at random.

    python -m transformer.training.read_aloud FOLDER [--digits 4000] [--texts FILE] [--clips 2000] [--seed 0]

writes FOLDER/train.tsv and its sound files. Made for training only: what a network is worth is measured on people.
Both programs are Debian packages of free licences, which do not cover the sound that they make.
"""

from __future__ import annotations

import argparse
import gzip
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from transformer.audio.decode import RATE, decode, resample
from transformer.audio.wav import wav
from transformer.training.speech_data import DIGITS, plain

_ACCENTS = (
    *("en-us", "en-us-nyc", "en-gb", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd"),
    "en-029",
)
# espeak-ng's variants that sound like a person.
_VARIANTS = (
    *("f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"),
    *("Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo"),
    *("Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "adam", "anika", "announcer", "antonio"),
    *("aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward", "grandma"),
    *("grandpa", "iven", "john", "kaukovalta", "linda", "marcelo", "max", "michel", "miguel"),
    *("norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph"),
    *("travis", "victor", "zac"),
)
_FLITE = ("awb", "kal16", "rms", "slt")
_NARROW = 0.5  # the share of clips that lose what lies above 4 kHz, as over a telephone
_NOISE = 0.01  # the loudest white noise, against a full scale of 1


class _Order(NamedTuple):
    """One clip to make: its name, what is read, by which command (the text and the output file still to come)."""

    name: str
    text: str
    speaker: str
    command: list[str]
    narrow: bool
    noise: float


def read_aloud(folder: Path, texts: list[str], seed: int = 0) -> Path:
    """Have each text read by a random voice at a random pitch and pace; returns the manifest's path.

    Raises:
        ValueError: a synthesiser that is not installed, or that fails.
    """
    for program in ("espeak-ng", "flite"):
        if not shutil.which(program):
            raise ValueError(f"expected the program {program} (a Debian package of that name), received none")
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    orders = [_order(f"audio/{number:05d}.wav", text, rng) for number, text in enumerate(texts)]
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda order: _make(folder, order), orders)
        for _ in tqdm(made, total=len(orders), unit="clip", file=sys.stderr):
            pass
    manifest = folder / "train.tsv"
    lines = ["path\ttranscript\tspeaker", *(f"{o.name}\t{plain(o.text)}\t{o.speaker}" for o in orders)]
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def digit_strings(count: int, seed: int = 0) -> list[str]:
    """One to six digits in words each; every third is a single one."""
    rng = random.Random(seed)
    lengths = (1 if number % 3 == 0 else rng.randint(2, 6) for number in range(count))
    return [" ".join(rng.choices(DIGITS, k=length)) for length in lengths]


def sentences(path: Path, count: int, seed: int = 0) -> list[str]:
    """Sentences of 4 to 30 words out of a text file (.gz too), drawn at random."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        whole = " ".join(file.read().split())
    pieces = whole.replace("! ", "!\n").replace("? ", "?\n").replace(". ", ".\n").split("\n")
    fitting = [
        piece for piece in pieces if 4 <= len(plain(piece).split()) <= 30 and not any(map(str.isdigit, piece))
    ]
    return random.Random(seed).sample(fitting, min(count, len(fitting)))


def _order(name: str, text: str, rng: random.Random) -> _Order:
    if rng.random() < 0.2:
        voice = rng.choice(_FLITE)
        stretch, pitch = rng.uniform(0.75, 1.4), rng.uniform(80, 240)
        settings = ["--setf", f"duration_stretch={stretch:.2f}", "--setf", f"int_f0_target_mean={pitch:.0f}"]
        command = ["flite", "-voice", voice, *settings]
    else:
        voice = f"{rng.choice(_ACCENTS)}+{rng.choice(_VARIANTS)}"
        command = ["espeak-ng", "-v", voice, "-p", str(rng.randint(15, 85)), "-s", str(rng.randint(110, 220))]
    return _Order(name, text, voice, command, rng.random() < _NARROW, rng.uniform(0, _NOISE))


def _make(folder: Path, order: _Order) -> None:
    path = folder / order.name
    spoken = (
        ["-t", order.text, "-o", str(path)] if order.command[0] == "flite" else ["-w", str(path), order.text]
    )
    done = subprocess.run([*order.command, *spoken], capture_output=True, check=False)
    if done.returncode or not path.exists():
        raise ValueError(f"expected a clip from {order.command[0]}, received {done.stderr.decode()[:200]!r}")
    samples = decode(path.read_bytes()).samples
    samples = samples + np.random.default_rng(len(samples)).normal(0, order.noise, len(samples))
    if order.narrow:
        samples = resample(resample(samples, RATE, RATE // 2), RATE // 2)
    path.write_bytes(wav(samples))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--digits", type=int, default=4000, help="strings of digits")
    parser.add_argument("--texts", type=Path, help="a text whose sentences are read too")
    parser.add_argument("--clips", type=int, default=2000, help="how many sentences")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    texts = digit_strings(given.digits, given.seed)
    if given.texts:
        texts += sentences(given.texts, given.clips, given.seed)
    try:
        read_aloud(given.folder, texts, given.seed)
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
