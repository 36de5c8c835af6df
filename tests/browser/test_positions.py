"""The page of positions in a real browser: pictures of every size, picks, scales and shuffles, in both themes."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LOADING, spot, views
from transformer.formulas.positions import sinusoids

pytestmark = pytest.mark.browser


@pytest.fixture
def visit(server: str, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """`visit(length=..., width=...)`: the page with this address, its table painted."""

    def run(*, screen: int = 1280, scheme: str = "light", **query: str) -> Page:
        page = open_page(f"{server}/positions?{urlencode(query)}", width=screen, scheme=scheme)
        picture(page, query.get("encoding", "Paper")).wait_for(timeout=LOADING)
        return page

    return run


def picture(page: Page, title: str) -> Locator:
    """The matrix whose title begins so, once it is painted."""
    return page.locator(".matrix[data-paints]").filter(
        has=page.locator("b", has_text=re.compile(f"^{re.escape(title)}"))
    )


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name)


def said(page: Page) -> list[str]:
    """The two translations, the original first."""
    expect(page.get_by_text("This head moved")).to_be_visible()
    return [h.inner_text() for h in page.locator("[data-testid=stHeading] h3").all()][1:3]


def test_the_largest_picture_is_painted_and_every_cell_can_be_read(visit: Callable[..., Page]) -> None:
    page = visit(length="2048", width="1024")
    table = picture(page, "Paper")
    expect(table).to_have_attribute("data-shape", "2048x1024")
    # The drawing itself, milliseconds; the whole way to the screen depends on what else the machine does.
    assert float(table.get_attribute("data-draw-ms") or "nan") < 2000
    canvas = table.locator("canvas")
    canvas.focus()
    for key in ("End", "ArrowLeft", "ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    mantissa, exponent = f"{sinusoids(2, 1024)[1, 1022]:.3e}".split("e")
    expect(table.locator(".tip")).to_have_text(f"position 1, column 1022: {mantissa}e{int(exponent)}")
    page.keyboard.press("Escape")
    expect(table.locator(".tip")).to_be_hidden()


def test_sliders_change_the_picture_and_the_address(visit: Callable[..., Page]) -> None:
    page = visit()
    table = picture(page, "Paper")
    expect(table).to_have_attribute("data-shape", "128x512")
    slider(page, "Length").focus()
    page.keyboard.press("End")
    expect(table).to_have_attribute("data-shape", "2048x512")
    slider(page, "Width").focus()
    page.keyboard.press("Home")
    expect(table).to_have_attribute("data-shape", "2048x2")
    assert parse_qs(urlsplit(page.url).query) == {"length": ["2048"], "width": ["2"]}
    page.get_by_role("button", name="Start values").first.click()
    expect(table).to_have_attribute("data-shape", "128x512")
    assert urlsplit(page.url).query == ""


def test_hover_names_position_column_and_value(visit: Callable[..., Page]) -> None:
    page = visit(length="16", width="8")
    canvas = picture(page, "Paper").locator("canvas")
    canvas.hover(position=spot(canvas, 1.5 / 8, 3.5 / 16))
    expect(picture(page, "Paper").locator(".tip")).to_have_text("position 3, column 1: −0.9900")  # cos 3


def test_a_click_on_a_row_picks_its_position(visit: Callable[..., Page]) -> None:
    page = visit(length="32")
    alike = picture(page, "Dot product").locator("canvas")
    alike.click(position=spot(alike, 0.5, 9.5 / 32))
    expect(page.get_by_text("Nearest to position 9")).to_be_visible()
    expect(page).to_have_url(re.compile("position=9"))
    page.get_by_text("cosine", exact=True).first.click()
    expect(picture(page, "Cosine")).to_be_visible()


def test_every_encoding_fits_its_screen(visit: Callable[..., Page]) -> None:
    page = visit(screen=390, scheme="light")
    for screen, scheme in views(page, (390, "light"), (390, "dark"), (1280, "dark")):
        for name, title in (
            ("TF tutorial", "TF tutorial: "),
            ("Tensor2Tensor", "Tensor2Tensor: "),
            ("Rotary", "Rotary: "),
            ("ALiBi", "Bias of head 3"),
            ("Paper", "Paper"),
        ):
            page.get_by_test_id("stButtonGroup").get_by_text(name, exact=True).first.click()
            expect(picture(page, title)).to_be_visible()
            expect(picture(page, title)).to_have_attribute("data-theme", scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= screen


def test_positions_taken_away_and_words_shuffled(visit: Callable[..., Page]) -> None:
    page = visit()
    first, second = said(page)
    assert first == second
    slider(page, "Scale of the positions").focus()
    page.keyboard.press("Home")
    expect(page.get_by_text("+ positions × 0")).to_be_visible()
    expect(page.get_by_text("All heads moved")).to_be_visible()
    page.get_by_text("Reversed", exact=True).click()
    expect(page.get_by_text("A check.")).to_be_visible()
    bag = said(page)
    assert bag[0] == first
    page.get_by_text("Shuffled 2", exact=True).click()
    expect(page.get_by_text("Changed: positions × 0, shuffled 2")).to_be_visible()
    expect(page.get_by_text("A check.")).to_be_visible()
    assert said(page) == bag, "without positions the order of the words must not matter"
    assert parse_qs(urlsplit(page.url).query) == {"scale": ["0"], "order": ["Shuffled 2"]}
    moved = picture(page, "Which heads").locator("canvas")
    moved.click(position=spot(moved, 4.5 / 8, 2.5 / 4))
    expect(page).to_have_url(re.compile("layer=3.*head=5|head=5.*layer=3"))


def test_a_link_restores_the_view(visit: Callable[..., Page]) -> None:
    page = visit(
        encoding="TF tutorial", minus="Paper", ordered="true", length="64", scale="0.5", order="Reversed"
    )
    expect(picture(page, "TF tutorial minus Paper")).to_have_attribute("data-shape", "64x512")
    expect(page.get_by_text("Nothing is left")).to_be_visible()
    expect(page.get_by_text("Changed: positions × 0.5, reversed")).to_be_visible()
