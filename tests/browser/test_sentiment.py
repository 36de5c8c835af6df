"""The page of reviews in a real browser: three tinted texts, a word pointed at, shuffled words, and a long review."""

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LOADING

pytestmark = pytest.mark.browser

TEXT = "A warm and funny film, and not a minute too long."


@pytest.fixture
def visit(server: str, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """`visit(text=..., model=..., width=390)`: Sentiment with this address, tints and heads painted."""

    def run(*, width: int = 1280, scheme: str = "light", **query: str) -> Page:
        page = open_page(f"{server}/sentiment?{urlencode(query)}", width=width, scheme=scheme)
        page.locator(".heatmaplayer image").wait_for(timeout=LOADING)
        page.locator(".tints[data-updates]").wait_for()
        return page

    return run


def row(page: Page, title: str) -> Locator:
    return page.get_by_role("region", name=title, exact=True)


def percent(page: Page) -> list[str]:
    return page.locator(".bars .percent").all_inner_texts()


def test_a_word_is_marked_in_all_three_texts(visit: Callable[..., Page]) -> None:
    page = visit(text=TEXT)
    titles = ("Attention received", "Gradient × input", "Left out")
    for title in titles:
        expect(row(page, title).locator(".token")).to_have_count(
            row(page, titles[0]).locator(".token").count()
        )
    row(page, "Left out").get_by_text("funny", exact=True).hover()
    expect(page.locator(".token.pointed")).to_have_text(["funny"] * 3)
    expect(page.locator(".tints .status")).to_have_text(
        re.compile(r"“funny” · attention received 0\.\d+ · gradient × input [+−]?\d.* · left out [+−]?\d")
    )
    page.keyboard.press("Tab")
    token = row(page, "Gradient × input").locator(".token").first
    token.focus()
    page.keyboard.press("ArrowRight")
    expect(row(page, "Gradient × input").locator(".token").nth(1)).to_be_focused()


def test_shuffled_words_leave_the_network_without_positions_alone(visit: Callable[..., Page]) -> None:
    page = visit(text=TEXT, model="sentiment-en-unordered")
    box = page.get_by_role("textbox", name="Review")
    before = percent(page)
    page.get_by_role("button", name="Shuffle the words").click()
    expect(box).not_to_have_value(TEXT)
    back = page.get_by_role("button", name="Take back")
    expect(back).to_be_enabled()
    assert sorted(box.input_value().split()) == sorted(TEXT.split())
    assert percent(page)[:2] == before[:2]
    back.click()
    expect(box).to_have_value(TEXT)


def test_a_long_review_on_a_phone(visit: Callable[..., Page]) -> None:
    page = visit(text=" ".join([TEXT] * 60), width=390, scheme="dark")
    expect(page.get_by_text("The network reads the first 512 tokens")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    text = row(page, "Attention received").locator(".text")
    assert text.evaluate("e => e.scrollHeight > e.clientHeight"), "a long text scrolls in its own box"
    expect(row(page, "Left out").locator(".token[data-value]")).to_have_count(0)
    page.get_by_role("button", name=re.compile("Leave each of the")).click()
    expect(row(page, "Left out").locator(".token[data-value]").first).to_be_visible(timeout=LOADING)
