"""The player in a real browser: what a click, a key and a word do to the playhead, and what lights up."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LOADING, serving, spot, still, views

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("tests/browser/demo_speech.py", tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def demo(url: str, open_page: Callable[..., Page]) -> Open:
    """The demonstration: four words of three seconds, drawn."""

    def run(query: str = "", **how: object) -> Page:
        page = open_page(f"{url}/?{query}", **how)
        player(page).wait_for(timeout=LOADING)
        return page

    return run


def player(page: Page) -> Locator:
    return page.locator(".speech[data-paints]")


def at(page: Page) -> float:
    return float(player(page).get_attribute("data-at") or "nan")


def stack(page: Page) -> Locator:
    return page.get_by_role("slider", name="Place in the clip")


def test_a_click_goes_there_and_lights_the_row_and_the_word(demo: Open) -> None:
    page = demo()
    stack(page).click(position=spot(stack(page), 1.8 / 3, 0.5))
    expect(player(page)).to_have_attribute("data-at", re.compile(r"1\.[78]\d?"))
    expect(player(page)).to_have_attribute("data-word", "2")
    expect(page.locator(".rows .tick.now")).to_have_text("one")
    expect(page.locator(".chip.now")).to_have_text("one")
    box, head = stack(page).bounding_box(), page.locator(".speech .head").bounding_box()
    assert box is not None and head is not None
    assert abs(head["x"] + 1 - (box["x"] + box["width"] * at(page) / 3)) < 3


def test_everything_can_be_done_with_keys(demo: Open) -> None:
    page = demo()
    stack(page).focus()
    page.keyboard.press("End")
    expect(stack(page)).to_have_attribute("aria-valuenow", "3.00")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(stack(page)).to_have_attribute("aria-valuenow", "0.04")
    expect(stack(page)).to_have_attribute("aria-valuetext", "0.04 seconds, “seven”")
    page.keyboard.press("ArrowDown")
    expect(player(page)).to_have_attribute("data-word", "1")
    page.keyboard.press("ArrowUp")
    expect(player(page)).to_have_attribute("data-word", "0")
    page.keyboard.press(" ")
    expect(player(page)).to_have_attribute("data-state", "playing")
    page.keyboard.press(" ")
    expect(player(page)).to_have_attribute("data-state", "paused")
    assert 0 <= at(page) <= 3


def test_a_word_plays_alone(demo: Open) -> None:
    page = demo()
    chip = page.get_by_role("button", name=re.compile("^Play “two”"))
    start, end = (float(n) for n in re.findall(r"\d\.\d\d", chip.get_attribute("aria-label") or ""))
    chip.click()
    expect(player(page)).to_have_attribute("data-at", f"{end:.2f}")
    expect(player(page)).to_have_attribute("data-state", "paused")
    assert start < end < 3


def test_another_head_keeps_the_place(demo: Open) -> None:
    page = demo()
    expect(page.get_by_text("Cross-attention, layer 2, head 1", exact=True)).to_be_visible()
    stack(page).focus()
    page.keyboard.press("PageDown")
    expect(player(page)).to_have_attribute("data-at", "1.00")
    page.get_by_role("radio", name="Encoder", exact=True).click()
    expect(page.get_by_text("Encoder self-attention, layer 2, head 1", exact=True)).to_be_visible()
    expect(player(page)).to_have_attribute("data-row", "25")
    assert at(page) == 1.0, "a row of the encoder is the moment itself: 25 x 0.04 s"


def test_both_ways_of_timing_stand_together(demo: Open) -> None:
    page = demo("ctc=1")
    expect(page.locator(".band")).to_have_count(2)
    expect(page.locator(".band").nth(1).locator(".word")).to_have_text(["seven", "two", "one", "nine"])
    expect(page.get_by_role("columnheader", name="CTC: start – end, s")).to_be_visible()
    still(page.get_by_text("How the words got their times")).click()
    still(page.get_by_role("radio", name="CTC", exact=True)).click()
    # Its spikes stand 0.2 s into each word.
    expect(page.get_by_role("button", name="Play “two”, 1.12 to 1.16 seconds")).to_be_visible()


def test_a_narrow_screen_holds_everything(demo: Open) -> None:
    page = demo("ctc=1", width=390, scheme="light")
    for _, scheme in views(page, (390, "light"), (390, "dark")):
        expect(player(page)).to_have_attribute("data-theme", scheme)
        box = player(page).bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_span_is_drawn_with_the_mouse_and_a_click_still_goes_there(demo: Open) -> None:
    page = demo()
    box = still(stack(page)).bounding_box()
    assert box is not None
    height = box["y"] + 60
    page.mouse.move(box["x"] + box["width"] * 0.3, height)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, height)
    page.mouse.move(box["x"] + box["width"] * 0.6, height)
    expect(page.locator(".stack > .span")).to_be_visible()
    page.mouse.up()
    expect(player(page)).to_have_attribute("data-at", "0.00")
    ends = page.locator(".st-key-span-seconds").get_by_role("slider")
    expect(ends).to_have_count(2)
    expect(ends.first).to_have_attribute("aria-valuetext", re.compile(r"^0\.(8[89]|9[012]) s"))
    expect(ends.last).to_have_attribute("aria-valuetext", re.compile(r"^1\.(7[89]|8[012]) s"))
    expect(page.locator(".spans .span")).to_have_attribute("title", "to be cut")
    expect(page.locator(".st-key-span-now button")).to_be_enabled()
    stack(page).click(position=spot(stack(page), 1.8 / 3, 0.5))
    expect(player(page)).to_have_attribute("data-at", re.compile(r"1\.[78]\d?"))
