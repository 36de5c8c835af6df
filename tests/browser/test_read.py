"""The page of encoders in a real browser: a tiny BERT is opened, words are masked, guesses taken, a link keeps it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import LOADING, ROOT, still, views

pytestmark = pytest.mark.browser

TEXT = "The cat sat near the old log."


@contextmanager
def opened(server: str, context: BrowserContext, name: str) -> Iterator[str]:
    """A tiny network, opened for all visitors and forgotten at the end."""
    page = context.new_page()
    page.set_default_timeout(LOADING)
    page.goto(f"{server}/models")
    page.get_by_role("heading", name="Opened models").wait_for()
    box = page.get_by_label("Folder or hub id")
    box.fill(str(ROOT / "tests" / "golden" / name))
    box.press("Enter")
    page.get_by_role("button", name="Open it").click()
    entry = page.locator(f".st-key-opened-{name}")
    entry.get_by_role("link", name="Read").wait_for()
    yield name
    entry.get_by_role("button", name="Forget").click()
    entry.wait_for(state="detached")
    page.close()


@pytest.fixture(scope="module")
def bert(server: str, context: BrowserContext) -> Iterator[str]:
    with opened(server, context, "bert-masked") as name:
        yield name


@pytest.fixture
def visit(server: str, bert: str, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """`visit(text=..., masked=..., width=390)`: Read with this address and a tiny BERT, everything painted."""

    def run(*, width: int = 1280, scheme: str = "light", **query: str) -> Page:
        address = f"{server}/read?{urlencode({'model': bert, 'text': TEXT, **query})}"
        page = open_page(address, width=width, scheme=scheme)
        painted(page)
        return page

    return run


def painted(page: Page) -> None:
    page.locator(".sheet[data-paints]").wait_for(timeout=LOADING)
    page.locator(".heatmaplayer image").wait_for()


def word(page: Page, text: str) -> Locator:
    """The first token of a word of the text."""
    return page.locator('.text[data-side="source"] .token').filter(has_text=re.compile(f"^{text}$")).first


def masks(page: Page) -> Locator:
    return page.locator(".token.masked")


def guesses(page: Page) -> Locator:
    return page.locator(".bars button")


def masked(page: Page) -> list[str]:
    return parse_qs(urlsplit(page.url).query).get("masked", [])


def test_a_word_is_masked_a_guess_taken_and_a_reload_keeps_it(visit: Callable[..., Page]) -> None:
    page = visit()
    expect(masks(page)).to_have_count(0)
    word(page, "cat").click()
    expect(masks(page)).to_have_count(1)
    expect(masks(page)).to_have_text("[MASK]")
    expect(page.locator(".bars .title")).to_have_text("Instead of “cat”")
    assert masked(page) == ["2"]

    word(page, "old").click()
    expect(masks(page)).to_have_count(2)
    expect(page.locator(".bars .title")).to_have_count(2)
    page.reload()
    painted(page)
    expect(masks(page)).to_have_count(2)
    assert masked(page) == ["2_6"]

    chosen = guesses(page).first
    text = chosen.locator(".name").inner_text()
    chosen.click()
    expect(masks(page)).to_have_count(1)
    expect(page.get_by_label("Text", exact=True)).to_have_value(TEXT.replace("cat", text))
    # The mask goes at once, and its bars when they are painted: asking for a text of one of two fails without waiting.
    expect(page.locator(".bars .title")).to_have_count(1)
    expect(page.locator(".bars .title")).to_have_text("Instead of “old”")
    masks(page).click()
    expect(masks(page)).to_have_count(0)
    assert masked(page) == []


def test_the_keyboard_masks_and_puts_in(visit: Callable[..., Page]) -> None:
    page = visit()
    word(page, "the").focus()  # the first word; "The" is read in lower case
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(masks(page)).to_have_count(1)
    expect(masks(page)).to_be_focused()
    guesses(page).first.focus()
    page.keyboard.press("ArrowDown")
    expect(guesses(page).nth(1)).to_be_focused()
    text = guesses(page).nth(1).locator(".name").inner_text()
    page.keyboard.press("Enter")
    expect(masks(page)).to_have_count(0)
    expect(page.get_by_label("Text", exact=True)).to_have_value(TEXT.replace("cat", text))


def test_a_click_can_hold_the_attention_instead(visit: Callable[..., Page]) -> None:
    page = visit()
    page.get_by_role("button", name="A click holds its attention").click()
    word(page, "cat").click()
    expect(word(page, "cat")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".status")).to_contain_text("“cat” looks at")
    page.locator(".cell").nth(5).click()
    expect(page.locator(".st-key-view")).to_have_text("Encoder self-attention, layer 2, head 2")
    expect(word(page, "cat")).to_have_attribute("aria-pressed", "true")
    expect(masks(page)).to_have_count(0)


def test_all_subwords_of_a_word_are_masked(visit: Callable[..., Page]) -> None:
    page = visit(text="It isn't late.")
    word(page, "i").click()  # i ##s ##n
    expect(masks(page)).to_have_count(3)
    expect(page.locator(".bars .title")).to_have_text("Instead of “isn”")
    page.get_by_role("button", name="Take the masks off").click()
    expect(masks(page)).to_have_count(0)


def test_every_width_and_theme_holds_it_all(visit: Callable[..., Page]) -> None:
    page = visit(width=390, scheme="dark", masked="2_6")
    for width, scheme in views(page, (390, "dark"), (390, "light"), (1280, "dark")):
        expect(guesses(page).first).to_be_visible()
        expect(page.locator(".sheet")).to_have_attribute("data-theme", scheme)
        for picture in (".sheet", ".sentence", ".bars", ".js-plotly-plot:visible"):
            box = still(page.locator(picture)).bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width + 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_classes_of_tokens_are_marked_and_told(
    server: str, context: BrowserContext, open_page: Callable[..., Page]
) -> None:
    with opened(server, context, "heads-bert-tokens") as name:
        page = open_page(
            f"{server}/read?{urlencode({'model': name, 'text': TEXT})}", width=390, scheme="dark"
        )
        painted(page)
        drawn = page.locator(".classes")
        tokens, named = drawn.locator(".token"), drawn.locator(".name")
        assert 1 <= named.count() <= drawn.locator(".token.marked").count() < tokens.count()
        expect(named.first).to_contain_text(re.compile(r"(PER|LOC)\s*[\d.]+ %"))
        tokens.first.focus()
        page.keyboard.press("ArrowRight")
        told = r"“the”: (O|[BI]-(PER|LOC)) [\d.]+ %(, .+ [\d.]+ %){4}"
        expect(drawn.locator(".status")).to_have_text(re.compile(told))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
