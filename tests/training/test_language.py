"""Learning to go on with a text: windows, bits per byte against plain loops, and a run that learns and is resumed."""

import csv
import gzip
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.config import END, Preset, TrainingConfig
from transformer.pipeline import load
from transformer.text.tokenizer import SubwordTokenizer
from transformer.training import loop
from transformer.training.data import Source
from transformer.training.language import (
    PROBES,
    Language,
    Text,
    bits,
    encode,
    read_paragraphs,
    windows,
)
from transformer.training.snapshots import log_spaced

LENGTH, VOCABULARY, STEPS = 16, 24, 40


# Files and ids


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_paragraphs_are_lines_with_something_in_them(tmp_path: Path, name: str) -> None:
    content = "One  two.\n\n \t\nThree\u00a0four\r\nfive".encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert read_paragraphs(tmp_path / name) == ["One two.", "Three four", "five"]


def test_a_file_that_is_no_text_is_refused_with_its_name(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b"%d times %d\n" % (i, i * i) for i in range(9000)))
    middle = bytearray(whole)
    middle[40:80] = bytes(40)
    for name, content in (
        ("a.txt", b"\xff\xfe"),
        ("a.txt.gz", b"no gzip"),
        ("a.txt.gz", whole[:100]),
        ("a.txt.gz", bytes(middle)),
        ("a.txt.gz", gzip.compress(b"\xff")),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"expected UTF-8 text in {name}, received"):
            read_paragraphs(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_paragraphs(tmp_path / "nothing.txt")


def test_a_text_is_counted_as_people_count_it() -> None:
    tokenizer = SubwordTokenizer.train(["a bb ccc"] * 4, 12)
    found = encode(tokenizer, ["a bb", "ção"])
    assert found.ids.tolist() == [*tokenizer.encode("a bb").ids, *tokenizer.encode("ção").ids]
    assert (found.bytes, found.words) == (4 + 1 + 5 + 1, 3)
    assert found.ids.tolist().count(END) == 2


def test_a_tokenizer_without_an_end_gets_one() -> None:
    class Bare:
        def encode_all(self, texts: list[str]) -> list[list[int]]:
            return [[ord(c) for c in text] for text in texts]

    assert encode(Bare(), ["ab", "c"], end=7).ids.tolist() == [97, 98, 7, 99, 7]


# Windows


@pytest.mark.parametrize(("count", "length", "start"), [(50, 8, 0), (50, 8, 3), (49, 8, 0), (17, 16, 0)])
def test_windows_are_the_text_and_the_text_moved_by_one(count: int, length: int, start: int) -> None:
    ids = np.arange(count) * 3
    inputs, labels = windows(ids, length, start)
    expected = []
    while start + length + 1 <= count:
        expected.append(ids[start : start + length + 1])
        start += length
    assert inputs.tolist() == [row[:-1].tolist() for row in expected]
    assert labels.tolist() == [row[1:].tolist() for row in expected]


@pytest.mark.parametrize(("count", "start"), [(0, 0), (5, 0), (8, 0), (5, 7), (5, 5)])
def test_a_text_shorter_than_a_window_gives_none(count: int, start: int) -> None:
    inputs, labels = windows(np.arange(count), 8, start)
    assert inputs.shape == labels.shape == (0, 8)


# Bits


class Uniform:
    """Every token of V is as likely as any other; notes what it was given."""

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary, self.shapes = vocabulary, set[tuple[int, ...]]()

    def __call__(self, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        self.shapes.add(inputs.shape)
        return np.full(inputs.shape, -math.log(self.vocabulary), np.float32)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("length", [1, 2, 7, 8])
@pytest.mark.parametrize("count", [1, 3, 7, 8, 9, 12, 40])
def test_a_uniform_network_needs_log2_of_its_vocabulary_for_each_token(
    count: int, length: int, rows: int
) -> None:
    uniform, text = Uniform(32), Text(np.arange(count) % 20 + 4, count * 3, 5)
    found = bits(uniform, text, length, rows=rows)
    assert found["count"] == count
    assert found["perplexity_per_token"] == pytest.approx(32)
    assert found["bits_per_byte"] == pytest.approx(5 / 3)
    assert found["perplexity"] == pytest.approx(32 ** (count / 5))
    assert all(shape[0] <= rows and shape[1] == length for shape in uniform.shapes)


@pytest.mark.parametrize("length", [1, 5, 8])
@pytest.mark.parametrize("count", [1, 4, 8, 9, 30])
def test_each_token_counts_once_with_half_a_window_before_it(count: int, length: int) -> None:
    """The score of a label depends on all that stands before it in the window: found again by a plain loop."""
    ids = toy.ids((1, count), 2)[0]

    def score(inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        mixed = np.cumsum(inputs * np.array([1.0, 2.0, 3.0] * length)[: inputs.shape[1]], 1)
        return -np.abs(np.sin(mixed + labels))

    stream, total, done = [9, *ids.tolist()], 0.0, 0
    while done < count:
        before = done if done < length else length // 2
        first = done - (0 if done == 0 else before)
        window = np.array([stream[first : first + length + 1]])
        row = score(window[:, :-1], window[:, 1:])[0]
        total -= row[done - first :].sum()
        done = first + len(row)
    for rows in (1, 4):
        found = bits(score, Text(ids, 10, 3), length, start=9, rows=rows)
        assert found["bits_per_byte"] == pytest.approx(total / math.log(2) / 10)
        assert found["perplexity_per_token"] == pytest.approx(math.exp(total / count))
        assert found["perplexity"] == pytest.approx(math.exp(total / 3))


def test_a_hopeless_network_has_a_perplexity_that_is_a_number() -> None:
    found = bits(lambda inputs, labels: np.full(inputs.shape, -900.0), Text(np.array([5, 6]), 2, 1), 4)
    for name in ("perplexity", "perplexity_per_token"):
        assert math.isfinite(found[name]) and found[name] > 1e300
    assert found["bits_per_byte"] == pytest.approx(900 / math.log(2))


# A run

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
