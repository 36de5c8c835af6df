"""The page of positions, run without a browser: its starts, its extremes, nonsense in the address, and true numbers."""

import json
import re
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from transformer.formulas import positions
from transformer.ui.models import calls
from transformer.ui.parts import matrix
from transformer.ui.positions import controls as positions_controls

Visit = Callable[..., AppTest]
PAGE = "pages/positions.py"


class Pictures:
    """Stands in for the component: keeps the last header and values of each picture by its key."""

    def __init__(self) -> None:
        self.headers: dict[str, dict[str, Any]] = {}
        self.values: dict[str, np.ndarray] = {}
        self.called: dict[str, Callable[[], None]] = {}

    def __call__(self, *, key: str, data: bytes, on_picked_change: Callable[[], None]) -> dict[str, object]:
        (length,) = struct.unpack("<I", data[:4])
        header = json.loads(data[4 : 4 + length])
        self.headers[key] = header
        self.values[key] = np.frombuffer(data[4 + length :], np.float32).reshape(header["shape"])
        return {}


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Pictures:
    kept = Pictures()
    monkeypatch.setattr(matrix, "_MATRIX", kept)
    return kept


@pytest.fixture
def open_page(visit: Visit, network: None, pictures: Pictures) -> Visit:
    def opened(**query: str) -> AppTest:
        page = visit(PAGE, **query)
        assert not page.warning
        return page

    return opened


def text(page: AppTest) -> str:
    return " ".join(element.value for element in [*page.markdown, *page.caption])


def metric(page: AppTest, label: str) -> str:
    return next(str(found.value) for found in page.metric if found.label == label)


def test_it_opens_on_the_table_of_the_paper(open_page: Visit, pictures: Pictures) -> None:
    page = open_page()
    np.testing.assert_array_equal(pictures.values["table"], positions.sinusoids(128, 512))
    assert pictures.headers["table"]["title"] == "Paper: position by column"
    assert list(page.multiselect(key="columns").value) == [1, 5, 15, 20]
    assert len(page.get("plotly_chart")) == 7  # two of lines, waves, likeness, clocks, and two heads
    found = re.search(r"is \*\*(\d\.\de-\d+)\*\*, which is rounding", text(page))
    assert found and float(found[1]) < 1e-12
    assert metric(page, "All heads moved") == "0.0%"
    assert "Both sides are the same so far" in page.info[0].value


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Paper", "interleaved"), ("TF tutorial", "halves"), ("Tensor2Tensor", "halves_minus_one")],
)
def test_each_convention_at_its_largest(open_page: Visit, pictures: Pictures, name: str, kind: str) -> None:
    open_page(encoding=name, length="2048", width="1024", position="2047", shift="256")
    np.testing.assert_array_equal(pictures.values["table"], positions.sinusoids(2048, 1024, kind))
    assert pictures.values["alike"].shape == (512, 512)
    assert pictures.headers["alike"]["marked"] is None  # beyond the first 512


def test_each_convention_at_its_smallest(open_page: Visit, pictures: Pictures) -> None:
    for name in ("Paper", "Tensor2Tensor", "Rotary", "ALiBi"):
        open_page(encoding=name, length="2", width="2", heads="1", bias="32")
        assert pictures.values["table"].shape == {"Rotary": (2, 1)}.get(name, (2, 2))


def test_the_tutorial_is_the_paper_in_another_order(open_page: Visit, pictures: Pictures) -> None:
    page = open_page(encoding="TF tutorial", minus="Paper")
    assert np.abs(pictures.values["table"]).max() > 1
    page.toggle(key="ordered").set_value(True).run()
    assert np.abs(pictures.values["table"]).max() == 0
    assert "Nothing is left" in text(page)
    page.segmented_control(key="minus").set_value("Tensor2Tensor").run()
    assert np.abs(pictures.values["table"]).max() > 0.1
    # What is subtracted cannot stay once it is the table itself.
    page.segmented_control(key="encoding").set_value("Tensor2Tensor").run()
    assert not page.exception
    assert page.session_state["minus"] == "Nothing"


def test_rotary_and_alibi(open_page: Visit, pictures: Pictures) -> None:
    page = open_page(encoding="Rotary", length="64", width="32")
    angles = positions.rotary_angles(64, 32)
    np.testing.assert_allclose(np.cos(pictures.values["table"]), np.cos(angles), atol=1e-5)
    assert pictures.headers["table"]["unit"] == " rad"
    scores = pictures.values["alike"]
    np.testing.assert_allclose(scores[1:, 1:], scores[:-1, :-1], atol=1e-5)
    page.segmented_control(key="encoding").set_value("ALiBi").run()
    assert not page.exception
    bias = pictures.values["table"]
    assert bias[10, 7] == pytest.approx(-3 / 8)  # head 3 of 8: slope 1/8
    assert np.isnan(bias[7, 10])
    np.testing.assert_allclose(pictures.values["alike"].sum(-1), 1, rtol=1e-5)


def test_learned_tables_of_shipped_models_are_kinds_too(
    open_page: Visit, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformer.ui.positions import tables as positions_tables

    table = np.random.default_rng(0).normal(size=(40, 24)).astype(np.float32)
    learned = {"source": table, "target": -table}
    monkeypatch.setattr(positions_tables, "learned_positions", lambda path: learned)
    name = f"Learned by {calls.shipped()[0]} (target)"
    page = open_page(encoding=name, length="2048")
    np.testing.assert_array_equal(pictures.values["table"], -table)
    assert page.slider(key="width").disabled
    page.segmented_control(key="minus").set_value("Paper").run()
    np.testing.assert_allclose(pictures.values["table"], -table - positions.sinusoids(40, 24), atol=1e-6)


@pytest.mark.parametrize(
    "query",
    [
        {"length": "-5", "width": "7", "encoding": "quantum", "columns": "nonsense", "rows": "99999"},
        {"length": "1e9", "width": "0", "minus": "Paper", "ordered": "maybe", "measure": "l2"},
        {"position": "5000", "shift": "0", "heads": "0", "bias": "99", "columns": "1023", "rows": "2047"},
        {"scale": "NaN", "order": "Sideways", "attention": "x", "layer": "99", "head": "0"},
        {"encoding": "ALiBi", "heads": "2", "bias": "30", "scale": "-1"},
        {"width": "513", "length": "3", "position": "100", "rows": "100"},
    ],
)
def test_nonsense_in_the_address_still_makes_a_page(open_page: Visit, query: dict[str, str]) -> None:
    page = open_page(**query)
    assert page.get("plotly_chart")


def test_without_positions_every_order_is_the_same_sentence(open_page: Visit, pictures: Pictures) -> None:
    page = open_page(scale="0")
    assert np.abs(pictures.values["added"]).max() == 0
    first = [heading.value for heading in page.subheader]
    assert float(metric(page, "All heads moved").rstrip("%")) > 1
    page.segmented_control(key="order").set_value("Shuffled 2").run()
    assert [heading.value for heading in page.subheader] == first
    found = re.search(r"the largest difference is \*\*(\S+)\*\*", text(page))
    assert found and float(found[1]) < 1e-4
    names = pictures.headers["words"]["labels"]
    assert names[-1] == "end" and names[0] != "O"


def test_vectors_add_up_and_heads_are_compared(open_page: Visit, pictures: Pictures) -> None:
    page = open_page(scale="0.5", order="Reversed")
    parts = pictures.values
    np.testing.assert_allclose(parts["sum"], parts["words"] + parts["added"], atol=1e-5)
    rows, width = parts["added"].shape
    assert pictures.headers["added"]["labels"] == pictures.headers["words"]["labels"]
    np.testing.assert_allclose(parts["added"], 0.5 * positions.sinusoids(rows, width), atol=1e-6)
    moved = parts["moved"]
    config = calls.network(calls.FIRST.model).config
    assert moved.shape == config.attention_shapes()["encoder"]
    assert moved.min() > 0 and moved.max() <= 1
    assert metric(page, "All heads moved") == f"{moved.mean():.1%}"
    for kind in ("Cross", "Decoder"):
        page.segmented_control(key="attention").set_value(kind).run()
        assert not page.exception
        assert pictures.values["moved"].shape == config.attention_shapes()[kind.lower()]


def test_bad_sentences_get_a_message(visit: Visit, network: None, pictures: Pictures) -> None:
    page = visit(PAGE, sentence=" ")
    assert "nothing to read" in page.warning[0].value
    page.text_input(key="sentence").set_value("palavra " * 200).run()
    assert not page.exception
    assert re.search(r"at most \d+ tokens", page.warning[0].value)
    page.text_input(key="sentence").set_value("sim").run()
    assert not page.exception and not page.warning


def test_controls_go_back_to_their_start(open_page: Visit) -> None:
    page = open_page(length="99", width="64", encoding="TF tutorial", position="7", columns="3", scale="0.3")
    for key in ("restart-ordered", "restart-rows", "restart-shift", "restart-order"):
        page.button(key=key).click().run()
        assert not page.exception
    start = positions_controls.START
    assert (page.slider(key="length").value, page.slider(key="width").value) == (128, 512)
    assert page.segmented_control(key="encoding").value == "Paper"
    assert list(page.multiselect(key="columns").value) == start["columns"]
    assert page.slider(key="position").value == 50
    assert page.slider(key="scale").value == 1.0
