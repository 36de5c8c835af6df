"""Attention by hand in a real browser: sliders, shuffles, a head of the network, links."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

SLOW = 90_000  # ms; two busy cores
LOADING = 240_000  # a network that loads while others train


@pytest.fixture(scope="session")
def server(serve: Callable[..., str]) -> str:
    return serve("app.py")


@pytest.fixture
def visit(server: str, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """`visit(mask="Causal", width=390)`: the page with this address, its first part painted."""

    def run(*, width: int = 1280, scheme: str = "light", **query: str) -> Page:
        page = open_page(f"{server}/by_hand?{urlencode(query)}", width=width, scheme=scheme)
        page.set_default_timeout(SLOW)
        painted(page)
        return page

    return run


def painted(page: Page) -> None:
    page.locator("#step-7").wait_for(timeout=SLOW)
    expect(page.locator(".js-plotly-plot").nth(8)).to_be_visible(timeout=SLOW)


def address(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def look(page: Page) -> str:
    """What step 5 says of the word that is followed."""
    return page.get_by_text("The softmax makes every score positive").inner_text()


def changed(page: Page, before: str) -> str:
    """What it says after something else than before."""
    expect(page.get_by_text("The softmax makes every score positive")).not_to_have_text(before, timeout=SLOW)
    return look(page)


def test_controls_move_the_numbers_and_stand_in_the_address(visit: Callable[..., Page]) -> None:
    page = visit()
    before = look(page)
    slider = page.get_by_role("slider", name="Temperature t")
    slider.focus()
    slider.press("ArrowLeft")
    after = changed(page, before)
    assert address(page)["temperature"] == "0.5"
    page.get_by_role("radio", name="Causal", exact=True).click()
    changed(page, after)
    expect(page.locator(".js-plotly-plot", has_text="−∞")).to_have_count(1, timeout=SLOW)
    assert address(page)["mask"] == "Causal"
    distance = page.locator("p", has_text="apart and now stand")
    apart = distance.inner_text()
    page.get_by_role("button", name="Shuffle the words").click()
    expect(distance).not_to_have_text(apart, timeout=SLOW)
    assert address(page)["order"] == "2"
    now = look(page)
    page.reload()
    painted(page)
    assert look(page) == now


def test_formulas_are_set_without_a_network(visit: Callable[..., Page]) -> None:
    page = visit()
    assert page.locator(".katex-display").count() >= 8
    assert page.locator(".katex-error").count() == 0
    fonts = page.evaluate(
        "[...document.fonts].filter(f => f.family.startsWith('KaTeX') && f.status == 'loaded').length"
    )
    assert fonts > 0, "and the fixture sees to it that they came from here"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_a_layer_of_the_network(visit: Callable[..., Page], scheme: str, width: int) -> None:
    page = visit(scheme=scheme, width=width)
    page.locator("#step-13").wait_for(timeout=LOADING)
    expect(page.get_by_text("The numbers agree.")).to_be_visible(timeout=SLOW)
    page.get_by_role("gridcell", name="Layer 1 head 3", exact=True).click()
    head = page.get_by_role("radiogroup", name="Head", exact=True).get_by_role("radio", checked=True)
    expect(head).to_have_text("3", timeout=SLOW)
    expect(page.get_by_text("Decoder self-attention, layer 1, head 3")).to_be_visible(timeout=SLOW)
    assert address(page)["head"] == "3"
    assert page.locator(".katex-error").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
