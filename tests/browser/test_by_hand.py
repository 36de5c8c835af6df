"""Attention by hand in a real browser: edits in the table, sliders, shuffles, a head of the network, links."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LOADING, views

pytestmark = pytest.mark.browser


@pytest.fixture
def visit(server: str, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """`visit(mask="Causal", width=390)`: the page with this address, its first part painted."""

    def run(*, width: int = 1280, scheme: str = "light", **query: str) -> Page:
        page = open_page(f"{server}/by_hand?{urlencode(query)}", width=width, scheme=scheme)
        painted(page)
        return page

    return run


def painted(page: Page) -> None:
    page.locator("#step-7").wait_for()
    expect(page.locator(".js-plotly-plot").nth(8)).to_be_visible()


def address(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def look(page: Page) -> str:
    """What step 5 says of the word that is followed."""
    return page.get_by_text("The softmax makes every score positive").inner_text()


def changed(page: Page, before: str) -> str:
    """What it says after something else than before."""
    expect(page.get_by_text("The softmax makes every score positive")).not_to_have_text(before)
    return look(page)


def cell(page: Page, row: int, name: str) -> Locator:
    """A cell of the table; rows count from 1."""
    return page.get_by_role("textbox", name=f"Row {row}, {name}", exact=True)


def type_into(page: Page, row: int, name: str, text: str) -> None:
    """Click a cell, type and press Enter, at full speed: what the page is doing meanwhile must not matter."""
    cell(page, row, name).click()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def table_of(page: Page) -> list[str]:
    """The rows of the table in the address."""
    return address(page).get("table", "").split(";")


@pytest.mark.timeout(600)  # the network that loads meanwhile shares the machine with whatever else runs there
def test_edits_while_the_page_opens_all_count(
    serve: Callable[..., str], open_page: Callable[..., Page]
) -> None:
    # A server of its own: its network loads and compiles behind the first page, and the steps are still being drawn.
    page = open_page(f"{serve('app.py', HEADLIGHT_WARM='first', HEADLIGHT_XLA='on')}/by_hand")
    type_into(page, 2, "motion", "abc")
    type_into(page, 2, "motion", "-3")
    type_into(page, 3, "thing", "7")
    type_into(page, 4, "place", "8")
    type_into(page, 2, "word", "tram")
    type_into(page, 5, "time", "9")
    type_into(page, 1, "word", "A")
    sentence = page.get_by_role("textbox", name="Sentence")
    expect(sentence).to_have_value("A tram left the station on time.")
    page.wait_for_url(lambda url: "station%2C0.8%2C0%2C1.2%2C9" in url and "A%2C0.2" in url)
    edited = [
        "A,0.2,-0.2,0,0",
        "tram,1.2,-3,0.2,0",
        "left,7,1.2,1,-0.6",
        "the,0.2,-0.2,8,0",
        "station,0.8,0,1.2,9",
    ]
    assert table_of(page)[:5] == edited
    for row, line in enumerate(edited, 1):
        for name, text in zip(("word", "thing", "motion", "place", "time"), line.split(","), strict=True):
            expect(cell(page, row, name)).to_have_value(text)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    # Once everything is there, the network too, the table is still what was typed.
    page.locator("#step-13").wait_for(timeout=2 * LOADING)
    assert table_of(page)[:5] == edited
    expect(cell(page, 5, "time")).to_have_value("9")


def test_edits_of_the_table_go_through_every_step_and_into_the_address(visit: Callable[..., Page]) -> None:
    page = visit()
    before = look(page)
    type_into(page, 2, "motion", "abc")
    warning = page.get_by_test_id("stAlert")
    expect(warning).to_contain_text("Row 2 (“train”), column “motion”: expected a number")
    assert look(page) == before, "the last good picture stays"
    type_into(page, 2, "motion", "-3")
    expect(warning).to_have_count(0)
    after = changed(page, before)
    assert table_of(page)[1] == "train,1.2,-3,0.2,0"
    link = page.url

    page.goto(link)
    painted(page)
    assert look(page) == after
    expect(cell(page, 2, "motion")).to_have_value("-3")

    page.get_by_role("button", name="Start again").click()
    changed(page, after)
    assert look(page) == before
    page.wait_for_url(lambda url: "?" not in url)
    expect(cell(page, 2, "motion")).to_have_value("0.6")


def test_keys_that_a_busy_browser_hands_over_all_at_once(visit: Callable[..., Page]) -> None:
    page = visit()
    # A browser that was busy drawing handles the keys that have piled up before any of its timers.
    cell(page, 1, "thing").evaluate(
        """(first) => {
            const inputs = [...first.closest("tbody").querySelectorAll("input")];
            for (const [place, text] of [[1, "7"], [6, "8"], [5, "tram"], [11, "9"]]) {
                inputs[place].focus();
                inputs[place].value = text;
                const enter = { key: "Enter", bubbles: true, composed: true, cancelable: true };
                inputs[place].dispatchEvent(new KeyboardEvent("keydown", enter));
            }
        }"""
    )
    rows = "The%2C7%2C-0.2%2C0%2C0%3Btram%2C8%2C0.6%2C0.2%2C0%3Bleft%2C9%2C1.2"
    page.wait_for_url(lambda url: rows in url)
    expect(page.get_by_role("textbox", name="Sentence")).to_have_value("The tram left the station on time.")


def test_rows_come_and_go(visit: Callable[..., Page]) -> None:
    page = visit()
    type_into(page, 9, "word", "Today")
    expect(cell(page, 10, "word")).to_be_focused()
    page.keyboard.type("rain")
    page.keyboard.press("Tab")
    page.keyboard.type("5")  # counts when the cell is left
    page.get_by_role("button", name="Delete row 1", exact=True).click()
    expect(page.get_by_role("textbox", name="Sentence")).to_have_value(
        "train left the station on time. Today rain"
    )
    page.wait_for_url(lambda url: url.endswith("Today%2C0%2C0%2C0%2C0%3Brain%2C5%2C0%2C0%2C0"))
    assert len(table_of(page)) == 9
    # A block from a spreadsheet; what does not fit to the right is left out, what does not below makes rows.
    cell(page, 9, "place").click()
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData("text/plain", "1\\t2\\t3\\r\\n4\\t5\\r\\n");
            let element = document.activeElement;
            while (element.shadowRoot) element = element.shadowRoot.activeElement;
            const paste = { clipboardData: data, bubbles: true, composed: true, cancelable: true };
            element.dispatchEvent(new ClipboardEvent("paste", paste));
        }"""
    )
    warning = page.get_by_test_id("stAlert")
    expect(warning).to_contain_text("Row 10 has no word.")
    type_into(page, 10, "word", "falls")
    expect(warning).to_have_count(0)
    page.wait_for_url(lambda url: url.endswith("rain%2C5%2C0%2C1%2C2%3Bfalls%2C0%2C0%2C4%2C5"))


def test_another_sentence_and_an_edit_right_after_it_both_count(visit: Callable[..., Page]) -> None:
    page = visit()
    page.get_by_role("textbox", name="Sentence").fill("The old train sings.")
    type_into(
        page, 2, "motion", "-3"
    )  # most likely still in the old table, in which the second word is "train"
    expect(page.get_by_role("combobox", name="Follow the word")).to_have_value("train")
    page.wait_for_url(lambda url: "-3" in url)
    rows = table_of(page)
    assert [row.split(",")[0] for row in rows] == ["The", "old", "train", "sings", "."]
    assert ",-3," in rows[1] or ",-3," in rows[2]


def test_what_is_being_typed_moves_along_with_its_word(visit: Callable[..., Page]) -> None:
    page = visit()
    page.get_by_role("textbox", name="Sentence").fill("The old train sings.")
    cell(page, 2, "motion").click()  # of the old table: the row of "train"
    page.keyboard.type("-")
    expect(cell(page, 2, "word")).to_have_value("old")
    expect(cell(page, 3, "motion")).to_be_focused()
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "train%2C1.2%2C-3" in url)


def test_formulas_are_set_and_controls_move_the_numbers_and_stand_in_the_address(
    visit: Callable[..., Page],
) -> None:
    page = visit()
    assert page.locator(".katex-display").count() >= 8
    assert page.locator(".katex-error").count() == 0
    fonts = page.evaluate(
        "[...document.fonts].filter(f => f.family.startsWith('KaTeX') && f.status == 'loaded').length"
    )
    assert fonts > 0, "and the fixture sees to it that they came from here"
    before = look(page)
    slider = page.get_by_role("slider", name="Temperature t")
    slider.focus()
    slider.press("ArrowLeft")
    after = changed(page, before)
    assert address(page)["temperature"] == "0.5"
    page.get_by_role("radio", name="Causal", exact=True).click()
    changed(page, after)
    expect(page.locator(".js-plotly-plot", has_text="−∞")).to_have_count(1)
    assert address(page)["mask"] == "Causal"
    distance = page.locator("p", has_text="apart and now stand")
    apart = distance.inner_text()
    page.get_by_role("button", name="Shuffle the words").click()
    expect(distance).not_to_have_text(apart)
    assert address(page)["order"] == "2"
    now = look(page)
    page.reload()
    painted(page)
    assert look(page) == now


def test_a_layer_of_the_network(visit: Callable[..., Page]) -> None:
    page = visit(width=390, scheme="dark")
    page.locator("#step-13").wait_for(timeout=LOADING)
    for number, (width, _) in zip(("3", "5"), views(page, (390, "dark"), (1280, "light")), strict=True):
        expect(page.get_by_text("The numbers agree.")).to_be_visible()
        page.get_by_role("gridcell", name=f"Layer 1 head {number}", exact=True).click()
        head = page.get_by_role("radiogroup", name="Head", exact=True).get_by_role("radio", checked=True)
        expect(head).to_have_text(number)
        expect(page.get_by_text(f"Decoder self-attention, layer 1, head {number}")).to_be_visible()
        assert address(page)["head"] == number
        assert page.locator(".katex-error").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
