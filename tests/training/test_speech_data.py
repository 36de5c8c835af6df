"""Manifests, the cache of features, augmentation, batches: nothing lost or doubled, each error with its line."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.audio.sounds import encode, tone
from transformer.audio.features import Features, log_mel, mel_peaks, raw_log_mel
from transformer.config import END, PAD, START
from transformer.corpus.clips import DIGITS, Clip, read_manifest
from transformer.training import speech_cache
from transformer.training.augment import (
    SpecAugment,
    _echo,
    join,
    other_pace,
    other_room,
    other_voice,
    spec_augment,
)
from transformer.training.speech_cache import SpeechCache, build_cache
from transformer.training.speech_data import FRAMES, Shape, SpeechBatch, SpeechSet, one_pass, shapes_of

T2T = Features("t2t", 20)
NOTHING = SpecAugment(0, 0, 0, 0)


class Letters:
    """Each letter an id, the end token last."""

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        return [[*(ord(c) for c in text), END] for text in texts]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve short clips of two speakers, each the name of a digit and a tone of its own."""
    root = tmp_path_factory.mktemp("corpus")
    lines = ["path\tdigit\tspeaker\tduration_s"]
    for i in range(12):
        path = f"{i}.wav"
        (root / path).write_bytes(encode(tone(300 + 100 * i, 0.3 + 0.05 * i)))
        lines.append(f"{path}\t{i % 10}\t{'anna' if i % 2 else 'bert'}\t1")
    (root / "train.tsv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def clips(corpus: Path) -> list[Clip]:
    return read_manifest(corpus / "train.tsv")


@pytest.fixture(scope="module")
def cache(corpus: Path, clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> SpeechCache:
    folder = tmp_path_factory.mktemp("cache") / "train"
    return build_cache(corpus, [clip.path for clip in clips], folder, T2T, speeds=(0.9, 1.0, 1.1))


def test_a_cache_holds_what_the_app_computes(cache: SpeechCache) -> None:
    """Normalised afterwards, its float16 features are those of the clip itself."""
    rows = cache.rows("4.wav").astype(np.float64)
    assert cache.rows("4.wav").dtype == np.float16
    assert cache.frames("4.wav") == len(rows) == T2T.frames(8000)
    # The wav holds 16-bit numbers, the cache 11 bits of each logarithm.
    expected = log_mel(np.round(tone(700, 0.5) * 32_768) / 32_768, T2T)
    spread = rows.std(axis=0)
    found = (rows - rows.mean(axis=0)) / np.maximum(spread, 1e-9)
    heard = spread > 0.1  # elsewhere there is nothing but rounding
    assert heard.sum() >= 5
    np.testing.assert_allclose(found[:, heard], expected[:, heard], atol=0.05)


def test_speeds_stretch_time_and_shift_pitch(cache: SpeechCache) -> None:
    lengths = [cache.frames("11.wav", speed) for speed in (0.9, 1.0, 1.1)]
    assert lengths == [T2T.frames(round(13_600 / speed)) for speed in (0.9, 1.0, 1.1)]
    loudest = [cache.rows("11.wav", speed).mean(axis=0).argmax() for speed in (0.9, 1.0, 1.1)]
    assert loudest[0] < loudest[1] < loudest[2]


def test_the_features_are_one_array_on_disk(cache: SpeechCache, clips: list[Clip]) -> None:
    whole = np.load(cache.folder / "features.npy", mmap_mode="r")
    assert whole.dtype == np.float16
    assert len(whole) == sum(cache.frames(clip.path, speed) for clip in clips for speed in (0.9, 1.0, 1.1))
    assert not cache.rows("0.wav").flags.writeable


def test_an_interrupted_build_goes_on_where_it_stood(
    corpus: Path, clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [clip.path for clip in clips]
    expected = build_cache(corpus, paths, tmp_path / "whole", T2T)
    decoded = []
    original = speech_cache._decode_clip

    def counted(task: tuple) -> list[np.ndarray]:
        decoded.append(task[0].name)
        if len(decoded) == 6:
            raise KeyboardInterrupt
        return original(task)

    monkeypatch.setattr(speech_cache, "_decode_clip", counted)
    with pytest.raises(KeyboardInterrupt):
        build_cache(corpus, paths, tmp_path / "part", T2T)
    with pytest.raises(ValueError, match="build it again to finish it"):
        SpeechCache(tmp_path / "part")
    # A kill can also come between two writes: half a clip behind the last one, half a line behind the last line.
    with (tmp_path / "part" / "features.npy").open("ab") as file:
        file.write(b"half a clip")
    with (tmp_path / "part" / "index.tsv").open("a") as index:
        index.write("5.wav\t1234\t1.0\t1")
    decoded.extend(["-"] * 10)
    found = build_cache(corpus, paths, tmp_path / "part", T2T)
    assert decoded[16:] == paths[5:]
    for path in paths:
        assert np.array_equal(found.rows(path), expected.rows(path))
    assert (tmp_path / "part" / "features.npy").read_bytes() == (
        tmp_path / "whole" / "features.npy"
    ).read_bytes()


def test_a_finished_cache_decodes_nothing_and_a_changed_file_again(
    corpus: Path, clips: list[Clip], tmp_path: Path
) -> None:
    (tmp_path / "sounds").mkdir()
    for clip in clips[:3]:
        (tmp_path / "sounds" / clip.path).write_bytes((corpus / clip.path).read_bytes())
    paths, decoded = [clip.path for clip in clips[:3]], Counter[str]()
    for _ in range(2):
        cache = build_cache(
            tmp_path / "sounds", paths, tmp_path / "cache", T2T, on_clip=lambda: decoded.update(["clip"])
        )
    assert decoded["clip"] == 3
    (tmp_path / "sounds" / paths[1]).write_bytes(encode(tone(2000, 1.0)))
    others = [cache.rows(path).copy() for path in (paths[0], paths[2])]
    cache = build_cache(
        tmp_path / "sounds", paths, tmp_path / "cache", T2T, on_clip=lambda: decoded.update(["clip"])
    )
    assert decoded["clip"] == 4
    assert cache.frames(paths[1]) == 100
    assert np.array_equal(cache.rows(paths[0]), others[0])
    assert np.array_equal(cache.rows(paths[2]), others[1])


def test_frames_that_were_lost_are_made_again(corpus: Path, clips: list[Clip], tmp_path: Path) -> None:
    paths = [clip.path for clip in clips]
    whole = build_cache(corpus, paths, tmp_path, T2T)
    expected = [whole.rows(path).copy() for path in paths]
    data = (tmp_path / "features.npy").read_bytes()
    (tmp_path / "features.npy").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="expected features in"):
        SpeechCache(tmp_path)
    again = build_cache(corpus, paths, tmp_path, T2T)
    assert all(np.array_equal(again.rows(path), rows) for path, rows in zip(paths, expected, strict=True))


def test_two_threads_build_the_same_cache(corpus: Path, clips: list[Clip], tmp_path: Path) -> None:
    paths = [clip.path for clip in clips[:4]]
    build_cache(corpus, paths, tmp_path / "one", T2T)
    build_cache(corpus, paths, tmp_path / "two", T2T, workers=2)
    for name in ("features.npy", "index.tsv", "cache.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_cache_that_does_not_fit_is_refused(corpus: Path, cache: SpeechCache, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a cache made with .*'bins': 80"):
        build_cache(corpus, ["0.wav"], cache.folder, Features("t2t", 80), speeds=(0.9, 1.0, 1.1))
    with pytest.raises(ValueError, match="expected a cache made with"):
        build_cache(corpus, ["0.wav"], cache.folder, T2T)
    with pytest.raises(ValueError, match=r"received a cache that lacks 1 of them, the first none\.wav"):
        SpeechSet([Clip("none.wav", "none", "")], cache)
    with pytest.raises(ValueError, match=r"expected none\.wav at speed 1\.0 in train, received none"):
        cache.rows("none.wav")
    with pytest.raises(ValueError, match="expected a speech cache in nothing"):
        SpeechCache(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"expected a sound file at none\.wav, received No such file"):
        build_cache(corpus, ["none.wav"], tmp_path / "a", T2T)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(ValueError, match=r"text\.wav: expected a wav, flac, .* received text"):
        build_cache(tmp_path, ["text.wav"], tmp_path / "b", T2T)
    (tmp_path / "a" / "index.tsv").write_text("a\tb\n")
    with pytest.raises(ValueError, match=r"expected five columns in index\.tsv of a"):
        build_cache(corpus, ["0.wav"], tmp_path / "a", T2T)
    (tmp_path / "b" / "cache.json").write_text(json.dumps({"features": {"kind": "mfcc"}, "speeds": [1]}))
    with pytest.raises(ValueError, match="expected a speech cache in b, received expected features of"):
        SpeechCache(tmp_path / "b")


def test_masks_hide_whole_bins_and_frames_within_their_widths() -> None:
    rng = np.random.default_rng(0)
    features = np.ones((200, 80), np.float32)
    policy = SpecAugment(1, 27, 1, 100, 0.2)
    widths = []
    for _ in range(400):
        out = spec_augment(features, policy, rng)
        hidden_bins = np.flatnonzero(~out.any(axis=0))
        hidden_frames = np.flatnonzero(~out.any(axis=1))
        expected = np.ones((200, 80))
        expected[:, hidden_bins] = 0
        expected[hidden_frames] = 0
        assert np.array_equal(out, expected)
        for hidden in (hidden_bins, hidden_frames):
            assert len(hidden) == 0 or hidden[-1] - hidden[0] == len(hidden) - 1  # one mask, unbroken
        widths.append((len(hidden_bins), len(hidden_frames)))
    found = np.array(widths)
    # Drawn evenly from 0 to 27 bins and from 0 to 0.2 * 200 frames: means 13.5 and 20.
    assert tuple(found.max(axis=0)) == (27, 40)
    assert found.min() == 0
    np.testing.assert_allclose(found.mean(axis=0), (13.5, 20), atol=2)
    assert np.all(features == 1)


def test_masks_fit_the_smallest_features() -> None:
    out = spec_augment(
        np.ones((1, 2), np.float32), SpecAugment(5, 100, 5, 100, 1.0), np.random.default_rng(0)
    )
    assert out.shape == (1, 2)
    for wrong in ({"time_masks": -1}, {"frequency_width": -1}, {"time_share": 1.5}):
        with pytest.raises(ValueError, match=f"expected (a )?{next(iter(wrong))}"):
            SpecAugment(**wrong)


@pytest.mark.parametrize(("factor", "expected"), [(0.8, 800), (1.0, 1000), (1.2, 1200)])
def test_another_voice_has_its_tones_elsewhere(factor: float, expected: float) -> None:
    time = np.arange(16_000) / 16_000
    plain = raw_log_mel((0.3 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32), T2T)
    out = other_voice(plain, factor, T2T)
    assert out.shape == plain.shape and out.dtype == np.float32
    peaks = mel_peaks(T2T)
    found = int(out.mean(axis=0).argmax())
    assert abs(peaks[found] - expected) <= peaks[found + 1] - peaks[found]
    if factor == 1:
        np.testing.assert_allclose(out, plain, rtol=1e-5)


def test_another_voice_ends_where_the_first_did() -> None:
    ramp = np.tile(mel_peaks(T2T).astype(np.float32), (2, 1))  # each bin holds its own frequency
    for factor in (0.85, 1.15):
        out, knee = other_voice(ramp, factor, T2T)[0], 4800 * min(factor, 1)
        below = (mel_peaks(T2T) < knee) & (mel_peaks(T2T) / factor > mel_peaks(T2T)[0])
        np.testing.assert_allclose(out[below], ramp[0, below] / factor, rtol=1e-3)
        above = ramp[0] > knee
        line = knee / factor + (ramp[0] - knee) * (8000 - knee / factor) / (8000 - knee)
        np.testing.assert_allclose(out[above], np.minimum(line, ramp[0, -1])[above], rtol=1e-3)
    for wrong in (0.5, 1.5):
        with pytest.raises(ValueError, match=r"expected a factor from 0\.7 to 1\.4"):
            other_voice(ramp, wrong, T2T)
    with pytest.raises(ValueError, match=r"expected a voice from 0 to 0\.3"):
        SpecAugment(voice=0.5)


def test_another_pace_is_the_same_sound_in_another_time() -> None:
    """Each frame holds its own number: those of the new ones are evenly spaced between the first and the last."""
    ramp = np.tile(np.arange(41, dtype=np.float32)[:, None], (1, 3))
    for frames in (81, 41, 33, 2):
        out = other_pace(ramp, frames)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out[:, 1], np.linspace(0, 40, frames), atol=1e-5)
    np.testing.assert_array_equal(other_pace(ramp, 1), ramp[:1])
    np.testing.assert_array_equal(other_pace(ramp[:1], 5), np.zeros((5, 3)))
    with pytest.raises(ValueError, match="expected at least one frame, received 0"):
        other_pace(ramp, 0)
    with pytest.raises(ValueError, match=r"expected a pace from 0 to 0\.3"):
        SpecAugment(pace=0.5)


def test_another_room_is_louder_brighter_noisier_or_narrower() -> None:
    """Of the same loudness in every bin: a straight line over the bins is its tilt; noise goes up and down in time, an
    echo only gathers."""
    raw, features = np.zeros((50, 80), np.float32), Features()
    low, high = mel_peaks(features) < 3000, mel_peaks(features) > 5100
    seen, rising = Counter[tuple[bool, bool, bool]](), []
    for seed in range(120):
        out = other_room(raw, features, np.random.default_rng(seed))
        assert out.shape == raw.shape and out.dtype == np.float32 and out.min() >= np.log(np.float32(1e-3))
        steps = np.diff(out, axis=0)
        noisy, echoing = bool(steps.min() < -1e-5), bool(steps.max() > 1e-5)
        slope, start = np.polyfit(np.flatnonzero(low), out[0, low], 1)
        line = start + slope * np.arange(80)
        narrow = bool((out[0, high] - line[high]).mean() < -0.4)
        seen[noisy, echoing, narrow] += 1  # what is noisy goes up, too
        rising.append(slope * 79)
        if not noisy:
            np.testing.assert_allclose(out[0, low], line[low], atol=1e-4)
            assert narrow or np.allclose(out[0], line, atol=1e-4)
    assert len(seen) == 6 and min(seen.values()) >= 5
    assert -3.5 < min(rising) < -1 and 1 < max(rising) < 3.5
    with pytest.raises(ValueError, match="expected features of t2t, received whisper"):
        other_room(raw, Features("whisper"), np.random.default_rng(0))
    with pytest.raises(ValueError, match="expected a share of rooms"):
        SpecAugment(room=1.5)


def test_an_echo_fades_by_sixty_decibels_in_its_time() -> None:
    """A click of 0 nats: what follows begins at its level, and falls along a straight line; 60 dB are 6.9 nats."""
    click = np.full((60, 4), -12.0, np.float32)
    click[5] = 0
    out = _echo(click, 0.4, -2.0)
    np.testing.assert_allclose(out[:5], click[:5], atol=0.2)  # the silence has its own
    tail = out[6:]
    np.testing.assert_allclose(tail[0], -2 - 0.5 * np.log(10) * 6 * 0.01 / 0.4, atol=1e-3)
    np.testing.assert_allclose(tail[40] - tail[0], -np.log(1000), atol=1e-2)
    np.testing.assert_allclose(np.diff(tail[:40, 0], n=2), 0, atol=1e-2)


def test_joined_clips_stand_whole_between_quiet_frames() -> None:
    first, second = np.full((20, 3), 5.0), np.full((30, 3), 7.0)
    first[0], second[3] = [-1, -2, -3], [-4, -5, -6]  # the quiet tenth: 5 frames, these two the quietest
    out = join([first, second], [2, 3, 4], np.random.default_rng(0))
    assert out.shape == (59, 3)
    assert np.array_equal(out[2:22], first)
    assert np.array_equal(out[25:55], second)
    quiet = {(-1, -2, -3), (-4, -5, -6), (5, 5, 5)}
    assert {tuple(row) for row in out[[0, 1, 22, 23, 24, 55, 56, 57, 58]].tolist()} <= quiet
    with pytest.raises(ValueError, match="expected 3 pauses for 2 clips, received 2"):
        join([first, second], [1, 1], np.random.default_rng(0))


def everything(batches: Sequence[SpeechBatch]) -> list[tuple[str, int]]:
    return [(t, int(f)) for batch in batches for t, f in zip(batch.texts, batch.frames, strict=True)]


def test_batches_hold_each_clip_once_padded_and_normalised(cache: SpeechCache, clips: list[Clip]) -> None:
    sets = [SpeechSet(clips, cache)]
    shapes = shapes_of(sets, Letters())
    batches = list(one_pass(sets, Letters(), shapes, 2.0, np.random.default_rng(0), rest=True))
    assert Counter(everything(batches)) == Counter((c.transcript, cache.frames(c.path)) for c in clips)
    for batch in batches:
        rows, frames, bins = batch.features.shape
        assert bins == 20
        assert rows <= 200 // frames
        assert (frames, batch.labels.shape[1]) in shapes
        assert batch.features.dtype == np.float32
        for i in range(rows):
            real = batch.features[i, : batch.frames[i]]
            raw = next(
                cache.rows(c.path).astype(np.float64)
                for c in clips
                if (c.transcript, cache.frames(c.path)) == (batch.texts[i], batch.frames[i])
            )
            expected = (raw - raw.mean(axis=0)) / np.sqrt(raw.var(axis=0) + 1e-9)
            np.testing.assert_allclose(real, expected, atol=1e-3)
            assert not batch.features[i, batch.frames[i] :].any()
            ids = [ord(c) for c in batch.texts[i]]
            padding = [PAD] * (batch.labels.shape[1] - len(ids) - 1)
            assert batch.labels[i].tolist() == [*ids, END, *padding]
            assert batch.target[i].tolist() == [START, *ids, *padding]
        assert batch.padding == pytest.approx(1 - batch.frames.sum() / (rows * frames))
        assert 0 <= batch.padding < 1


def test_full_batches_only_unless_the_rest_is_asked_for(cache: SpeechCache, clips: list[Clip]) -> None:
    sets = [SpeechSet(clips, cache, weight=10)]
    shapes = [Shape(64, 8), Shape(96, 8)]
    for batch in one_pass(sets, Letters(), shapes, 5.0, np.random.default_rng(0)):
        assert len(batch.frames) == 500 // batch.features.shape[1]
    short = sum(cache.frames(c.path) <= 64 for c in clips)
    found = everything(list(one_pass(sets, Letters(), shapes, 5.0, np.random.default_rng(0))))
    # 10 passes: short clips in batches of 7 (5 s / 0.64 s), the others in batches of 5.
    assert len(found) == short * 10 // 7 * 7 + (12 - short) * 10 // 5 * 5
    assert (
        len(everything(list(one_pass(sets, Letters(), shapes, 5.0, np.random.default_rng(0), rest=True))))
        == 120
    )


def test_a_weight_says_how_often_a_set_is_read(cache: SpeechCache, clips: list[Clip]) -> None:
    sets = [
        SpeechSet(clips[:4], cache, 2.0),
        SpeechSet(clips[4:10], cache, 0.5),
        SpeechSet(clips[10:], cache, 0),
    ]
    found = Counter(
        text
        for text, _ in everything(
            list(
                one_pass(
                    sets, Letters(), shapes_of(sets, Letters()), 1.0, np.random.default_rng(0), rest=True
                )
            )
        )
    )
    assert [found[c.transcript] for c in clips[:4]] == [2, 2, 2, 2]
    assert sum(found[c.transcript] for c in clips[4:10]) == 3
    assert sum(found.values()) == 11


def test_augmented_passes_draw_speeds_and_masks(cache: SpeechCache, clips: list[Clip]) -> None:
    sets = [SpeechSet(clips[:1], cache, weight=300)]
    shapes = shapes_of(sets, Letters())
    lengths = [cache.frames(clips[0].path, speed) for speed in (0.9, 1.0, 1.1)]
    found = Counter(
        frames
        for _, frames in everything(
            list(one_pass(sets, Letters(), shapes, 3.0, np.random.default_rng(0), NOTHING, rest=True))
        )
    )
    assert set(found) == set(lengths)
    assert all(70 < found[length] < 130 for length in lengths)  # a third of 300 each, give or take 3.5 sigma
    paced = one_pass(
        sets, Letters(), shapes, 3.0, np.random.default_rng(0), SpecAugment(0, 0, 0, 0, pace=0.2), rest=True
    )
    found = Counter(frames for _, frames in everything(list(paced)))
    assert min(found) >= min(lengths) / 1.2 - 1 and max(found) <= max(lengths) / 0.8 + 1
    assert len(found) > 10
    masked = list(one_pass(sets, Letters(), shapes, 3.0, np.random.default_rng(0), SpecAugment(), rest=True))
    plain_ones = list(one_pass(sets, Letters(), shapes, 3.0, np.random.default_rng(0), rest=True))
    share = [
        1 - sum(np.count_nonzero(b.features) for b in batches) / sum(b.frames.sum() * 20 for b in batches)
        for batches in (masked, plain_ones)
    ]
    assert share[0] > share[1] + 0.3


def test_chains_join_up_to_six_digits_of_one_speaker(cache: SpeechCache, clips: list[Clip]) -> None:
    sets = [SpeechSet(clips, cache, weight=40, chain=6)]
    shapes = [Shape(frames, 64) for frames in FRAMES]
    batches = list(one_pass(sets, Letters(), shapes, 4.0, np.random.default_rng(0), rest=True))
    speakers = {c.transcript: set[str]() for c in clips}
    for c in clips:
        speakers[c.transcript].add(c.speaker)
    counts = Counter[int]()
    for text, frames in everything(batches):
        words = text.split()
        counts[len(words)] += 1
        assert set(words) <= set(DIGITS)
        assert set.intersection(*(speakers[word] for word in words))
        # Clips of 30 to 85 frames, one pause of 5 to 40 frames more than there are clips; or one alone.
        least = 30 * len(words) + 5 * (len(words) + 1) if len(words) > 1 else 30
        assert least <= frames <= 85 * len(words) + 40 * (len(words) + 1)
    assert sum(counts.values()) == 480
    assert set(counts) == {1, 2, 3, 4, 5, 6}
    # Half of 480 stay alone; a sixth of the others each; within 4 sigma.
    assert 236 < counts.pop(1) < 324 and all(16 < count < 64 for count in counts.values())


def test_shapes_hold_the_clips_that_they_were_made_for(cache: SpeechCache, clips: list[Clip]) -> None:
    """ "three" with its end is 6 ids, rounded up to 8."""
    assert shapes_of([SpeechSet(clips, cache)], Letters(), (64, 96)) == (Shape(64, 8), Shape(96, 8))
    long = [Clip(clips[0].path, "a" * 20, ""), *clips[1:]]
    assert shapes_of([SpeechSet(long, cache)], Letters(), (64, 96)) == (Shape(64, 24), Shape(96, 24))
    assert len(shapes_of([SpeechSet(clips, cache)], Letters())) == len(FRAMES)


def test_what_has_too_many_tokens_goes_to_a_longer_shape_or_is_left_out(
    cache: SpeechCache, clips: list[Clip]
) -> None:
    wordy = [
        Clip(clips[0].path, "a" * 20, ""),
        Clip(clips[1].path, "b", ""),
        Clip(clips[2].path, "c" * 99, ""),
    ]
    sets, shapes = [SpeechSet(wordy, cache)], [Shape(64, 8), Shape(96, 32)]
    batches = list(one_pass(sets, Letters(), shapes, 1.0, np.random.default_rng(0), rest=True))
    assert {(b.features.shape[1], b.texts) for b in batches} == {(96, ("a" * 20,)), (64, ("b",))}


def test_a_pass_is_decided_by_its_generator(cache: SpeechCache, clips: list[Clip]) -> None:
    sets = [SpeechSet(clips, cache, weight=1.5, chain=3)]
    shapes = [Shape(frames, 64) for frames in FRAMES]

    def features(seed: int) -> list[np.ndarray]:
        passed = one_pass(sets, Letters(), shapes, 3.0, np.random.default_rng(seed), SpecAugment(), rest=True)
        return [batch.features for batch in passed]

    one, same, other = features(1), features(1), features(2)
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert len(one) != len(other) or not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_sets_are_checked(cache: SpeechCache, clips: list[Clip]) -> None:
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"expected a weight of at least 0, received {weight}"):
            SpeechSet(clips, cache, weight)
    with pytest.raises(ValueError, match="expected chains of at least one clip, received 0"):
        SpeechSet(clips, cache, chain=0)
