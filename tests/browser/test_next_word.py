"""Next word in a real browser: typing, taking words, writing on, and the replay. What the network says may change."""

import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LOADING, still, until, views

pytestmark = pytest.mark.browser

TEXT = "He went to the window and"


@pytest.fixture
def visit(server: str, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """`visit(text=..., step=..., width=390)`: Next word with this address, bars, text and heads painted."""

    def run(*, width: int = 1280, scheme: str = "light", **query: str) -> Page:
        page = open_page(f"{server}/next_word?{urlencode(query)}", width=width, scheme=scheme)
        painted(page)
        return page

    return run


def painted(page: Page) -> None:
    page.locator(".heatmaplayer image").wait_for(timeout=LOADING)
    page.locator(".replay[data-updates]").wait_for()


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Text", exact=True)


def words(page: Page) -> Locator:
    return page.get_by_role("list", name="The likeliest next words").get_by_role("button")


def read(page: Page) -> Locator:
    """The text as the network read it."""
    return page.locator(".replay .text")


def as_read(text: str) -> re.Pattern[str]:
    """The words of a text as its tokens stand on the page, after the start marker."""
    return re.compile(r"start\W*" + r"\s*".join(re.escape(letter) for letter in text if letter != " ") + "$")


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="Step", exact=True)


def tokens(page: Page) -> Locator:
    return page.locator(".replay .token")


def address(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(str(page.evaluate("location.href"))).query)


def test_words_follow_the_typing_and_a_click_appends_one(visit: Callable[..., Page]) -> None:
    page = visit()
    expect(words(page)).to_have_count(10)
    box(page).fill(TEXT)  # no Enter: it is read after a pause
    expect(read(page)).to_have_text(as_read(TEXT))
    first = words(page).first.locator(".name").inner_text()
    words(page).first.click()
    expect(box(page)).to_have_value(f"{TEXT} {first}")
    expect(read(page)).to_have_text(as_read(f"{TEXT} {first}"))
    words(page).nth(1).focus()
    second = words(page).nth(1).locator(".name").inner_text()
    page.keyboard.press("Enter")
    expect(read(page)).to_have_text(as_read(f"{TEXT} {first} {second}"))
    expect(words(page).nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(words(page).first).to_be_focused()
    page.get_by_role("button", name="Take back").click()
    expect(box(page)).to_have_value(f"{TEXT} {first}")
    until(page, "wanted => new URL(location.href).searchParams.get('text') === wanted", f"{TEXT} {first}")


def test_bars_follow_the_settings(visit: Callable[..., Page]) -> None:
    page = visit(text=TEXT, temperature="1", top_k="All", top_p="1")

    def shares() -> list[float]:
        return [float(text.strip("<% \u202f")) for text in words(page).locator(".percent").all_inner_texts()]

    first = words(page).first.locator(".percent")
    plain, before = shares(), first.inner_text()
    assert plain == sorted(plain, reverse=True) and sum(plain) <= 100.5
    page.get_by_role("slider", name="Temperature").focus()
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
    expect(first).not_to_have_text(before)
    assert shares()[0] > plain[0]
    name = words(page).first.get_attribute("aria-label") or ""
    assert "drawn with" in name and "the network's own probability" in name
    page.get_by_role("button", name="Start values").click()
    until(page, "() => !new URL(location.href).searchParams.has('temperature')")


def test_it_writes_on_and_the_slider_replays_it(visit: Callable[..., Page]) -> None:
    page = visit(text=TEXT)
    page.get_by_role("button", name="Continue by 20 words").click()
    expect(box(page)).not_to_have_value(TEXT)
    longer = box(page).input_value()
    assert longer.startswith(TEXT) and len(longer.split()) == len(TEXT.split()) + 20
    expect(read(page)).to_have_text(as_read(longer))
    count = tokens(page).count()
    assert slider(page).input_value() == str(count)
    expect(page.locator(".replay")).to_have_attribute("data-tint", "surprise")

    slider(page).focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".replay")).to_have_attribute("data-step", str(count - 3))
    expect(page.locator(".replay")).to_have_attribute("data-tint", "attention")
    expect(page.locator(".token.later")).to_have_count(2)
    came = page.locator(".token.came")
    expect(page.locator(".other.written .name")).to_have_text(came.inner_text())
    weights = [float(token.get_attribute("data-weight") or "nan") for token in tokens(page).all()]
    np.testing.assert_allclose(sum(weights), 1, atol=0.05)
    assert not any(weights[count - 3 :]), "it cannot look at what had not come"

    until(page, "step => new URL(location.href).searchParams.get('step') === step", str(count - 3))
    page.reload()
    painted(page)
    expect(box(page)).to_have_value(longer)
    expect(page.locator(".replay")).to_have_attribute("data-step", str(count - 3))
    box(page).fill(TEXT)
    expect(read(page)).to_have_text(as_read(TEXT))
    expect(page.locator(".token.later")).to_have_count(0)
    until(page, "() => !new URL(location.href).searchParams.has('step')")


def test_it_plays_by_itself(visit: Callable[..., Page]) -> None:
    page = visit(text="The old man sat")
    replay, count = page.locator(".replay"), tokens(page).count()
    # Noted as they come: a slow browser would show the steps to somebody who looks now and then only in part.
    replay.evaluate(
        """box => {
          window.steps = [];
          new MutationObserver(() => window.steps.push(Number(box.dataset.step)))
            .observe(box, {attributeFilter: ["data-step"]});
        }"""
    )
    page.get_by_role("button", name="Replay").click()
    expect(replay).to_have_attribute("data-step", str(count))
    steps = page.evaluate("window.steps")
    assert steps[-count:] == list(range(1, count + 1)), steps
    expect(page.get_by_role("button", name="Replay")).to_be_visible()


def test_surprise_is_tint_number_and_table(visit: Callable[..., Page]) -> None:
    page = visit(text=TEXT)
    page.get_by_text("Surprise of each token as a table").click()
    page.get_by_test_id("stDataFrame").wait_for()
    bits = []
    for token in tokens(page).all()[1:]:
        name = token.get_attribute("aria-label") or ""
        bits.append(float(re.search(r"([\d.]+) bits of surprise", name).group(1)))  # type: ignore[union-attr]
        tint = float(token.evaluate("token => getComputedStyle(token).getPropertyValue('--tint')"))
        np.testing.assert_allclose(tint, min(bits[-1] / 12, 1), atol=0.01)
    tokens(page).nth(3).focus()
    expect(page.locator(".replay .status")).to_contain_text(f"{bits[2]:.1f} bits of surprise")
    page.keyboard.press("ArrowLeft")
    expect(tokens(page).nth(2)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".replay")).to_have_attribute("data-step", "3")


def test_another_head_tints_the_text(visit: Callable[..., Page]) -> None:
    page = visit(text=TEXT)
    page.get_by_role("gridcell", name="Layer 2 head 3", exact=True).click()
    expect(page.locator(".st-key-view")).to_have_text("Decoder self-attention, layer 2, head 3")
    expect(page.locator(".replay .status")).to_contain_text("layer 2, head 3")
    expect(page.locator(".replay")).to_have_attribute("data-tint", "attention")
    page.get_by_role("button", name="Surprise", exact=True).click()
    expect(page.locator(".replay")).to_have_attribute("data-tint", "surprise")
    until(page, "() => new URL(location.href).searchParams.get('tint') === 'surprise'")
    assert address(page)["layer"] == ["2"] and address(page)["head"] == ["3"]


def test_the_way_to_translate_and_back(visit: Callable[..., Page]) -> None:
    page = visit(text=TEXT, layer="2")
    page.get_by_role("link", name="Translate", exact=True).first.click()
    expect(page.get_by_label("Sentence", exact=True)).to_have_value(re.compile("trem"))
    page.get_by_role("link", name="Next word", exact=True).first.click()
    painted(page)
    expect(box(page)).not_to_have_value(re.compile("trem"))
    expect(page.get_by_role("combobox", name="Model")).to_have_value("next-word-en")


def test_every_width_and_theme_holds_it_all(visit: Callable[..., Page]) -> None:
    page = visit(text=" ".join([TEXT] * 12), width=390, scheme="dark", step="20")
    for width, scheme in views(page, (390, "dark"), (390, "light"), (1280, "dark")):
        expect(page.locator(".replay")).to_have_attribute("data-theme", scheme)
        for part in (".bars", ".replay", ".sheet", ".js-plotly-plot:visible"):
            place = still(page.locator(part)).bounding_box()
            assert place is not None and place["x"] >= 0 and place["x"] + place["width"] <= width + 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width
