"""Train a network: batches in, checkpoints, history and snapshots out; goes on after a kill where it stood."""

from __future__ import annotations

import csv
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from transformer.checkpoints import folder
from transformer.kinds import kind_of, named
from transformer.models.assembly import assemble
from transformer.training.average import average, export
from transformer.training.job import Job, Task
from transformer.training.schedule import WarmUp, optimizer

HISTORY = ("step", "seconds", "loss", "learning_rate", "valid_loss")


def fit(job: Job) -> None:
    """Run `job` until its last step; the model folder in `job.out` is written anew at every checkpoint.

    Raises:
        ValueError: no usable data, a run that exists already without `resume`, or with it a damaged checkpoint.
    """
    work = job.out / "checkpoints"
    if (work / "state.json").exists() and not job.resume:
        raise ValueError(f"expected a new folder or --resume, received {job.out} that holds a run")
    work.mkdir(parents=True, exist_ok=True)
    state = _State.read(work) if job.resume else _State()  # a damaged one is told of before data is read
    keras.utils.set_random_seed(job.seed)
    keras.mixed_precision.set_dtype_policy(job.precision)

    config = job.preset.model
    task = task_of(job)
    network = assemble(config)
    network.build()
    schedule = WarmUp(config.width, job.preset.training)
    adam = optimizer(config.width, job.preset.training)
    adam.build(network.trainable_variables)
    on_tensorflow = keras.config.backend() == "tensorflow"
    network.compile(
        optimizer=adam,
        loss=task.loss(),
        loss_weights=task.loss_weights(),
        # On a processor XLA is slower than TensorFlow's own kernels.
        jit_compile=False if on_tensorflow else "auto",
    )
    if state.weights:
        state.restore(work, network, adam)
    elif job.initial:
        folder.assign_weights(network, folder.load_weights(job.initial / folder.WEIGHTS))
    folder.save_config(job.out, config)
    history = _History(job.out / "history.csv", task.figures, state.step, job.tensorboard)
    snapshots = task.snapshots(state.step)

    total = job.preset.training.steps
    recent: list[float] = []
    last_saved = time.monotonic()
    batches = _forever(task, job.seed, state.step)
    progress = tqdm(total=total, initial=state.step, unit="step", file=sys.stderr, smoothing=0.02)
    snapshots.take(network, state.step)
    while state.step < total:
        inputs, labels = next(batches)
        begun = time.monotonic()
        loss = network.train_on_batch(inputs, labels)
        recent.append(float(np.ravel(loss)[0]))  # the total stands before those of several outputs
        if not math.isfinite(recent[-1]):
            raise ValueError(f"expected a finite loss, received {recent[-1]} at step {state.step}")
        state.step += 1
        state.seconds += time.monotonic() - begun
        progress.update()
        if state.step % 50 == 0:
            progress.set_postfix(loss=f"{np.mean(recent[-50:]):.3f}")
        snapshots.take(network, state.step)
        if state.step % job.validate_every == 0 or state.step == total:
            row = task.validate(network)
            _log(history, state, recent, schedule, row)
            progress.write(f"step {state.step}: {row}", file=sys.stderr)
        elif state.step % 100 == 0:
            _log(history, state, recent, schedule, {})
        if time.monotonic() - last_saved > job.minutes * 60 or state.step == total:
            state.save(work, network, adam, keep=job.average)
            export(job.out, average(sorted(work.glob("step-*.safetensors"))))
            snapshots.save()
            last_saved = time.monotonic()
    progress.close()
    history.close()


def task_of(job: Job) -> Task:
    """What the network of this job learns: its batches, its loss, and how far it is."""
    config = job.preset.model
    task: Task = named(kind_of(config.family, config.tokens).task)(job)
    return task


def _forever(task: Task, seed: int, step: int) -> Iterator[tuple[dict[str, Any], Any]]:
    """Pass after pass; a resumed run draws other batches than the run it goes on from, not the same again."""
    number = 0
    while True:
        before = number
        for batch in task.one_pass(np.random.default_rng((seed, step, before))):
            number += 1
            yield batch
        if number == before:
            raise ValueError(
                f"expected data enough to fill one batch, received too little in {task.received}"
            )


class _State:
    """How far a run is, and its checkpoint files."""

    def __init__(self, step: int = 0, seconds: float = 0.0) -> None:
        self.step, self.seconds = step, seconds
        self.weights: dict[str, np.ndarray] = {}
        self.moments: dict[str, np.ndarray] = {}

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
    def read(cls, work: Path) -> _State:
        """The newest checkpoint, or the beginning where there is none; a damaged one raises ValueError."""
        if not (work / "state.json").exists():
            return cls()
        try:
            state = cls(**json.loads((work / "state.json").read_text()))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"expected step and seconds in {work / 'state.json'}, received {error}"
            ) from error
        state.weights = folder.load_weights(work / f"step-{state.step:08d}.safetensors")
        state.moments = folder.load_weights(work / f"optimizer-{state.step:08d}.safetensors")
        return state

    def restore(self, work: Path, network: Any, adam: Any) -> None:
        """Give a network and its optimizer what was read; ValueError where it is not theirs."""
        folder.assign_weights(network, self.weights)
        variables = {f"{i:04d}": variable for i, variable in enumerate(adam.variables)}
        # A scalar is written as one number in a list: sizes are compared, not shapes.
        sizes = {name: tensor.size for name, tensor in self.moments.items()}
        if {name: math.prod(variable.shape) for name, variable in variables.items()} != sizes:
            raise ValueError(f"expected the moments of this network at step {self.step}, received others")
        for name, variable in variables.items():
            variable.assign(self.moments[name].reshape(variable.shape).astype(variable.dtype))
        self.weights, self.moments = {}, {}
        # A kill between two writes can leave files newer than the state: they would spoil the average.
        for path in work.glob("*.safetensors"):
            if int(path.stem.split("-")[1]) > self.step:
                path.unlink()


class _History:
    """`history.csv`, and TensorBoard logs beside it where asked for."""

    def __init__(self, path: Path, figures: Sequence[str], step: int, tensorboard: Path | None) -> None:
        self.path, self.columns = path, (*HISTORY, *figures)
        rows = []
        if step and path.exists():
            with path.open(newline="") as lines:
                rows = [row for row in csv.DictReader(lines) if int(row["step"]) <= step]
        with path.open("w", newline="") as lines:
            writer = csv.DictWriter(lines, self.columns, lineterminator="\n")
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
            csv.DictWriter(lines, self.columns, lineterminator="\n").writerow(shown)
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
