"""Opened models: which places may be opened, how many at a time, and what becomes of those that do not open."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from transformer import settings
from transformer.checkpoints import hub
from transformer.checkpoints.look import look
from transformer.config import ModelConfig
from transformer.training.presets import PRESETS
from transformer.ui.models import opened
from transformer.ui.models import page as models
from transformer.ui.shell import about

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(opened, "_opened", {})
    monkeypatch.delenv(settings.MODELS, raising=False)
    monkeypatch.setattr(hub, "cached", lambda name: None)
    yield
    for model in opened.opened():
        opened.forget(model.name)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Networks are not built: their names are noted."""
    names: list[str] = []

    def build(path: Path, name: str) -> Any:
        names.append(name)
        return SimpleNamespace(name=name, warm=lambda: None)

    monkeypatch.setattr("transformer.pipeline.open_folder", build)
    return names


def test_a_folder_or_an_id_is_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("here")
    for text in ("here", " here ", str(tmp_path / "here"), "link", "here/../here", "./here/"):
        assert models.place(text) == tmp_path / "here"
    assert models.place("org/name") == "org/name"


BAD = [
    "",
    "   ",
    "x" * 100_000,
    "/dev/zero",
    "/etc/passwd",
    "no such",
    "a\0b",
    "~nobody-of-this-name/x",
    "../" * 400,
    "\udcff",
]


@pytest.mark.parametrize("directory", [False, True])
@pytest.mark.parametrize("text", BAD)
def test_anything_else_is_one_line(
    text: str, directory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if directory:
        monkeypatch.setenv(settings.MODELS, str(tmp_path))
    with pytest.raises(ValueError, match="expected a folder") as caught:
        models.look_at(text)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_on_a_shared_server_only_folders_below_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, outside = tmp_path / "shared", tmp_path / "outside"
    for place in (shared / "mine", outside, tmp_path / "shared-not"):
        place.mkdir(parents=True)
    (shared / "way out").symlink_to(outside)
    (shared / "circle").symlink_to("circle")
    monkeypatch.setenv(settings.MODELS, str(shared))
    assert models.place("mine") == models.place(str(shared / "mine")) == shared / "mine"

    def said(text: str) -> str:
        with pytest.raises(ValueError) as caught:
            models.place(text)
        return str(caught.value).replace(repr(text), "it")

    missing = said("missing")
    for text in ("way out", "circle", "..", ".", str(outside), str(shared), "../outside", "../shared-not"):
        assert said(text) == missing, text
    assert said(str(tmp_path / "shared-not")) == missing
    assert said("/etc/passwd") == missing == said("/no/such/file")


def test_what_may_not_be_entered_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", forbidden)
    with pytest.raises(ValueError, match="expected a folder here, or a hub id"):
        models.place(str(tmp_path))


def test_a_model_opens_under_a_name_of_its_own(built: list[str], tmp_path: Path) -> None:
    other = Path(shutil.copytree(GOLDEN / "marian-swish", tmp_path / "marian-swish"))
    first = opened.open_model(GOLDEN / "marian-swish")
    second = opened.open_model(other, taken=["marian-swish-2"])
    for model in (first, second):
        model.future.result(60)
    assert built == ["marian-swish", "marian-swish-3"] == opened.names("seq2seq")
    assert opened.names("decoder") == []
    found = opened.get("marian-swish")
    assert found and found.found == look(GOLDEN / "marian-swish")
    opened.forget("marian-swish")
    assert opened.names("seq2seq") == ["marian-swish-3"] and opened.get("marian-swish") is None


@pytest.mark.parametrize(("told", "warmed"), [("all", 1), ("first", 0), ("none", 0)])
def test_an_opened_model_compiles_ahead_only_where_all_do(
    monkeypatch: pytest.MonkeyPatch, told: str, warmed: int
) -> None:
    calls: list[str] = []
    monkeypatch.setenv(settings.WARM, told)
    monkeypatch.setattr(
        "transformer.pipeline.open_folder",
        lambda path, name: SimpleNamespace(name=name, warm=lambda: calls.append(name)),
    )
    threads = threading.enumerate()
    opened.open_model(GOLDEN / "gpt2-tied").future.result(60)
    for thread in [thread for thread in threading.enumerate() if thread not in threads]:
        thread.join(60)
    assert calls == ["gpt2-tied"] * warmed


def test_as_many_as_there_may_be_and_each_once(built: list[str], tmp_path: Path) -> None:
    for i in range(opened.MOST):
        shutil.copytree(GOLDEN / "gpt2-tied", tmp_path / str(i))
        opened.open_model(tmp_path / str(i)).future.result(60)
    with pytest.raises(ValueError, match="expected at most 4 opened models"):
        opened.open_model(GOLDEN / "gpt2-tied")
    opened.forget("0")
    with pytest.raises(ValueError, match="received one that is: 1"):
        opened.open_model(tmp_path / "1")
    opened.open_model(tmp_path / "0").future.result(60)
    assert len(opened.names("decoder")) == opened.MOST


def test_what_does_not_open_says_why_and_takes_no_place(built: list[str], tmp_path: Path) -> None:
    for i in range(opened.MOST + opened.FAILED):
        (tmp_path / str(i)).mkdir()
        model = opened.open_model(tmp_path / str(i))
        assert isinstance(model.future.exception(60), ValueError)
        assert model.problem == f"expected config.json in {i}, received a folder without it"
        assert not model.ready and opened.get(str(i)) is None
    assert len(opened.opened()) == opened.FAILED
    again = opened.open_model(Path(shutil.copytree(GOLDEN / "gpt2-tied", tmp_path / "7", dirs_exist_ok=True)))
    again.future.result(60)
    assert [model.name for model in opened.opened() if model.ready] == ["7"], "in the place of its failure"


def test_a_surprise_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("no\nmore")

    monkeypatch.setattr(opened, "look", broken)
    model = opened.open_model(GOLDEN / "gpt2-tied")
    model.future.exception(60)
    assert model.problem == "MemoryError: no more"


def test_a_download_tells_how_far_it_is_and_stops_when_forgotten(
    built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    half, go_on = threading.Event(), threading.Event()

    def fetch(name: str, progress: Any) -> Path:
        progress(1, 2)
        half.set()
        assert go_on.wait(60)
        progress(2, 2)
        return GOLDEN / "gpt2-tied"

    monkeypatch.setattr(hub, "fetch", fetch)
    model = opened.open_model("org/name")
    assert half.wait(60)
    assert (model.name, model.phase, model.fetched, model.ready) == (
        "org/name",
        opened.FETCHING,
        (1, 2),
        False,
    )
    opened.forget("org/name")
    go_on.set()
    assert isinstance(model.future.exception(60), ValueError) and built == []
    half.clear()
    again = opened.open_model("org/name")
    again.future.result(60)
    assert built == ["org/name"] == opened.names("decoder")


def test_sizes_read_as_people_write_them() -> None:
    assert about.counted(26_104) == "26,104" and about.counted(7_900_000) == "7.9 million"
    assert about.sized(400_000) == "0.4 MB" and about.sized(1_250_000_000) == "1.2 GB"
    both = ModelConfig.from_dict(dict(encoder_layers=2, decoder_layers=1, heads=4, decoder_heads=2))
    assert about.layers(both) == "reads with 2 layers of 4 heads and writes with 1 layer of 2 heads"
    alone = ModelConfig.from_dict(dict(encoder_layers=0, decoder_layers=12, heads=12, width=768))
    assert about.layers(alone) == "reads and writes with 12 layers of 12 heads"
    recurrent = {name: PRESETS[name].model for name in ("shakespeare-lstm", "rnn-additive")}
    assert about.layers(recurrent["shakespeare-lstm"]) == "reads and writes with an LSTM"
    assert about.layers(recurrent["rnn-additive"]).startswith("reads with a bidirectional GRU")
