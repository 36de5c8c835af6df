"""A training run on an easy task: it learns, is killed, goes on where it stood, and leaves a whole model folder."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.models.seq2seq import Transformer
from transformer.text.tokenizer import SubwordTokenizer
from transformer.training import loop
from transformer.training.data import Example, Source, make_batch
from transformer.training.presets import Preset, TrainingConfig
from transformer.training.schedule import SmoothedCrossEntropy, optimizer
from transformer.training.snapshots import log_spaced
from transformer.training.translation import PROBES, evaluate_loss

STEPS, VALIDATED, KILLED = 30, 15, 18
PRESET = Preset(
    "toy",
    toy.config(
        vocabulary=40,
        encoder_layers=1,
        decoder_layers=1,
        width=16,
        feed_forward=32,
        max_source=64,
        max_target=64,
        dropout=0.0,
    ),
    TrainingConfig(steps=STEPS, batch_tokens=256, warmup_steps=10, clip_norm=1.0, cooldown_steps=5),
)


def job(place: Path, **changes: Any) -> loop.Job:
    """Copy four of eight words; a checkpoint after every step."""
    options: dict[str, Any] = dict(
        preset=PRESET,
        data=[Source(place / "train.tsv")],
        valid=[Source(place / "valid.tsv")],
        out=place / "out",
        precision="float32",
        minutes=0.0,
        validate_every=VALIDATED,
        bleu_sentences=4,
        average=3,
    )
    return loop.Job(**(options | changes))


def write_pairs(place: Path) -> None:
    rng = np.random.default_rng(0)
    words = ["ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"]
    lines = [" ".join(rng.choice(words, 4)) for _ in range(400)]
    (place / "train.tsv").write_text("".join(f"{x}\t{x}\n" for x in lines))
    # The second is longer than the network's positions: it must not shift the others against their references.
    valid = [lines[0], "xyz" * 40, *lines[1:8]]
    (place / "valid.tsv").write_text("".join(f"{x}\t{x}\n" for x in valid))


class Killed(KeyboardInterrupt):
    pass


def history(out: Path) -> list[dict[str, str]]:
    with (out / "history.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed and resumed; `killed` is what it had left at the kill."""
    place = tmp_path_factory.mktemp("run")
    write_pairs(place)
    real = loop.tqdm

    class Bar(real):
        def update(self, n: float | None = 1) -> bool | None:
            if self.n == KILLED:
                raise Killed
            return super().update(n)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "tqdm", Bar)
        with pytest.raises(Killed):
            loop.fit(job(place))
    shutil.copytree(place / "out", place / "killed")
    # What a kill between two writes leaves behind: newer weights without their optimizer, and half a file.
    work = place / "out" / "checkpoints"
    newer = work / f"step-{KILLED + 1:08d}.safetensors"
    shutil.copy(work / f"step-{KILLED:08d}.safetensors", newer)
    (work / f"optimizer-{KILLED + 1:08d}.safetensors.part").write_bytes(b"half")
    loop.fit(job(place, resume=True, minutes=60.0, tensorboard=place / "logs"))
    return place


def test_a_killed_run_has_left_what_it_needs(run: Path) -> None:
    names = {path.name for path in (run / "killed").iterdir()}
    assert names >= {"config.json", "tokenizer.json", "history.csv", "model.safetensors", "snapshots.npz"}
    assert json.loads((run / "killed/checkpoints/state.json").read_text())["step"] == KILLED


def test_a_resumed_run_counts_on_and_ends_at_its_last_step(run: Path) -> None:
    work = run / "out/checkpoints"
    assert json.loads((work / "state.json").read_text())["step"] == STEPS
    moments = folder.load_weights(work / f"optimizer-{STEPS:08d}.safetensors")
    assert moments["0000"].item() == STEPS  # Adam's own count went on as well
    kept = sorted(path.name for path in work.glob("step-*"))
    assert kept == [f"step-{step:08d}.safetensors" for step in (KILLED - 1, KILLED, STEPS)]
    assert len(list(work.glob("optimizer-*.safetensors"))) == 1


def test_the_history_has_each_step_once_and_the_loss_falls(run: Path) -> None:
    rows = history(run / "out")
    steps = [int(row["step"]) for row in rows]
    assert steps == [VALIDATED, STEPS]  # one from before the kill, one from after
    assert [*rows[0]] == [*loop.HISTORY, "valid_bleu"]
    last = rows[-1]
    assert float(last["loss"]) < float(rows[0]["loss"])
    assert float(last["valid_loss"]) < float(rows[0]["valid_loss"])
    assert 0 <= float(last["valid_bleu"]) <= 100
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)


def test_the_model_folder_holds_the_mean_of_the_last_checkpoints(run: Path) -> None:
    assert folder.load_config(run / "out") == PRESET.model
    exported = folder.load_weights(run / "out" / folder.WEIGHTS)
    network = Transformer(PRESET.model, dtype="float32")
    network.build()
    folder.assign_weights(network, exported)
    kept = [folder.load_weights(path) for path in (run / "out/checkpoints").glob("step-*")]
    for name, tensor in exported.items():
        assert tensor.dtype == np.float16
        np.testing.assert_allclose(tensor, np.mean([k[name] for k in kept], 0), atol=2e-3)
    assert SubwordTokenizer.load(run / "out" / folder.TOKENIZER).size == 40


def test_snapshots_hold_every_probe_at_every_wanted_step(run: Path) -> None:
    tokenizer = SubwordTokenizer.load(run / "out" / folder.TOKENIZER)
    with np.load(run / "out/snapshots.npz", allow_pickle=False) as saved:
        assert saved["steps"].tolist() == log_spaced(STEPS)
        for i, (source, target) in enumerate(PROBES):
            assert saved[f"{i}/source"].tolist() == tokenizer.encode(source).ids
            s, t = len(saved[f"{i}/source"]), len(saved[f"{i}/target"])
            assert saved[f"{i}/target"].tolist() == [1, *tokenizer.encode(target).ids[:-1]]
            for kind, shape in (("encoder", (s, s)), ("decoder", (t, t)), ("cross", (t, s))):
                maps = saved[f"{i}/{kind}"]
                assert maps.dtype == np.uint8
                assert maps.shape == (len(saved["steps"]), 1, 2, *shape)
                # Each of up to 64 weights is off by at most half a 255th.
                assert np.abs(maps.sum(-1, dtype=int) - 255).max() <= 32


def test_tensorboard_is_given_the_same_figures(run: Path) -> None:
    from tests.training.test_tensorboard import events

    found = events(run / "logs")[1:]
    assert [event.step for event in found] == [STEPS]
    tags = {value.tag: value.simple_value for value in found[-1].summary.value}
    row = history(run / "out")[-1]
    assert set(tags) == {*loop.HISTORY, "valid_bleu"} - {"step"}
    assert tags["loss"] == pytest.approx(float(row["loss"]), rel=1e-4)


def test_a_run_is_not_overwritten_without_resume(run: Path) -> None:
    with pytest.raises(ValueError, match="expected a new folder or --resume"):
        loop.fit(job(run))


def damaged(run: Path, place: Path) -> Path:
    shutil.copytree(run / "killed", place / "out")
    for name in ("train.tsv", "valid.tsv"):
        shutil.copy(run / name, place / name)
    return place / "out/checkpoints"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("state.json", b'{"step": '),
        ("state.json", b'{"steps": 3}'),
        ("state.json", b"[]"),
        (f"step-{KILLED:08d}.safetensors", b"half"),
        (f"optimizer-{KILLED:08d}.safetensors", None),
        (f"optimizer-{KILLED:08d}.safetensors", b"half"),
    ],
)
def test_a_damaged_checkpoint_is_one_clear_error_before_data_is_read(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None
) -> None:
    monkeypatch.setattr(loop, "task_of", lambda _: pytest.fail("expected the checkpoint to be read first"))
    path = damaged(run, tmp_path) / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"expected .*received"):
        loop.fit(job(tmp_path, resume=True))


def test_the_moments_of_another_network_are_refused(run: Path, tmp_path: Path) -> None:
    work = damaged(run, tmp_path)
    path = work / f"optimizer-{KILLED:08d}.safetensors"
    moments = folder.load_weights(path)
    del moments["0003"]
    folder.save_weights(path, moments)
    with pytest.raises(ValueError, match=f"expected the moments of this network at step {KILLED}"):
        loop.fit(job(tmp_path, resume=True))


def test_a_checkpoint_restores_weights_moments_and_steps_exactly(tmp_path: Path) -> None:
    config = toy.config(encoder_layers=1, decoder_layers=1, width=8, feed_forward=8, dropout=0.0)
    batch = make_batch([Example([7, 8, 9, 2], [9, 8, 7, 2])] * 2)
    losses, networks = [], []
    for number in range(2):
        network = toy.network(config, seed=number)
        adam = optimizer(config.width, PRESET.training)
        adam.build(network.trainable_variables)
        network.compile(optimizer=adam, loss=SmoothedCrossEntropy(0.1), run_eagerly=True)
        if number == 0:
            for _ in range(3):
                network.train_on_batch({"source": batch.source, "target": batch.target}, batch.labels)
            loop._State(3, 1.5).save(tmp_path, network, adam, keep=2)
        else:
            state = loop._State.read(tmp_path)
            state.restore(tmp_path, network, adam)
            assert (state.step, state.seconds) == (3, 1.5)
            assert int(adam.iterations) == 3
        networks.append((network, adam))
    for one, other in zip(networks[0][1].variables, networks[1][1].variables, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    for network, _ in networks:
        pair = {"source": batch.source, "target": batch.target}
        losses.append([float(network.train_on_batch(pair, batch.labels)) for _ in range(2)])
    assert losses[0] == losses[1]
    first, second = (folder.read_weights(network) for network, _ in networks)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_steps_in_the_history_are_whole_numbers_however_large(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    for step in (1_234_567, 2_000_000):
        writer = loop._History(path, ("valid_bleu",), step, None)
        writer.add({"step": step, "loss": 1.23456789})
        writer.close()
    rows = history(tmp_path)
    assert [row["step"] for row in rows] == ["1234567", "2000000"]
    assert rows[0]["loss"] == "1.23457"


def test_steps_after_the_checkpoint_are_dropped_from_the_history(tmp_path: Path) -> None:
    writer = loop._History(tmp_path / "history.csv", (), 0, None)
    for step in (100, 200, 300):
        writer.add({"step": step, "loss": 1.0})
    loop._History(tmp_path / "history.csv", (), 200, None)
    assert [row["step"] for row in history(tmp_path)] == ["100", "200"]


def test_the_validation_loss_is_that_of_all_tokens_whatever_the_batches() -> None:
    network = toy.shared(toy.config())
    examples = [Example([7, 8, 2], [9] * n + [2]) for n in (1, 5, 3, 2)]
    total, count = 0.0, 0
    for example in examples:
        batch = make_batch([example])
        logits = np.asarray(network.forward(batch.source, batch.target).logits)[0].astype(np.float64)
        log_p = np.log(toy.softmax(logits))
        total -= sum(log_p[t, token] for t, token in enumerate(example.target))
        count += len(example.target)
    for size in (1, 3):
        assert evaluate_loss(network, examples, size) == pytest.approx(total / count, rel=1e-5)


def test_snapshot_steps_are_log_spaced() -> None:
    steps = log_spaced(30_000)
    assert steps[:2] == [0, 1]
    assert steps[-1] == 30_000
    assert 18 <= len(steps) <= 20
    ratios = np.diff(np.log(steps[5:]))
    np.testing.assert_allclose(ratios, ratios.mean(), rtol=0.2)


@pytest.mark.parametrize(
    ("train", "valid", "message"),
    [
        ("", "ada\tada\n", "too little text"),
        (None, "", "expected training and validation pairs of at most 64 tokens, received none"),
        (None, "ada", "expected two columns in line 1"),
    ],
)
def test_data_that_cannot_train_is_refused(
    tmp_path: Path, train: str | None, valid: str, message: str
) -> None:
    write_pairs(tmp_path)
    if train is not None:
        (tmp_path / "train.tsv").write_text(train)
    (tmp_path / "valid.tsv").write_text(valid)
    with pytest.raises(ValueError, match=message):
        loop.fit(job(tmp_path))


def test_too_few_pairs_for_one_batch_are_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    training = replace(PRESET.training, batch_tokens=10**6)
    with pytest.raises(ValueError, match="too little in pairs for batches of 1000000 tokens"):
        loop.fit(job(tmp_path, preset=replace(PRESET, training=training)))


def test_a_run_can_start_from_the_weights_of_another(run: Path, tmp_path: Path) -> None:
    write_pairs(tmp_path)
    training = replace(PRESET.training, steps=0)
    loop.fit(job(tmp_path, initial=run / "out", preset=replace(PRESET, training=training)))
    assert (tmp_path / "out/tokenizer.json").read_text() == (run / "out/tokenizer.json").read_text()


def test_the_dtype_policy_of_the_tests_is_untouched() -> None:
    assert keras.config.dtype_policy().name == "float32"
