"""Speech: which clip was given, and what did a network hear in it? Clips are known by the hash of their bytes.

The answer to a request is kept for everyone; the clip itself stays with the visitor who gave it.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st

from transformer import home
from transformer.analysis.alignment import Evidence, later, timed
from transformer.ask import Ask
from transformer.audio.decode import RATE, SILENT, decode
from transformer.interventions import Interventions
from transformer.trace import FloatArray, Trace, Word, one_text
from transformer.ui.models import calls
from transformer.ui.models.calls import Unavailable
from transformer.ui.shell.markdown import line

if TYPE_CHECKING:
    from transformer.pipeline import Listener


class Clip(NamedTuple):
    """A file that a visitor gave: its name, its bytes, and their hash."""

    name: str
    data: bytes
    digest: str


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
    evidence: what tells when its words were spoken, besides the trace.
    question: what was asked.
    alignment_heads: (layer, head) pairs that the checkpoint itself names as following the sound; often none.
    offset: seconds of the clip that lie before these samples. parts: all of a clip that takes several passes, of which
    this is one; empty where one is enough.
    """

    trace: Trace
    digest: str
    samples: FloatArray
    notes: tuple[str, ...]
    evidence: Evidence
    alignment_heads: tuple[tuple[int, int], ...]
    offset: float = 0.0
    parts: tuple[Part, ...] = ()
    question: Ask = Ask(model="")

    @property
    def text(self) -> str:
        """What was said in the whole clip."""
        return one_text(part.text for part in self.parts) if self.parts else self.trace.output


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
        tuple(reversed(calls.SEARCHES)) if model.beams > 1 else tuple(calls.SEARCHES),
        tuple(spoken.languages),
        tuple(spoken.tasks),
        model.longest_seconds,
    )


def listener(name: str) -> Listener:
    """The speech model of this name, waited for with a word about it; Unavailable where it does not load."""
    with calls.waiting(name):
        found: Listener = calls.network(name)
    return found


def hear(clip: Clip, question: Ask) -> Heard:
    """What a model hears in a clip; in one that is longer than a pass, in the part of it that is shown.

    Args:
        clip: as a visitor gave it.
        question: how it is listened to; what is given and its name are the clip's.

    Raises:
        ValueError: a file that is no sound, is silent, or longer than ten minutes; a choice it does not know.
        Unavailable: the network is not there.
    """
    model = listener(question.model)
    question = replace(question, given=clip.digest, name=clip.name)
    with st.spinner("Listening …", show_time=False):
        samples, notes = calls.kept(None, ("sound", clip.digest), lambda: _sound(clip.data))
        passes = model.passes(samples)

        def one(place: tuple[int, int]) -> Heard:
            found = calls.kept(
                model,
                (question, place),
                lambda: _heard(model, question, samples[slice(*place)], place[0] / RATE),
            )
            return found._replace(notes=notes)

        def said(place: tuple[int, int]) -> Part:
            return _part(one(place), place)

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
                else calls.kept(model, ("part", question, place), partial(said, place))
            )
        bar.empty()
        chosen = st.session_state.get(part_key(clip.digest), 0)
        return one(passes[min(chosen, len(passes) - 1)])._replace(parts=tuple(parts))


def part_key(digest: str) -> str:
    """Where the session keeps which part of a clip is shown, by its number from 0."""
    return f"part-{digest}"


def _sound(data: bytes) -> tuple[FloatArray, tuple[str, ...]]:
    sound = decode(data)
    if not np.abs(sound.samples).max() >= SILENT:
        raise ValueError("expected speech, received a silent clip")
    return sound.samples, sound.notes


def again(heard: Heard, interventions: Interventions, ids: tuple[int, ...]) -> Heard:
    """The same samples heard with something changed in the network, which writes `ids`, or for () what it will.

    Raises:
        ValueError: a change that cannot be.
        Unavailable: the network is not there.
    """
    model = listener(heard.trace.model)
    question = replace(heard.question, interventions=interventions)
    if ids:
        question = replace(question, target_ids=ids, beams=None, language="", task="transcribe")
    with st.spinner("Listening again …", show_time=False):
        return calls.kept(
            model, (question, heard.offset), lambda: _heard(model, question, heard.samples, heard.offset)
        )


def _heard(model: Listener, question: Ask, samples: FloatArray, offset: float) -> Heard:
    listened = model.listen(samples, question.interventions)
    trace = model.ask(question, listened)
    evidence, heads = model.evidence(listened, trace), model.spoken.alignment_heads
    return Heard(trace, question.given, samples, (), evidence, heads, offset, question=question)


def _part(heard: Heard, place: tuple[int, int]) -> Part:
    found = timed(heard.trace, heard.evidence)
    words = {way: later(alignment.words, heard.offset) for way, alignment in found.items()}
    return Part(place[0] / RATE, place[1] / RATE, heard.trace.output, words)


def answer(question: Ask) -> Heard | None:
    """What to show: the clip as it was heard, or where that fails, a sentence why and the last one that went well."""
    clip = given()
    if clip:
        try:
            st.session_state["heard"] = hear(clip, question)
        except ValueError as error:
            last = st.session_state.get("heard")
            below = f" Shown below: “{line(last.trace.input, 60)}”." if last else ""
            st.warning(f"Not transcribed: {line(error)}.{below}")
        except Unavailable as error:
            st.warning(line(error))
            st.button("Try to load it again", on_click=calls.retry)
    heard: Heard | None = st.session_state.get("heard")
    return heard
