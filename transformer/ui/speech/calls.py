"""Speech: which clip was given, and what did a network hear in it? Clips are known by the hash of their bytes.

The answer to a request is kept for everyone; the clip itself stays with the visitor who gave it.
"""

from __future__ import annotations

import hashlib
import itertools
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import streamlit as st

from transformer import home
from transformer.analysis.alignment import timed
from transformer.audio.decode import RATE, decode
from transformer.trace import FloatArray, Trace, Word
from transformer.ui.models import calls
from transformer.ui.models.calls import Unavailable

if TYPE_CHECKING:
    from transformer.pipeline import Listener

BY_ATTENTION, BY_CTC = "Attention", "CTC"
SEARCHES = {"Greedy": 1, "Beam": calls.BEAMS}
SILENT = 1e-3  # of full scale: what is quieter holds no speech

_numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
_next = itertools.count()


class Clip(NamedTuple):
    """A file that a visitor gave: its name, its bytes, and their hash."""

    name: str
    data: bytes
    digest: str


class Request(NamedTuple):
    """How a clip is listened to: beams, and the language and task where the network knows several ("" otherwise)."""

    beams: int = 1
    language: str = ""
    task: str = "transcribe"


class Part(NamedTuple):
    """What one of several passes heard: its seconds in the clip, its text, and its words by each way of timing, in
    seconds of the clip."""

    start: float
    end: float
    text: str
    words: dict[str, tuple[Word, ...]]


class Heard(NamedTuple):
    """A clip as the page shows it.

    samples: float32 (N,), mono at 16 kHz, read-only. notes: what is odd about the file, as sentences.
    ctc: natural log-probabilities (positions, vocabulary) of the second output and its blank; None without one.
    alignment_heads: (layer, head) pairs that the checkpoint itself names as following the sound; often none.
    offset: seconds of the clip that lie before these samples. parts: all of a clip that takes several passes, of which
    this is one; empty where one is enough.
    """

    trace: Trace
    digest: str
    samples: FloatArray
    notes: tuple[str, ...]
    ctc: tuple[FloatArray, int] | None
    alignment_heads: tuple[tuple[int, int], ...]
    offset: float = 0.0
    parts: tuple[Part, ...] = ()

    @property
    def text(self) -> str:
        """What was said in the whole clip."""
        return " ".join(part.text for part in self.parts if part.text) if self.parts else self.trace.output


class Abilities(NamedTuple):
    """What a network lets its visitors choose, its own search first, and the seconds that it hears in one pass."""

    searches: tuple[str, ...]
    languages: tuple[str, ...]
    tasks: tuple[str, ...]
    longest: float


def give(name: str, data: bytes) -> None:
    """Take a file as this visitor's clip."""
    st.session_state["clip"] = Clip(name, data, hashlib.blake2b(data, digest_size=16).hexdigest())


def given() -> Clip | None:
    """This visitor's clip."""
    clip: Clip | None = st.session_state.get("clip")
    return clip


def examples() -> dict[str, Path]:
    """Shipped clips by name: `assets/examples/speech/*`, if there are any."""
    known = (".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav")
    found = sorted((home.examples() / "speech").glob("*"))
    return {path.stem.replace("-", " ").capitalize(): path for path in found if path.suffix in known}


def abilities(name: str) -> Abilities:
    """What can be asked of a model; Unavailable where it does not load."""
    model = listener(name)
    spoken = model.spoken
    return Abilities(
        tuple(reversed(SEARCHES)) if model.beams > 1 else tuple(SEARCHES),
        tuple(spoken.languages),
        tuple(spoken.tasks),
        model.longest_seconds,
    )


def listener(name: str) -> Listener:
    """The speech model of this name, waited for with a word about it; Unavailable where it does not load."""
    if calls.ready(name):
        found: Any = calls.network(name)
    else:
        with st.spinner("The network is loading. This takes a few seconds, once."):
            found = calls.network(name)
    return found


def hear(name: str, clip: Clip, request: Request) -> Heard:
    """What a model hears in a clip; in one that is longer than a pass, in the part of it that is shown.

    Raises:
        ValueError: a file that is no sound, is silent, or longer than ten minutes; a choice it does not know.
        Unavailable: the network is not there.
    """
    model = listener(name)
    number = _numbers.setdefault(model, next(_next))  # a name may be another model's later
    with st.spinner("Listening …", show_time=False):
        samples, notes = _sound(clip.digest, _data=clip.data)
        passes = model.passes(samples)

        def one(place: tuple[int, int]) -> Heard:
            found = _heard(number, clip.name, clip.digest, request, place, _model=model, _samples=samples)
            return found._replace(notes=notes)

        if len(passes) == 1:
            return one(passes[0])
        bar = st.progress(0.0)
        parts = []
        for i, place in enumerate(passes):
            bar.progress(i / len(passes), f"Listening to part {i + 1} of {len(passes)}, cut at a pause")
            silent = np.abs(samples[slice(*place)]).max() < SILENT
            parts.append(
                Part(place[0] / RATE, place[1] / RATE, "", {})
                if silent
                else _part(number, clip.digest, request, place, _hear=one)
            )
        bar.empty()
        chosen = st.session_state.get(part_key(clip.digest), 0)
        return one(passes[min(chosen, len(passes) - 1)])._replace(parts=tuple(parts))


def part_key(digest: str) -> str:
    """Where the session keeps which part of a clip is shown, by its number from 0."""
    return f"part-{digest}"


def later(words: Sequence[Word], seconds: float) -> tuple[Word, ...]:
    """Words that were spoken so much later."""
    return tuple(word._replace(start=word.start + seconds, end=word.end + seconds) for word in words)


@st.cache_resource(show_spinner=False, max_entries=4)
def _sound(digest: str, *, _data: bytes) -> tuple[FloatArray, tuple[str, ...]]:
    sound = decode(_data)
    if not np.abs(sound.samples).max() >= SILENT:
        raise ValueError("expected speech, received a silent clip")
    return sound.samples, sound.notes


@st.cache_resource(show_spinner=False, max_entries=8)
def _heard(
    number: int,
    file: str,
    digest: str,
    request: Request,
    place: tuple[int, int],
    *,
    _model: Any,
    _samples: FloatArray,
) -> Heard:
    samples = _samples[slice(*place)]
    listened = _model.listen(samples)
    trace = _model.trace(
        listened, beams=request.beams, language=request.language, task=request.task, name=file
    )
    return Heard(
        trace, digest, samples, (), _model.ctc(listened), _model.spoken.alignment_heads, place[0] / RATE
    )


@st.cache_resource(show_spinner=False, max_entries=256)
def _part(number: int, digest: str, request: Request, place: tuple[int, int], *, _hear: Any) -> Part:
    heard = _hear(place)
    found = timed(heard.trace, heard.ctc)
    words = {way: later(words, heard.offset) for way, words in found.items()}
    return Part(place[0] / RATE, place[1] / RATE, heard.trace.output, words)


def answer(name: str, request: Request) -> Heard | None:
    """What to show: the clip as it was heard, or where that fails, a sentence why and the last one that went well."""
    clip = given()
    if clip:
        try:
            st.session_state["heard"] = hear(name, clip, request)
        except ValueError as error:
            last = st.session_state.get("heard")
            below = f" Shown below: “{last.trace.input[:60]}”." if last else ""
            st.warning(f"Not transcribed: {error}.{below}")
        except Unavailable as error:
            st.warning(str(error))
            st.button("Try to load it again", on_click=calls.retry)
    heard: Heard | None = st.session_state.get("heard")
    return heard
