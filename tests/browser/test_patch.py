"""What another text had is put in, in a real browser: a ready pair, a cell, the answer beside, and the same link."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LOADING, spot, still

pytestmark = pytest.mark.browser


def test_a_ready_pair_is_compared_and_a_cell_changes_the_answer(
    server: str, open_page: Callable[..., Page]
) -> None:
    page = open_page(f"{server}/next_word", width=390, scheme="dark")
    page.locator(".sheet[data-paints]").wait_for(timeout=LOADING)
    box = page.locator(".st-key-patching")
    still(page.get_by_text("What another text had instead", exact=True)).click()
    still(box.get_by_role("button", name="A ready pair")).click()
    picture = box.locator("canvas.cells, canvas").first
    picture.wait_for(timeout=LOADING)
    expect(box).to_contain_text("“The woman said that”: “she”")
    expect(box).to_contain_text("of the way")
    # Five tokens down, four layers across: “man” behind the first layer is where the difference stands.
    picture.click(position=spot(picture, 0.125, 0.5))
    expect(box).to_contain_text("layer 1 at “man / woman” (token 3)")
    way = re.search(r"That is ([\d.]+) of the way", box.inner_text())
    assert way and float(way[1]) > 0.9
    still(box.get_by_role("button", name="Put it in and answer again")).click()
    expect(page.locator(".st-key-change")).to_contain_text(
        "From “The woman said that”: the stream behind layer 1 of the decoder, at “man”."
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    again = open_page(page.url, width=1280)
    expect(again.locator(".st-key-change")).to_contain_text("From “The woman said that”", timeout=LOADING)
    expect(again.get_by_text("she", exact=True).first).to_be_visible()
