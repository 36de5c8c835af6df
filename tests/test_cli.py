"""`python -m transformer`: figures on standard output, mistakes in one line on standard error with exit status 2."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import toy
from transformer import home, pipeline
from transformer.checkpoints import folder
from transformer.cli import main
from transformer.config import END
from transformer.text.tokenizer import SubwordTokenizer

TEXTS = ["the cat sat on the mat.", "a dog, a cat and 12 mice!", "the dog sat", "a mat"]
VOCABULARY = 40
CLASSES = dict(output="classes", classes=2, class_names=("bad", "good"))
CONFIGS = {
    "classifier": toy.encoder(vocabulary=VOCABULARY, **CLASSES),
    "translator": toy.config(vocabulary=VOCABULARY, encoder_layers=1),
    "writer": toy.decoder(vocabulary=VOCABULARY, start_id=END),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model folders with random weights, one of each family, and test files beside them."""
    models = tmp_path_factory.mktemp("models")
    for name, config in CONFIGS.items():
        (models / name).mkdir()
        folder.save_config(models / name, config)
        folder.save_weights(models / name / folder.WEIGHTS, folder.read_weights(toy.shared(config)))
        SubwordTokenizer.train(TEXTS * 4, VOCABULARY).save(models / name / folder.TOKENIZER)
    (models / "text.txt").write_text("\n".join(TEXTS))
    (models / "labels.tsv").write_text("".join(f"good\t{text}\n" for text in TEXTS))
    (models / "empty.txt").write_text("")
    (models / "bytes.txt").write_bytes(b"\xff\xfe")
    return models


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    out, said = capsys.readouterr()
    return status, out, said


def test_a_writer_is_evaluated_on_text(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("evaluate", place / "writer", "--data", place / "text.txt")
    status, out, said = run(capsys, *arguments, "--json")
    figures = json.loads(out)
    assert (status, said) == (0, "")
    assert set(figures) == {"perplexity", "bits_per_byte", "perplexity_per_token", "count"}
    assert figures["count"] == sum(
        len(SubwordTokenizer.load(place / "writer/tokenizer.json").encode(t).ids) for t in TEXTS
    )
    _, out, _ = run(capsys, *arguments, "--limit", 1)
    shown = dict(line.split() for line in out.splitlines())
    assert list(shown) == list(figures)
    assert 0 < int(shown["count"]) < figures["count"]


def test_a_classifier_is_evaluated_on_labels(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("evaluate", place / "classifier", "--data", place / "labels.tsv", "--json")
    status, out, said = run(capsys, *arguments)
    good = pipeline.load(str(place / "classifier")).classify(TEXTS).argmax(-1).sum()
    assert (status, json.loads(out), said) == (0, {"accuracy": 25.0 * good, "count": 4}, "")


@pytest.mark.parametrize(
    ("model", "data", "more", "message"),
    [
        ("writer", "nothing.txt", [], "No such file or directory: "),
        ("writer", "writer", [], "Is a directory: "),
        ("writer", "empty.txt", [], "expected lines in "),
        ("writer", "bytes.txt", [], "expected UTF-8 text in bytes.txt"),
        ("writer", "text.txt", ["--limit", "0"], "expected --limit of at least 1, received 0"),
        ("classifier", "text.txt", [], "expected two columns in line 1 of text.txt"),
        ("translator", "text.txt", [], "expected two columns in line 1 of text.txt"),
        ("no-such-model", "text.txt", [], "expected a shipped model"),
    ],
)
def test_a_mistake_is_one_clear_line(
    place: Path, capsys: pytest.CaptureFixture[str], model: str, data: str, more: list[str], message: str
) -> None:
    name = place / model if model in CONFIGS else model
    status, out, said = run(capsys, "evaluate", name, "--data", place / data, *more)
    assert (status, out) == (2, "")
    assert said.startswith(f"transformer evaluate: {message}") and len(said.splitlines()) == 1


def test_models_of_every_family_are_listed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "models", lambda: place)
    status, out, said = run(capsys, "models")
    assert (status, said) == (0, "")
    assert [" ".join(line.split()) for line in out.splitlines()] == [
        "classifier encoder 2 layers, 2 heads, width 8, 40 subwords, 0 MB",
        "translator seq2seq 1+2 layers, 2 heads, width 8, 40 subwords, 0 MB",
        "writer decoder 2 layers, 2 heads, width 8, 40 subwords, 0 MB",
    ]
