"""Small sound files, made where they are needed."""

import io
import struct
from typing import Any

import av
import numpy as np

# name: (container, encoder, sample format) of every kind of file that the app takes, made by PyAV's own encoders.
FORMATS = {
    "wav": ("wav", "pcm_s16le", "s16"),
    "wav-8": ("wav", "pcm_u8", "u8"),
    "wav-24": ("wav", "pcm_s24le", "s32"),
    "wav-float": ("wav", "pcm_f32le", "flt"),
    "wav-double": ("wav", "pcm_f64le", "dbl"),
    "flac": ("flac", "flac", "s16"),
    "ogg": ("ogg", "libopus", "flt"),
    "opus": ("opus", "libopus", "flt"),
    "mp3": ("mp3", "libmp3lame", "fltp"),
    "m4a": ("ipod", "aac", "fltp"),
    "alac": ("ipod", "alac", "s16p"),
    "mp4": ("mp4", "aac", "fltp"),
    "aac": ("adts", "aac", "fltp"),
    "webm": ("webm", "libopus", "flt"),
}


def tone(hertz: float = 440.0, seconds: float = 1.0, rate: int = 16_000, level: float = 0.5) -> np.ndarray:
    """A sine, float32 `(N,)`."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encode(samples: np.ndarray, kind: str = "wav", rate: int = 16_000, layout: str = "mono") -> bytes:
    """Samples `(N,)` or `(channels, N)` as a file of one of FORMATS."""
    container, codec, sample_format = FORMATS[kind]
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate, layout=layout)
        stream.format = sample_format
        interleaved = np.atleast_2d(samples).astype(np.float32).T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
        frame.sample_rate = rate
        convert = av.AudioResampler(format=sample_format, layout=layout, rate=rate)
        for piece in [*convert.resample(frame), *convert.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return out.getvalue()


def wav(
    values: np.ndarray, rate: int = 16_000, *, code: int = 1, bits: int = 16, claimed: int | None = None
) -> bytes:
    """A wav file by hand: values `(N,)` or `(N, channels)` of the file's own number type; `claimed` bytes of data."""
    channels = 1 if values.ndim == 1 else values.shape[1]
    data = values.tobytes()
    size = len(data) if claimed is None else claimed
    head = struct.pack(
        "<HHIIHH", code, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits
    )
    riff = struct.pack("<I", min(size + 36, 0xFFFFFFFF))
    return (
        b"RIFF" + riff + b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", size) + data
    )


def picture() -> bytes:
    """A PNG of one black pixel."""
    out = io.BytesIO()
    with av.open(out, "w", format="image2pipe") as file:
        stream = file.add_stream("png", rate=1)
        stream.width = stream.height = 16
        stream.pix_fmt = "rgb24"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        file.mux(stream.encode(None))
    return out.getvalue()


def film(sound: bool) -> bytes:
    """An mp4 with a picture, and a second of sound if asked for."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        video = file.add_stream("mpeg4", rate=5)
        video.width = video.height = 16
        video.pix_fmt = "yuv420p"
        audio = file.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            frame.pts = i
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        if audio:
            samples = av.AudioFrame.from_ndarray(tone()[None], format="fltp", layout="mono")
            samples.sample_rate = 16_000
            convert = av.AudioResampler(format="fltp", layout="mono", rate=16_000, frame_size=1024)
            for piece in [*convert.resample(samples), *convert.resample(None)]:
                file.mux(audio.encode(piece))
            file.mux(audio.encode(None))
    return out.getvalue()
