"""Speech: which clip was given, and what did a network hear in it? Clips are known by the hash of their bytes.

The answer to a request is kept for everyone; the clip itself stays with the visitor who gave it.
"""

from __future__ import annotations

import hashlib
import itertools
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import streamlit as st

from transformer.trace import FloatArray, Trace
from transformer.ui import calls
from transformer.ui.calls import Unavailable

if TYPE_CHECKING:
    from transformer.pipeline import Listener

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


class Heard(NamedTuple):
    """A clip as the page shows it.

    samples: float32 (N,), mono at 16 kHz, read-only. notes: what is odd about the file, as sentences.
    ctc: natural log-probabilities (positions, vocabulary) of the second output and its blank; None without one.
    alignment_heads: (layer, head) pairs that the checkpoint itself names as following the sound; often none.
    """

    trace: Trace
    digest: str
    samples: FloatArray
    notes: tuple[str, ...]
    ctc: tuple[FloatArray, int] | None
    alignment_heads: tuple[tuple[int, int], ...]


class Abilities(NamedTuple):
    """What a network lets its visitors choose, and the seconds that it hears in one pass."""

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
    found = sorted((calls.EXAMPLES / "speech").glob("*"))
    return {path.stem.replace("-", " ").capitalize(): path for path in found if path.suffix in known}


def abilities(name: str) -> Abilities:
    """What can be asked of a model; Unavailable where it does not load."""
    model = listener(name)
    spoken = model.spoken
    # Beams begin with the network's own prefix alone: see `SpeechRuntime.decode`.
    steered = spoken.languages or spoken.tasks or spoken.without_times is not None
    return Abilities(
        ("Greedy",) if steered else tuple(SEARCHES),
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
    """What a model hears in a clip.

    Raises:
        ValueError: a file that is no sound, is silent, or longer than one pass takes; a choice it does not know.
        Unavailable: the network is not there.
    """
    model = listener(name)
    with st.spinner("Listening …", show_time=False):
        number = _numbers.setdefault(model, next(_next))  # a name may be another model's later
        return _heard(number, clip.name, clip.digest, request, _model=model, _data=clip.data)


@st.cache_resource(show_spinner=False, max_entries=8)
def _heard(number: int, file: str, digest: str, request: Request, *, _model: Any, _data: bytes) -> Heard:
    from transformer.audio.decode import decode

    sound = decode(_data)
    if not np.abs(sound.samples).max() >= SILENT:
        raise ValueError("expected speech, received a silent clip")
    trace = _model.trace(sound, beams=request.beams, language=request.language, task=request.task, name=file)
    return Heard(
        trace, digest, sound.samples, sound.notes, _ctc(_model, sound.samples), _model.spoken.alignment_heads
    )


def _ctc(model: Any, samples: npt.NDArray[np.float32]) -> tuple[FloatArray, int] | None:
    if not model.config.ctc:
        return None
    features, frames = model.log_mel(samples)
    found = model.runtime.ctc(model.runtime.hear(features, None, frames))
    return None if found is None else (found, max(model.config.pad_id, 0))


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
