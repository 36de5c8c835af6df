"""Learning characters: samples, a run that learns and is resumed, batches of the puzzle, a state that is carried."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy
from tests.pipeline.test_characters import DECODER, LSTM
from transformer.corpus.files import read_text
from transformer.pipeline import load
from transformer.training import loop
from transformer.training.characters import Characters
from transformer.training.data import Source
from transformer.training.presets import Preset, TrainingConfig
from transformer.training.puzzle import COLUMNS, RUNS, Stateful, contiguous_batches, learn, random_batches
from transformer.training.schedule import WarmUp

TEXT = "the cat sat on a mat.\n" * 40


def job(out: Path, config: Any, steps: int = 30, **changes: Any) -> loop.Job:
    for name, text in (("train.txt", TEXT), ("valid.txt", TEXT[:66])):
        (out / name).write_text(text)
    training = TrainingConfig(
        steps=steps,
        batch_tokens=48,
        learning_rate=1e-2,
        decay="none",
        warmup_steps=1,
        label_smoothing=0.0,
    )
    given: dict[str, Any] = dict(precision="float32", validate_every=10, average=1)
    return loop.Job(
        Preset("toy", config, training),
        [Source(out / "train.txt")],
        [Source(out / "valid.txt")],
        out / "run",
        **(given | changes),
    )


@pytest.mark.parametrize("config", [LSTM, DECODER], ids=["lstm", "decoder"])
def test_a_run_learns_is_resumed_and_opens(config: Any, tmp_path: Path) -> None:
    loop.fit(job(tmp_path, config))
    loop.fit(job(tmp_path, config, steps=40, resume=True))
    with (tmp_path / "run" / "history.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["valid_bits_per_character"]]
    assert [int(row["step"]) for row in rows] == [10, 20, 30, 40]
    assert [float(row["characters"]) for row in rows] == [480, 960, 1440, 1920]
    bits = [float(row["valid_bits_per_character"]) for row in rows]
    assert bits[-1] < bits[0] < 5
    # What the page and the card say is what training measured; float16 weights differ a little.
    assert load(str(tmp_path / "run")).bits_per_character(TEXT[:66]) == pytest.approx(bits[-1], abs=0.02)


def test_samples_are_running_text_and_labels_are_one_further(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    task = Characters(job(tmp_path, LSTM))
    batches = list(task.one_pass(np.random.default_rng(0)))
    for inputs, labels in batches:
        assert inputs["ids"].shape == (4, 12)
        for row, after in zip(inputs["ids"], labels, strict=True):
            assert task.tokenizer.decode([*row, after[-1]]) in TEXT
            np.testing.assert_array_equal(row[1:], after[:-1])
    assert len(batches) == (len(TEXT) - 12) // 48


def test_text_of_other_characters_or_too_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(ValueError, match="expected text of 13 different characters, received 12"):
        Characters(job(tmp_path, toy.changed(LSTM, target__vocabulary=LSTM.vocabulary + 1)))
    with pytest.raises(ValueError, match="expected texts of more than 100 characters"):
        Characters(job(tmp_path, replace(LSTM, max_target=100)))
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(ValueError, match=r"expected text in empty\.txt"):
        read_text(tmp_path / "empty.txt")


def test_a_rate_without_decay_rises_stays_and_cools() -> None:
    training = TrainingConfig(steps=100, learning_rate=0.1, decay="none", warmup_steps=10, cooldown_steps=50)
    rates = [float(WarmUp(64, training)(step)) for step in (0, 4, 9, 40, 75, 99)]
    np.testing.assert_allclose(rates, [0.01, 0.05, 0.1, 0.1, 0.05, 0.002], rtol=1e-5)


def test_contiguous_batches_go_on_and_random_ones_are_a_pass() -> None:
    ids = np.arange(100)
    batches = list(contiguous_batches(ids, 3, 5))
    x = np.concatenate([x for x, _ in batches], 1)
    np.testing.assert_array_equal(x, np.stack([np.arange(30), np.arange(33, 63), np.arange(66, 96)]))
    for rows, after in (*batches, *random_batches(ids, 3, 5, np.random.default_rng(0))):
        np.testing.assert_array_equal(after, rows + 1)
    seen = np.concatenate([x.ravel() for x, _ in random_batches(ids, 3, 5, np.random.default_rng(0))])
    assert len(set(seen)) == len(seen) == 90


def test_a_stateful_network_goes_on_where_it_stood() -> None:
    network, ids = toy.shared(LSTM), toy.ids((2, 9), vocabulary=LSTM.vocabulary)
    whole = np.asarray(network({"ids": ids}))
    stateful = Stateful(network, 2)
    stateful.build()
    for _ in range(2):  # cleared, it begins anew
        parts = [np.asarray(stateful({"ids": ids[:, part]})) for part in (slice(0, 4), slice(4, 9))]
        np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-5)
        stateful.clear()


def test_a_run_of_the_puzzle_reports_its_curve() -> None:
    for run in RUNS:
        rows = list(learn(run, TEXT, TEXT[:88], units=8, rows=4, length=10, steps=4, every=2))
        assert [set(row) for row in rows] == [set(COLUMNS)] * 2
        assert [row["characters"] for row in rows] == [80, 160]
        assert all(0 < float(row["valid_bits"]) < 5 for row in rows)
    with pytest.raises(ValueError, match="expected text for 64 rows"):
        next(learn(RUNS[0], TEXT[:200], TEXT[:88], units=8))
