"""Folders of strangers: whatever stands in their files ends in one line, or in a network."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from transformer import settings, untrusted
from transformer.checkpoints.look import look
from transformer.pipeline import load
from transformer.pipeline.checkpoint import open_checkpoint

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def copied(name: str, place: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / name, place / name))


def changed(folder: Path, file: str = "config.json", **values: Any) -> Path:
    known = json.loads((folder / file).read_text("utf-8"))
    (folder / file).write_text(json.dumps(known | values))
    return folder


def refused(folder: Path, says: str) -> None:
    """By a look and by opening, in one short line."""
    for tried in (look, lambda path: load(str(path))):
        with pytest.raises(ValueError, match=says) as caught:
            tried(folder)
        message = str(caught.value)
        assert message.startswith("expected ") and "\n" not in message and len(message) < 400, message


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
@pytest.mark.parametrize(
    "content",
    [
        "[" * 200_000,
        '{"a": ' * 200_000,
        '{"d_model": ' + "9" * 5_000 + "}",
        "[1]",
        "",
        '"a"',
        "\x00",
        '{"a": }',
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_settings_is_one_line(content: str, file: str, tmp_path: Path) -> None:
    folder = copied("marian-swish", tmp_path)
    (folder / file).write_text(content)
    refused(folder, rf"{file}.*, received ")


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
def test_no_more_is_read_than_settings_take(file: str, tmp_path: Path) -> None:
    """Three gigabytes that take no room on the disk."""
    folder = copied("marian-swish", tmp_path)
    with (folder / file).open("ab") as sparse:
        sparse.truncate(3_000_000_000)
    refused(folder, rf"expected a file of at most 4 MB at {file}, received more than 4 MB")


def test_a_folder_of_this_project_is_read_as_carefully(tmp_path: Path) -> None:
    for content in ("[" * 200_000, '{"family": ' + "9" * 5_000 + "}", "{" + " " * untrusted.SETTINGS + "}"):
        (tmp_path / "config.json").write_text(content)
        refused(tmp_path, r"config\.json")
    (tmp_path / "config.json").write_text(
        json.dumps({"family": "seq2seq", "format": 2, "width": "x" * 100_000})
    )
    (tmp_path / "model.safetensors").write_bytes(b"")
    refused(tmp_path, "expected")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bert-masked", {"hidden_act": []}),
        ("bert-masked", {"hidden_act": {"a": 1}}),
        ("bert-masked", {"layer_norm_eps": float("nan")}),
        ("bert-masked", {"hidden_size": "x" * 100_000}),
        ("bert-masked", {"vocab_size": 10**4000}),
        ("bert-masked", {"model_type": ["x" * 100_000]}),
        ("bert-masked", {"is_decoder": ["x" * 100_000]}),
        ("marian-swish", {"bad_words_ids": 5}),
        ("marian-swish", {"bad_words_ids": [5]}),
        ("marian-swish", {"bad_words_ids": {"a": []}}),
        ("marian-swish", {"decoder_vocab_size": {}}),
        ("marian-swish", {"decoder_vocab_size": {"a": 1}}),
        ("marian-swish", {"decoder_vocab_size": "7"}),
        ("gpt2-tied", {"n_inner": []}),
        ("gpt2-tied", {"n_inner": "x"}),
        ("gpt2-tied", {"n_positions": [1]}),
        ("whisper-multilingual", {"suppress_tokens": 3}),
        ("whisper-multilingual", {"begin_suppress_tokens": [[1]]}),
        ("whisper-multilingual", {"suppress_tokens": [10**30]}),
    ],
    ids=str,
)
def test_settings_of_another_type_are_named(name: str, values: dict[str, Any], tmp_path: Path) -> None:
    folder = copied(name, tmp_path)
    for file in ("generation_config.json", "config.json"):  # what the first says counts
        if (folder / file).exists():
            changed(folder, file, **values)
    refused(folder, next(iter(values)))


@pytest.mark.parametrize("heads", [3, [3], [[1]], [[1, 2, 3]], {"a": 1}, [["a", "b"]], [[1.5, 2]]])
def test_heads_for_alignment_are_pairs(heads: Any, tmp_path: Path) -> None:
    folder = copied("whisper-multilingual", tmp_path)
    changed(folder, "generation_config.json", alignment_heads=heads)
    with pytest.raises(ValueError, match="expected alignment_heads as "):
        open_checkpoint(folder)


def test_null_is_a_setting_that_is_not_there(tmp_path: Path) -> None:
    folder = copied("marian-swish", tmp_path)
    for file in ("config.json", "generation_config.json"):
        changed(folder, file, decoder_vocab_size=None, bad_words_ids=None)
    assert look(folder).config.suppressed == ()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.json", "extra.txt", "folder"])
def test_on_a_shared_server_links_lead_nowhere_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, outside = tmp_path / "shared", tmp_path / "outside"
    folder, outside = copied("marian-swish", shared), copied("marian-swish", outside)
    (outside / "extra.txt").write_text("secret")
    (outside / "folder").mkdir()
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside / name)
    look(folder)  # on one's own machine
    monkeypatch.setenv(settings.MODELS, str(shared))
    refused(folder, rf"expected files of marian-swish itself, received a link out of it: {name}")
    inside = shutil.move(outside / name, shared / name)
    (folder / name).unlink()
    (folder / name).symlink_to(inside)
    look(folder)  # below the directory


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["model.bin", "vocabulary.json"], "received model.bin: CTranslate2. Open the checkpoint"),
        (
            ["tiny-q4.gguf"],
            r'tiny-q4\.gguf: GGUF\. Convert it, .* gguf_file="tiny-q4\.gguf"\)\.save_pretrained',
        ),
        (["model.onnx"], "received model.onnx: ONNX. Open the checkpoint"),
        (["onnx/decoder.onnx"], "received decoder.onnx: ONNX. Open the checkpoint"),
        (["pytorch_model.bin"], "pytorch_model.bin: a pickle, which can run code .*safe_serialization=True"),
        (["tf_model.h5"], "tf_model.h5: Keras or Flax. Convert it"),
    ],
)
@pytest.mark.parametrize("settings", ["theirs", "others", "none"])
def test_other_formats_are_named_with_the_way_out(
    files: list[str], says: str, settings: str, tmp_path: Path
) -> None:
    folder = copied("marian-swish", tmp_path)
    (folder / "model.safetensors").unlink()
    for file in files:
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(b"weights")
    if settings == "others":  # as CTranslate2 writes them
        (folder / "config.json").write_text('{"bos_token": "<s>", "add_source_eos": false}')
    elif settings == "none":
        (folder / "config.json").unlink()
    refused(folder, says)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_no_pipe_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(ValueError, match=r"expected a file a\.json"):
        untrusted.read_object(tmp_path / "a.json")
