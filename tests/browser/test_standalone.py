"""The standalone page in a browser: without a server, without a network."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import spot
from transformer.figures.standalone import html
from transformer.trace import AttentionMap, Trace

pytestmark = pytest.mark.browser

SOURCE, TARGET = ["o", "</script>", "trem"], ["the", "train"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    rising = np.arange(1, 1 + 2 * 2 * 2 * 3, dtype=np.float64).reshape(2, 2, 2, 3) ** 2
    cross = AttentionMap("cross", rising / rising.sum(-1, keepdims=True), TARGET, SOURCE)
    encoder = AttentionMap("encoder", np.broadcast_to(np.eye(3), (1, 2, 3, 3)), SOURCE, SOURCE)
    trace = Trace([encoder, cross], "the train", model="pt-en", input="o </script> trem")
    file = tmp_path / "trace.html"
    file.write_text(html(trace, layer=1, head=0), encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_heads_are_chosen_and_weights_are_read(
    open_page: Callable[..., Page], url: str, width: int, scheme: str
) -> None:
    visit = open_page(url, width=width, scheme=scheme)
    assert visit.locator("#input").inner_text() == "o </script> trem"
    assert visit.locator("#chosen").inner_text() == "Layer 2, head 1"
    assert visit.evaluate("document.documentElement.scrollWidth") <= width

    heat = visit.locator("#heat")
    for _ in range(3):  # the first arrow enters the picture
        heat.press("ArrowRight")
    heat.press("ArrowDown")
    # Layer 2, head 1 holds the squares of 13 to 18; the last row ends with 18² / (16² + 17² + 18²).
    assert visit.locator("#readout").inner_text() == "“train” looks at “trem”: 0.373"

    visit.locator("#sheet").press("ArrowRight")
    assert visit.locator("#chosen").inner_text() == "Layer 2, head 2"
    visit.locator("#sheet").click(position=spot(visit.locator("#sheet"), 0.4, 0.4))
    assert visit.locator("#chosen").inner_text() == "Layer 1, head 1"
    assert visit.locator("#head").input_value() == "0"

    visit.select_option("#map", label="Encoder: the input looks at itself")
    visit.select_option("#head", label="mean of all")
    assert visit.locator("#chosen").inner_text() == "Layer 1, mean of all heads"
    visit.locator("summary").click()
    visit.locator("td").first.wait_for()
    assert visit.locator("td").all_inner_texts()[:4] == ["1.000", "0.000", "0.000", "0.000"]
