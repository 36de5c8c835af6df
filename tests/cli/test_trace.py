"""`trace`: an answer and its file, and what a network cannot do said in one line."""

from pathlib import Path

import numpy as np
import pytest

from tests import toy
from tests.audio.sounds import encode, tone
from tests.cli.shared import run
from transformer.checkpoints import folder
from transformer.config import ModelConfig
from transformer.text.characters import CharacterTokenizer
from transformer.text.tokenizer import SubwordTokenizer
from transformer.trace import Trace

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
LETTERS = "the cat\nsat on a mat.\n"


@pytest.fixture(scope="module")
def lstm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a character LSTM of random weights."""
    config = ModelConfig.from_dict(dict(
        tokens="characters", recurrence="lstm", vocabulary=len(set(LETTERS)) + 2, encoder_layers=0, decoder_layers=1,
        embedding_width=5, width=7, heads=1, feed_forward=1, positions="none", pad_id=0, unknown_id=1, start_id=2,
        end_id=2, suppressed=(0, 1), max_target=12, dropout=0.0,
    ))  # fmt: skip
    place = tmp_path_factory.mktemp("lstm")
    folder.save_config(place, config)
    folder.save_weights(place / folder.WEIGHTS, folder.read_weights(toy.shared(config)))
    CharacterTokenizer.train(LETTERS).save(place / folder.TOKENIZER)
    return place


@pytest.mark.parametrize("suffix", ["npz", "json", "html"])
def test_a_trace_is_written(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "writer").symlink_to(place / "writer")
    status, out, said = run(capsys, "trace", "~/writer", "the cat", f"--out=~/x.{suffix}")
    assert (status, said) == (0, "") and out.startswith("the cat")
    found = tmp_path / f"x.{suffix}"
    if suffix == "html":
        assert found.read_text().startswith("<!doctype html>")
    else:
        assert f"{Trace.load(found).output}\n" == out


def test_tokens_and_beams_are_taken(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "trace", place / "writer", "the cat", "--tokens", 0)
    assert out == "the cat\n"
    status, _, said = run(capsys, "trace", place / "translator", "the cat", "--beam", 2)
    assert (status, said) == (0, "")


def test_a_look_is_cut(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.npz"
    run(capsys, "trace", place / "writer", "the cat", "--tokens", 0, "--change", "x:d*.*.*.1", "--out", out)
    trace = Trace.load(out)
    assert trace.options["interventions"] == "x:d*.*.*.1" and trace.options["spared"] == 4
    assert not trace["decoder"].weights[:, :, 1:, 0].any()


def test_a_pair_is_given_as_two_texts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scorer, pair = (
        GOLDEN / "heads-bert-score",
        ("The cat sat on the mat", "--second", "The cat lay on the rug"),
    )
    assert run(capsys, "trace", scorer, *pair) == (0, "0.8843\n", "")  # what the reference says of it
    status, _, said = run(capsys, "trace", place / "classifier", *pair)
    assert status and "expected one text for classifier, received two" in said


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("translator", ["--beam", "0"], "expected 1 to 8 beams, received 0"),
        ("translator", ["--tokens", "3"], "expected no --tokens for translator, a translator, received one"),
        ("writer", ["--tokens", "-1"], "expected at least 0 tokens, received -1"),
        (
            "translator",
            ["--change", "h:x9.1"],
            "expected a layer up to 2 and a head up to 2 of cross, received layer 9",
        ),
        ("translator", ["--change", "off"], "expected changes such as"),
        ("translator", ["--change", "x:x1.9.1.1"], "expected a layer up to 2 and a head up to 2 of cross"),
        (
            "translator",
            ["--change", "x:x1.1.1.3-2"],
            "expected a last_key behind the first, received 2 and 1",
        ),
        ("writer", ["--change", "h:e1.1"], "expected changes"),
        ("writer", ["--beam", "2"], "expected no --beam for writer"),
        ("writer", ["--language", "pt"], "expected no --language for writer"),
        ("classifier", ["--target", "x"], "expected no --target for classifier"),
        ("writer", ["--out", "x.csv"], "expected --out to end in .npz, .json or .html, received x.csv"),
        ("writer", ["--out", "no/such/folder/x.npz"], "No such file or directory: no/such/folder/x.npz"),
    ],
)
def test_a_mistake_is_one_clear_line(
    place: Path, capsys: pytest.CaptureFixture[str], model: str, more: list[str], message: str
) -> None:
    status, out, said = run(capsys, "trace", place / model, "the cat", *more)
    assert (status, out) == (2, "")
    assert said.startswith(f"transformer trace: {message}") and len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["", " ", "a" * 5000, "a\0b", "~nobody-of-this-name/x", "two\nlines"], ids=ascii
)
def test_no_model_by_that_name_is_one_clear_line(capsys: pytest.CaptureFixture[str], name: str) -> None:
    status, out, said = run(capsys, "trace", name, "the cat")
    assert (status, out) == (2, "")
    assert said.startswith("transformer trace: expected a shipped model") and len(said.splitlines()) == 1


def test_without_attention_it_writes_and_says_so(
    lstm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, said = run(capsys, "trace", lstm, "the ", "--tokens", 5)
    assert (status, said) == (0, f"{lstm.name} has no attention: nothing was recorded\n")
    assert out.startswith("the ") and len(out) == len("the ") + 5 + 1
    status, out, said = run(capsys, "trace", lstm, "the ", "--out", tmp_path / "x.npz")
    assert (status, out) == (2, "")
    assert said.startswith("transformer trace: expected a network with attention") and said.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("format", ["npz", "json", "html"])
def test_a_full_disk_is_one_line(
    format: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"trace.{format}").symlink_to("/dev/full")
    said = run(capsys, "trace", place / "translator", "the cat", "--out", tmp_path / f"trace.{format}")
    assert said == (2, "", "transformer trace: No space left on device\n")


@pytest.mark.parametrize("beams", [0, -1, 9, 10**30])
def test_a_search_of_no_width_is_one_line(
    beams: int, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, said = run(capsys, "trace", place / "translator", "the cat", "--beam", beams)
    assert (status, out, said) == (2, "", f"transformer trace: expected 1 to 8 beams, received {beams}\n")


def test_a_clip_longer_than_a_pass_goes_part_by_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = SubwordTokenizer.train(["one two three one two three"] * 2, 23)
    config = toy.config(
        stem="t2t", bins=8, stem_channels=2, ctc=True, vocabulary=tokenizer.size, max_source=30, max_target=5
    )
    listens = tmp_path / "listens"
    listens.mkdir()
    folder.save_config(listens, config)
    folder.save_weights(listens / folder.WEIGHTS, toy.tensors(toy.network(config), 3))
    tokenizer.save(listens / folder.TOKENIZER)
    loud, quiet = tone(seconds=0.8), np.zeros(4_800, np.float32)
    (tmp_path / "long.wav").write_bytes(encode(np.concatenate([loud, quiet, loud])))
    arguments = ("trace", listens, tmp_path / "long.wav", "--language", "en", "--out", tmp_path / "x.npz")
    status, out, said = run(capsys, *arguments)
    parts = [Trace.load(tmp_path / f"x-{number}.npz") for number in (1, 2)]
    lines = out.splitlines()
    assert status == 0 and lines[0] == " ".join(part.output for part in parts if part.output)
    words = [word for part in parts for word in part.words]
    assert [line.split()[-1] for line in lines[1:]] == [word.text for word in words]
    times = [float(line.split()[0]) for line in lines[1:]]
    assert (
        times == sorted(times) and "part 1, 0.00 to 1.00 s: x-1.npz" in said and "to 1.90 s: x-2.npz" in said
    )
    assert parts[0].input == "long.wav"
