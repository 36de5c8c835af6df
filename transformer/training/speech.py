"""Learning to transcribe: cross-entropy of the decoder and CTC of the encoder together, word error rates.

Joint training: Watanabe et al. 2017, "Hybrid CTC/Attention Architecture for End-to-End Speech Recognition", equation
34; CTC: Graves et al. 2006, with padding as its blank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from transformer.audio.features import Features
from transformer.config import END, PAD
from transformer.corpus.clips import read_manifest
from transformer.layers.stem import STRIDES
from transformer.search.generate import greedy
from transformer.training.augment import SpecAugment
from transformer.training.data import Source
from transformer.training.job import Job
from transformer.training.schedule import SmoothedCrossEntropy
from transformer.training.snapshots import Snapshots
from transformer.training.speech_cache import SpeechCache, build_cache
from transformer.training.speech_data import Shape, SpeechBatch, SpeechSet, one_pass, shapes_of
from transformer.training.vocabulary import tokenizer_of

SPEEDS = (0.9, 1.0, 1.1)
# Corpora of single words are joined to short strings of one speaker: a network that has only ever heard single words
# has nothing to align.
CHAIN, SHORT = 6, 150  # clips at most; frames of a clip on average


class CTC:
    """Mean negative log-probability per real token that the path through the positions spells the text (equation 8).

    Call arguments: labels (B, T), the end token last and padding after it; logits (B, S, V), certain of the blank where
    a clip has ended. Returns a scalar, in nats.
    """

    __name__ = "ctc"

    def __call__(self, labels: Any, logits: Any) -> Any:
        counts = ops.sum(ops.cast(ops.not_equal(labels, PAD), "int32"), axis=1) - 1  # the end is not spoken
        loss = _ctc(labels, ops.cast(logits, "float32"), counts)
        return ops.sum(loss) / ops.maximum(ops.sum(ops.cast(counts, "float32")), 1.0)


def _ctc(labels: Any, logits: Any, counts: Any) -> Any:
    """Negative log-probability (B,) of the first `counts` (B,) labels; 0 for a clip too short to spell its text: it has
    no path at all, and teaches the decoder only."""
    lengths = ops.zeros_like(counts) + ops.shape(logits)[1]
    if keras.config.backend() == "tensorflow":
        from transformer.runtime.common import ctc_loss

        loss = ctc_loss(labels, logits, counts, lengths)
    else:
        loss = ops.ctc_loss(labels, logits, counts, lengths, mask_index=PAD)
    # Over positions that are padding, and so certain of the blank, an impossible path is infinitely unlikely.
    return ops.where(loss < 1e4, loss, 0.0)


class Speech:
    """The `Task` of a speech Transformer.

    Raises:
        ValueError: no usable clips.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        config = job.preset.model
        self.features = Features("t2t", config.bins)
        self.train = [self._set(source, SPEEDS) for source in job.data]
        self.valid = [self._set(source, (1.0,)) for source in job.valid]
        names = (source.path.resolve().parent.name for source in job.valid)
        self.figures = ("valid_wer", *(f"ctc_wer_{name}" for name in names))
        self.tokenizer = tokenizer_of(
            job, lambda: [clip.transcript for each in self.train for clip in each.clips]
        )
        self.shapes = self._shapes(self.train)
        if not config.ctc:
            raise ValueError("expected a speech network with a CTC output, received one without")
        self.augment = SpecAugment(frequency_width=20, time_share=0.1, voice=0.15, pace=0.2, room=0.7)
        self.received = f"clips for batches of {job.preset.training.batch_tokens / 100:g} s"

    def one_pass(self, rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], Any]]:
        """Batches of one pass."""
        seconds = self.job.preset.training.batch_tokens / 100  # counted in frames of 10 ms
        for batch in self._pass(self.train, self.shapes, seconds, rng, self.augment):
            yield _inputs(batch), {"tokens": batch.labels, "ctc": batch.labels}

    def loss(self) -> dict[str, Callable[[Any, Any], Any]]:
        """Cross-entropy and CTC, by the network's outputs."""
        return {"tokens": SmoothedCrossEntropy(self.job.preset.training.label_smoothing), "ctc": CTC()}

    def loss_weights(self) -> dict[str, float]:
        """Their shares."""
        share = self.job.preset.training.ctc_weight
        return {"tokens": 1 - share, "ctc": share}

    def validate(self, network: Any) -> dict[str, float]:
        """Loss and word error rates over at most 40 batches: of the likeliest CTC path, for each manifest; and greedy,
        over the first 3 batches of each, because it takes one step a token."""
        import jiwer

        measure, losses = SmoothedCrossEntropy(0.0), []
        said, written, row = list[str](), list[str](), dict[str, float]()
        seconds = self.job.preset.training.batch_tokens / 100
        for name, each in zip(self.figures[1:], self.valid, strict=True):
            texts, heard = list[str](), list[str]()
            shapes = self._shapes([each])
            batches = self._pass([each], shapes, seconds, np.random.default_rng(0), rest=True)
            for number, batch in zip(range(40), batches, strict=False):
                outputs = network.predict_on_batch(_inputs(batch))
                losses.append(float(measure(batch.labels, outputs["tokens"])))
                texts += batch.texts
                real = np.arange(outputs["ctc"].shape[1])[None] < -(-batch.frames // 4)[:, None]
                heard += [
                    self.tokenizer.decode(best_path(path[: count.sum()].argmax(-1)))
                    for path, count in zip(outputs["ctc"], real, strict=True)
                ]
                if number < 3:
                    memory, mask = network.encode(batch.features, ops.convert_to_tensor(real))
                    limit = batch.target.shape[1]
                    state = network.begin(memory.vectors, mask, limit)
                    ids = greedy(network, memory.vectors, limit, state=state).ids
                    said += batch.texts
                    written += [
                        self.tokenizer.decode([int(i) for i in line if i >= 0])
                        for line in np.asarray(ops.convert_to_numpy(ids))
                    ]
            row[name] = 100 * jiwer.wer(texts, [text or "-" for text in heard])
        row["valid_wer"] = 100 * jiwer.wer(said, [text or "-" for text in written])
        return {"valid_loss": float(np.mean(losses))} | row

    def snapshots(self, step: int) -> Snapshots:
        """Of the first clips of the validation data; `{i}/target` are the ids that the decoder reads."""
        shapes = self._shapes(self.valid)
        batch = next(self._pass(self.valid, shapes, 30.0, np.random.default_rng(1), rest=True))
        count = min(4, len(batch.texts))

        def record(network: Any) -> dict[str, np.ndarray]:
            maps = {}
            for i in range(count):
                frames, length = int(batch.frames[i]), int((batch.labels[i] != PAD).sum())
                result = network.forward(batch.features[i : i + 1, :frames], batch.target[i : i + 1, :length])
                for kind in ("encoder", "decoder", "cross"):
                    weights = np.asarray(ops.convert_to_numpy(getattr(result, kind)), np.float32)[0]
                    maps[f"{i}/{kind}"] = weights
            return maps

        fixed = {f"{i}/target": batch.target[i, : int((batch.labels[i] != PAD).sum())] for i in range(count)}
        steps = self.job.preset.training.steps
        return Snapshots(self.job.out / "snapshots.npz", steps, step, record, fixed)

    def _pass(
        self,
        sets: Sequence[SpeechSet],
        shapes: Sequence[Shape],
        seconds: float,
        rng: np.random.Generator,
        augment: SpecAugment | None = None,
        *,
        rest: bool = False,
    ) -> Iterator[SpeechBatch]:
        prior = self.job.preset.model.prior_frames
        return one_pass(sets, self.tokenizer, shapes, seconds, rng, augment, rest=rest, prior_frames=prior)

    def _shapes(self, sets: Sequence[SpeechSet]) -> tuple[Shape, ...]:
        """What batches are padded to; clips beyond what the network has positions for are left out by `one_pass`."""
        config = self.job.preset.model
        frames = config.max_source * STRIDES[config.stem]
        return tuple(
            Shape(shape.frames, min(shape.tokens, config.max_target))
            for shape in shapes_of(sets, self.tokenizer)
            if shape.frames <= frames
        )

    def _set(self, source: Source, speeds: Sequence[float]) -> SpeechSet:
        """The clips of a manifest, their features decoded once into the run's cache."""
        clips = read_manifest(source.path)
        if not clips:
            raise ValueError(f"expected clips in {source.path.name}, received none")
        root = source.path.resolve().parent
        place = (self.job.cache or self.job.out / "features") / f"{root.name}-{source.path.stem}"
        cache: SpeechCache = build_cache(
            root, [clip.path for clip in clips], place, self.features, speeds=speeds, workers=2
        )
        short = np.mean([cache.frames(clip.path) for clip in clips]) < SHORT
        return SpeechSet(clips, cache, source.weight, CHAIN if short else 1)


def best_path(ids: Sequence[int]) -> list[int]:
    """The text of one CTC path: repetitions once, blanks left out (Graves et al. 2006, section 3.1)."""
    kept = [int(i) for n, i in enumerate(ids) if n == 0 or i != ids[n - 1]]
    return [i for i in kept if i not in (PAD, END)]


def _inputs(batch: SpeechBatch) -> dict[str, Any]:
    return {"source": batch.features, "frames": batch.frames, "target": batch.target}
