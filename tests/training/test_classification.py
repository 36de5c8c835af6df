"""Learning classes of texts: word dropout, batches, accuracy against plain loops, and a run that learns."""

import csv
import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.config import END, PAD
from transformer.corpus.files import numbered, read_pairs
from transformer.pipeline import load
from transformer.training import loop
from transformer.training.classification import PROBES, Classification, left_out
from transformer.training.data import Source
from transformer.training.presets import PRESETS, Preset, TrainingConfig

VOCABULARY, STEPS, LONGEST = 26, 60, 20
PRESET = Preset(
    "toy",
    toy.encoder(
        vocabulary=VOCABULARY,
        encoder_layers=1,
        width=16,
        norm="post",
        max_source=LONGEST,
        positions="learned",
        output="classes",
        classes=2,
        class_names=("low", "high"),
        pooling="max",
        scale_embeddings=False,
        dropout=0.0,
    ),
    TrainingConfig(steps=STEPS, batch_tokens=160, warmup_steps=10, learning_rate=0.3, label_smoothing=0.0),
)


def write_rows(place: Path) -> None:
    """The word "sun" makes a line high; some lines are longer than the network reads."""
    rng = np.random.default_rng(0)
    lines = []
    for i in range(240):
        said = [str(word) for word in rng.choice(["ada", "bob", "cyd", "dan"], int(rng.integers(3, 9)))]
        high = i % 2
        if high:
            said[int(rng.integers(2))] = "sun"
        if i % 24 < 2:
            said += ["bob"] * 30
        lines.append(f"{('low', 'high')[high] if i % 3 else high}\t{' '.join(said)}\n")
    (place / "train.tsv.gz").write_bytes(gzip.compress("".join(lines[40:]).encode()))
    (place / "valid.tsv").write_text("".join(lines[:40]))


def job(place: Path, **changes: Any) -> loop.Job:
    options: dict[str, Any] = dict(
        preset=PRESET,
        data=[Source(place / "train.tsv.gz")],
        valid=[Source(place / "valid.tsv")],
        out=place / "out",
        precision="float32",
        minutes=60.0,
        validate_every=STEPS,
        average=1,
    )
    return loop.Job(**(options | changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run")
    write_rows(place)
    loop.fit(job(place))
    return place


def test_labels_are_numbers_or_names() -> None:
    assert numbered(["0", "high", "low", "1"], ("low", "high"), 2).tolist() == [0, 1, 0, 1]
    with pytest.raises(ValueError, match="expected labels out of 0, 1, low, high, received 'mid'"):
        numbered(["mid"], ("low", "high"), 2)


def test_word_dropout_leaves_out_the_share_it_is_told_and_never_the_end() -> None:
    rng = np.random.default_rng(1)
    row = [*range(10, 2010), END]
    kept = left_out(row, 0.3, rng)
    assert kept[-1] == END and kept == [*sorted(kept[:-1]), END]
    # 2,000 draws: four standard deviations are 82.
    assert abs(len(kept) - 1401) < 82
    assert left_out(row, 0.0, rng) == row
    assert left_out([END], 0.9, rng) == [END]


def test_it_learns_and_the_curve_says_what_the_weights_say(run: Path) -> None:
    """Loss and accuracy of the last row again, text by text, by the numpy network in float64."""
    with (run / "out/history.csv").open(newline="") as lines:
        row = list(csv.DictReader(lines))[-1]
    assert list(row) == [*loop.HISTORY, "valid_accuracy"]
    weights = folder.load_weights(run / f"out/checkpoints/step-{STEPS:08d}.safetensors")
    reference, model = toy.Reference(PRESET.model, weights), load(str(run / "out"))
    nats, right = [], []
    for label, text in read_pairs(run / "valid.tsv"):
        ids = model.tokenizer.encode(text).ids
        ids = ids if len(ids) <= LONGEST else [*ids[: LONGEST - 1], END]
        p = toy.softmax(reference.read(np.array(ids))[0])
        chosen = {"0": 0, "low": 0, "1": 1, "high": 1}[label]
        nats.append(-np.log(p[chosen]))
        right.append(int(p.argmax()) == chosen)
    assert float(row["valid_loss"]) == pytest.approx(np.mean(nats), rel=1e-4)
    assert float(row["valid_accuracy"]) == pytest.approx(100 * np.mean(right), rel=1e-4)
    assert np.mean(right) > 0.9


def test_what_is_left_is_a_model_that_names_classes(run: Path) -> None:
    model = load(str(run / "out"))
    assert model.config == PRESET.model
    assert model.trace("ada sun bob").output == "high" and model.trace("ada bob").output == "low"


def test_a_pass_holds_every_text_once_but_what_fills_no_batch(run: Path) -> None:
    task = Classification(job(run, resume=True, data=[Source(run / "train.tsv.gz", 1.5)]))
    batches = list(task.one_pass(np.random.default_rng(0)))
    for inputs, labels in batches:
        ids = inputs["ids"]
        assert ids.dtype == np.int32 and ids.size <= 160 and labels.shape == (len(ids), 2)
        assert (labels.sum(-1) == 1).all() and ids.shape[1] in (16, LONGEST)
        # The end token is each row's last but padding, and a line is high if the sun is in it.
        assert ((ids == END).sum(-1) == 1).all()
        for row, label in zip(ids, labels, strict=True):
            text = task.tokenizer.decode(row[row != PAD].tolist())
            assert ("sun" in text) == bool(label[1])
    rows = sum(len(labels) for _, labels in batches)
    assert 1.5 * 200 - 2 * 10 <= rows <= 1.5 * 200


def test_snapshots_hold_every_probe(run: Path) -> None:
    model = load(str(run / "out"))
    with np.load(run / "out/snapshots.npz", allow_pickle=False) as saved:
        for i, probe in enumerate(PROBES):
            ids = model.tokenizer.encode(probe).ids
            read = ids if len(ids) <= LONGEST else [*ids[: LONGEST - 1], END]
            assert saved[f"{i}/source"].tolist() == read
            assert saved[f"{i}/encoder"].shape == (len(saved["steps"]), 1, 2, len(read), len(read))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected texts to validate on, received none"),
        ("sun\tada\n", "expected labels out of 0, 1, low, high, received 'sun'"),
        ("ada\n", "expected two columns in line 1"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_refused(
    run: Path, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "valid.tsv").write_text(content)
    with pytest.raises(ValueError, match=message):
        Classification(job(run, resume=True, valid=[Source(tmp_path / "valid.tsv")]))


def test_an_encoder_that_names_no_class_is_refused(run: Path) -> None:
    guesser = replace(PRESET, model=toy.encoder(vocabulary=VOCABULARY, output="masked_tokens"))
    with pytest.raises(ValueError, match="expected an encoder that names classes, received one for masked"):
        Classification(job(run, preset=guesser))


def test_both_presets_differ_in_their_positions_and_their_steps() -> None:
    with_, without = PRESETS["sentiment-en"], PRESETS["sentiment-en-unordered"]
    assert toy.changed(with_.model, encoder__table__kind="none") == without.model != with_.model
    assert replace(with_.training, steps=1_000, cooldown_steps=600) == without.training
