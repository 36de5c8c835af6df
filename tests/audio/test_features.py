"""Log-mel features: against a DFT by matrix in float64, against TensorFlow's own signal library, and closed forms."""

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tests.golden.sound import chirp
from transformer.audio.features import (
    HOP,
    WINDOW,
    Features,
    floor,
    log_mel,
    loudness,
    mel_filters,
    normalise,
    raw_log_mel,
)

T2T, WHISPER = Features("t2t"), Features("whisper")


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def tone(hertz: float, samples: int = 16_000) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(samples) / 16_000)).astype(np.float32)


def dft_magnitudes(frames: np.ndarray, size: int) -> np.ndarray:
    """|DFT| of windowed frames, by the matrix of its definition, in float64."""
    n, k = np.arange(frames.shape[1])[:, None], np.arange(size // 2 + 1)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    return np.abs((frames * hann) @ np.exp(-2j * np.pi * n * k / size))


def test_t2t_equals_a_dft_by_matrix() -> None:
    samples = noise(2000)
    x = samples.astype(np.float64)
    x = x[1:] - 0.97 * x[:-1]
    count = math.ceil(1999 / 160)
    x = np.concatenate([x, np.zeros(400)])
    frames = np.stack([x[i * 160 : i * 160 + 400] for i in range(count)])
    mel = dft_magnitudes(frames, 512) @ mel_filters(T2T).astype(np.float64)
    raw = np.log(np.maximum(mel, 1e-3))
    assert np.abs(raw_log_mel(samples, T2T) - raw).max() < 1e-5
    expected = (raw - raw.mean(0)) / np.sqrt(raw.var(0) + 1e-9)
    np.testing.assert_allclose(log_mel(samples, T2T), expected, atol=1e-4)


@pytest.mark.parametrize("bins", [80, 128])
def test_whisper_equals_a_dft_by_matrix(bins: int) -> None:
    features = Features("whisper", bins)
    samples = noise(2000)
    x = samples.astype(np.float64)
    x = np.concatenate([x[200:0:-1], x, x[-2:-202:-1]])
    frames = np.stack([x[i * 160 : i * 160 + 400] for i in range(12)])
    mel = dft_magnitudes(frames, 400) ** 2 @ mel_filters(features).astype(np.float64)
    raw = np.log10(np.maximum(mel, 1e-10))
    expected = (np.maximum(raw, raw.max() - 8) + 4) / 4
    np.testing.assert_allclose(log_mel(samples, features), expected, atol=1e-5)


def test_t2t_equals_tensorflows_signal_library() -> None:
    """Tensor2Tensor's function is written with these two; only the windowing and the filters are theirs to define."""
    from tensorflow import signal

    samples = noise(5000, 1) + tone(300, 5000)
    stft = signal.stft(samples[None, 1:] - np.float32(0.97) * samples[None, :-1], 400, 160, 512, pad_end=True)
    matrix = signal.linear_to_mel_weight_matrix(80, 257, 16_000, 20.0, 8000.0).numpy()
    np.testing.assert_allclose(mel_filters(T2T), matrix, atol=2e-5)
    raw = np.log(np.maximum(np.abs(stft.numpy()[0]) @ matrix, 1e-3))
    np.testing.assert_allclose(raw_log_mel(samples, T2T), raw, atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "t2t", "whisper"),
    [(201, 2, 1), (320, 2, 2), (321, 2, 2), (322, 3, 2), (399, 3, 2), (16_000, 100, 100), (16_001, 100, 100)],
)
def test_how_many_frames_samples_give(samples: int, t2t: int, whisper: int) -> None:
    for features, count in ((T2T, t2t), (WHISPER, whisper)):
        assert features.frames(samples) == count
        assert log_mel(noise(samples), features).shape == (count, 80)


def test_thirty_seconds_are_the_3000_frames_that_whisper_reads() -> None:
    assert WHISPER.frames(480_000) == 3000


@pytest.mark.parametrize("features", [T2T, WHISPER, Features("whisper", 128), Features("t2t", 40)])
@pytest.mark.parametrize("hertz", [200.0, 440.0, 1000.0, 3000.0, 7000.0])
def test_a_tone_lands_in_the_bin_of_its_frequency(features: Features, hertz: float) -> None:
    raw = raw_log_mel(tone(hertz), features)
    loudest = int(raw[5:-5].mean(axis=0).argmax())
    size = 512 if features.kind == "t2t" else 400
    answer = mel_filters(features)[round(hertz * size / 16_000)]
    assert abs(loudest - int(answer.argmax())) <= 1


def test_a_click_lies_in_the_frames_whose_windows_hold_it() -> None:
    samples = np.zeros(16_000, np.float32)
    samples[8000] = 1
    for features in (T2T, WHISPER):
        loud = raw_log_mel(samples, features).max(axis=1)
        lit = np.flatnonzero(loud > loud.min() + 1)
        times = features.times(100)[lit]
        assert np.all(np.abs(times - 0.5) <= WINDOW / 2 / 16_000)
        assert abs(times.mean() - 0.5) < HOP / 16_000


def test_loudness_cancels_in_t2t_and_shifts_whisper() -> None:
    samples = noise(8000)
    np.testing.assert_allclose(log_mel(samples, T2T), log_mel(4 * samples, T2T), atol=1e-4)
    difference = raw_log_mel(4 * samples, WHISPER) - raw_log_mel(samples, WHISPER)
    np.testing.assert_allclose(difference, 2 * np.log10(4), atol=1e-5)


def test_t2t_bins_have_mean_0_and_variance_1() -> None:
    found = log_mel(noise(16_000), T2T)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.var(axis=0), 1, atol=1e-4)


def test_whisper_spans_two_at_most() -> None:
    """Eight powers of ten, divided by 4."""
    samples = noise(16_000)
    samples[8000:] *= 1e-6
    found = log_mel(samples, WHISPER)
    assert found.max() - found.min() == pytest.approx(2.0, abs=1e-6)


def test_silence_lies_at_the_floor() -> None:
    silence = np.zeros(16_000, np.float32)
    np.testing.assert_allclose(raw_log_mel(silence, T2T), np.log(1e-3), rtol=1e-6)
    np.testing.assert_allclose(raw_log_mel(silence, WHISPER), -10, rtol=1e-6)
    assert np.all(log_mel(silence, T2T) == 0)
    np.testing.assert_allclose(log_mel(silence, WHISPER), -1.5, rtol=1e-6)


def test_htk_filters_peak_at_evenly_spaced_mels() -> None:
    filters = mel_filters(T2T)
    hertz = np.arange(257) * 31.25
    mel = 1127 * np.log(1 + hertz / 700)
    step = (1127 * np.log(1 + 8000 / 700) - 1127 * np.log(1 + 20 / 700)) / 81
    # Between two peaks the two filters that meet there add up to 1.
    inside = (mel > mel[1] + step) & (mel < mel[-1] - step)
    np.testing.assert_allclose(filters[inside].sum(axis=1), 1, atol=1e-5)
    assert filters.min() == 0
    assert filters.max() <= 1
    assert not filters[0].any()
    assert filters.sum(axis=0).min() > 0  # no bin is deaf


@pytest.mark.parametrize("bins", [80, 128])
def test_slaney_filters_have_the_area_1(bins: int) -> None:
    """Where a triangle is wide enough to be summed on the grid of the transform, 40 Hz apart."""
    filters = mel_filters(Features("whisper", bins))
    area = filters.sum(axis=0) * 40
    np.testing.assert_allclose(area[-bins // 4 :], 1, atol=0.05)
    assert filters.sum(axis=0).min() > 0


def test_slaney_filters_have_known_peaks() -> None:
    """Slaney's scale: 15 mels at 1000 Hz, then 27 for each factor of 6.4: 8000 Hz are 15 + 27 ln 8 / ln 6.4."""
    top = 15 + 27 * math.log(8) / math.log(6.4)
    edges = np.linspace(0, top, 82)
    hertz = np.where(edges < 15, edges * 200 / 3, 1000 * 6.4 ** ((edges - 15) / 27))
    peaks = mel_filters(WHISPER).argmax(axis=0) * 40
    assert np.all(np.abs(peaks - hertz[1:-1]) <= 40)


def test_a_long_clip_needs_memory_for_its_frames_only() -> None:
    """30 s as one batch of windows would be 4.8 MB, their spectra 6 MB more."""
    samples = noise(480_000)
    log_mel(samples, WHISPER)
    tracemalloc.start()
    raw_log_mel(samples, WHISPER)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The samples padded twice (1.9 MB each), the result (1 MB) and one block of spectra.
    assert peak < 7_000_000


@pytest.mark.parametrize("features", [T2T, WHISPER])
def test_what_is_no_clip_is_refused(features: Features) -> None:
    for wrong in (np.zeros(0), np.zeros(1), np.zeros((2, 16_000))):
        with pytest.raises(
            ValueError,
            match=r"expected (mono|a sound of at least (2|201)) samples at 16 kHz",
        ):
            log_mel(wrong, features)
    with pytest.raises(ValueError, match="expected finite samples"):
        log_mel(np.array([0.0, np.nan] * 500), features)


def test_features_are_of_known_kinds_and_sizes() -> None:
    with pytest.raises(ValueError, match="expected features of t2t or whisper, received 'mfcc'"):
        Features("mfcc")  # type: ignore[arg-type]
    for bins in (0, 1, 1000, 80.0, True):
        with pytest.raises(ValueError, match=f"expected 2 to 256 mel bins, received {bins}"):
            Features("t2t", bins)  # type: ignore[arg-type]


def test_normalising_joined_features_is_that_of_one_utterance() -> None:
    joined = np.concatenate([raw_log_mel(noise(3000, 1)), raw_log_mel(noise(3000, 2))])
    expected = (joined - joined.mean(0)) / np.sqrt(joined.var(0) + 1e-9)
    np.testing.assert_allclose(normalise(joined), expected, atol=1e-4)


def with_ordinary_speech(raw: np.ndarray) -> np.ndarray:
    """By numpy over all frames: half of the 200 are one deviation above the mean, half below."""
    heard = np.concatenate([raw, np.full((100, 80), -2.0), np.full((100, 80), -6.0)])
    return (raw - heard.mean(0)) / np.sqrt(heard.var(0) + 1e-9)


def test_ordinary_speech_counts_as_if_it_had_been_heard() -> None:
    raw = raw_log_mel(0.1 * noise(8000, 3))
    found = normalise(raw, T2T, prior_frames=200)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, with_ordinary_speech(raw - 0.25 - loudness(raw)), atol=1e-5)
    np.testing.assert_array_equal(normalise(raw, T2T, 0), normalise(raw))
    np.testing.assert_array_equal(normalise(raw, WHISPER, 200), normalise(raw, WHISPER))


def test_loudness_is_that_of_what_is_not_silence() -> None:
    """The root of the mean power of frames that are less than 10 dB, 1.15 nats, below the mean of all."""

    def flat(*nats: float) -> np.ndarray:
        return np.repeat(np.float32(nats)[:, None], 80, axis=1)

    assert loudness(flat(3)) == pytest.approx(3)
    assert loudness(flat(2.5, 3)) == pytest.approx(0.5 * np.log((np.exp(5) + np.exp(6)) / 2))
    assert loudness(flat(0.9, 3, 0.9, 0.9, -6.9)) == pytest.approx(3)
    samples = noise(8000, 4)
    half = loudness(raw_log_mel(0.5 * samples))
    assert half == pytest.approx(loudness(raw_log_mel(samples)) - np.log(2), abs=1e-4)


def test_a_louder_clip_is_heard_as_the_same() -> None:
    raw = raw_log_mel(0.1 * noise(8000, 5))
    for gain in (-1.0, 2.0):
        np.testing.assert_allclose(normalise(raw + gain, T2T, 200), normalise(raw, T2T, 200), atol=1e-4)


def test_a_clip_is_made_louder_by_26_decibels_at_most() -> None:
    """A room without a voice must not become one that shouts. What was at the floor comes to lie 3 nats above it."""
    raw = raw_log_mel(0.1 * noise(8000, 5))
    soft = np.maximum(raw - 0.25 - loudness(raw) - 5, floor(T2T))
    np.testing.assert_allclose(normalise(soft, T2T, 200), with_ordinary_speech(soft + 3), atol=1e-5)
    loud = raw - 0.25 - loudness(raw) + 5
    expected = with_ordinary_speech(np.maximum(loud - 3, np.log(1e-3)))
    np.testing.assert_allclose(normalise(loud, T2T, 200), expected, atol=1e-5)


def test_ordinary_speech_keeps_two_vowels_apart() -> None:
    """Each loud in its own bins, all else silence: alone both have the same two values in every bin."""
    quiet = np.full((30, 80), -6.9, np.float32)
    low, high = np.linspace(0, -5, 80), np.linspace(-5, 0, 80)
    first, second = (np.concatenate([quiet, np.tile(loud, (20, 1))]) for loud in (low, high))
    np.testing.assert_allclose(normalise(first), normalise(second), atol=1e-4)
    apart = np.abs(normalise(first, T2T, 200) - normalise(second, T2T, 200))
    assert apart[30:, [0, -1]].min() > 1


@pytest.mark.parametrize("bins", [80, 128])
@pytest.mark.parametrize("name", ["short", "long"])
def test_whisper_equals_the_reference_librarys_extractor(root: Path, bins: int, name: str) -> None:
    """Recorded by tests/golden/make.py: a chirp padded with zeros, or cut, to one second."""
    recorded = np.load(root / "tests" / "golden" / f"whisper-features-{bins}" / "expected.npz")
    heard = chirp(float(recorded[f"{name}/seconds"]))
    assert heard.astype(np.float64).sum() == pytest.approx(float(recorded[f"{name}/samples_sum"]))
    second = np.zeros(16_000, np.float32)
    second[: len(heard)] = heard[:16_000]
    found = log_mel(second, Features("whisper", bins))
    np.testing.assert_allclose(found.T, recorded[f"{name}/features"], atol=1e-4)
