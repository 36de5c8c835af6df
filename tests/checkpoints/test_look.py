"""A look at a folder: what it is and what it costs, or one line on why it cannot be opened."""

import json
import os
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from transformer import home
from transformer.checkpoints.look import OURS, fits, look
from transformer.pipeline import load

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.mark.parametrize(
    ("name", "kind", "family", "tokenizer"),
    [
        ("marian-published", "marian", "seq2seq", False),
        ("marian-swish", "marian", "seq2seq", True),
        ("gpt2-published", "gpt2", "decoder", True),
        ("bert-sharded", "bert", "encoder", False),
        ("whisper-english", "whisper", "speech", False),
    ],
)
def test_it_knows_what_a_folder_is(name: str, kind: str, family: str, tokenizer: bool) -> None:
    found = look(GOLDEN / name)
    assert (found.kind, found.config.family, found.tokenizer) == (kind, family, tokenizer)
    numbers = [t.size for f in (GOLDEN / name).glob("*.safetensors") for t in load_file(f).values()]
    assert found.parameters == sum(numbers)
    assert found.memory == 4 * (2 * sum(numbers) + max(numbers)), "as read, in the network, and one tensor"


def test_a_folder_of_this_project_is_one() -> None:
    found = look(home.models() / "pt-en")
    assert (found.kind, found.config.attention_shapes()["encoder"], found.tokenizer) == (OURS, (4, 8), True)
    numbers = sum(tensor.size for tensor in load_file(home.models() / "pt-en" / "model.safetensors").values())
    assert found.parameters == numbers


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / "marian-swish", tmp_path / "copy"))


@pytest.mark.parametrize(
    "name", ["config.json", "generation_config.json", "tokenizer_config.json", "source.spm"]
)
@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_what_only_looks_like_a_file_is_not_read(copy: Path, name: str, kind: str) -> None:
    (copy / name).unlink()
    if kind == "device":
        (copy / name).symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(copy / name)
    else:
        (copy / name).mkdir()
    for opened in (look, lambda path: load(str(path))):
        with pytest.raises(ValueError, match=f"expected an ordinary file at {name}"):
            opened(copy)


def test_a_folder_that_may_not_be_read_is_refused(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", forbidden)
    with pytest.raises(
        ValueError, match="expected a folder that can be read at copy, received Permission denied"
    ):
        look(copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 10**6},
        {"vocabulary": 10**10},
        {"decoder_layers": 10**6},
        {"max_source": 10**12},
        {"token_types": 10**12},
        {"source_vocabulary": 10**12, "shared_embeddings": False},
        {"family": "speech", "stem": "whisper", "bins": 10**9},
        {"decoder_feed_forward": 10**12},
    ],
)
def test_settings_that_would_only_cost_memory_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    folder = Path(shutil.copytree(home.models() / "pt-en", tmp_path / "copy"))
    values = json.loads((GOLDEN / "config-v1" / "pt-en.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(values | changes))
    with pytest.raises(ValueError, match=r"expected at (least|most)"):
        look(folder)


@pytest.mark.parametrize("kind", ["attention", "cross"])
def test_heads_that_would_only_cost_memory_are_refused(tmp_path: Path, kind: str) -> None:
    folder = Path(shutil.copytree(home.models() / "pt-en", tmp_path / "copy"))
    values = json.loads((folder / "config.json").read_text("utf-8"))
    values["decoder"][kind]["head_width"] = 10**9
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match="expected at least"):
        look(folder)


def test_a_decoder_wider_than_its_file_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN / "gpt2-tied", tmp_path / "copy"))
    values = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(values | {"n_layer": 200}))
    with pytest.raises(ValueError, match=r"expected at least .* numbers for the sizes"):
        look(folder)


def test_no_folder_is_no_model(tmp_path: Path) -> None:
    for place, says in ((tmp_path / "none", "expected a folder"), (tmp_path, "expected config.json")):
        with pytest.raises(ValueError, match=says):
            look(place)


def test_what_does_not_fit_is_refused_with_both_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformer.checkpoints.look.free_memory", lambda: 3_000_000_000)
    fits(3_000_000_000)
    with pytest.raises(
        ValueError, match=r"fits into 3.0 GB of free memory, received one that needs about 3.1 GB"
    ):
        fits(3_100_000_000)
