"""Heads switched off in a real browser: by click, by key, by a row's name, on several pages, and in a link."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LOADING, still, until

pytestmark = pytest.mark.browser


@pytest.fixture
def visit(server: str, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """`visit("translate", change="h:x2.5")`: a page with its heads painted."""

    def run(page: str, *, width: int = 1280, scheme: str = "light", **query: str) -> Page:
        opened = open_page(f"{server}/{page}?{urlencode(query)}", width=width, scheme=scheme)
        opened.locator(".sheet[data-paints]").wait_for(timeout=LOADING)
        return opened

    return run


def change(page: Page) -> str:
    return "".join(parse_qs(urlsplit(page.url).query).get("change", []))


def becomes(page: Page, text: str) -> None:
    """The address asks for this change, and what it did stands under the sheet."""
    until(page, "text => (new URL(location).searchParams.get('change') ?? '') === text", text)
    expect(page.locator(".st-key-change")).to_have_count(1 if text else 0)


def cell(page: Page, layer: int, head: int) -> Locator:
    return page.locator(f'.cell[aria-label^="Layer {layer} head {head}"]')


def ways(page: Page) -> Locator:
    return page.get_by_role("group", name="What a click on a head does")


def test_clicks_keys_and_names_of_layers_switch_and_a_link_opens_the_same(visit: Callable[..., Page]) -> None:
    page = visit("translate")
    answer = page.locator('.text[data-side="target"]').inner_text()
    cell(page, 2, 3).click()  # looking is as it was
    expect(page.locator(".st-key-view")).to_contain_text("layer 2, head 3")
    assert not change(page)

    ways(page).get_by_text("Switch off").click()
    cell(page, 3, 5).scroll_into_view_if_needed()
    spot = still(cell(page, 2, 5)).bounding_box()
    assert spot is not None
    place = spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2
    page.mouse.click(*place)
    becomes(page, "h:x2.5")
    # The first answer stands above the sheet now, and yet the next click hits the same head.
    still(page.locator(".sheet"))
    page.mouse.click(*place)
    becomes(page, "")
    still(page.locator(".sheet"))
    page.mouse.click(*place)
    becomes(page, "h:x2.5")
    expect(cell(page, 2, 5)).to_have_attribute("aria-label", "Layer 2 head 5, off")
    expect(page.locator(".st-key-view")).to_contain_text("layer 2, head 3")
    expect(page.locator(".st-key-change")).to_contain_text("likely")
    before = page.locator('.text[data-side="beside"]')
    expect(before).to_have_text(answer.replace("▸ start", "").strip(), use_inner_text=True)

    cell(page, 1, 1).press("ArrowRight")
    page.keyboard.press("x")
    becomes(page, "h:x1.2,x2.5")
    expect(cell(page, 1, 2)).to_be_focused()
    cell(page, 3, 1).press("Shift+X")
    becomes(page, "h:x1.2,x2.5,x3.*")
    page.locator('.layer[data-line="2,-1"]').click()
    becomes(page, "h:x1.2,x2.5")
    ways(page).get_by_text("Halve").click()
    cell(page, 2, 5).click()
    becomes(page, "h:x1.2,x2.5=0.5")
    expect(cell(page, 2, 5)).to_have_text("½")

    # What a change did takes more lines or fewer: a press must not end beside what it began on.
    expect(page.locator(".st-key-change")).to_contain_text("Halved")
    still(page.get_by_text("Hold the answer")).click()
    expect(page.locator(".st-key-change")).to_contain_text("finds this translation")
    page.get_by_role("radio", name="Difference").click()
    expect(page.locator(".st-key-view")).to_contain_text("the change")
    shown = page.locator(".st-key-change").inner_text()
    again = visit(
        "translate", **{name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
    )
    expect(again.locator(".st-key-change")).to_have_text(shown, use_inner_text=True)
    expect(again.locator(".st-key-view")).to_contain_text("layer 2, head 3: the change")
    expect(again.locator(".sheet .legend")).to_contain_text("change −")

    still(page.get_by_role("button", name="Take all back")).click()
    becomes(page, "")
    expect(page.locator('.text[data-side="beside"]')).to_have_count(0)
    expect(page.locator('.text[data-side="target"]')).to_have_text(answer, use_inner_text=True)


@pytest.mark.parametrize(
    ("path", "asked"), [("next_word", "h:d1.1"), ("sentiment", "h:e1.1"), ("speech", "h:x1.1")]
)
def test_a_head_is_switched_off_on_every_page_and_fits_a_phone(
    visit: Callable[..., Page], path: str, asked: str
) -> None:
    page = visit(path, width=390, scheme="dark", **({"layer": "1", "head": "1"} if path == "speech" else {}))
    still(page.locator(".sheet"))
    cell(page, 1, 1).focus()
    page.keyboard.press("x")
    becomes(page, asked)
    expect(page.locator(".st-key-change")).to_contain_text("Switched off")
    still(page.locator("[data-testid=stApp]"))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if path != "speech":
        expect(page.locator(".tick.before, .bars .tick").first).to_be_attached()


def test_somebody_who_scrolls_away_stays_there(visit: Callable[..., Page]) -> None:
    page = visit("translate")
    ways(page).get_by_text("Switch off").click()
    main = page.get_by_test_id("stMain")
    main.evaluate("(main) => (main.scrollTop = 150)")
    still(cell(page, 2, 5)).click()
    # As assistive software and a search in the page scroll: without a wheel, a key or a finger.
    away = """(main) => new Promise(requestAnimationFrame).then(() => {
      const before = main.scrollTop;
      main.scrollTop = 0;
      return before;
    })"""
    assert main.evaluate(away) > 100
    becomes(page, "h:x2.5")
    still(page.locator(".sheet"))
    assert main.evaluate("(main) => main.scrollTop") == 0
