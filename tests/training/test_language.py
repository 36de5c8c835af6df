"""Learning to go on with a text: windows, bits per byte against plain loops, and a run that learns and is resumed."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.config import END
from transformer.corpus.files import read_paragraphs
from transformer.formulas.bits import bits, encode, windows
from transformer.pipeline import load
from transformer.text.tokenizer import SubwordTokenizer
from transformer.training import loop
from transformer.training.data import Source
from transformer.training.language import PROBES, Language
from transformer.training.presets import Preset, TrainingConfig
from transformer.training.snapshots import log_spaced

LENGTH, VOCABULARY, STEPS = 16, 24, 40


PRESET = Preset(
    "toy",
    toy.decoder(
        vocabulary=VOCABULARY,
        decoder_layers=1,
        width=16,
        feed_forward=32,
        max_target=LENGTH,
        positions="learned",
        scale_embeddings=False,
        dropout=0.0,
        start_id=END,
    ),
    TrainingConfig(steps=STEPS, batch_tokens=8 * LENGTH, warmup_steps=10, clip_norm=1.0, label_smoothing=0.0),
)


def write_text(place: Path) -> None:
    """Sentences in which a word says which comes next."""
    chain = {"ada": "bob", "bob": "cyd", "cyd": "dan", "dan": "eve", "eve": "ada"}
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(300):
        words = [str(rng.choice(list(chain)))]
        while len(words) < 8:
            words.append(chain[words[-1]])
        lines.append(" ".join(words) + ".\n")
    (place / "train.txt").write_text("".join(lines[20:]))
    (place / "valid.txt").write_text("".join(lines[:20]))


def job(place: Path, **changes: Any) -> loop.Job:
    options: dict[str, Any] = dict(
        preset=PRESET,
        data=[Source(place / "train.txt")],
        valid=[Source(place / "valid.txt")],
        out=place / "out",
        precision="float32",
        minutes=60.0,
        validate_every=STEPS // 2,
        average=1,
    )
    return loop.Job(**(options | changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of half the steps, then resumed to the end."""
    place = tmp_path_factory.mktemp("run")
    write_text(place)
    half = replace(PRESET, training=replace(PRESET.training, steps=STEPS // 2))
    loop.fit(job(place, preset=half))
    loop.fit(job(place, resume=True))
    return place


def test_it_learns_and_goes_on_where_it_stood(run: Path) -> None:
    with (run / "out/history.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [int(row["step"]) for row in rows] == [STEPS // 2, STEPS]
    assert list(rows[0]) == [*loop.HISTORY, "valid_bits_per_byte"]
    assert float(rows[1]["valid_loss"]) < float(rows[0]["valid_loss"]) < math.log(VOCABULARY)
    assert json.loads((run / "out/checkpoints/state.json").read_text())["step"] == STEPS


def test_the_curve_says_what_the_weights_say(run: Path) -> None:
    """Validation by hand: windows side by side, each token's cross-entropy in float64."""
    with (run / "out/history.csv").open(newline="") as lines:
        row = list(csv.DictReader(lines))[-1]
    network = toy.network(PRESET.model)
    folder.assign_weights(network, folder.load_weights(run / f"out/checkpoints/step-{STEPS:08d}.safetensors"))
    tokenizer = SubwordTokenizer.load(run / "out" / folder.TOKENIZER)
    text = encode(tokenizer, read_paragraphs(run / "valid.txt"))
    inputs, labels = windows(text.ids, LENGTH)
    whole = len(inputs) // 8 * 8
    log_p = np.log(toy.softmax(np.asarray(network.forward(inputs[:whole]).logits).astype(np.float64)))
    loss = -np.take_along_axis(log_p, labels[:whole, :, None], -1).mean()
    assert float(row["valid_loss"]) == pytest.approx(loss, rel=1e-4)
    assert float(row["valid_bits_per_byte"]) == pytest.approx(
        loss / math.log(2) * len(text.ids) / text.bytes, rel=1e-4
    )


def test_what_is_left_is_a_model_that_writes(run: Path) -> None:
    model = load(str(run / "out"))
    assert model.config == PRESET.model
    assert model.trace("ada bob").target[-1].text
    text = encode(model.tokenizer, read_paragraphs(run / "valid.txt"))
    found = bits(model.runtime.score, text, LENGTH, rows=4)
    assert found["perplexity_per_token"] < VOCABULARY / 2


def test_snapshots_hold_every_probe_at_every_wanted_step(run: Path) -> None:
    tokenizer = SubwordTokenizer.load(run / "out" / folder.TOKENIZER)
    with np.load(run / "out/snapshots.npz", allow_pickle=False) as saved:
        wanted = {*log_spaced(STEPS // 2), *(s for s in log_spaced(STEPS) if s > STEPS // 2)}
        assert saved["steps"].tolist() == sorted(wanted)
        for i, probe in enumerate(PROBES):
            read = [END, *tokenizer.encode(probe).ids[:-1]][:LENGTH]
            assert saved[f"{i}/target"].tolist() == read
            maps = saved[f"{i}/decoder"]
            assert maps.shape == (len(wanted), 1, 2, len(read), len(read))
            # Each of the weights is off by at most half a 255th.
            assert np.abs(maps.sum(-1, dtype=int) - 255).max() <= LENGTH / 2
            assert not maps[..., *np.triu_indices(len(read), 1)].any()


def test_a_pass_reads_each_source_as_often_as_its_weight_says(run: Path) -> None:
    task = Language(job(run, resume=True, data=[Source(run / "train.txt", 1.5)]))
    count = len(task.texts[0][0].ids)
    passes = [list(task.one_pass(np.random.default_rng(seed))) for seed in (1, 1, 2)]
    for inputs, labels in passes[0]:
        assert inputs["ids"].shape == labels.shape == (8, LENGTH)
        np.testing.assert_array_equal(inputs["ids"][:, 1:], labels[:, :-1])
    rows = 8 * len(passes[0])
    # What begins elsewhere loses a window, and what does not fill a batch is left out.
    assert 1.5 * count / LENGTH - 12 < rows <= 1.5 * count / LENGTH
    np.testing.assert_array_equal(passes[0][0][1], passes[1][0][1])
    assert (passes[0][0][1] != passes[2][0][1]).any()


def test_a_little_validation_text_is_measured_too(run: Path) -> None:
    """Less than one batch of it."""
    few = run / "few.txt"
    few.write_text("".join((run / "valid.txt").read_text().splitlines(True)[:4]))
    task = Language(job(run, resume=True, valid=[Source(few)]))
    network = toy.network(PRESET.model)
    inputs, labels = windows(task.valid.ids, LENGTH)
    assert 1 <= len(inputs) < 8
    log_p = np.log(toy.softmax(np.asarray(network.forward(inputs).logits).astype(np.float64)))
    loss = -np.take_along_axis(log_p, labels[:, :, None], -1).mean()
    assert task.validate(network)["valid_loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize(
    ("train", "valid", "message"),
    [
        ("", None, "too little text"),
        (None, "ada bob.\n", f"expected validation text of more than {LENGTH} tokens, received"),
        ("ada bob cyd dan eve.\n" * 9, None, "expected data enough to fill one batch"),
    ],
)
def test_text_that_cannot_train_is_refused(
    run: Path, tmp_path: Path, train: str | None, valid: str | None, message: str
) -> None:
    write_text(tmp_path)
    for name, content in (("train.txt", train), ("valid.txt", valid)):
        if content is not None:
            (tmp_path / name).write_text(content)
    # Where there is some text, the vocabulary of the run above is taken: a few words are too few for one.
    initial = run / "out" if train != "" else None
    with pytest.raises(ValueError, match=message):
        loop.fit(job(tmp_path, initial=initial))
