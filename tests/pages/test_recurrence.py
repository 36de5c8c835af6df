"""The page of recurrence, run without a browser, by toys with random weights and a few recorded numbers."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests import toy
from tests.pages.conftest import apart
from tests.pipeline.test_characters import DECODER, LSTM, TEXT
from transformer import home
from transformer.checkpoints import folder
from transformer.text.characters import CharacterTokenizer
from transformer.ui.models import calls
from transformer.ui.recurrence import characters as recurrence_characters

Visit = Callable[..., AppTest]
PAGE = "pages/recurrence.py"
CONFIGS = {"shakespeare-lstm": LSTM, "shakespeare-transformer": DECODER}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A models folder with both, and what was measured of them."""
    found = tmp_path_factory.mktemp("models")
    for name, config in CONFIGS.items():
        network = toy.shared(config)
        (found / name).mkdir()
        folder.save_config(found / name, config)
        folder.save_weights(found / name / folder.WEIGHTS, folder.read_weights(network))
        CharacterTokenizer.train(TEXT).save(found / name / folder.TOKENIZER)
        (found / name / "README.md").write_text("# toy\n\nIt needs **3.25 bits per character** there.\n")
        (found / name / "history.csv").write_text(
            "step,seconds,loss,learning_rate,valid_loss,valid_bits_per_character,characters\n"
            "100,30,2.0,0.001,,,\n200,60,1.386294,0.001,1.5,2.164,512000\n"
        )
    measured = found / "measured"
    measured.mkdir()
    share = {"mean": [0.5, 0.25, 0.25], "low": [0.4, 0.2, 0.2], "high": [0.6, 0.3, 0.3]}
    (measured / "reach.json").write_text(
        json.dumps({name: share | {"half": 1, "most": 3, "windows": 7} for name in CONFIGS})
    )
    with (measured / "puzzle.csv").open("w") as lines:
        writer = csv.writer(lines)
        writer.writerow(("run", "step", "characters", "seconds", "train_bits", "valid_bits", "share"))
        runs = (("one", 1), ("two", 0.8))
        writer.writerows(
            (run, step, 100 * step, step, 4, 6 - step, share) for run, share in runs for step in (1, 2)
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home, "models", lambda: found)
        patch.setattr(calls, "_loading", apart())
        patch.setattr(recurrence_characters, "MEASURED", measured)
        yield found
        calls._answers.forget()


@pytest.fixture
def open_page(visit: Visit, place: Path) -> Visit:
    return lambda **query: visit(PAGE, **query)


def words(page: AppTest) -> str:
    assert not page.exception
    return " ".join(item.value for item in (*page.markdown, *page.caption, *page.info, *page.warning))


def test_both_write_on_from_the_same_beginning(open_page: Visit) -> None:
    page = open_page(beginning="the cat\n", temperature="0.5", seed="3")
    assert [item.value for item in page.code] == [
        calls.network(name).go_on("the cat\n", 300, temperature=0.5, seed=3) for name in CONFIGS
    ]
    assert "3.25 bits per character" in words(page)
    first = [item.value for item in page.code]
    page.button[0].click().run()
    assert page.number_input(key="seed").value == 4
    assert [item.value for item in page.code] != first


def test_a_character_that_they_never_saw_is_said(open_page: Visit) -> None:
    assert "read as unknown: Z" in words(open_page(beginning="the Z"))
    assert "unknown" not in words(open_page(beginning="the cat"))


def test_nothing_to_begin_with_is_a_new_line(open_page: Visit) -> None:
    page = open_page(beginning="")
    assert len(page.code) == 2 and not page.warning


def test_the_curves_are_the_histories(place: Path) -> None:
    found = recurrence_characters.history(place / "shakespeare-lstm")
    assert found is not None
    assert found.curve.characters == [256000, 512000]
    assert found.curve.training == pytest.approx([2.0 / 0.6931472, 2.0], rel=1e-5)
    assert (found.curve.valid_characters, found.curve.valid, found.minutes) == ([512000], [2.164], 1.0)
    assert recurrence_characters.history(place / "nothing") is None


def test_recorded_runs_and_reach_are_shown(open_page: Visit, place: Path) -> None:
    runs = recurrence_characters.puzzle(place / "measured" / "puzzle.csv")
    assert list(runs) == ["one", "two"] and runs["one"].curve.valid == [5.0, 4.0]
    said = words(open_page())
    assert "between 4.00 bits (one) and 4.00 (one), and every curve is still falling" in said
    assert (
        "20% fewer characters" in said
        and "4.00 bits for each that is left (two), 3.20 for each of the whole text" in said
    )
    page = open_page(section="Why")
    assert "half of it lies within 1 characters, nine tenths within 3" in words(page)
    assert "Mean over 7 places" in words(page)
    assert page.dataframe[0].value["LSTM, %"].tolist() == [50.0, 25.0, 25.0]


def test_what_is_missing_is_said(
    visit: Visit, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "models", lambda: tmp_path)
    monkeypatch.setattr(recurrence_characters, "MEASURED", tmp_path)
    page = visit(PAGE)
    assert "Not among the networks that come along: shakespeare-lstm, shakespeare-transformer" in words(page)
    assert "There is no measurement here yet" in words(page)
    assert "There is no measurement here yet" in words(visit(PAGE, section="Why"))


def test_nonsense_in_the_address(open_page: Visit) -> None:
    for query in (dict(section="Nothing"), dict(seed="x"), dict(temperature="-3"), dict(beginning="\0")):
        assert not open_page(**query).exception
