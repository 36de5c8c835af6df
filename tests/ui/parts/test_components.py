"""What the components send to the browser, and what they let through of its answers."""

import json
import struct
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from transformer import home
from transformer.figures import theme
from transformer.trace import Alternative, AttentionMap, Label, Step, Trace
from transformer.ui.parts import components, wire
from transformer.ui.parts.wire import quantise

ROOT = Path(__file__).resolve().parents[3]
END = Label("</s>", special=True)
START = Label("<s>", special=True)


def uniform(kind: str, queries: tuple[Label, ...], keys: tuple[Label, ...]) -> AttentionMap:
    weights = np.full((2, 3, len(queries), len(keys)), 1 / len(keys), np.float32)
    return AttentionMap(kind, weights, queries, keys)


@pytest.fixture
def trace() -> Trace:
    source = (Label("o"), Label("trem"), END)
    target = (Label("the"), Label("tr"), Label("ain", joins=True), END)
    shifted = (START, *target[:-1])
    step = Step("the", np.log(0.5).item(), 1.25, (Alternative("the", 0.5), Alternative("a", 0.25)))
    maps = [
        uniform("encoder", source, source),
        uniform("decoder", target, shifted),
        uniform("cross", target, source),
    ]
    return Trace(maps, "the train", [step] * 4, source=source, target=target)


class Mounted:
    """Stands in for a registered component: keeps what it was given and answers with `result`."""

    def __init__(self, **result: object) -> None:
        self.result = result
        self.calls: list[dict[str, Any]] = []

    def __call__(self, **arguments: Any) -> dict[str, object]:
        self.calls.append(arguments)
        return self.result


def test_a_sheet_sends_its_weights_once_and_apart(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = Mounted(selected=[1, 2])
    monkeypatch.setattr(components, "_SHEET", mounted)
    for selected in ((0, 0), (1, 2)):
        assert components.sheet(trace["cross"], selected=selected, key="k") == (1, 2)
    control, weights, again, same = (call["data"] for call in mounted.calls)
    assert weights is not control and weights == same and len(weights) == 16 + 2 * 3 * 4 * 3
    assert control["digest"] == weights[:16].hex()
    assert (control["selected"], again["selected"]) == ([0, 0], [1, 2])
    assert {name: value for name, value in control.items() if name != "selected"} == {
        name: value for name, value in again.items() if name != "selected"
    }
    assert control["shape"] == [2, 3, 4, 3]
    assert control["queries"] == ["the", "tr", "ain", "⏎ end"]
    json.dumps(control)  # a dict with anything else in it would arrive as its repr


def test_blocks_are_named_by_their_first_and_last_word(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = Mounted()
    monkeypatch.setattr(components, "_SHEET", mounted)
    monkeypatch.setattr(wire, "MOST", 2 * 3 * 2 * 2)
    components.sheet(trace["cross"], selected=(0, 0), key="k")
    control, weights = (call["data"] for call in mounted.calls)
    assert control["shape"] == [2, 3, 2, 2] and len(weights) == 16 + 2 * 3 * 2 * 2
    assert control["queries"] == ["the … tr", "ain … ⏎ end"] and control["keys"] == ["o … trem", "⏎ end"]


def test_a_selection_outside_the_map_is_clipped(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = Mounted()
    monkeypatch.setattr(components, "_SHEET", mounted)
    assert components.sheet(trace["cross"], selected=(9, -1), key="k") is None
    assert mounted.calls[0]["data"]["selected"] == [1, 0]


def test_a_selection_can_be_a_row_a_column_or_all(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = Mounted()
    monkeypatch.setattr(components, "_SHEET", mounted)
    for selected in ((1, None), (None, 7), (None, None)):
        components.sheet(trace["cross"], selected=selected, key="k")
    assert [call["data"]["selected"] for call in mounted.calls[::2]] == [[1, None], [None, 2], [None, None]]


@pytest.mark.parametrize(
    "answer", [None, 3, "1,2", [1], [2, 0], [0, 3], [-1, 0], [1.0, 2], [True, 0], [0, 1, 2], {"0": 1}]
)
def test_answers_that_name_no_head_are_dropped(
    answer: object, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "_SHEET", Mounted(selected=answer))
    assert components.sheet(trace["cross"], selected=(0, 0), key="k") is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [0, 1],
        {},
        {"step": 0},
        {"step": 4, "alternative": 0},
        {"step": 0, "alternative": 2},
        {"step": "0", "alternative": 1},
        {"step": -1, "alternative": 0},
        {"step": 0, "alternative": None},
    ],
)
def test_answers_that_name_no_alternative_are_dropped(
    answer: object, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "_SENTENCE", Mounted(chosen=answer))
    assert components.sentence(trace, key="k") is None


def unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<I", data[:4])
    return json.loads(data[4 : 4 + length]), data[4 + length :]


def test_a_sentence_sends_words_and_the_weights_of_one_view(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = Mounted(chosen={"step": 1, "alternative": 1})
    monkeypatch.setattr(components, "_SENTENCE", mounted)
    view = trace["cross"].weights[1, 2]
    chosen = components.sentence(trace, key="k", kind="cross", weights=view, titles=("Português", "English"))
    assert chosen == (1, 1) and chosen is not None and chosen.step == 1
    header, body = unpack(mounted.calls[0]["data"])
    assert body == quantise(view)
    assert (header["queries"], header["keys"], header["shape"]) == ("target", "source", [4, 3])
    assert header["places"] == {"queries": [0, 1, 2, 3], "keys": [0, 1, 2]}
    assert header["sides"]["source"]["title"] == "Português"
    target = header["sides"]["target"]
    assert [token["text"] for token in target["tokens"]] == ["the", "tr", "ain", "⏎ end"]
    assert [token["joins"] for token in target["tokens"]] == [False, False, True, False]
    assert target["tokens"][0]["probability"] == 0.5 and target["tokens"][0]["entropy"] == 1.25
    assert [other["written"] for other in target["tokens"][0]["alternatives"]] == [True, False]
    assert target["lead"] == "▸ start"  # the decoder's map shows it


def test_what_a_decoder_reads_is_placed_before_what_it_writes(
    trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = Mounted()
    monkeypatch.setattr(components, "_SENTENCE", mounted)
    components.sentence(trace, key="k", kind="decoder", weights=trace["decoder"].weights[0, 0])
    header, _ = unpack(mounted.calls[0]["data"])
    assert header["places"] == {"queries": [0, 1, 2, 3], "keys": [-1, 0, 1, 2]}


def test_a_sentence_says_what_does_not_fit(trace: Trace) -> None:
    with pytest.raises(ValueError, match="kind and weights together"):
        components.sentence(trace, key="k", kind="cross")
    with pytest.raises(ValueError, match=r"expected weights \(4, 3\), received shape \(3, 4\)"):
        components.sentence(trace, key="k", kind="cross", weights=trace["cross"].weights[0, 0].T)
    stranger = Trace([uniform("encoder", (Label("x"), END), (Label("x"), END))], "", source=("a", "b"))
    with pytest.raises(ValueError, match="labels of an axis"):
        components.sentence(stranger, key="k", kind="encoder", weights=stranger["encoder"].weights[0, 0])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(0, [0]), (7, [7]), (2, []), (None, []), (True, []), ("0", []), (-1, []), ([0], [])],
)
def test_a_click_masks_a_word_that_there_is(
    answer: object, expected: list[int], trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = Mounted(masked=answer)
    monkeypatch.setattr(components, "_SENTENCE", mounted)
    monkeypatch.setattr("streamlit.session_state", {"k": {"masked": answer}})
    heard: list[int] = []
    found = components.maskable(
        trace, key="k", kind="encoder", weights=trace["encoder"].weights[0, 0], words=(0, 7, None),
        hidden={1: "comboio"}, on_mask=heard.append,
    )  # fmt: skip
    mounted.calls[0]["on_masked_change"]()
    assert heard == expected and found == (expected[0] if expected else None)
    header, body = unpack(mounted.calls[0]["data"])
    assert body == quantise(trace["encoder"].weights[0, 0])
    tokens = header["sides"]["source"]["tokens"]
    assert [token.get("word") for token in tokens] == [0, 7, None]
    assert [token.get("hidden") for token in tokens] == [None, "comboio", None]
    assert header["sides"]["target"]["tokens"] == []


def test_components_mount_in_a_page_without_a_browser() -> None:
    page = AppTest.from_file(str(ROOT / "tests" / "browser" / "demo_components.py"), default_timeout=60).run()
    assert not page.exception
    assert "selected: layer 1 head 1" in [text.value for text in page.text]


def test_the_page_has_the_colours_and_type_of_the_figures() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]
    assert (settings["font"], settings["codeFont"]) == (theme.FONT, theme.MONOSPACE)
    for name, colours in theme.THEMES.items():
        assert settings[name] == {
            "primaryColor": colours.accent,
            "backgroundColor": colours.background,
            "secondaryBackgroundColor": colours.surface,
            "textColor": colours.text,
            "borderColor": colours.grid,
        }


@pytest.mark.parametrize("path", sorted(home.components().iterdir()), ids=lambda path: path.name)
def test_scripts_bring_text_in_as_text_and_fetch_nothing(path: Path) -> None:
    forbidden = {
        ".js": (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "fetch(",
            "XMLHttpRequest",
            "import",
            "eval(",
        ),
        ".css": ("url(", "@import"),
    }
    content = path.read_text("utf-8")
    for word in (*forbidden[path.suffix], "http:", "https:"):
        assert word not in content
