"""From a log-mel picture to positions: against convolutions written out one frame at a time in float64."""

import math
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.config import PAD
from transformer.layers.positions import sinusoids
from transformer.layers.stem import STRIDES, SoundEmbedding

KINDS: list[dict[str, Any]] = [
    dict(stem="t2t", stem_channels=3),
    dict(stem="t2t", bins=7, stem_channels=2, scale_embeddings=False, positions="learned"),
    dict(stem="whisper", positions="halves_minus_one"),
    dict(stem="whisper", bins=5, positions="none"),
]

every_kind = pytest.mark.parametrize("changes", KINDS, ids=str)


def picture(frames: int, bins: int, batch: int = 1) -> np.ndarray:
    return np.random.default_rng(frames).normal(size=(batch, frames, bins)).astype(np.float32)


def stem(changes: dict) -> SoundEmbedding:
    """With random weights, biases included."""
    made = SoundEmbedding(toy.config(**(dict(bins=8) | changes)), dtype="float32")
    made.build()
    rng = np.random.default_rng(1)
    made.set_weights([rng.normal(size=w.shape) * 0.3 for w in made.weights])
    return made


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def over_time(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """(frames, channels) -> (ceil(frames / stride), out): taps at one frame before, the frame itself, one after."""
    out = []
    for centre in range(0, len(x), stride):
        total = bias.copy()
        for tap in range(3):
            if 0 <= centre + tap - 1 < len(x):
                total += x[centre + tap - 1] @ kernel[tap]
        out.append(total)
    return np.stack(out)


def over_time_and_bins(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(frames, bins, channels) -> half of both: as a sum over bins of `over_time`, so that each loop stays plain."""
    columns = []
    for centre in range(0, x.shape[1], 2):
        total = np.zeros((-(-len(x) // 2), len(bias))) + bias
        for tap in range(3):
            if 0 <= centre + tap - 1 < x.shape[1]:
                total += over_time(x[:, centre + tap - 1], kernel[:, tap], np.zeros(len(bias)), 2)
        columns.append(total)
    return np.stack(columns, 1)


def written_out(made: SoundEmbedding, x: np.ndarray) -> np.ndarray:
    weights = {w.path.split("/", 1)[1]: np.asarray(w, np.float64) for w in made.weights}
    (k0, b0), (k1, b1) = (
        (weights[f"convolution_{i}/kernel"], weights[f"convolution_{i}/bias"]) for i in range(2)
    )
    if made.kind == "whisper":
        out = gelu(over_time(gelu(over_time(x.astype(np.float64), k0, b0, 1)), k1, b1, 2))
    else:
        out = x[..., None].astype(np.float64)
        for kernel, bias in ((k0, b0), (k1, b1)):
            out = np.maximum(over_time_and_bins(out, kernel, bias), 0)
        out = out.reshape(len(out), -1) @ weights["projection/kernel"] + weights["projection/bias"]
        out = out * made.scale
    table = weights.get("positions/table")
    if table is None:
        kind = made.positions.kind
        table = np.zeros((16, 8)) if kind == "none" else sinusoids(16, 8, kind)
    return out + table[: len(out)]


@every_kind
@pytest.mark.parametrize("frames", [1, 2, 12, 13, 14, 15])
def test_agrees_with_convolutions_written_out_in_float64(changes: dict, frames: int) -> None:
    made = stem(changes)
    x = picture(frames, made.bins)
    found = np.asarray(made(x))[0]
    assert found.shape == (math.ceil(frames / STRIDES[made.kind]), 8)
    np.testing.assert_allclose(found, written_out(made, x[0]), atol=2e-5)


def test_the_scale_is_the_root_of_the_width_where_configured() -> None:
    assert stem(KINDS[0]).scale == 8**0.5
    assert stem(KINDS[1]).scale == 1


@every_kind
@pytest.mark.parametrize("frames", [8, 9, 10, 11])
def test_silence_after_a_clip_reaches_its_last_position_only(changes: dict, frames: int) -> None:
    made = stem(changes)
    x = picture(frames, made.bins)
    alone = np.asarray(made(x))
    for more in (1, 2, 3, 5):
        padded = np.asarray(made(np.pad(x, ((0, 0), (0, more), (0, 0)))))
        whole = alone.shape[1] - 1
        np.testing.assert_allclose(padded[:, :whole], alone[:, :whole], atol=1e-6)


@every_kind
def test_a_position_is_real_where_it_has_heard_a_real_frame(changes: dict) -> None:
    made = stem(changes)
    stride, frames = STRIDES[made.kind], np.array([0, 1, 2, 3, 4, 5, 11, 12])
    found = np.asarray(made.real(frames, 3))
    first = np.arange(3)[None] * stride  # the frame in the middle of what a position hears
    np.testing.assert_array_equal(found, first < frames[:, None])


@every_kind
def test_positions_can_be_scaled(changes: dict) -> None:
    made = stem(changes)
    x = picture(9, made.bins)
    bare, whole, half = (np.asarray(made(x, position_scale=s)) for s in (0.0, 1.0, 0.5))
    np.testing.assert_array_equal(whole, np.asarray(made(x)))
    np.testing.assert_allclose(half, (bare + whole) / 2, atol=1e-5)


def test_more_sound_than_positions_is_refused() -> None:
    made = stem(KINDS[2])
    assert made(picture(32, 8)).shape == (1, 16, 8)
    with pytest.raises(ValueError, match="expected at most 16 positions, received 17"):
        made(picture(33, 8))


@pytest.mark.parametrize("kind", ["t2t", "whisper"])
def test_a_network_hears_through_it(kind: str) -> None:
    """Padded frames that `frames` names are not looked at, and decoding step by step is the whole pass."""
    network = toy.network(toy.config(stem=kind, bins=8, stem_channels=2, ctc=True, positions="halves"))
    sound, target = picture(14, 8, batch=2), toy.ids((2, 5), 2)
    result = network.forward(sound, target)
    assert result.ctc.shape == (2, -(-14 // STRIDES[kind]), 23)
    ctc = np.asarray(network.encode(sound)[0].vectors) @ np.asarray(network.ctc.kernel)
    np.testing.assert_allclose(np.asarray(result.ctc), ctc + np.asarray(network.ctc.bias), atol=1e-5)
    real = np.asarray(network.source_embedding.real(np.array([14, 5]), result.ctc.shape[1]))
    result = network.forward(sound, target, real=real)
    assert not np.asarray(result.encoder)[1][..., ~real[1]].any()
    assert not np.asarray(result.cross)[1][..., ~real[1]].any()
    called = network({"source": sound, "target": target, "frames": np.array([14, 5])})
    np.testing.assert_array_equal(np.asarray(called["tokens"]), np.asarray(result.logits))
    shares = toy.softmax(np.asarray(called["ctc"]))
    np.testing.assert_allclose(shares[real], toy.softmax(np.asarray(result.ctc))[real], atol=1e-6)
    np.testing.assert_array_equal(shares[~real][:, PAD], 1)  # certain of the blank after the clip
    state = network.start(sound, 6, real=real)
    for t in range(5):
        logits, state = network.step(target[:, t], t, state)
        np.testing.assert_allclose(np.asarray(logits), np.asarray(result.logits)[:, t], atol=1e-5)
