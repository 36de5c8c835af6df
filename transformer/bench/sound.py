"""Ten seconds of sound: decoding a file, and features."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from transformer.bench.measure import Row, median


def sound() -> Iterator[Row]:
    """A clip as phones record it (m4a), and the log-mel picture of it."""
    import av

    from transformer.audio.decode import RATE, decode
    from transformer.audio.features import Features, log_mel

    rng = np.random.default_rng(0)
    times = np.arange(10 * RATE) / RATE
    samples = (0.3 * np.sin(2 * np.pi * 220 * times) + 0.05 * rng.normal(size=len(times))).astype(np.float32)
    data = io.BytesIO()
    with av.open(data, "w", format="ipod") as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    content = data.getvalue()
    yield {
        "name": "audio-decode/10s-m4a",
        "median_ms": median(lambda: decode(content)),
        "bytes": len(content),
    }
    yield {"name": "features/10s", "median_ms": median(lambda: log_mel(samples, Features()))}
