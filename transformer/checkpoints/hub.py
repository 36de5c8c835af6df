"""A hub id such as `org/name` -> a local folder: what is in the hub's cache already, else a download.

Only settings, safetensors and tokenizer files are fetched, by the huggingface_hub library into its own cache; no code
and no pickles. Which ids there are: huggingface_hub, `utils/_validators.py`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from transformer import settings
from transformer.checkpoints import foreign
from transformer.checkpoints.look import SETTINGS, fits
from transformer.checkpoints.shards import INDEX, SINGLE, headers
from transformer.config import ModelConfig

PEEK = [foreign.CONFIG, foreign.GENERATION]
FILES = [*SETTINGS, SINGLE, INDEX, "model-*.safetensors"]
_PART = r"(?!.*(--|\.\.))[A-Za-z0-9_]([A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"

# Told how many bytes have come, and of how many.
Progress = Callable[[int, int], None]


class Cost(NamedTuple):
    """What is known of a model before it is fetched: its `model_type` and shape, files and bytes that are to come."""

    kind: str
    config: ModelConfig
    files: int
    bytes: int


def is_id(text: str) -> bool:
    """Whether this can be a hub id: an owner and a name of letters, digits, `-`, `_` and `.`, up to 96 of them each."""
    return re.fullmatch(f"{_PART}/{_PART}", text, re.ASCII) is not None and not text.endswith(".git")


def cache() -> Path:
    """The folder that the library keeps what it has fetched in; HF_HUB_CACHE moves it."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached(name: str) -> Path | None:
    """The folder of an id that has been fetched whole; None where it has not."""
    try:
        folder = Path(_ask(name, local_files_only=True))
        headers(folder)
    except Exception:  # the library's own kinds: nothing there, half of it there, or a damaged file
        return None
    return folder if (folder / foreign.CONFIG).is_file() else None


def cost(name: str) -> Cost:
    """Ask the hub what fetching an id would take. Fetches its settings alone.

    Raises:
        ValueError: fetching is switched off, there is no answer, no such model, one that is not supported or that has
            no safetensors, or one that fits neither into memory nor on the disk.
    """
    if not settings.hub_allowed():
        raise _refused(name, f"none there, and fetching is switched off ({settings.HUB})")
    with _clearly(name):
        files = _ask(name, dry_run=True)
        if not any(file.filename.endswith(".safetensors") for file in files):
            raise _refused(name, "a model without safetensors files")
        kind, _, config = foreign.known(Path(_ask(name, allow_patterns=PEEK)))
        coming = [file for file in files if file.will_download]
        total = sum(file.file_size or 0 for file in coming)
        # Opened it is float32 or more: never less than its files.
        fits(sum(file.file_size or 0 for file in files if file.filename.endswith(".safetensors")))
        free = shutil.disk_usage(next(place for place in (cache(), *cache().parents) if place.exists())).free
        if total > free:
            raise _refused(name, f"{total / 1e9:.1f} GB to fetch with {free / 1e9:.1f} GB left on the disk")
        return Cost(kind, config, len(coming), total)


def fetch(name: str, progress: Progress | None = None) -> Path:
    """The local folder of an id, fetched if it is not in the cache.

    Raises:
        ValueError: as `cost`, or the connection breaks; names the cache's folder.
    """
    if found := cached(name):
        return found
    total = cost(name).bytes
    with _clearly(name):
        return Path(_ask(name, progress, total))


def _ask(name: str, progress: Progress | None = None, total: int = 0, **options: Any) -> Any:
    from huggingface_hub import snapshot_download

    # Visitors of a shared server must not read what only its owner's login opens.
    token = None if settings.models_directory() is None else False
    options = {"allow_patterns": FILES, "token": token, "tqdm_class": _bar(progress, total), **options}
    return snapshot_download(name, **options)


def _refused(name: str, received: str) -> ValueError:
    return ValueError(f"expected {name} as a folder, in {cache()} or on the hub, received {received}")


@contextmanager
def _clearly(name: str) -> Iterator[None]:
    """Whatever goes wrong between here and the hub, in one line."""
    from huggingface_hub import errors

    try:
        yield
    except errors.HfHubHTTPError as error:
        raise _refused(name, _answer(error)) from error
    except ValueError:
        raise
    except (
        Exception
    ) as error:  # connections, proxies, locks and disks: each library beneath raises kinds of its own
        cause = error.__cause__
        if isinstance(cause, errors.HfHubHTTPError):
            raise _refused(name, _answer(cause)) from error
        if isinstance(error, OSError) and error.strerror and error.filename:
            raise _refused(name, f"{error.strerror} at {error.filename}") from error
        raise _refused(name, "no answer: is there a network?") from error


def _answer(error: Any) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return "a model whose terms have to be accepted on its page first, by somebody who is logged in (hf auth login)"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "the answer that there is no such model, or a private one"
    return f"the answer {error.response.status_code}"


def _bar(progress: Progress | None, total: int) -> type:
    """A progress bar for the library that draws nothing and tells `progress`."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    class Bar(tqdm):
        def __init__(self, *args: Any, **more: Any) -> None:
            self.bytes = more.get("unit") == "B"
            super().__init__(*args, **{**more, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.n += (
                n or 0
            )  # two bars count bytes, as they arrive and as they are written; another counts files
            if progress and self.bytes and self.n:
                progress(min(int(self.n), total), total)

    return Bar
