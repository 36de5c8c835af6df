"""What the replay of a text sends to the browser, which steps it knows, and what surprise is."""

import json
import math
import struct
from typing import Any

import numpy as np
import pytest

from transformer.trace import Alternative, AttentionMap, Label, Step, Trace
from transformer.ui.next_word import replay as module
from transformer.ui.next_word.replay import bits, draw, table

START = Label("start", special=True)
READ = (START, Label("The"), Label("old"), Label("er", joins=True))


def step(token: str, probability: float, *others: tuple[str, float]) -> Step:
    return Step(token, math.log(probability), 1.5, tuple(Alternative(*other) for other in others))


@pytest.fixture
def trace() -> Trace:
    weights = np.tril(np.ones((4, 4), np.float32))
    weights /= weights.sum(-1, keepdims=True)
    steps = [
        step("The", 0.25, ("The", 0.25), ("A", 0.125)),
        step("old", 1 / 1024, ("man", 0.5)),
        step("er", 1.0, ("er", 1.0)),
    ]
    return Trace(
        [AttentionMap("decoder", weights[None, None], READ, READ)],
        "The older",
        steps,
        source=READ,
        target=READ[1:],
    )


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The last call of the component, outside of a page."""
    last: dict[str, Any] = {}
    monkeypatch.setattr(module, "_REPLAY", lambda **call: last.update(call))
    monkeypatch.setattr(module.st, "query_params", {})
    monkeypatch.setattr(module.st, "session_state", {})
    return last


def unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<I", data[:4])
    return json.loads(data[4 : 4 + length]), data[4 + length :]


def test_surprise_is_the_log_of_the_probability() -> None:
    assert bits(step("x", 0.5)) == pytest.approx(1)
    assert bits(step("x", 1 / 1024)) == pytest.approx(10)
    assert bits(Step("x", 1e-4, 0.0)) == 0, "rounding is no gift"


def test_every_token_is_sent_with_what_foretold_it(trace: Trace, sent: dict[str, Any]) -> None:
    weights = trace["decoder"].weights[0, 0]
    draw(trace, weights, "Layer 1", "r")
    header, body = unpack(sent["data"])
    assert body == np.rint(weights * 255).astype(np.uint8).tobytes()
    assert [token["text"] for token in header["tokens"]] == ["▸ start", "The", "old", "er"]
    assert [token["joins"] for token in header["tokens"]] == [False, False, False, True]
    first, *others = header["tokens"]
    assert "bits" not in first, "nothing foretold what was read first"
    assert [token["bits"] for token in others] == [2.0, 10.0, 0.0]
    assert [token["probability"] for token in others] == [0.25, pytest.approx(1 / 1024, abs=1e-6), 1.0]
    assert [other["written"] for other in others[0]["best"]] == [True, False]
    assert [other["written"] for other in others[1]["best"]] == [False]
    assert header["step"] is None and header["tint"] == "" and header["view"] == "Layer 1"


def test_a_text_without_a_start_is_sent_too(sent: dict[str, Any]) -> None:
    read = READ[1:3]
    alone = Trace(
        [AttentionMap("decoder", np.tril(np.full((1, 1, 2, 2), [[1, 0], [0.5, 0.5]])), read, read)],
        "The old",
        [step("old", 0.5)],
        target=read[1:],
    )
    draw(alone, alone["decoder"].weights[0, 0], "", "r")
    assert ["bits" in token for token in unpack(sent["data"])[0]["tokens"]] == [False, True]


@pytest.mark.parametrize(
    ("address", "expected"),
    [("3", 3), ("1", 1), ("4", None), ("0", None), ("-1", None), ("x", None), ("٣", None), ("9" * 99, None)],
)
def test_the_step_of_an_address(
    trace: Trace, sent: dict[str, Any], address: str, expected: int | None
) -> None:
    module.st.query_params["step"] = address
    module.st.query_params["tint"] = "attention" if expected else "nonsense"
    draw(trace, trace["decoder"].weights[0, 0], "", "r")
    header, _ = unpack(sent["data"])
    assert header["step"] == expected and header["tint"] == ("attention" if expected else "")


@pytest.mark.parametrize(
    ("seen", "address"),
    [
        ({"step": 2, "tint": "surprise", "tokens": 4}, {"step": "2", "tint": "surprise"}),
        ({"step": 0, "tint": "", "tokens": 4}, {}),
        ({"step": 4, "tint": "x", "tokens": 4}, {}),
        ({"step": "2", "tint": None, "tokens": 4}, {"step": "2"}),
        ({"step": 2, "tint": "surprise", "tokens": 9}, {"step": "1"}),  # of another text
        ("2", {"step": "1"}),
        (None, {"step": "1"}),
    ],
)
def test_what_the_browser_says_stands_in_the_address(
    trace: Trace, sent: dict[str, Any], seen: Any, address: dict[str, str]
) -> None:
    draw(trace, trace["decoder"].weights[0, 0], "", "r")
    module.st.query_params["step"] = "1"
    module.st.session_state["r"] = {"seen": seen}
    sent["on_seen_change"]()
    assert module.st.query_params == address


def test_weights_that_do_not_fit_are_refused(trace: Trace, sent: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected weights and steps for 4 tokens"):
        draw(trace, np.ones((3, 4), np.float32) / 4, "", "r")


def test_the_table_has_a_row_for_each_token_that_was_foretold(trace: Trace) -> None:
    assert table(trace) == {
        "token": ["The", "old", "er"],
        "surprise (bits)": [2.0, 10.0, 0.0],
        "probability": [0.25, pytest.approx(1 / 1024, abs=1e-6), 1.0],
        "likeliest": ["The", "man", "er"],
        "its probability": [0.25, 0.5, 1.0],
        "entropy (bits)": [1.5, 1.5, 1.5],
    }
