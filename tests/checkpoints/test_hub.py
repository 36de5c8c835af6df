"""Hub ids: what is in the cache, what is fetched, and one line for whatever goes wrong. The library is played here."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub import constants, errors
from huggingface_hub.utils import filter_repo_objects  # type: ignore[attr-defined]

from transformer import settings
from transformer.checkpoints import hub
from transformer.pipeline import find

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NAME = "org/marian"


class Hub:
    """`snapshot_download` over a folder that stands for a repository."""

    def __init__(self, repository: Path, cache: Path) -> None:
        self.repository, self.cache, self.calls = repository, cache, list[dict[str, Any]]()
        self.failure: Exception | None = None

    def __call__(self, name: str, **options: Any) -> Any:
        self.calls.append(options)
        if options.get("local_files_only"):
            if not self.cache.is_dir():
                raise errors.LocalEntryNotFoundError("nothing there")
            return str(self.cache)
        if self.failure:
            raise self.failure
        names = list(
            filter_repo_objects(
                [path.name for path in sorted(self.repository.iterdir())],
                allow_patterns=options["allow_patterns"],
            )
        )
        if options.get("dry_run"):
            sizes = {name: (self.repository / name).stat().st_size for name in names}
            return [SimpleNamespace(filename=n, file_size=s, will_download=True) for n, s in sizes.items()]
        self.cache.mkdir(exist_ok=True)
        bar = options["tqdm_class"](total=0, unit="B", desc="bytes")
        with options["tqdm_class"](total=len(names), desc="files") as files:
            for name in names:
                shutil.copy(self.repository / name, self.cache)
                bar.update((self.cache / name).stat().st_size)
                files.update()
        return str(self.cache)


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    repository = tmp_path / "repository"
    shutil.copytree(GOLDEN / "marian-separate", repository)
    for name in ("pytorch_model.bin", "modeling.py", "extra.safetensors"):
        (repository / name).write_bytes(b"never to be fetched")
    played = Hub(repository, tmp_path / "cache" / "marian")
    played.cache.parent.mkdir()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", played)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(settings.HUB, raising=False)
    monkeypatch.delenv(settings.MODELS, raising=False)
    return played


def refused(match: str) -> None:
    """One line, which names the cache."""
    with pytest.raises(ValueError, match=match) as caught:
        hub.fetch(NAME)
    assert "\n" not in str(caught.value) and str(hub.cache()) in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "Helsinki-NLP/opus-mt-en-de",
        "openai-community/gpt2",
        "a/b",
        "google/bert_uncased_L-2.H-128",
        "x" * 96 + "/a",
    ],
)
def test_an_id_is_one(text: str) -> None:
    assert hub.is_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gpt2",
        "a/b/c",
        "../x",
        "a/..",
        "/a",
        "a/",
        "-a/b",
        "a/b.",
        "a--b/c",
        "a/b.git",
        "a/b\n",
        " a/b",
        "é/b",
        "a/b?x=1",
        "https://a/b",
        "x" * 97 + "/a",
        "a\\b",
        "a/b\0",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert not hub.is_id(text)


def test_only_settings_tensors_and_tokenizer_are_fetched_and_counted(there: Hub) -> None:
    told: list[tuple[int, int]] = []
    folder = hub.fetch(NAME, lambda done, total: told.append((done, total)))
    wanted = {path.name for path in (GOLDEN / "marian-separate").iterdir()} - {
        "expected.npz",
        "expected_tokens.json",
    }
    assert {path.name for path in folder.iterdir()} == wanted
    size = sum((folder / name).stat().st_size for name in wanted)
    assert told[-1] == (size, size) and told == sorted(told)


def test_what_is_in_the_cache_is_not_fetched_again(there: Hub) -> None:
    shutil.copytree(there.repository, there.cache)
    there.failure = AssertionError("asked the hub")
    assert hub.fetch(NAME) == hub.cached(NAME) == find(NAME) == there.cache


def test_half_of_a_model_in_the_cache_is_fetched_whole(there: Hub) -> None:
    there.cache.mkdir()
    shutil.copy(there.repository / "config.json", there.cache)
    assert hub.cached(NAME) is None
    assert (hub.fetch(NAME) / "model.safetensors").is_file()


def test_the_cost_is_known_before_the_tensors_come(there: Hub) -> None:
    found = hub.cost(NAME)
    assert (found.kind, found.config.family, found.config.vocabulary) == ("marian", "seq2seq", 80)
    assert {path.name for path in there.cache.iterdir()} == {"config.json", "generation_config.json"}
    assert found.bytes == sum(
        path.stat().st_size
        for path in (GOLDEN / "marian-separate").iterdir()
        if not path.name.startswith("expected")
    )


def test_switched_off_it_looks_into_the_cache_alone(there: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.HUB, "off")
    refused("switched off .HEADLIGHT_HUB")
    assert all(call.get("local_files_only") for call in there.calls)
    shutil.copytree(there.repository, there.cache)
    assert hub.fetch(NAME) == there.cache


def test_a_shared_server_does_not_use_its_owners_login(
    there: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.cost(NAME)
    assert all(call["token"] is None for call in there.calls)
    there.calls.clear()
    monkeypatch.setenv(settings.MODELS, str(tmp_path))
    hub.cost(NAME)
    assert all(call["token"] is False for call in there.calls)


def http(kind: Callable[..., Exception], status: int) -> Exception:
    answer = httpx2.Response(status, request=httpx2.Request("GET", "http://127.0.0.1/x"))
    return kind("long\nand technical", response=answer)


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (http(errors.GatedRepoError, 403), "terms have to be accepted"),
        (http(errors.RepositoryNotFoundError, 404), "no such model, or a private one"),
        (http(errors.HfHubHTTPError, 500), "the answer 500"),
        (errors.OfflineModeIsEnabled("offline"), "no answer: is there a network"),
        (errors.LocalEntryNotFoundError("An error\nhappened"), "no answer: is there a network"),
        (errors.DryRunError("cannot"), "no answer: is there a network"),
        (httpx2.ConnectError("refused"), "no answer: is there a network"),
        (OSError(28, "No space left on device", "/cache/x"), "No space left on device at /cache/x"),
    ],
)
def test_each_failure_is_one_line(there: Hub, failure: Exception, says: str) -> None:
    there.failure = failure
    refused(says)


def test_a_refusal_behind_another_failure_is_told(there: Hub) -> None:
    there.failure = errors.DryRunError("cannot")
    there.failure.__cause__ = http(errors.RepositoryNotFoundError, 404)
    refused("no such model")


def test_a_model_without_safetensors_is_refused(there: Hub) -> None:
    (there.repository / "model.safetensors").unlink()
    refused("without safetensors")
    assert not there.cache.exists()


def test_a_kind_that_is_not_supported_is_refused_before_its_tensors_come(there: Hub) -> None:
    (there.repository / "config.json").write_text('{"model_type": "reformer"}')
    with pytest.raises(ValueError, match=r"expected a model_type out of .* received 'reformer'"):
        hub.fetch(NAME)
    assert not (there.cache / "model.safetensors").exists()


def test_what_cannot_fit_is_refused_before_it_comes(there: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    refused("left on the disk")
    monkeypatch.setattr("transformer.checkpoints.look.free_memory", lambda: 1000)
    with pytest.raises(ValueError, match="expected a network that fits into"):
        hub.fetch(NAME)
    assert not (there.cache / "model.safetensors").exists()
