import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import toy
from tests.cli.shared import CONFIGS, TEXTS, VOCABULARY
from transformer.checkpoints import folder
from transformer.pipeline import Model, loading
from transformer.text.tokenizer import SubwordTokenizer


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model folders with random weights, one of each family, and test files beside them."""
    models = tmp_path_factory.mktemp("models")
    for name, config in CONFIGS.items():
        (models / name).mkdir()
        folder.save_config(models / name, config)
        folder.save_weights(models / name / folder.WEIGHTS, folder.read_weights(toy.shared(config)))
        SubwordTokenizer.train(TEXTS * 4, VOCABULARY).save(models / name / folder.TOKENIZER)
    (models / "text.txt").write_text("\n".join(TEXTS))
    (models / "pairs.tsv").write_text("a cat\ta dog\n")
    (models / "labels.tsv").write_text("".join(f"good\t{text}\n" for text in TEXTS))
    (models / "empty.txt").write_text("")
    (models / "bytes.txt").write_bytes(b"\xff\xfe")
    return models


@pytest.fixture(scope="session")
def open_once() -> Callable[[Path, str], Model]:
    """Opens a folder; a second time it is the same network, with the graphs that it was asked through."""
    return functools.cache(loading.open_folder)


@pytest.fixture(scope="module", autouse=True)
def opened_once(open_once: Callable[[Path, str], Model]) -> Iterator[None]:
    """Each command is one more visit to the same folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "open_folder", open_once)
        yield
