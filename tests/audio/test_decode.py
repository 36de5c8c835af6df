"""Bytes to samples: every format, every oddity a person may upload, and where long clips are cut."""

import itertools
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from tests.audio.sounds import FORMATS, encode, film, picture, tone, wav
from transformer.audio import decode as decoding
from transformer.audio.decode import AudioLimits, cut, decode, resample


def int16(samples: np.ndarray) -> np.ndarray:
    return np.round(samples * 32_767).astype("<i2")


def loudest_hertz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 16_000 / len(samples))


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_tone_that_went_in(kind: str) -> None:
    sound = decode(encode(tone(440, 1.0, 48_000), kind, 48_000))
    assert sound.samples.dtype == np.float32
    assert sound.samples.ndim == 1
    assert not sound.samples.flags.writeable
    # AAC begins with 1024 samples of its encoder's delay and fills its last frame; the others are exact.
    assert 0.995 <= sound.seconds <= 1.07
    assert sound.notes == ()
    middle = sound.samples[4000:12_000]
    assert loudest_hertz(middle) == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize(
    ("values", "code", "bits", "step"),
    [
        (int16(tone()), 1, 16, 1 / 32_768),
        ((tone() * 127 + 128).astype("u1"), 1, 8, 1 / 64),
        ((tone() * 2**31).astype("<i4"), 1, 32, 1e-7),
        (tone().astype("<f4"), 3, 32, 0),
        (tone().astype("<f8"), 3, 64, 0),
    ],
)
def test_plain_samples_at_16_khz_come_out_as_they_are(
    values: np.ndarray, code: int, bits: int, step: float
) -> None:
    sound = decode(wav(values, code=code, bits=bits))
    assert np.abs(sound.samples - tone()).max() <= 1.5 * step
    assert (sound.rate, sound.channels, sound.notes) == (16_000, 1, ())


def test_24_bits_come_out_as_they_are() -> None:
    whole = np.round(tone() * 2**23).astype("<i4")
    packed = whole.view("u1").reshape(-1, 4)[:, :3].copy()
    sound = decode(wav(packed.reshape(-1), bits=24))
    np.testing.assert_allclose(sound.samples, whole / 2**23, atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_other_rates_are_resampled(rate: int) -> None:
    sound = decode(wav(int16(tone(440, 1.0, rate)), rate))
    assert len(sound.samples) == pytest.approx(16_000, abs=2)
    inner = slice(1000, 15_000)
    np.testing.assert_allclose(sound.samples[inner], tone()[inner], atol=1e-3)
    assert sound.rate == rate


def test_what_lies_above_8_khz_does_not_fold_down() -> None:
    sound = decode(wav(int16(tone(20_000, 1.0, 48_000)), 48_000))
    assert np.abs(sound.samples[1000:15_000]).max() < 1e-3


def test_channels_are_averaged() -> None:
    left, right = tone(440), tone(1000)
    stereo = decode(wav(int16(np.stack([left, right], axis=1))))
    np.testing.assert_allclose(stereo.samples, (left + right) / 2, atol=1e-4)
    eight = decode(wav(int16(np.stack([left, *[0 * left] * 7], axis=1))))
    np.testing.assert_allclose(eight.samples, left / 8, atol=1e-4)
    assert (stereo.channels, eight.channels) == (2, 8)


@pytest.mark.parametrize(
    ("kind", "layout", "channels"), [("flac", "7.1", 8), ("m4a", "7.1", 8), ("m4a", "5.1", 6)]
)
def test_surround_is_mixed_down(kind: str, layout: str, channels: int) -> None:
    """Eight planes of samples are more than PyAV's own arrays hold: read carelessly, they end the process."""
    sound = decode(encode(np.stack([tone()] * channels), kind, layout=layout))
    assert sound.channels == channels
    assert loudest_hertz(sound.samples[4000:12_000]) == pytest.approx(440, abs=2)


def test_the_name_of_a_file_does_not_matter_only_its_bytes() -> None:
    """An mp3 behind an ID3 tag, as most are, and a FLAC behind one too."""
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x05hello"
    for kind in ("mp3", "flac"):
        assert 0.99 < decode(tag + encode(tone(), kind)).seconds < 1.01


def test_a_film_gives_its_sound() -> None:
    assert decode(film(sound=True)).seconds == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("samples", "note"),
    [
        (np.zeros(16_000), "The clip is silent."),
        (tone(level=5e-4), "The clip is silent."),
        (np.clip(3 * tone(), -1, 1), "The sound is clipped: "),
        (tone(seconds=0.05), "The clip is very short: 0.050 s."),
    ],
)
def test_what_is_odd_is_told(samples: np.ndarray, note: str) -> None:
    notes = decode(wav(int16(samples))).notes
    assert len(notes) == 1
    assert notes[0].startswith(note)


def test_how_much_is_clipped_is_counted() -> None:
    """Flat tops of 150 samples in every 200: in each, 149 equal the one before."""
    square = np.tile(np.concatenate([np.ones(150), np.zeros(50)]), 80)
    assert decode(wav(int16(square))).notes[0].startswith("The sound is clipped: 74.")


@pytest.mark.parametrize("hertz", [50, 100, 440, 3000])
def test_a_loud_tone_is_not_called_clipped(hertz: float) -> None:
    assert decode(wav(int16(tone(hertz, level=1.0)))).notes == ()


def test_samples_that_are_no_numbers_are_taken_as_silence() -> None:
    samples = tone().copy()
    samples[100:200], samples[300], samples[301] = np.nan, np.inf, 1e38
    sound = decode(wav(samples.astype("<f4"), code=3, bits=32))
    kept = np.r_[0:100, 200:300, 302:16_000]
    assert np.array_equal(sound.samples[kept], tone()[kept])
    assert not sound.samples[np.r_[100:200, 300, 301]].any()
    assert "not numbers" in sound.notes[0]
    assert "102 are taken as 0" in sound.notes[0]


def test_floats_in_units_of_their_own_are_scaled() -> None:
    sound = decode(wav((tone() * 32_768).astype("<f4"), code=3, bits=32))
    np.testing.assert_allclose(sound.samples, tone() / 0.5, atol=1e-3)
    assert sound.notes == ("The sound is louder than full scale: it was scaled down 16,384.0 times.",)


def test_no_sample_exceeds_full_scale() -> None:
    samples = tone().copy()
    samples[500] = 9.0
    sound = decode(wav(samples.astype("<f4"), code=3, bits=32))
    assert np.abs(sound.samples).max() == 1
    assert sound.samples[2000] == tone()[2000]


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "webm"])
def test_a_file_that_ends_early_gives_what_is_there(kind: str) -> None:
    data = encode(tone(seconds=4.0, rate=48_000), kind, 48_000)
    sound = decode(data[: len(data) * 6 // 10])
    assert 1.0 < sound.seconds < 3.0
    assert sound.notes[-1].startswith("The file ends early: its header promises 4.0 s, ")


@pytest.mark.parametrize("kind", ["ogg", "aac"])
def test_a_cut_stream_that_promises_nothing_gives_what_is_there(kind: str) -> None:
    data = encode(tone(seconds=4.0, rate=48_000), kind, 48_000)
    assert 1.0 < decode(data[: len(data) * 6 // 10]).seconds < 3.0


def test_a_cut_m4a_has_lost_its_index() -> None:
    data = encode(tone(), "m4a")
    with pytest.raises(ValueError, match="expected a whole m4a file, received one that cannot be opened"):
        decode(data[: len(data) * 6 // 10])


def test_a_damaged_place_is_left_out() -> None:
    data = bytearray(encode(tone(seconds=3.0), "mp3"))
    data[4000:6000] = np.random.default_rng(1).bytes(2000)
    sound = decode(bytes(data))
    assert 2.0 < sound.seconds < 3.0
    assert "The file is damaged: what cannot be decoded was left out." in sound.notes


def test_a_header_that_claims_hours_is_not_believed() -> None:
    sound = decode(wav(int16(tone()), claimed=0x7FFFFFF0))
    assert sound.seconds == 1.0
    assert sound.notes == ("The file ends early: its header promises 67108.9 s, 1.0 s are there.",)
    # What programs write that do not know the length yet.
    assert decode(wav(int16(tone()), claimed=0xFFFFFFFF)).notes == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"", "expected a sound file, received an empty one"),
        (lambda: bytes(25_000_001), "expected a file of at most 25 MB, received 25.0 MB"),
        (picture, "received a PNG picture"),
        (lambda: b"\xff\xd8\xff\xe0" + bytes(100), "received a JPEG picture"),
        (lambda: b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(100), "received a RIFF file without sound"),
        (lambda: b"%PDF-1.7\n", "received a PDF document"),
        (lambda: b"What I wanted to say", "received text"),
        (lambda: bytes(1000), "received another kind of file"),
        (lambda: b"ID3", "received ID3 tags without such a file behind them"),
        (lambda: film(sound=False), "expected a file with sound, received one without an audio track"),
        (lambda: wav(np.zeros(0, "<i2")), "expected sound that can be decoded, received none"),
        (lambda: encode(tone())[:30], "expected a whole wav file, received one that cannot be opened"),
        (lambda: b"OggS" + bytes(5000), "expected a whole ogg file, received one that cannot be opened"),
        (lambda: b"fLaC" + bytes(5000), "expected (a whole flac file|sound that can be decoded), received"),
        (lambda: wav(np.ones(1600, "<i2"), 1), "expected a sample rate from 4 to 768 kHz, received 1 Hz"),
        (lambda: wav(np.ones(1600, "<i2"), 2_000_000), "expected a sample rate from 4 to 768 kHz"),
        (lambda: wav(np.ones(1600, "<i8"), bits=64), "expected samples of at most 32 bits, received s64"),
        (
            lambda: wav(np.ones(1600, "<i2"), code=0x7777),
            "expected sound of a known codec, received an unknown",
        ),
    ],
)
def test_what_is_no_sound_is_refused(make: Callable[[], bytes], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(make())


@pytest.mark.parametrize(
    "script",
    [
        b"#EXTM3U\n#EXTINF:1,\nfile://{path}\n",
        b"ffconcat version 1.0\nfile '{path}'\n",
        b"[playlist]\nFile1={path}\n",
        b"<?xml version='1.0'?><MPD><BaseURL>file://{path}</BaseURL></MPD>",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    ],
)
def test_bytes_that_name_another_file_do_not_reach_it(
    script: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("secret") / "sound.wav"
    path.write_bytes(encode(tone()))
    with pytest.raises(ValueError, match=r"expected a wav, flac, .* file, received"):
        decode(script.replace(b"{path}", str(path).encode()))


def test_too_long_a_clip_is_refused_before_it_fills_the_memory() -> None:
    """Ten minutes of silence in a small file would be 38 MB of samples."""
    data = encode(np.zeros(8000 * 600, np.float32), "flac", 8000)
    assert len(data) < 200_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="expected at most 1 minutes of sound, received more"):
        decode(data, limits=AudioLimits(seconds=60))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


def test_nothing_but_tags_is_refused_at_once() -> None:
    """24 MB of them: each was once found by a copy of the rest."""
    begun = time.monotonic()
    with pytest.raises(ValueError, match="received ID3 tags without such a file behind them"):
        decode((b"ID3\x04" + bytes(6)) * 2_400_000)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF\xff\xff\xff\xffWAVE" + (b"abcd" + bytes(4)) * 300_000,
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0"
        + b"abcd\0\0\0\0" * 300_000,
        b"OggS" * 600_000,
    ],
    ids=["wav", "wav with its format", "ogg"],
)
def test_a_file_is_not_read_in_circles(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of nothing are four seeks each, and pages of nothing are each looked for from their beginning."""
    steps, read = 0, 0

    class Counted(decoding._File):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal steps, read
            found = super().read(size)
            steps, read = steps + bool(found), read + len(found)
            return found

    monkeypatch.setattr(decoding, "_STEPS", 10_000)
    monkeypatch.setattr(decoding, "_File", Counted)
    with pytest.raises(ValueError, match=r"expected a whole (wav|ogg) file"):
        decode(data)
    assert steps <= 10_000 and 0 < read <= 1.5 * len(data) + 1_100_000
    assert read < len(data) or data.startswith(b"OggS"), (
        "the chunks after ten thousand seeks are not looked at"
    )


def test_what_unfolds_to_too_much_is_refused() -> None:
    """103 kB of FLAC can hold ten minutes at 768 kHz: 460 million samples."""
    data = encode(np.zeros((8, 48_000), np.float32), "flac", 48_000, "7.1")
    assert decode(data, limits=AudioLimits(values=384_000)).seconds == 1.0
    for kind in (data, wav(np.zeros((48_000, 8), "<i2"), 48_000)):
        with pytest.raises(
            ValueError, match="expected at most 383,999 samples in all channels, received more"
        ):
            decode(kind, limits=AudioLimits(values=383_999))


def adts(size: int) -> bytes:
    """The header of an AAC packet (ISO 13818-7, 6.2) of so many bytes, itself counted."""
    head = bytearray(encode(tone(seconds=0.1), "aac")[:7])
    head[3:6] = (head[3] & 0xFC) | size >> 11, size >> 3 & 0xFF, (head[5] & 0x1F) | (size & 7) << 5
    return bytes(head)


@pytest.mark.parametrize(
    "data",
    [
        lambda: adts(7) * 6_000,
        lambda: (adts(12) + b"\xff" * 5) * 6_000,
        lambda: (encode(tone(seconds=0.1), "aac", 48_000) + encode(tone(seconds=0.1), "aac", 44_100)) * 600,
        lambda: encode(tone(seconds=0.5), "ogg") * 2_000,
    ],
    ids=["empty packets", "damaged packets", "another rate again and again", "chained streams"],
)
def test_packets_are_counted_and_damaged_ones_more(
    data: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """3 MB of seven bytes each took 14 s, 25 MB two minutes: it is packets that cost time, whatever they hold."""
    monkeypatch.setattr(decoding, "_EFFORT", 50_000)
    with pytest.raises(
        ValueError, match="expected at most 50,000 packets of sound, received more, or many dam"
    ):
        decode(data())


def test_ten_minutes_of_the_shortest_packets_are_let_in() -> None:
    assert decoding._EFFORT >= 600 / 0.0025  # RFC 6716, section 2.1.4


def test_a_large_picture_before_the_sound_is_passed_over() -> None:
    """Longer than what is decoded on trial."""
    size = 3_000_000
    tag = b"ID3\x04\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    picture = b"APIC" + bytes(size - 10 >> shift & 0x7F for shift in (21, 14, 7, 0)) + b"\0\0"
    body = b"\0image/png\0\x03\0" + b"\x89PNG"
    sound = decode(tag + picture + body + b"\x01" * (size - 10 - len(body)) + encode(tone(), "mp3"))
    assert 0.99 < sound.seconds < 1.01


def test_limits_can_be_set() -> None:
    assert AudioLimits() == AudioLimits(bytes=25_000_000, seconds=600.0, values=240_000_000)
    data = wav(int16(tone(seconds=2.0)))
    assert decode(data, limits=AudioLimits(seconds=2.0)).seconds == 2.0
    with pytest.raises(ValueError, match=r"expected at most 0\.025 minutes of sound"):
        decode(data, limits=AudioLimits(seconds=1.5))
    with pytest.raises(ValueError, match=r"expected a file of at most 0.05 MB, received 0.1 MB"):
        decode(data, limits=AudioLimits(bytes=50_000))


def test_resampling_changes_speed_where_the_rate_is_misstated() -> None:
    """As speed perturbation does: 440 Hz read at 17600 samples a second are 484 Hz, and 1.1 times as fast."""
    fast = resample(tone(), 17_600)
    assert len(fast) == pytest.approx(16_000 / 1.1, abs=2)
    assert loudest_hertz(fast[2000:12_000]) == pytest.approx(484, abs=2)
    assert np.array_equal(resample(tone(), 16_000), tone())


def noisy_with_pauses(seconds: float, pauses: list[float]) -> np.ndarray:
    samples = np.random.default_rng(0).normal(0, 0.1, int(seconds * 16_000)).astype(np.float32)
    for at in pauses:
        samples[int((at - 0.15) * 16_000) : int((at + 0.15) * 16_000)] *= 0.01
    return samples


def test_a_long_clip_is_cut_in_its_pauses() -> None:
    samples = noisy_with_pauses(75, [5, 26, 52, 60])
    passes = cut(samples)
    assert [round(last / 16_000) for _, last in passes] == [26, 52, 75]
    assert abs(passes[0][1] / 16_000 - 26) < 0.06


@pytest.mark.parametrize("seconds", [0.0, 0.5, 29.99, 30.0, 30.01, 61.0, 100.0, 600.0])
def test_passes_cover_a_clip_without_overlap(seconds: float) -> None:
    samples = np.zeros(int(seconds * 16_000), np.float32)
    passes = cut(samples)
    assert passes[0][0] == 0
    assert passes[-1][1] == len(samples)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(passes))
    assert all(last - first <= 480_000 for first, last in passes)
    # Even silence is cut late: no more passes than needed, given 0.1 s of distance from the end of each.
    assert len(passes) == max(1, int(np.ceil((seconds - 0.1) / 29.9)))


def test_passes_may_be_shorter() -> None:
    passes = cut(noisy_with_pauses(10, [3.5]), 4.0)
    assert abs(passes[0][1] / 16_000 - 3.5) < 0.06
    assert max(last - first for first, last in passes) <= 64_000
    for wrong in (0.5, 0, -1, float("nan")):
        with pytest.raises(ValueError, match="expected passes of at least 1 s"):
            cut(np.zeros(100), wrong)
