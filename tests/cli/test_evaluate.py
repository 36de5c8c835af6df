"""`evaluate`: figures on standard output, mistakes in one line on standard error with exit status 2."""

import json
from pathlib import Path

import pytest

from tests.cli.shared import CONFIGS, TEXTS, run
from transformer import pipeline
from transformer.text.tokenizer import SubwordTokenizer


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
        ("writer", "text.txt", ["--beam", "0"], "expected --beam of at least 1, received 0"),
        ("translator", "pairs.tsv", ["--beam", "9"], "expected 1 to 8 beams, received 9"),
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
