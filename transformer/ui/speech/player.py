"""A clip on one axis of seconds: its wave, its spectrogram, a head's attention under it, and a playhead over all.

The component's script is `assets/components/speech.js`. It is mounted twice: one part carries the sound and its
spectrogram, which stay the same whatever head is chosen; the other, which is drawn, the weights of one head.

Letters for shapes: Q queries, K keys.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import streamlit as st

from transformer.audio.decode import RATE
from transformer.audio.wav import wav
from transformer.figures.labels import display, shown
from transformer.trace import FloatArray, Label, Spectrogram, Word
from transformer.ui.parts.component import accents, carry, component, scales
from transformer.ui.parts.wire import headed, quantise

WAVE = 1200  # columns of the wave's picture

_SPEECH = component("speech", "pixels", "shelf")


class Attention(NamedTuple):
    """A head over the sound.

    Args:
        values: (Q, K) from 0 to 1, what went to the padding left out; a column lasts `step` seconds. Colours reach
            up to the largest: over hundreds of columns no weight is near 1.
        rows: Q labels; those with seconds are places in the sound.
        step: seconds of a column.
        path: (row, column) pairs of an alignment, by time; empty: none is drawn.
        title: what these weights are.
    """

    values: FloatArray
    rows: Sequence[Label]
    step: float
    path: Sequence[tuple[int, int]]
    title: str


class Span(NamedTuple):
    """Seconds of a clip that are marked: what that means, and whether they are cut or only chosen."""

    start: float
    end: float
    name: str
    cut: bool


def player(
    samples: npt.NDArray[np.float32],
    spectrogram: Spectrogram,
    *,
    key: str,
    words: Sequence[tuple[str, Sequence[Word]]],
    attention: Attention | None,
    offset: float = 0.0,
    spans: Sequence[Span] = (),
    on_span: Callable[[float, float], None] | None = None,
) -> None:
    """Draw and play a clip.

    Args:
        samples: float32 (N,), mono at 16 kHz, full scale 1.
        spectrogram: what the network read.
        key: the component's name on its page; the part that carries the sound takes `key` + "-sound".
        words: word times by the name of the way that they were found; those of the first can be played alone.
        attention: the head to draw under the spectrogram; None: nothing.
        offset: seconds that lie before the clip, where it is a part of a longer one.
        spans: what is marked of it, in its own seconds.
        on_span: called with the seconds, offset and all, of a span that was drawn over the picture, before the page
            runs again; without it none can be drawn.

    Raises:
        ValueError: samples that are no clip, or attention whose labels do not fit.
    """
    if samples.ndim != 1 or not samples.size:
        raise ValueError(f"expected samples (N,), received shape {samples.shape}")
    if attention and attention.values.shape[:1] != (len(attention.rows),):
        raise ValueError(
            f"expected {len(attention.rows)} rows of weights, received shape {attention.values.shape}"
        )
    sound = _sound(samples, spectrogram)
    digest = hashlib.blake2b(sound, digest_size=16).digest()
    header: dict[str, Any] = {
        "digest": digest.hex(),
        "seconds": len(samples) / RATE,
        "offset": offset,
        "words": [
            {"way": way, "words": [[w.text, round(w.start, 3), round(w.end, 3)] for w in found]}
            for way, found in words
        ],
        "spans": [[round(span.start, 3), round(span.end, 3), span.name, span.cut] for span in spans],
        "spannable": on_span is not None,
        "scale": scales(),
        "accent": accents(),
    }

    def called() -> None:
        drawn = _drawn(st.session_state[key].get("span"), header["seconds"])
        if drawn and on_span:
            on_span(offset + drawn[0], offset + drawn[1])

    body = b""
    if attention:
        top = float(attention.values.max()) or 1.0
        body = quantise(attention.values / top)
        header["attention"] = {
            "shape": list(attention.values.shape),
            "rows": [_name(label) for label in attention.rows],
            "timed": attention.rows[0].start is not None,
            "step": attention.step,
            "top": top,
            "path": [[int(row), int(column)] for row, column in attention.path],
            "title": attention.title,
        }
    with st.container(gap=None):  # the part that draws nothing must not leave a gap
        _SPEECH(key=key, data=headed(header, body), on_span_change=called)
        carry(digest, sound, key=f"{key}-sound")


def _drawn(value: object, seconds: float) -> tuple[float, float] | None:
    """Begin and end of a span out of what a browser sent, or None."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
        return None
    start, end = float(value[0]), float(value[1])
    return (start, end) if 0 <= start < end <= seconds + 1e-3 else None


def _name(label: Label) -> str:
    return shown(label) if label.special else display(label)


def _sound(samples: npt.NDArray[np.float32], spectrogram: Spectrogram) -> bytes:
    """Sizes, seconds of a frame, the wave's peaks, the spectrogram as bytes, and the clip as a wav file."""
    values = spectrogram.values
    low, high = np.percentile(values, (1, 99.5))  # a single loud spot must not darken the rest
    scaled = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    columns = min(WAVE, len(samples))
    edges = np.linspace(0, len(samples), columns, endpoint=False).astype(int)
    peaks = np.maximum.reduceat(np.abs(samples), edges)
    loud = peaks / max(float(peaks.max()), 1e-6)
    sizes = struct.pack("<IIIf", columns, *values.shape, spectrogram.seconds_per_frame)
    return sizes + quantise(loud) + quantise(scaled) + wav(samples)
