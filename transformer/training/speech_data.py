"""Spoken clips with transcripts, and batches of nearly equal length filled by seconds of sound.

Clips come from manifests (`corpus/clips.py`), their features from a cache (`speech_cache.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from transformer.audio.features import HOP_SECONDS, normalise
from transformer.corpus.clips import Clip
from transformer.training.augment import SpecAugment, join, other_pace, other_room, other_voice, spec_augment
from transformer.training.data import Example, make_batch
from transformer.training.speech_cache import SpeechCache

# Clips are padded to the next of these counts of frames, 10 ms each, so that a compiled step meets few shapes.
FRAMES = (
    *(64, 96, 128, 192, 256, 320, 400, 480, 560, 640, 800, 960, 1120, 1280, 1408, 1504, 1600, 1696, 1792),
    *(2304, 3072, 3584),  # few clips are so long: a run may do without
)

_PAUSE = (5, 40)  # frames of the shortest and the longest pause in a chain: 50 to 400 ms


class Tokenizer(Protocol):
    """What makes ids of texts, the end token last."""

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]: ...


@dataclass(frozen=True)
class SpeechSet:
    """Clips with their features, how often a pass reads them, and how many are chained at most.

    chain: 1, or the largest number of clips of one speaker that are joined to one, with short pauses (spoken digits);
    half of the clips stay alone then.
    """

    clips: Sequence[Clip]
    cache: SpeechCache
    weight: float = 1.0
    chain: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"expected a weight of at least 0, received {self.weight}")
        if self.chain < 1:
            raise ValueError(f"expected chains of at least one clip, received {self.chain}")
        self.cache.check(clip.path for clip in self.clips)


class Shape(NamedTuple):
    """What a batch is padded to."""

    frames: int
    tokens: int


@dataclass(frozen=True)
class SpeechBatch:
    """features float32 `(B, frames, bins)`, normalised, padded with 0; frames int32 `(B,)`, how many are real; target
    `(B, T)` shifted right, the start token first, and labels `(B, T)`, int32, padded with 0; texts, what is said."""

    features: np.ndarray
    frames: np.ndarray
    target: np.ndarray
    labels: np.ndarray
    texts: tuple[str, ...]

    @property
    def padding(self) -> float:
        """Which share of the frames is padding, 0 to 1."""
        return 1 - float(self.frames.sum()) / (self.features.shape[0] * self.features.shape[1])


class _Plan(NamedTuple):
    """One example of a pass, before its features are read."""

    cache: SpeechCache
    clips: list[Clip]
    pauses: list[int]
    speed: float
    pace: float = 1.0

    @property
    def frames(self) -> int:
        frames = sum(self.pauses) + sum(self.cache.frames(clip.path, self.speed) for clip in self.clips)
        return max(1, round(frames / self.pace))

    @property
    def text(self) -> str:
        return " ".join(clip.transcript for clip in self.clips)


def shapes_of(
    sets: Sequence[SpeechSet], tokenizer: Tokenizer, frames: Sequence[int] = FRAMES
) -> tuple[Shape, ...]:
    """Each of `frames` with tokens enough for the clips that need so many, at any cached speed; by eights.

    Of chains a sample is drawn, the same each time. What has more tokens than others of its length goes to the next
    shape that holds it.
    """
    longest = [0] * len(frames)
    for each in sets:
        plans = [_Plan(each.cache, [clip], [], speed) for clip in each.clips for speed in each.cache.speeds]
        if each.chain > 1:
            plans = list(_draw(each, np.random.default_rng(0), SpecAugment()))
        targets = tokenizer.encode_all([plan.text for plan in plans])
        for plan, target in zip(plans, targets, strict=True):
            place = int(np.searchsorted(frames, plan.frames))
            if place < len(frames):
                longest[place] = max(longest[place], len(target))
    tokens = np.maximum.accumulate([8, *longest])[1:]
    return tuple(Shape(f, int(-(-t // 8) * 8)) for f, t in zip(frames, tokens, strict=True))


def one_pass(
    sets: Sequence[SpeechSet],
    tokenizer: Tokenizer,
    shapes: Sequence[Shape],
    batch_seconds: float,
    rng: np.random.Generator,
    augment: SpecAugment | None = None,
    *,
    rest: bool = False,
    prior_frames: int = 0,
) -> Iterator[SpeechBatch]:
    """Each set as often as its weight says, in random order, in batches of one shape each.

    A batch lasts `batch_seconds`, padding included. With `augment` each example is masked and has one of the speeds of
    its cache and a pace, drawn at random; without, it is as it was recorded. What fits no shape is left out; so is what
    does not fill a batch, unless `rest` asks for it. prior_frames: see `audio.features.normalise`.
    """
    plans = [plan for each in sets for plan in _draw(each, rng, augment)]
    targets = tokenizer.encode_all([plan.text for plan in plans])
    buckets: dict[Shape, list[tuple[_Plan, list[int]]]] = {shape: [] for shape in sorted(shapes)}
    for i in rng.permutation(len(plans)):
        plan, target = plans[i], targets[i]
        for shape, members in buckets.items():
            if plan.frames <= shape.frames and len(target) <= shape.tokens:
                members.append((plan, target))
                break
    groups = []
    for shape, members in buckets.items():
        size = max(1, int(batch_seconds / HOP_SECONDS) // shape.frames)
        # As with text, what does not fill a batch waits for a later pass: every step then meets one of a few shapes.
        end = len(members) if rest else len(members) - size + 1
        groups += [(shape, members[i : i + size]) for i in range(0, end, size)]
    for i in rng.permutation(len(groups)):
        shape, members = groups[i]
        yield _make_batch(shape, members, rng, augment, prior_frames)


def _draw(each: SpeechSet, rng: np.random.Generator, augment: SpecAugment | None) -> Iterator[_Plan]:
    """The examples of one pass over a set."""
    by_speaker = defaultdict(list)
    for clip in each.clips:
        by_speaker[clip.speaker].append(clip)
    whole, part = divmod(each.weight, 1.0)
    chosen = list(each.clips) * int(whole)
    chosen += [each.clips[i] for i in rng.permutation(len(each.clips))[: round(part * len(each.clips))]]
    for clip in chosen:
        speed = float(rng.choice(each.cache.speeds)) if augment else 1.0
        pace = 1 + augment.pace * rng.uniform(-1, 1) if augment else 1.0
        # Every second one stays as it was recorded, without a pause around it: so clips come in a test.
        if each.chain == 1 or rng.random() < 0.5:
            yield _Plan(each.cache, [clip], [], speed, pace)
            continue
        others = by_speaker[clip.speaker]
        more = rng.integers(0, len(others), rng.integers(0, each.chain))
        pauses = rng.integers(_PAUSE[0], _PAUSE[1] + 1, len(more) + 2)
        yield _Plan(each.cache, [clip, *(others[i] for i in more)], pauses.tolist(), speed, pace)


def _make_batch(
    shape: Shape,
    members: Sequence[tuple[_Plan, list[int]]],
    rng: np.random.Generator,
    augment: SpecAugment | None,
    prior_frames: int,
) -> SpeechBatch:
    bins = members[0][0].cache.features.bins
    features = np.zeros((len(members), shape.frames, bins), np.float32)
    frames = np.zeros(len(members), np.int32)
    for i, (plan, _) in enumerate(members):
        rows = [plan.cache.rows(clip.path, plan.speed) for clip in plan.clips]
        raw = join(rows, plan.pauses, rng) if plan.pauses else rows[0]
        if plan.pace != 1:
            raw = other_pace(raw, plan.frames)
        if augment and augment.voice:
            raw = other_voice(raw, 1 + augment.voice * rng.uniform(-1, 1), plan.cache.features)
        if augment and rng.random() < augment.room:
            raw = other_room(raw, plan.cache.features, rng)
        example = normalise(raw, plan.cache.features, prior_frames)
        if augment:
            example = spec_augment(example, augment, rng)
        features[i, : len(example)], frames[i] = example, len(example)
    text = make_batch([Example([], target) for _, target in members], shape.tokens)
    return SpeechBatch(features, frames, text.target, text.labels, tuple(plan.text for plan, _ in members))
