"""A sound file's bytes -> mono float32 samples at 16 kHz, with what is odd about them; and where to cut long ones.

PyAV (FFmpeg) decodes and resamples. The container is told from the first bytes and named to FFmpeg, which so never
guesses a format that leads elsewhere (playlists, concat scripts); it is also refused every second file or address.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import av
import numpy as np

from transformer.audio.containers import container_of, promised_seconds

RATE = 16_000  # samples per second of everything behind this file

_SLOWEST, _FASTEST = 4_000, 768_000  # sample rates that are believed: outside lie mistakes, and bombs
_ABSURD = 1e6  # a sample beyond this, in units of full scale, is no sound
_FULL_SCALE = 0.99  # 127 of 128: what an 8-bit file calls full
_SAME = 1.5 / 32_768  # neighbours that differ by less, at full scale, are a flat top
_CLIPPED_SHARE = 0.002
SILENT = 1e-3  # -60 dB of full scale: what is quieter holds no speech
_SHORT = 0.1  # seconds
_EARLY = 0.15  # seconds by which a file may fall short of its header: encoders round to frames
_PROBED = 1_000_000  # bytes that are decoded on trial while a file is opened
_STEPS = 500_000  # reads and seeks of one file, each of which Python answers
# What decoding costs besides samples, in packets of sound: ten minutes of the shortest of Opus, 2.5 ms, are 240,000.
_EFFORT = 250_000
_DAMAGED, _CHANGED = 10, 50  # a packet without samples; samples of another rate or kind than those before
_GATHERED = RATE // 4  # samples that are looked at together: frames may be as short as 16


@dataclass(frozen=True)
class AudioLimits:
    """How much is taken: bytes of file, seconds of sound, and values, which are its samples in all channels as the file
    has them; those of the default are ten minutes of eight channels at 48 kHz."""

    bytes: int = 25_000_000
    seconds: float = 600.0
    values: int = 240_000_000


@dataclass(frozen=True, eq=False)
class Sound:
    """A decoded clip.

    samples: float32 `(N,)`, mono, 16 kHz, full scale is 1, read-only. notes: what is odd, as short sentences.
    codec, rate (Hz) and channels are those of the file.
    """

    samples: np.ndarray
    codec: str
    rate: int
    channels: int
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Length of the clip."""
        return len(self.samples) / RATE


def decode(data: bytes, *, limits: AudioLimits = AudioLimits()) -> Sound:
    """Decode the first sound track of a file, mean of its channels, resampled to 16 kHz.

    The samples that are there count, not the length that the header claims. Decoding ends as soon as a limit is passed,
    so that time and memory stay bounded by the limits; what promises to unfold beyond them is not begun.

    Raises:
        ValueError: an empty, too large or too long file, one of another kind, one without sound, a damaged one.
    """
    if not data:
        raise ValueError("expected a sound file, received an empty one")
    if len(data) > limits.bytes:
        raise ValueError(
            f"expected a file of at most {limits.bytes / 1e6:g} MB, received {len(data) / 1e6:.1f} MB"
        )
    kind, first = container_of(data)
    file = _File(data)
    try:
        container = av.open(
            file,
            format=kind,
            io_open=_refuse,
            container_options={"protocol_whitelist": "none", "probesize": str(_PROBED)},
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"expected a whole {kind} file, received one that cannot be opened: {reason}"
        ) from error
    with container:
        if not container.streams.audio:
            raise ValueError("expected a file with sound, received one without an audio track")
        file.again()
        reader = _Reader(container, limits)
        promised = promised_seconds(container, kind, data, first)
        if kind != "wav":  # which does not unfold, and whose header is often wrong
            reader.bound(promised or 0.0)
        samples = reader.read()
        notes = list(reader.notes())
    seconds = len(samples) / RATE
    if seconds < _SHORT:
        notes.append(f"The clip is very short: {seconds:.3f} s.")
    if promised and promised > seconds + _EARLY:
        notes.append(f"The file ends early: its header promises {promised:.1f} s, {seconds:.1f} s are there.")
    samples.flags.writeable = False
    return Sound(samples, reader.codec, reader.rate, reader.channels, tuple(notes))


def resample(samples: np.ndarray, rate: int, to: int = RATE) -> np.ndarray:
    """Mono float32 samples `(N,)` at `rate` Hz -> at `to` Hz, band-limited (FFmpeg's swresample)."""
    resampler = _Resampler(rate, to)
    return np.concatenate([*resampler.push(np.asarray(samples, np.float32)), *resampler.flush()])


def cut(samples: np.ndarray, longest_seconds: float = 30.0) -> list[tuple[int, int]]:
    """Where to cut a clip into passes of at most `longest_seconds`: (first, last + 1) samples, covering all of it.

    Each cut lies at the quietest 0.2 s of the last third that a pass may reach; of equally quiet ones, the latest.

    Raises:
        ValueError: passes shorter than 1 s.
    """
    if not longest_seconds >= 1:
        raise ValueError(f"expected passes of at least 1 s, received {longest_seconds}")
    longest, reach, step = int(longest_seconds * RATE), RATE // 10, RATE // 100
    passes, first = [], 0
    while len(samples) - first > longest:
        # The middles of the windows that may be cut: half a window away from either end of the last third.
        middles = np.arange(first + longest - reach, first + longest * 2 // 3 + reach, -step)
        energy = np.cumsum(np.square(samples[middles[-1] - reach : middles[0] + reach], dtype=np.float64))
        energy = np.concatenate([[0.0], energy])
        begin = middles - middles[-1]
        at = int(middles[np.argmin(energy[begin + 2 * reach] - energy[begin])])
        passes.append((first, at))
        first = at
    return [*passes, (first, len(samples))]


def _refuse(url: str, flags: int, options: dict[str, Any]) -> NoReturn:
    raise ValueError(f"expected a file that holds its own sound, received one that points to {url[:80]!r}")


class _File(io.BytesIO):
    """A file that ends for a reader whom damage sends back and forth, or through it again, far longer than sound does.

    It may be read one and a half times while it is opened, and so once more (`again`) while it is decoded.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.most = len(data) * 3 // 2 + 1_000_000
        self.again()

    def again(self) -> None:
        """Begin to count anew."""
        self.left, self.steps = self.most, _STEPS

    def read(self, size: int | None = -1) -> bytes:
        self.steps -= 1
        found = super().read(size) if self.left > 0 and self.steps > 0 else b""
        self.left -= len(found)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        self.steps -= 1
        return super().seek(offset, whence)


class _Reader:
    """All samples of the first sound track, and what was noticed on the way."""

    def __init__(self, container: Any, limits: AudioLimits) -> None:
        self.container, self.limits = container, limits
        self.stream = container.streams.audio[0]
        if self.stream.codec_context is None:
            raise ValueError("expected sound of a known codec, received an unknown one")
        self.codec, self.rate, self.channels = "", 0, 0
        self.peak, self.loud, self.damaged = 0.0, False, False
        self.values = self.flat = self.over = self.absurd = 0  # counts of samples
        self.effort = 0

    def bound(self, seconds: float) -> None:
        """Refuse what would unfold to too much, by what its header says."""
        context = self.stream.codec_context
        if seconds * (context.sample_rate or 0) * (context.channels or 0) > self.limits.values:
            raise ValueError(self._too_much())

    def _too_much(self) -> str:
        return f"expected at most {self.limits.values:,} samples in all channels, received more"

    def read(self) -> np.ndarray:
        """Mono float32 `(N,)` at 16 kHz."""
        # One buffer: small pieces would lie between the decoder's large ones and keep them from being given back.
        found = bytearray()
        seconds, values, resampler = 0.0, 0, None
        for frame in self._gathered():
            rate = frame.sample_rate
            if not _SLOWEST <= rate <= _FASTEST:
                raise ValueError(f"expected a sample rate from 4 to 768 kHz, received {rate} Hz")
            seconds += frame.samples / rate
            if seconds > self.limits.seconds + 1e-6:
                raise ValueError(
                    f"expected at most {self.limits.seconds / 60:.3g} minutes of sound, received more"
                )
            values += frame.samples * frame.layout.nb_channels
            if values > self.limits.values:
                raise ValueError(self._too_much())
            # Each part of a chained stream may have a rate of its own.
            if resampler is None or resampler.rate != rate:
                found += _joined(resampler.flush() if resampler else [])
                resampler = _Resampler(rate)
                self.rate, self.channels = self.rate or rate, self.channels or frame.layout.nb_channels
            found += _joined(resampler.push(self._mono(frame)))
        found += _joined(resampler.flush() if resampler else [])
        samples = np.frombuffer(found, np.float32)
        if not len(samples):
            raise ValueError(f"expected sound that can be decoded, received none in the {self.codec} track")
        self.peak = float(max(samples.max(), -samples.min()))
        # Decoders overshoot here and there; more is a float file in units of its own.
        self.loud = self.peak > 2 and self.over > _CLIPPED_SHARE * self.values
        return samples / np.float32(self.peak) if self.loud else np.clip(samples, -1, 1)

    def notes(self) -> Iterator[str]:
        """What is odd, one sentence each."""
        if len(self.container.streams.audio) > 1:
            yield f"The file holds {len(self.container.streams.audio)} sound tracks: the first is used."
        if self.damaged:
            yield "The file is damaged: what cannot be decoded was left out."
        if self.absurd:
            yield f"The file holds samples that are not numbers, or far too large: {self.absurd} are taken as 0."
        if self.loud:
            yield f"The sound is louder than full scale: it was scaled down {self.peak:,.1f} times."
        elif self.flat + self.over > _CLIPPED_SHARE * self.values:
            share = (self.flat + self.over) / self.values
            yield f"The sound is clipped: {100 * share:.1f} % of it is at full scale."
        if self.peak < SILENT:
            yield "The clip is silent."

    def _gathered(self) -> Iterator[Any]:
        """Decoded frames, short ones of a kind put together."""
        fifo, kind = av.AudioFifo(), None
        for frame in self._frames():
            frame.pts = None  # else a gap would be an error
            if kind != (kind := (frame.format.name, frame.layout.name, frame.sample_rate)):
                self._spend(_CHANGED)
                if (rest := fifo.read()) is not None:
                    yield rest
                fifo = av.AudioFifo()
            fifo.write(frame)
            if fifo.samples >= _GATHERED:
                yield fifo.read()
        if (rest := fifo.read()) is not None:
            yield rest

    def _spend(self, effort: int) -> None:
        self.effort += effort
        if self.effort > _EFFORT:
            raise ValueError(
                f"expected at most {_EFFORT:,} packets of sound, received more, or many damaged ones"
            )

    def _frames(self) -> Iterator[Any]:
        """Decoded frames; a packet that cannot be decoded is left out, and one that cannot be read ends the file."""
        self.codec = self.stream.codec_context.name
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError:
                packet, self.damaged = None, True
            if packet is None:
                return
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                frames, self.damaged = [], True
            frames = [frame for frame in frames if frame.samples]
            self._spend(1 if frames else _DAMAGED)
            yield from frames

    def _mono(self, frame: Any) -> np.ndarray:
        """The mean of a frame's channels, float32 `(n,)`, full scale 1."""
        if frame.format.is_planar and frame.layout.nb_channels >= 8:
            # PyAV 18 reads past the planes of such a frame, and the process dies; interleaved it has but one.
            pack = av.AudioResampler(frame.format.packed, frame.layout, frame.sample_rate)
            (frame,) = pack.resample(frame)
        try:
            values = frame.to_ndarray()
        except ValueError as error:
            raise ValueError(f"expected samples of at most 32 bits, received {frame.format.name}") from error
        if not frame.format.is_planar:
            values = values.reshape(-1, frame.layout.nb_channels).T
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is counted below
            dtype, values = values.dtype, values.astype(np.float32)
            if dtype == np.uint8:
                values = (values - 128) / 128
            elif dtype.kind == "i":
                values /= -float(np.iinfo(dtype).min)
            mono = values.mean(axis=0) if len(values) > 1 else values[0]
            self.values += values.size
            if values.max() < _FULL_SCALE and values.min() > -_FULL_SCALE:  # not so where there are NaNs
                return mono
            size = np.abs(values)
            full = (size >= _FULL_SCALE) & (size <= 1)
            flat = full[:, 1:] & full[:, :-1] & (np.abs(np.diff(values, axis=1)) < _SAME)
            absurd = ~(np.abs(mono) <= _ABSURD)
        self.flat += int(flat.sum())
        # A lossy format makes ripples of flat tops: its decoder then overshoots where the sound was clipped.
        self.over += int(((size > 1) & (size <= _ABSURD)).sum())
        self.absurd += int(absurd.sum())
        return np.where(absurd, np.float32(0), mono)


def _joined(pieces: list[np.ndarray]) -> bytes:
    return b"".join(piece.tobytes() for piece in pieces)


class _Resampler:
    """Pieces of mono sound at one rate -> pieces at another."""

    def __init__(self, rate: int, to: int = RATE) -> None:
        self.rate = rate
        self._swr = av.AudioResampler(format="fltp", layout="mono", rate=to) if rate != to else None

    def push(self, samples: np.ndarray) -> list[np.ndarray]:
        if self._swr is None or not len(samples):
            return [samples]
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = self.rate
        return [out.to_ndarray()[0] for out in self._swr.resample(frame)]

    def flush(self) -> list[np.ndarray]:
        return [out.to_ndarray()[0] for out in self._swr.resample(None)] if self._swr else []
