"""What each layer would answer, and what adds to a score, in a real browser: drawn, read on hover, and on a phone."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LOADING

pytestmark = pytest.mark.browser


def test_layers_answer_and_a_score_is_taken_apart_on_a_phone(
    server: str, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{server}/translate", width=390, scheme="dark")
    page.locator(".sheet[data-paints]").wait_for(timeout=LOADING)
    page.get_by_text("What each layer would answer", exact=True).click()
    picture = page.locator(".st-key-lens-picture .js-plotly-plot")
    picture.wait_for(timeout=LOADING)
    expect(picture.locator(".heatmap-label").first).to_be_visible()
    last = picture.locator(".heatmap-label").last
    expect(last).to_contain_text("end")
    last.hover(force=True)
    expect(picture.locator(".hovertext")).to_contain_text(re.compile(r"end, layer 3.*%"))
    page.get_by_text("Where a score comes from", exact=True).click()
    page.locator(".st-key-shares-picture .js-plotly-plot").wait_for(timeout=LOADING)
    expect(page.get_by_text("The parts add up to the score of", exact=False)).to_be_visible()
    page.get_by_text("Its share of the score", exact=True).click()
    expect(page.locator(".sheet[data-paints] .cell").first).to_have_attribute(
        "aria-label", re.compile(r"\d\.\d")
    )
    expect(page.get_by_text("Numbers: how much the head adds to the score")).to_be_visible()
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, "nothing makes the page wider than the screen"
