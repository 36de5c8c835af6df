"""Samples -> log-mel features: the one function that training, evaluation and the app share.

Two conventions, each kept to the letter, because features made otherwise silently cost a network accuracy:

- "t2t": Tensor2Tensor's speech problems, `compute_mel_filterbank_features` (layers/common_audio.py) with the settings
  and the normalisation of `SpeechRecognitionProblem` (data_generators/speech_recognition.py). Left out: dither (so
  that the same clip always gives the same numbers), delta channels, and the 250 frames of padding behind each clip.
- "whisper": `log_mel_spectrogram` of OpenAI's Whisper (whisper/audio.py); its filters are those of
  `librosa.filters.mel` (librosa/filters.py).

A frame is a window of 25 ms; frames follow each other every 10 ms. Plain numpy in float32 is fast enough to need no
compiled version: one batched real FFT and one matrix product, 2 to 3 ms for 10 s of sound on one core.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

import numpy as np

from transformer.audio.decode import RATE

Kind = Literal["t2t", "whisper"]

WINDOW = 400  # samples: 25 ms
HOP = 160  # samples: 10 ms
HOP_SECONDS = HOP / RATE

_BLOCK = 128  # frames that are transformed at once: their spectra stay in the processor's cache


class _Convention(NamedTuple):
    fft: int  # samples of the transform; the window is padded with zeros behind
    centred: bool  # frame i is centred on sample i * HOP, with mirrored ends; else it begins there
    preemphasis: float  # x[n] - preemphasis * x[n - 1]; the first sample has none before it and is dropped
    power: int  # of the magnitudes that the filters add up
    slaney: bool  # Slaney's mel scale with filters of equal area; else HTK's with peaks of 1
    low: float  # Hz
    high: float
    floor: float  # the least that a filter's output may be before the logarithm


class _Speech(NamedTuple):
    mean: float
    deviation: float
    loudness: float  # see `loudness`
    range: float  # a clip is made so much louder or softer at most


# Of the bins of read sentences under t2t (LibriSpeech, natural logarithms), to the nearest whole number; and how loud
# the sentences that we train on are, to the nearest quarter. 3 nats are 26 dB.
_ORDINARY = _Speech(-4.0, 2.0, -0.25, 3.0)

_CONVENTIONS: dict[str, _Convention] = {
    "t2t": _Convention(512, False, 0.97, 1, False, 20.0, 8000.0, 1e-3),
    "whisper": _Convention(400, True, 0.0, 2, True, 0.0, 8000.0, 1e-10),
}


@dataclass(frozen=True)
class Features:
    """Which features: the convention and how many mel bins."""

    kind: Kind = "t2t"
    bins: int = 80

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"expected features of {' or '.join(get_args(Kind))}, received {self.kind!r}")
        if isinstance(self.bins, bool) or not isinstance(self.bins, int) or not 2 <= self.bins <= 256:
            raise ValueError(f"expected 2 to 256 mel bins, received {self.bins!r}")

    def frames(self, samples: int) -> int:
        """How many frames `samples` samples give.

        t2t: one for each hop that is begun, after pre-emphasis has dropped a sample: ceil((N - 1) / 160); the last
        windows are padded with zeros. whisper: one for each whole hop, N // 160 (the last of its centred frames is
        dropped), and at least 201 samples, because the ends are mirrored.
        """
        if self.kind == "whisper":
            return samples // HOP if samples > WINDOW // 2 else 0
        return max(0, -(-(samples - 1) // HOP))

    def times(self, frames: int) -> np.ndarray:
        """The middle of each frame's window in seconds, float64 `(frames,)`."""
        first = 0.0 if _CONVENTIONS[self.kind].centred else WINDOW / 2
        return (np.arange(frames) * HOP + first) / RATE


def log_mel(samples: np.ndarray, features: Features = Features(), prior_frames: int = 0) -> np.ndarray:
    """Mono samples `(N,)` at 16 kHz -> normalised log-mel features, float32 `(frames, bins)`; see `normalise`.

    Raises:
        ValueError: samples of another shape, too few of them, or not all finite.
    """
    return normalise(raw_log_mel(samples, features), features, prior_frames)


def raw_log_mel(samples: np.ndarray, features: Features = Features()) -> np.ndarray:
    """The same before normalisation: logarithms of filter outputs, natural (t2t) or of base 10 (whisper)."""
    samples = np.asarray(samples, np.float32)
    if samples.ndim != 1:
        raise ValueError(f"expected mono samples at 16 kHz, received shape {samples.shape}")
    count = features.frames(len(samples))
    if count < 1:
        least = WINDOW // 2 + 1 if features.kind == "whisper" else 2
        raise ValueError(f"expected a sound of at least {least} samples at 16 kHz, received {len(samples)}")
    if not np.isfinite(samples).all():
        raise ValueError("expected finite samples, received NaN or infinite ones")
    convention = _CONVENTIONS[features.kind]
    if convention.preemphasis:
        samples = samples[1:] - np.float32(convention.preemphasis) * samples[:-1]
    if convention.centred:
        samples = np.pad(samples, convention.fft // 2, mode="reflect")
    samples = np.pad(samples, (0, max(0, (count - 1) * HOP + WINDOW - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]  # (frames, WINDOW), no copy
    window, filters = _hann(), mel_filters(features)
    out = np.empty((count, features.bins), np.float32)
    for i in range(0, count, _BLOCK):
        rows = slice(i, min(i + _BLOCK, count))
        spectrum = np.fft.rfft(windows[rows] * window, convention.fft)  # (rows, fft / 2 + 1) complex64
        magnitudes = spectrum.real**2 + spectrum.imag**2
        if convention.power == 1:
            np.sqrt(magnitudes, out=magnitudes)
        np.matmul(magnitudes, filters, out=out[rows])
    np.maximum(out, np.float32(convention.floor), out=out)
    return np.log10(out, out=out) if features.kind == "whisper" else np.log(out, out=out)


def normalise(raw: np.ndarray, features: Features = Features(), prior_frames: int = 0) -> np.ndarray:
    """`raw_log_mel` of one whole utterance -> what the network reads, float32 `(frames, bins)`.

    t2t: each bin to mean 0 and variance 1 over the utterance, x' = (x - mean) / sqrt(variance + 1e-9). whisper: what
    lies more than 8 (80 dB) below the loudest value is lifted to there, then x' = (x + 4) / 4.

    prior_frames: of t2t; mean and variance are those of the utterance and so many frames of ordinary speech together.
    A word of one vowel has each bin either loud or silent: made alike in mean and variance, every vowel is the same.
    The utterance is made as loud as ordinary speech before (see `loudness`), by at most 26 dB, or it would be heard
    otherwise the louder it is; what then lies below the floor is lifted to there.
    """
    raw = np.asarray(raw, np.float32)
    if features.kind == "whisper":
        return (np.maximum(raw, raw.max() - np.float32(8)) + np.float32(4)) / np.float32(4)
    if prior_frames:
        gain = np.clip(_ORDINARY.loudness - loudness(raw), -_ORDINARY.range, _ORDINARY.range)
        raw = np.maximum(raw + np.float32(gain), floor(features))
    # The mean in float64: a bin that stands still at the floor would else be its rounding error, much enlarged.
    mean = raw.mean(axis=0, dtype=np.float64)
    share = prior_frames / (len(raw) + prior_frames)
    shift = share * (_ORDINARY.mean - mean)
    centred = (raw - (mean + shift)).astype(np.float32)
    variance = (1 - share) * np.mean(np.square(centred), axis=0)
    variance += share * (_ORDINARY.deviation**2 + np.square(mean + shift - _ORDINARY.mean))
    return centred / np.sqrt(variance + 1e-9).astype(np.float32)


def loudness(raw: np.ndarray) -> float:
    """How loud speech is where there is speech: the logarithm of the root mean square of t2t's filter outputs.

    Silence around the words does not count: as in ITU-R BS.1770-4 (annex 1, equations 5 to 7), frames that are more
    than 10 dB below the mean of all are left out. No ear's curve and no absolute threshold.
    """
    power = np.exp(2.0 * np.asarray(raw, np.float64)).mean(axis=1)
    return float(0.5 * np.log(power[power >= 0.1 * power.mean()].mean()))


def floor(features: Features) -> np.float32:
    """What `raw_log_mel` gives for a bin with nothing in it."""
    convention = _CONVENTIONS[features.kind]
    return np.float32(np.log10(convention.floor) if features.kind == "whisper" else np.log(convention.floor))


@lru_cache(maxsize=8)
def mel_peaks(features: Features) -> np.ndarray:
    """The frequencies in Hz at which the filters of `mel_filters` peak, float64 `(bins,)`, read-only."""
    to_hertz = _slaney_hertz if _CONVENTIONS[features.kind].slaney else _htk_hertz
    peaks = to_hertz(_corners(features)[1:-1])
    peaks.flags.writeable = False
    return peaks


@lru_cache(maxsize=8)
def mel_filters(features: Features) -> np.ndarray:
    """Triangles on the mel scale, float32 `(fft / 2 + 1, bins)`, read-only.

    t2t: straight lines over mel = 1127 ln(1 + f / 700), peaks of 1, nothing for 0 Hz
    (`tf.signal.linear_to_mel_weight_matrix`). whisper: Slaney's scale, linear up to 1000 Hz and logarithmic above,
    straight lines over Hz, each triangle of area 1 (`librosa.filters.mel`).
    """
    convention = _CONVENTIONS[features.kind]
    hertz = np.linspace(0, RATE / 2, convention.fft // 2 + 1)
    to_mel = _slaney_mel if convention.slaney else _htk_mel
    edges = _corners(features)
    if convention.slaney:
        points, edges = hertz, _slaney_hertz(edges)
    else:
        points = to_mel(hertz)
    left, peak, right = edges[:-2], edges[1:-1], edges[2:]
    x = points[:, None]
    filters = np.maximum(0, np.minimum((x - left) / (peak - left), (right - x) / (right - peak)))
    if convention.slaney:
        filters *= 2 / (right - left)
    else:
        filters[0] = 0
    filters = filters.astype(np.float32)
    filters.flags.writeable = False
    return filters


def _corners(features: Features) -> np.ndarray:
    """Where the triangles begin, peak and end, in mel: `(bins + 2,)`, evenly spaced."""
    convention = _CONVENTIONS[features.kind]
    to_mel = _slaney_mel if convention.slaney else _htk_mel
    return np.linspace(to_mel(convention.low), to_mel(convention.high), features.bins + 2)


def _htk_mel(hertz: float | np.ndarray) -> np.ndarray:
    return 1127 * np.log1p(np.asarray(hertz) / 700)


def _htk_hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * np.expm1(mel / 1127)


# Slaney's Auditory Toolbox (1998): 200/3 Hz a mel up to 1000 Hz, then 27 mels for each factor of 6.4.
_LINEAR, _BREAK, _STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def _slaney_mel(hertz: float | np.ndarray) -> np.ndarray:
    hertz = np.asarray(hertz, np.float64)
    above = _BREAK / _LINEAR + np.log(np.maximum(hertz, _BREAK) / _BREAK) / _STEP
    return np.where(hertz < _BREAK, hertz / _LINEAR, above)


def _slaney_hertz(mel: np.ndarray) -> np.ndarray:
    above = _BREAK * np.exp(_STEP * (mel - _BREAK / _LINEAR))
    return np.where(mel < _BREAK / _LINEAR, mel * _LINEAR, above)


@lru_cache(maxsize=1)
def _hann() -> np.ndarray:
    """Periodic Hann window, float32 `(WINDOW,)`: 0.5 - 0.5 cos(2 pi n / WINDOW)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
