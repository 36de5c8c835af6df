"""What the rows of tinted text send to the browser, and what attention received is."""

from typing import Any

import numpy as np
import pytest

from transformer.figures.theme import rgb, to_lab
from transformer.trace import Label
from transformer.ui.sentiment import tints as module
from transformer.ui.sentiment.tints import Row, received, table, tints

LABELS = (Label("un"), Label("good", joins=True), Label(" "), Label("end", special=True))
VALUES = np.array([0.5, -0.25, 0.0, 0.125], np.float32)
ROWS = (
    Row("Share", "about", "0", "", False, np.abs(VALUES)),
    Row("Signed", "about", "bad", "good", True, VALUES),
    Row("Later", "about", "bad", "good", True, None),
)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    last: dict[str, Any] = {}
    monkeypatch.setattr(module, "_TINTS", lambda **call: last.update(call))
    return last


def test_attention_received_is_the_mean_of_a_column() -> None:
    weights = np.array([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(received(weights), [0.25, 0.25, 0.5])


def test_tokens_and_values_are_sent_as_they_are(sent: dict[str, Any]) -> None:
    tints(LABELS, ROWS, key="t")
    data = sent["data"]
    assert [token["text"] for token in data["tokens"]] == ["un", "good", "␣", "⏎ end"]
    assert [token["joins"] for token in data["tokens"]] == [False, True, False, False]
    assert [row["values"] for row in data["rows"]] == [
        [0.5, 0.25, 0.0, 0.125],
        [0.5, -0.25, 0.0, 0.125],
        None,
    ]
    assert data["rows"][1]["low"] == "bad" and data["rows"][1]["signed"]


def test_text_stays_readable_on_every_hue(sent: dict[str, Any]) -> None:
    """A contrast of 4.5 to 1 (WCAG 2.2, 1.4.3) on the fullest tint, which covers 62 percent."""
    from transformer.figures.theme import THEMES

    tints(LABELS, ROWS, key="t")

    def luminance(colour: np.ndarray) -> float:
        lightness = to_lab(colour)[0]
        return float(((lightness + 16) / 116) ** 3 if lightness > 8 else lightness / 903.3)

    for name, colours in sent["data"]["colours"].items():
        theme = THEMES[name]
        text = luminance(np.array(rgb(theme.text)))
        for hue in ("share", "for", "against"):
            mixed = 0.62 * np.array(rgb(colours[hue])) + 0.38 * np.array(rgb(theme.background))
            low, high = sorted((text, luminance(mixed)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, hue)


def test_values_that_do_not_fit_are_refused(sent: dict[str, Any]) -> None:
    for wrong in (VALUES[:2], np.array([np.nan, 0, 0, 0], np.float32)):
        with pytest.raises(ValueError, match="expected 4 finite values"):
            tints(LABELS, [ROWS[0]._replace(values=wrong)], key="t")
    assert not sent


def test_the_table_has_what_the_text_shows() -> None:
    found = table(LABELS, ROWS)
    assert list(found) == ["token", "share", "signed"]
    assert found["signed"] == [0.5, -0.25, 0.0, 0.125]
