"""Train a network: batches in, checkpoints, history and snapshots out; goes on after a kill where it stood."""

from __future__ import annotations

import csv
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from transformer.checkpoints import folder
from transformer.config import Preset
from transformer.generate import greedy
from transformer.models.seq2seq import Transformer
from transformer.text.tokenizer import SubwordTokenizer
from transformer.training.data import Batch, Example, Source, make_batch, one_pass, read_pairs
from transformer.training.schedule import SmoothedCrossEntropy, WarmUp, optimizer
from transformer.training.snapshots import Snapshots

HISTORY = ("step", "seconds", "loss", "learning_rate", "valid_loss", "valid_bleu")


@dataclass(frozen=True)
class Job:
    """Everything a training run is given."""

    preset: Preset
    data: Sequence[Source]
    valid: Sequence[Source]
    out: Path
    resume: bool = False
    initial: Path | None = None  # a model folder whose weights and tokenizer to start from
    tensorboard: Path | None = None
    precision: str = "mixed_bfloat16"
    minutes: float = 3.0  # between checkpoints
    validate_every: int = 1000
    bleu_sentences: int = 200
    average: int = 8  # how many of the last checkpoints the exported weights average
    seed: int = 0


def fit(job: Job) -> None:
    """Run `job` until its last step; the model folder in `job.out` is written anew at every checkpoint.

    Raises:
        ValueError: no usable data, or a run that exists already without `resume`.
    """
    work = job.out / "checkpoints"
    if (work / "state.json").exists() and not job.resume:
        raise ValueError(f"expected a new folder or --resume, received {job.out} that holds a run")
    work.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(job.seed)
    keras.mixed_precision.set_dtype_policy(job.precision)

    tokenizer = _tokenizer(job)
    config = job.preset.model
    longest = min(config.max_source, config.max_target)
    sources = [(_encode(tokenizer, read_pairs(s.path), longest)[1], s.weight) for s in job.data]
    pairs = [pair for s in job.valid for pair in read_pairs(s.path)]
    valid_pairs, valid = _encode(tokenizer, pairs, longest)
    if not valid or not any(examples for examples, _ in sources):
        raise ValueError(f"expected training and validation pairs of at most {longest} tokens, received none")

    network = Transformer(config)
    network.build()
    schedule = WarmUp(config.width, job.preset.training)
    adam = optimizer(config.width, job.preset.training)
    adam.build(network.trainable_variables)
    on_tensorflow = keras.config.backend() == "tensorflow"
    network.compile(
        optimizer=adam,
        loss=SmoothedCrossEntropy(job.preset.training.label_smoothing),
        # On a processor XLA is slower than TensorFlow's own kernels.
        jit_compile=False if on_tensorflow else "auto",
    )
    state = _State.load(work, network, adam) if job.resume else _State()
    if state.step == 0 and job.initial:
        folder.assign_weights(network, folder.load_weights(job.initial / folder.WEIGHTS))
    folder.save_config(job.out, config)
    history = _History(job.out / "history.csv", state.step, job.tensorboard)
    snapshots = Snapshots(job.out / "snapshots.npz", tokenizer, job.preset.training.steps, state.step)

    total = job.preset.training.steps
    recent: list[float] = []
    last_saved = time.monotonic()
    batches = _forever(sources, job.preset.training.batch_tokens, job.seed, state.step)
    progress = tqdm(total=total, initial=state.step, unit="step", file=sys.stderr, smoothing=0.02)
    snapshots.take(network, state.step)
    while state.step < total:
        batch = next(batches)
        begun = time.monotonic()
        loss = network.train_on_batch({"source": batch.source, "target": batch.target}, batch.labels)
        recent.append(float(loss))
        if not math.isfinite(recent[-1]):
            raise ValueError(f"expected a finite loss, received {recent[-1]} at step {state.step}")
        state.step += 1
        state.seconds += time.monotonic() - begun
        progress.update()
        if state.step % 50 == 0:
            progress.set_postfix(loss=f"{np.mean(recent[-50:]):.3f}")
        snapshots.take(network, state.step)
        if state.step % job.validate_every == 0 or state.step == total:
            row: dict[str, float] = {"valid_loss": evaluate_loss(network, valid)}
            row["valid_bleu"] = quick_bleu(network, tokenizer, valid_pairs[: job.bleu_sentences], valid)
            _log(history, state, recent, schedule, row)
            progress.write(f"step {state.step}: {row}", file=sys.stderr)
        elif state.step % 100 == 0:
            _log(history, state, recent, schedule, {})
        if time.monotonic() - last_saved > job.minutes * 60 or state.step == total:
            state.save(work, network, adam, keep=job.average)
            export(job.out, average(work))
            snapshots.save()
            last_saved = time.monotonic()
    progress.close()
    history.close()


def average(work: Path) -> dict[str, np.ndarray]:
    """The mean of the kept checkpoints (Vaswani et al. section 6.1)."""
    paths = sorted(work.glob("step-*.safetensors"))
    if not paths:
        raise ValueError(f"expected checkpoints in {work}, received none")
    total = folder.load_weights(paths[0])
    for path in paths[1:]:
        for name, tensor in folder.load_weights(path).items():
            total[name] = total[name] + tensor
    return {name: tensor / len(paths) for name, tensor in total.items()}


def export(out: Path, tensors: dict[str, np.ndarray]) -> None:
    """Write inference weights as float16: half the size, and far finer than the training noise."""
    folder.save_weights(out / folder.WEIGHTS, tensors, "float16")


def evaluate_loss(network: Any, examples: Sequence[Example], size: int = 64) -> float:
    """Cross-entropy per token without smoothing, in nats, over all examples."""
    measure = SmoothedCrossEntropy(0.0)
    total, tokens = 0.0, 0
    ordered = sorted(examples, key=lambda e: len(e.target))
    for i in range(0, len(ordered), size):
        batch = make_batch(ordered[i : i + size])
        logits = network.predict_on_batch({"source": batch.source, "target": batch.target})
        count = int((batch.labels != 0).sum())
        total += float(measure(batch.labels, logits)) * count
        tokens += count
    return total / max(tokens, 1)


def quick_bleu(
    network: Any,
    tokenizer: SubwordTokenizer,
    pairs: Sequence[tuple[str, str]],
    examples: Sequence[Example],
) -> float:
    """Greedy BLEU of the raw weights on a few validation pairs: for the curve, not for the model card."""
    import sacrebleu

    batch = make_batch(examples[: len(pairs)])
    limit = min(48, network.config.max_target)
    ids = np.asarray(keras.ops.convert_to_numpy(greedy(network, batch.source, limit).ids))
    guesses = [tokenizer.decode([i for i in row if i > 0]) for row in ids]
    return float(sacrebleu.corpus_bleu(guesses, [[target for _, target in pairs]]).score)


def _tokenizer(job: Job) -> SubwordTokenizer:
    path = job.out / folder.TOKENIZER
    if job.resume and path.exists():
        return SubwordTokenizer.load(path)
    if job.initial:
        tokenizer = SubwordTokenizer.load(job.initial / folder.TOKENIZER)
    else:
        texts = [
            text for s in job.data for pair in read_pairs(s.path) * max(1, round(s.weight)) for text in pair
        ]
        tokenizer = SubwordTokenizer.train(texts, job.preset.model.vocabulary)
    if tokenizer.size != job.preset.model.vocabulary:
        raise ValueError(
            f"expected a vocabulary of {job.preset.model.vocabulary} subwords, received {tokenizer.size}: "
            "too little text for so many"
        )
    tokenizer.save(path)
    return tokenizer


def _encode(
    tokenizer: SubwordTokenizer, pairs: Sequence[tuple[str, str]], longest: int
) -> tuple[list[tuple[str, str]], list[Example]]:
    """The pairs of at most `longest` tokens a side, and their ids, in the same order."""
    sources = tokenizer.encode_all([source for source, _ in pairs])
    targets = tokenizer.encode_all([target for _, target in pairs])
    fitting = [i for i in range(len(pairs)) if max(len(sources[i]), len(targets[i])) <= longest]
    return [pairs[i] for i in fitting], [Example(sources[i], targets[i]) for i in fitting]


def _forever(
    sources: Sequence[tuple[Sequence[Example], float]], tokens: int, seed: int, step: int
) -> Iterator[Batch]:
    """Pass after pass; a resumed run draws other batches than the run it goes on from, not the same again."""
    number = 0
    while True:
        before = number
        for batch in one_pass(sources, tokens, np.random.default_rng((seed, step, before))):
            number += 1
            yield batch
        if number == before:
            raise ValueError(f"expected pairs enough to fill one batch of {tokens} tokens, received too few")


class _State:
    """How far a run is, and its checkpoint files."""

    def __init__(self, step: int = 0, seconds: float = 0.0) -> None:
        self.step, self.seconds = step, seconds

    def save(self, work: Path, network: Any, adam: Any, keep: int) -> None:
        weights = work / f"step-{self.step:08d}.safetensors"
        folder.save_weights(weights, folder.read_weights(network))
        moments = {f"{i:04d}": np.asarray(v, np.float32) for i, v in enumerate(adam.variables)}
        folder.save_weights(work / f"optimizer-{self.step:08d}.safetensors", moments)
        temporary = work / "state.json.part"
        temporary.write_text(json.dumps({"step": self.step, "seconds": self.seconds}))
        temporary.replace(work / "state.json")  # names the newest complete pair: written last
        for path in sorted(work.glob("step-*.safetensors"))[:-keep]:
            path.unlink()
        for path in sorted(work.glob("optimizer-*.safetensors"))[:-1]:
            path.unlink()

    @classmethod
    def load(cls, work: Path, network: Any, adam: Any) -> _State:
        if not (work / "state.json").exists():
            return cls()
        try:
            state = cls(**json.loads((work / "state.json").read_text()))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"expected step and seconds in {work / 'state.json'}, received {error}"
            ) from error
        folder.assign_weights(network, folder.load_weights(work / f"step-{state.step:08d}.safetensors"))
        moments = folder.load_weights(work / f"optimizer-{state.step:08d}.safetensors")
        variables = {f"{i:04d}": variable for i, variable in enumerate(adam.variables)}
        # A scalar is written as one number in a list: sizes are compared, not shapes.
        if {n: math.prod(v.shape) for n, v in variables.items()} != {n: t.size for n, t in moments.items()}:
            raise ValueError(f"expected the moments of this network at step {state.step}, received others")
        for name, variable in variables.items():
            variable.assign(moments[name].reshape(variable.shape).astype(variable.dtype))
        # A kill between two writes can leave files newer than the state: they would spoil the average.
        for path in work.glob("*.safetensors"):
            if int(path.stem.split("-")[1]) > state.step:
                path.unlink()
        return state


class _History:
    """`history.csv`, and TensorBoard logs beside it where asked for."""

    def __init__(self, path: Path, step: int, tensorboard: Path | None) -> None:
        self.path = path
        rows = []
        if step and path.exists():
            with path.open(newline="") as lines:
                rows = [row for row in csv.DictReader(lines) if int(row["step"]) <= step]
        with path.open("w", newline="") as lines:
            writer = csv.DictWriter(lines, HISTORY, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        self.writer = None
        if tensorboard:
            from transformer.training.tensorboard import Writer

            self.writer = Writer(tensorboard)

    def add(self, row: dict[str, float]) -> None:
        with self.path.open("a", newline="") as lines:
            # The step is written whole: a rounded one could not be read back.
            shown = {n: str(v) if n == "step" else f"{v:.6g}" for n, v in row.items()}
            csv.DictWriter(lines, HISTORY, lineterminator="\n").writerow(shown)
        if self.writer:
            self.writer.add(int(row["step"]), {k: v for k, v in row.items() if k != "step"})

    def close(self) -> None:
        if self.writer:
            self.writer.close()


def _log(
    history: _History, state: _State, recent: list[float], schedule: WarmUp, more: dict[str, float]
) -> None:
    rate = float(keras.ops.convert_to_numpy(schedule(state.step)))
    row = {
        "step": state.step,
        "seconds": state.seconds,
        "loss": float(np.mean(recent[-100:])),
        "learning_rate": rate,
    }
    history.add(row | more)
    del recent[:-100]
