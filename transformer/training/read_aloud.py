"""More voices to train on: texts read aloud by the synthesisers espeak-ng and flite, in voices drawn at random.

    python -m transformer.training.read_aloud FOLDER [--digits 4000] [--accents 0] [--texts FILE] [--clips 2000]

writes FOLDER/train.tsv and its sound files. Made for training only: what a network is worth is measured on people.
An accent is that of somebody who says an English digit with the sounds of another language: a voice of espeak-ng for
that language is given the sounds, of which it takes those that it has.
Both programs are Debian packages of free licences, which do not cover the sound that they make.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
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
from transformer.corpus.clips import DIGITS, plain

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
_LANGUAGES = (
    *(
        "bn",
        "cs",
        "da",
        "de",
        "el",
        "es",
        "es-419",
        "fi",
        "fr-be",
        "fr-fr",
        "hi",
        "hr",
        "hu",
        "id",
        "it",
        "nb",
    ),
    *("nl", "pl", "pt", "pt-br", "ro", "ru", "sk", "sv", "ta", "tr"),
)
# How digits are said by people to whom English is foreign, in espeak-ng's notation of sounds.
_SOUNDS = {
    "zero": ("z'i:ro", "z'iro", "z'e:ro", "s'iro", "z'i:rou", "s'irou", "z'ero"),
    "one": ("w'an", "v'an", "w'on", "u'an", "w'En"),
    "two": ("t'u:", "t'u", "tS'u"),
    "three": ("sr'i:", "tr'i:", "fr'i:", "sr'i", "tr'i", "dr'i", "fr'i"),
    "four": ("f'o:r", "f'or", "f'o:", "f'oa", "f'Or", "f'O"),
    "five": ("f'aif", "f'aiv", "f'aIf", "f'aIv", "f'ajv", "f'ajf"),
    "six": ("s'iks", "s'Iks", "z'iks", "z'Iks"),
    "seven": ("s'evn", "s'even", "z'even", "s'Ev@n", "z'Ev@n", "s'eben"),
    "eight": ("'eit", "'e:t", "'eIt", "'ejt", "'Et"),
    "nine": ("n'ain", "n'aIn", "n'ajn"),
}
_NARROW = 0.5  # the share of clips that lose what lies above 4 kHz, as over a telephone
_NOISE = 0.01  # the loudest white noise, against a full scale of 1


class _Order(NamedTuple):
    """One clip to make: its name, what is said, by which command (the text and the output file still to come).

    spoken: what the program is given for the text. bare: whether the silence around it is cut off.
    """

    name: str
    text: str
    spoken: str
    speaker: str
    command: list[str]
    narrow: bool
    noise: float
    bare: bool = False


def read_aloud(folder: Path, texts: list[str], seed: int = 0, accents: int = 0) -> Path:
    """Have each text read by a random voice at a random pitch and pace; returns the manifest's path.

    accents: so many clips more, of one to four digits each, in foreign accents.

    Raises:
        ValueError: a synthesiser that is not installed, or that fails.
    """
    for program in ("espeak-ng", "flite"):
        if not shutil.which(program):
            raise ValueError(f"expected the program {program} (a Debian package of that name), received none")
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    orders = [_order(f"audio/{number:05d}.wav", text, rng) for number, text in enumerate(texts)]
    sounds = {language: _sounds_of(language) for language in _LANGUAGES} if accents else {}
    orders += [_accented(f"audio/accent-{number:05d}.wav", sounds, rng) for number in range(accents)]
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
        command = _espeak(voice, rng)
    return _Order(name, text, text, voice, command, rng.random() < _NARROW, rng.uniform(0, _NOISE))


def _sounds_of(language: str) -> dict[str, list[str]]:
    """For each digit the ways to say it whose sounds this voice of espeak-ng has."""
    return {digit: [way for way in ways if _can_say(language, way)] for digit, ways in _SOUNDS.items()}


def _can_say(language: str, sounds: str) -> bool:
    """Whether a voice says just these sounds: it reports what it says, and each r in the language's own notation."""
    command = ["espeak-ng", "-v", language, "-q", "-x", f"[[{sounds}]]"]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    said = re.sub(r"\*\*|[*R]", "r", done.stdout.strip().replace("_", ""))
    return not done.stderr.strip() and said == sounds


def _accented(name: str, sounds: dict[str, dict[str, list[str]]], rng: random.Random) -> _Order:
    """Digits in the accent of a language that has a way to say each of them; every second clip as if cut out."""
    language = rng.choice([each for each, ways in sounds.items() if all(ways.values())])
    digits = rng.choices(DIGITS, k=1 if rng.random() < 0.6 else rng.randint(2, 4))
    spoken = " ".join(f"[[{rng.choice(sounds[language][digit])}]]" for digit in digits)
    voice = f"{language}+{rng.choice(_VARIANTS)}"
    recorded = rng.random() < _NARROW, rng.uniform(0, _NOISE), rng.random() < 0.5
    return _Order(name, " ".join(digits), spoken, voice, _espeak(voice, rng), *recorded)


def _espeak(voice: str, rng: random.Random) -> list[str]:
    return ["espeak-ng", "-v", voice, "-p", str(rng.randint(15, 85)), "-s", str(rng.randint(110, 220))]


def _make(folder: Path, order: _Order) -> None:
    path = folder / order.name
    spoken = (
        ["-t", order.spoken, "-o", str(path)]
        if order.command[0] == "flite"
        else ["-w", str(path), order.spoken]
    )
    done = subprocess.run([*order.command, *spoken], capture_output=True, check=False)
    if done.returncode or not path.exists():
        raise ValueError(f"expected a clip from {order.command[0]}, received {done.stderr.decode()[:200]!r}")
    samples = decode(path.read_bytes()).samples
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    if order.bare and len(loud):
        samples = samples[max(0, loud[0] - RATE // 20) : loud[-1] + RATE // 10]
    samples = samples + np.random.default_rng(len(samples)).normal(0, order.noise, len(samples))
    if order.narrow:
        samples = resample(resample(samples, RATE, RATE // 2), RATE // 2)
    path.write_bytes(wav(samples))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--digits", type=int, default=4000, help="strings of digits")
    parser.add_argument("--accents", type=int, default=0, help="clips of digits in foreign accents")
    parser.add_argument("--texts", type=Path, help="a text whose sentences are read too")
    parser.add_argument("--clips", type=int, default=2000, help="how many sentences")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    texts = digit_strings(given.digits, given.seed)
    if given.texts:
        texts += sentences(given.texts, given.clips, given.seed)
    try:
        read_aloud(given.folder, texts, given.seed, given.accents)
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
