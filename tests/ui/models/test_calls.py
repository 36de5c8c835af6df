"""What stands between pages and models: choices out of an address, and what a network is."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from transformer import home, settings
from transformer.config import ModelConfig
from transformer.kinds import kind_of
from transformer.ui.models import calls
from transformer.ui.shell.about import about


@pytest.mark.parametrize(
    ("text", "choices"), [(None, ()), ("", ()), ("3.1", ((3, 1),)), ("3.1_5.0", ((3, 1), (5, 0)))]
)
def test_choices_of_an_address(text: str | None, choices: tuple[tuple[int, int], ...]) -> None:
    assert calls.parse_choices(text) == choices


@pytest.mark.parametrize("text", ["3", "3.1_", "a.b", "1000.1", "3.12", "٣.١", "3.1\n", "3.1_" * 60 + "3.1"])
def test_nonsense_is_no_choice(text: str) -> None:
    with pytest.raises(ValueError, match="expected choices such as"):
        calls.parse_choices(text)


def model(folder: Path, card: str | None = None, **stacks: Any) -> Path:
    """A folder with all that a description needs: 100 x 100 + 3 numbers."""
    folder.mkdir()
    small = {"vocabulary": 8, "width": 8, "heads": 8, "feed_forward": 8}
    config = ModelConfig.from_dict({**small, "encoder_layers": 4, "decoder_layers": 3, **stacks})
    (folder / "config.json").write_text(config.to_text())
    save_file(
        {"a": np.zeros((100, 100), np.float32), "b": np.zeros(3, np.float32)}, folder / "model.safetensors"
    )
    if card is not None:
        (folder / "README.md").write_text(card, "utf-8")
    return folder


def test_a_network_is_described_by_its_folder(tmp_path: Path) -> None:
    facts = "reads with 4 layers of 8 heads and writes with 3 layers of 8 heads, and learned 10,003 numbers."
    assert about(model(tmp_path / "plain")) == f"`plain` {facts}"
    card = "# A model\n\n> Trained on much,\n> good at little.\n\nMore.\n> Not this.\n"
    assert about(model(tmp_path / "known", card)) == f"`known` {facts} Trained on much, good at little."
    assert about(tmp_path / "known", False) == f"`known` {facts}"


@pytest.mark.parametrize(
    ("layers", "does"),
    [((0, 2), "reads and writes with 2 layers of 8 heads"), ((3, 0), "reads with 3 layers of 8 heads")],
)
def test_a_network_of_one_stack_is_described(tmp_path: Path, layers: tuple[int, int], does: str) -> None:
    place = model(
        tmp_path / "one",
        encoder_layers=layers[0],
        decoder_layers=layers[1],
        output="tokens" if layers[1] else "vectors",
    )
    assert about(place) == f"`one` {does}, and learned 10,003 numbers."


def test_a_folder_that_is_no_model_has_no_description(tmp_path: Path) -> None:
    assert about(tmp_path) == ""
    (tmp_path / "config.json").write_text("[]")
    assert about(tmp_path) == ""


def test_every_shipped_model_has_a_description() -> None:
    assert calls.shipped()
    for name in calls.shipped():
        assert about(home.models() / name).startswith(f"`{name}` reads")


class Cold:
    """A network that notes what it is asked to compile."""

    def __init__(self) -> None:
        self.config = SimpleNamespace(family="seq2seq", tokens="subwords")
        self.warmed: list[Any] = []

    def warm(self, **inputs: Any) -> None:
        self.warmed.append(inputs)


@pytest.mark.parametrize("told", ["", "all", "first", "none"])
def test_as_much_is_compiled_ahead_as_is_wished(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    cold, threads = Cold(), threading.enumerate()
    monkeypatch.setenv(settings.WARM, told)
    monkeypatch.setattr("transformer.pipeline.load", lambda place: cold)
    monkeypatch.setattr(calls, "_leave_keras_alone", lambda: None)
    future = calls._loading.__wrapped__("pt-en")
    assert future.result(60) is cold
    for thread in [thread for thread in threading.enumerate() if thread not in threads]:
        thread.join(60)
    whole = list(kind_of("seq2seq").ahead)
    assert len(whole) > 1
    assert cold.warmed == {"none": [], "first": whole[:1]}.get(told, whole)


def test_what_is_compiled_ahead_has_three_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.WARM, " First ")
    assert settings.warm() == "first"
    monkeypatch.setenv(settings.WARM, "some")
    with pytest.raises(ValueError, match="expected HEADLIGHT_WARM to be all, first or none, received 'some'"):
        settings.warm()
