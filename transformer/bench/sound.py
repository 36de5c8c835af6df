"""Ten seconds of sound: decoding a file, features, the shipped network, and a step of training it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from transformer import home
from transformer.bench.measure import Row, median

CLIPS = home.examples() / "speech"


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


def spoken(seconds: float = 10.0, seed: int = 0) -> np.ndarray:
    """Samples at 16 kHz of the clips that come along, one after the other, a little noise with it: no two alike."""
    from transformer.audio.decode import RATE, decode

    clips = sorted(p for p in CLIPS.glob("*") if p.suffix in (".flac", ".ogg"))
    samples = np.concatenate([decode(path.read_bytes()).samples for path in clips])[: int(seconds * RATE)]
    noise = np.random.default_rng(seed).normal(0, 1e-4, len(samples))
    return (samples + noise).astype(np.float32)


def network() -> Iterator[Row]:
    """From samples to words and all heads, greedily and with beams; eight clips of 10 s in a step of training."""
    from transformer.pipeline import load

    model, samples = load("speech-en"), spoken()
    yield {"name": "trace/speech-en-10s", "median_ms": median(lambda: model.trace(samples, beams=1), 7)}
    yield {
        "name": "trace/speech-en-10s-beam-4",
        "median_ms": median(lambda: model.trace(samples, beams=4), 7),
    }
    # TensorFlow reads at its import what `train` asks of it, so that this needs a process of its own.
    command = [
        sys.executable,
        "-c",
        "from transformer.bench.sound import training_step; print(training_step())",
    ]
    found = subprocess.run(
        command, env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"}, capture_output=True, text=True, check=True
    )
    yield {"name": "training/speech-en-8-clips-of-10s", "median_ms": float(found.stdout.split()[-1])}


def training_step() -> float:
    """Milliseconds of a step of training on eight clips of 10 s, in mixed bfloat16 as `train` takes it."""
    import keras

    from transformer.models.assembly import assemble
    from transformer.training.presets import PRESETS
    from transformer.training.schedule import SmoothedCrossEntropy
    from transformer.training.speech import CTC

    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    learner = assemble(PRESETS["speech-en"].model)
    losses = {"tokens": SmoothedCrossEntropy(0.1), "ctc": CTC()}
    learner.compile(optimizer="adam", loss=losses, jit_compile=False)
    rng = np.random.default_rng(0)
    ids = rng.integers(4, 40, (8, 160)).astype(np.int32)
    inputs = {
        "source": rng.normal(size=(8, 1000, 80)).astype(np.float32),
        "frames": np.full(8, 1000, np.int32),
        "target": ids,
    }
    return median(lambda: learner.train_on_batch(inputs, {"tokens": ids, "ctc": ids}), 7)
