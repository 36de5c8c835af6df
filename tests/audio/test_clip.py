"""A clip in every form that somebody may have it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audio.sounds import encode, tone
from transformer.audio.clip import samples_of
from transformer.audio.decode import decode

TONE = tone(seconds=0.2) * np.float32(0.5)


def test_paths_bytes_and_samples_are_one_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(TONE)
    (tmp_path / "clip.wav").write_bytes(data)
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = decode(data).samples
    for clip in (tmp_path / "clip.wav", str(tmp_path / "clip.wav"), "~/clip.wav", data, decode(data)):
        np.testing.assert_array_equal(samples_of(clip), expected)
    with pytest.raises(FileNotFoundError):
        samples_of(tmp_path / "other.wav")


@pytest.mark.parametrize(
    ("kind", "scaled"),
    [
        (np.int16, TONE * 32768),
        (np.int32, TONE.astype(np.float64) * 2**31),
        (np.uint8, 128 + 128 * TONE),
        (np.float64, TONE),
        (np.float16, TONE),
    ],
)
def test_whole_numbers_are_scaled(kind: Any, scaled: np.ndarray) -> None:
    found = samples_of(np.round(scaled).astype(kind) if np.dtype(kind).kind != "f" else scaled.astype(kind))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, TONE, atol=1 / 128 if kind == np.uint8 else 1e-3)


def test_samples_at_another_rate_are_resampled() -> None:
    found = samples_of(tone(seconds=0.5, rate=44_100), rate=44_100)
    assert abs(len(found) - 8_000) <= 16
    peak = np.abs(np.fft.rfft(found)).argmax() / len(found)
    original = tone(seconds=0.5)
    assert peak == pytest.approx(np.abs(np.fft.rfft(original)).argmax() / len(original), abs=2e-4)


@pytest.mark.parametrize(
    ("clip", "rate", "message"),
    [
        ([0.0], 16_000, "expected a clip as a path, bytes, Sound or samples, received list"),
        (np.zeros((2, 5)), 16_000, r"expected mono samples \(N,\), received shape \(2, 5\)"),
        (np.zeros(0), 16_000, "received an empty one"),
        (np.zeros(5, np.int64), 16_000, "whole numbers of 8, 16 or 32 bits, received int64"),
        (np.full(5, 3000.0), 16_000, "expected finite samples from -1 to 1, received one of 3,000"),
        (np.array([0, np.nan]), 16_000, "expected finite samples"),
        (np.zeros(5), 0, "expected a rate from 4,000 to 768,000 Hz, received 0"),
        (np.zeros(5), True, "received True"),
    ],
)
def test_what_is_no_clip(clip: Any, rate: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        samples_of(clip, rate)
