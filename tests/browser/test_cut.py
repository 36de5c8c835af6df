"""A look is cut in a real browser: by a click on the heatmap, by two clicks on words, and in a link."""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LOADING, still, until

pytestmark = pytest.mark.browser


def becomes(page: Page, text: str) -> None:
    until(page, "text => (new URL(location).searchParams.get('change') ?? '') === text", text)
    expect(page.locator(".st-key-change")).to_have_count(1 if text else 0, timeout=LOADING)


def test_a_cell_is_clicked_and_cut_and_words_do_the_same(server: str, open_page: Callable[..., Page]) -> None:
    page = open_page(f"{server}/translate?{urlencode({'layer': '2', 'head': '3'})}")
    page.locator(".sheet[data-paints]").wait_for(timeout=LOADING)
    picture = still(page.locator(".st-key-heatmap .heatmaplayer image").first)
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    rows, columns = (
        11,
        10,
    )  # “The train left from the station at the time.” by “O trem saiu da estação na hora.”
    page.mouse.move(box["x"] + 4.3 * box["width"] / columns, box["y"] + 5.3 * box["height"] / rows)
    page.mouse.click(box["x"] + 4.5 * box["width"] / columns, box["y"] + 5.5 * box["height"] / rows)
    for name, place in (("Who", "6: station"), ("must not see", "5: esta")):
        expect(page.get_by_role("combobox", name=name)).to_have_value(place)
    page.locator(".st-key-cut-now button").click()
    becomes(page, "x:x2.3.6.5")
    told = page.locator(".st-key-change")
    expect(told).to_contain_text("layer 2, head 3: “station” does not see “esta”")
    expect(page.locator(".st-key-heatmap .scatterlayer .point")).to_have_count(1)
    page.get_by_role("button", name="Put back").first.click()
    becomes(page, "")

    page.get_by_text("A second click cuts the look").click()
    page.locator('.token[data-side="target"]').get_by_text("station", exact=True).click()
    page.locator('.token[data-side="source"]').get_by_text("esta", exact=True).click()
    becomes(page, "x:x2.3.6.5")
