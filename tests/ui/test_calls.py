"""What stands between pages and models: choices out of an address, and what a network is."""

import json
import struct
from pathlib import Path

import pytest

from transformer.ui import calls
from transformer.ui.about import about


@pytest.mark.parametrize(
    ("text", "choices"), [(None, ()), ("", ()), ("3.1", ((3, 1),)), ("3.1_5.0", ((3, 1), (5, 0)))]
)
def test_choices_of_an_address(text: str | None, choices: tuple[tuple[int, int], ...]) -> None:
    assert calls.parse_choices(text) == choices


@pytest.mark.parametrize("text", ["3", "3.1_", "a.b", "1000.1", "3.12", "٣.١", "3.1\n", "3.1_" * 60 + "3.1"])
def test_nonsense_is_no_choice(text: str) -> None:
    with pytest.raises(ValueError, match="expected choices such as"):
        calls.parse_choices(text)


def model(folder: Path, card: str | None = None) -> Path:
    """A folder with all that a description needs: 4 x 5 + 3 = 23 numbers."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"encoder_layers": 4, "decoder_layers": 3, "heads": 8}))
    header = json.dumps({"a": {"shape": [4, 5]}, "b": {"shape": [3]}, "__metadata__": {}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    if card is not None:
        (folder / "README.md").write_text(card, "utf-8")
    return folder


def test_a_network_is_described_by_its_folder(tmp_path: Path) -> None:
    facts = "reads with 4 layers and writes with 3, 8 heads in each, and learned 0.0 million numbers."
    assert about(model(tmp_path / "plain")) == f"`plain` {facts}"
    card = "# A model\n\n> Trained on much,\n> good at little.\n\nMore.\n> Not this.\n"
    assert about(model(tmp_path / "known", card)) == f"`known` {facts} Trained on much, good at little."


@pytest.mark.parametrize(
    ("layers", "does"), [((0, 2), "reads and writes with 2 layers"), ((3, 0), "reads with 3 layers")]
)
def test_a_network_of_one_stack_is_described(tmp_path: Path, layers: tuple[int, int], does: str) -> None:
    place = model(tmp_path / "one")
    config = {"encoder_layers": layers[0], "decoder_layers": layers[1], "heads": 8}
    (place / "config.json").write_text(json.dumps(config))
    assert about(place) == f"`one` {does}, 8 heads in each, and learned 0.0 million numbers."


def test_a_folder_that_is_no_model_has_no_description(tmp_path: Path) -> None:
    assert about(tmp_path) == ""
    (tmp_path / "config.json").write_text("[]")
    assert about(tmp_path) == ""


def test_every_shipped_model_has_a_description() -> None:
    assert calls.shipped()
    for name in calls.shipped():
        assert about(calls.MODELS / name).startswith(f"`{name}` reads")
