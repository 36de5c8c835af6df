"""The components in a real browser, on the made-up numbers of demo_components.py.

Head h of layer l looks mainly (0.6) at the position h after its own, so every answer here can be told beforehand.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import serving, spot, until, views
from transformer.figures.theme import DARK, LIGHT

pytestmark = pytest.mark.browser

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("tests/browser/demo_components.py", tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def demo(url: str, open_page: Open) -> Open:
    """Opens the demo with a query and waits until its heads are painted."""

    def visit(query: str = "", **how: Any) -> Page:
        page = open_page(f"{url}/?{query}", **how)
        page.locator(".sheet[data-paints]").wait_for(timeout=60_000)
        return page

    return visit


def cell(page: Page, layer: int, head: int) -> Locator:
    return page.get_by_role("gridcell", name=f"Layer {layer} head {head}", exact=True)


def token(page: Page, side: str, index: int) -> Locator:
    return page.locator(f'.token[data-side="{side}"][data-index="{index}"]')


def lit(page: Page, side: str) -> dict[int, float]:
    """Weights that the tokens of a side show as light, by index, zero left out."""
    tokens = page.locator(f'.token[data-side="{side}"][data-light]').all()
    values = {
        int(found.get_attribute("data-index") or ""): float(found.get_attribute("data-light") or "")
        for found in tokens
    }
    return {index: value for index, value in values.items() if value > 0.01}


def paints(page: Page) -> int:
    return int(page.locator(".sheet").get_attribute("data-paints") or 0)


def pixel(page: Page, x: float, y: float) -> tuple[int, int, int]:
    """The colour in the canvas at a place given as fractions of its sides."""
    script = """(canvas, [x, y]) => {
        const at = [Math.floor(x * canvas.width), Math.floor(y * canvas.height)];
        return [...canvas.getContext("2d").getImageData(...at, 1, 1).data];
    }"""
    r, g, b, _ = page.locator("canvas.picture").evaluate(script, [x, y])
    return r, g, b


def test_a_click_on_a_thumbnail_selects_its_head(demo: Open) -> None:
    page = demo()
    cell(page, 2, 5).click()
    expect(page.get_by_text("selected: layer 2 head 5")).to_be_visible()
    expect(page.get_by_text("clicked: (1, 4)")).to_be_visible()
    expect(cell(page, 2, 5)).to_have_attribute("aria-selected", "true")
    expect(page.locator('.cell[aria-selected="true"]')).to_have_count(1)
    assert paints(page) == 1, "a new selection alone paints no heads again"


def test_pickers_move_the_outline(demo: Open) -> None:
    page = demo()
    page.get_by_role("combobox").first.click()
    page.get_by_role("option", name="3", exact=True).click()
    expect(cell(page, 3, 1)).to_have_attribute("aria-selected", "true")
    assert paints(page) == 1


def test_arrow_keys_and_enter_select(demo: Open) -> None:
    page = demo()
    expect(page.get_by_role("grid", name=re.compile("Cross-attention"))).to_be_visible()
    cell(page, 1, 1).focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
    expect(cell(page, 2, 2)).to_be_focused()
    expect(page.locator(".tip")).to_contain_text("Layer 2, head 2: Strongest: “")
    page.keyboard.press("Enter")
    expect(page.get_by_text("selected: layer 2 head 2")).to_be_visible()
    expect(cell(page, 2, 2)).to_be_focused()
    page.keyboard.press("End")
    expect(cell(page, 2, 8)).to_be_focused()
    page.keyboard.press("Control+Home")
    page.keyboard.press(" ")
    expect(page.get_by_text("selected: layer 1 head 1")).to_be_visible()
    expect(page.locator('.cell[tabindex="0"]')).to_have_count(1)


def test_hover_names_head_tokens_and_weight(demo: Open) -> None:
    page = demo("tokens=12")  # 13 queries, 12 keys; head 3 looks two positions on
    cell(page, 1, 3).hover(position=spot(cell(page, 1, 3), 3.5 / 12, 1.5 / 13))
    expect(page.locator(".tip")).to_have_text("Layer 1, head 3: “train” → “t” 0.60")
    cell(page, 1, 3).hover(position=spot(cell(page, 1, 3), 9.5 / 12, 1.5 / 13))
    expect(page.locator(".tip")).to_have_text("Layer 1, head 3: “train” → “and” 0.00")
    page.mouse.move(2, 2)
    expect(page.locator(".tip")).to_be_hidden()


def test_a_bright_cell_survives_a_thumbnail_smaller_than_its_matrix(demo: Open) -> None:
    """120 tokens in some 40 pixels: the diagonal's 0.6 is still there at full brightness, and hover finds it."""
    page = demo("tokens=120&layers=2&heads=8", width=390, scheme="light")
    box = cell(page, 1, 1).bounding_box()
    assert box is not None and box["width"] < 60
    heads = 8 * (box["width"] + 4) - 4
    layers = 2 * (box["height"] + 4) - 4
    colour = pixel(page, box["width"] / 2 / heads, box["height"] * (60.5 / 121) / layers)
    assert colour == tuple(int(channel) for channel in LIGHT.attention[153])  # round(255 * 0.6)
    cell(page, 1, 1).hover(position=spot(cell(page, 1, 1), 0.5, 0.5))
    expect(page.locator(".tip")).to_contain_text("0.60")


def test_full_colour_can_stand_for_a_smaller_weight(demo: Open) -> None:
    page = demo("layers=1&heads=1&kind=encoder&top=0.8", scheme="light")
    byte = round(255 * 0.8)
    expect(page.locator(".legend .scale")).to_contain_text("0.8")
    # Every 0.6 of the diagonal lies as far along the scale as 0.75 would.
    expected = LIGHT.attention[round(round(255 * 0.6) * 255 / byte)]
    assert pixel(page, 0.5 / 12, 0.5 / 12) == tuple(int(channel) for channel in expected)
    cell(page, 1, 1).hover(position=spot(cell(page, 1, 1), 0.5 / 12, 0.5 / 12))
    expect(page.locator(".tip")).to_contain_text("0.60")


def test_light_and_dark_are_followed_live(demo: Open) -> None:
    page = demo()
    sheet = page.locator(".sheet")
    white, black = (tuple(int(c) for c in theme.attention[0]) for theme in (LIGHT, DARK))
    assert pixel(page, 0.1, 0.01) == white
    expect(sheet).to_have_attribute("data-theme", "light")
    page.get_by_test_id("stMainMenu").click()
    page.get_by_test_id("stMainMenuItem-theme-Dark").click()
    expect(sheet).to_have_attribute("data-theme", "dark")
    expect(page.locator(".sentence")).to_have_attribute("data-theme", "dark")
    assert paints(page) == 2 and pixel(page, 0.1, 0.01) == black


def test_weights_travel_as_one_byte_each_and_only_once(url: str, open_page: Open) -> None:
    page = open_page("about:blank")
    received: list[int] = []
    page.on(
        "websocket", lambda channel: channel.on("framereceived", lambda frame: received.append(len(frame)))
    )
    page.goto(f"{url}/?layers=6&heads=8&tokens=64")
    page.locator(".sheet[data-paints]").wait_for(timeout=60_000)
    expect(page.get_by_text("selected: layer 1 head 1")).to_be_visible()
    weights = 6 * 8 * 64 * 65
    assert weights < max(received) < weights + 40_000
    received.clear()
    cell(page, 2, 2).click()
    expect(page.get_by_text("selected: layer 2 head 2")).to_be_visible()
    assert sum(received) < 100_000, "choosing a head does not send the weights again"


def test_a_painted_sheet_leaves_its_mark(demo: Open) -> None:
    page = demo()
    until(page, "() => performance.getEntriesByName('headlight:sheet-painted').length === 1")
    expect(page.locator(".sheet")).to_have_attribute("data-draw-ms", re.compile(r"^\d+\.\d$"))


def test_an_output_token_lights_what_it_looks_at(demo: Open) -> None:
    page = demo("tokens=12")
    before = page.locator(".sentence").bounding_box()
    token(page, "target", 3).hover()
    found = lit(page, "source")
    assert max(found, key=lambda index: found[index]) == 3 and found[3] == pytest.approx(0.6, abs=0.003)
    assert found[2] == pytest.approx(found[4]) and found[2] == pytest.approx(0.175, abs=0.01)
    assert lit(page, "target") == {}
    expect(token(page, "source", 3)).to_have_attribute("data-number", ".60")
    expect(page.locator(".status")).to_contain_text("“t” looks at “t” 0.60")
    expect(page.locator(".card")).to_be_visible()
    assert page.locator(".sentence").bounding_box() == before, "nothing jumps"


def test_an_input_token_lights_who_looks_at_it(demo: Open) -> None:
    page = demo("tokens=12")
    token(page, "source", 5).hover()
    found = lit(page, "target")
    assert max(found, key=lambda index: found[index]) == 5 and found[5] == pytest.approx(0.6, abs=0.003)
    expect(page.locator(".status")).to_contain_text("“stat” is looked at by “stat” 0.60")
    expect(page.locator(".card")).to_be_hidden()


def test_self_attention_can_be_read_both_ways(demo: Open) -> None:
    page = demo("tokens=12&kind=decoder")
    token(page, "target", 4).hover()
    # Keys are what the decoder reads: the start marker, then its own output. Position 4 is the token before.
    assert lit(page, "target")[3] > 0.5 and 5 not in lit(page, "target")
    page.get_by_role("button", name="who looks at it").click()
    token(page, "target", 4).hover()
    assert lit(page, "target")[5] > 0.5 and 3 not in lit(page, "target")
    expect(token(page, "target", -1)).to_have_text("▸ start")
    token(page, "source", 1).hover()
    expect(page.locator(".status")).to_contain_text("this view is about the output alone")


def test_a_locked_token_stays_lit_while_heads_are_compared(demo: Open) -> None:
    page = demo("tokens=12")
    token(page, "target", 2).click()
    expect(token(page, "target", 2)).to_have_attribute("aria-pressed", "true")
    page.mouse.move(2, 2)
    page.get_by_text("run:").click()  # elsewhere: the card goes, the light stays
    expect(page.locator(".card")).to_be_hidden()
    assert lit(page, "source")[2] == pytest.approx(0.6, abs=0.003)
    cell(page, 1, 4).click()
    expect(page.locator(".status")).to_contain_text("Layer 1, head 4: “lef” looks at “stat” 0.60")
    token(page, "target", 2).focus()
    page.keyboard.press("Escape")
    expect(token(page, "target", 2)).to_have_attribute("aria-pressed", "false")


def test_an_alternative_is_sent_to_the_page(demo: Open) -> None:
    page = demo("tokens=12")
    token(page, "target", 2).hover()  # probability 0.12: four others around it
    card = page.locator(".card")
    expect(card).to_contain_text("“lef” 12 % · entropy 2.50 bits")
    expect(card.locator(".alternative")).to_have_count(5)
    expect(card.get_by_role("button", name=re.compile("^lef, 12 %, written"))).to_be_disabled()
    card.get_by_role("button", name=re.compile(r"^other2\.3, 5\.5 %")).click()
    expect(page.get_by_text("chosen: step 2 alternative 3")).to_be_visible()


def test_the_sentence_can_be_read_with_the_keyboard(demo: Open) -> None:
    page = demo("tokens=12")
    expect(page.get_by_role("button", name="train, probability 41 %")).to_be_visible()
    token(page, "source", 0).focus()
    for key in ("End", "Home", "ArrowRight"):
        page.keyboard.press(key)
    expect(token(page, "source", 1)).to_be_focused()
    expect(page.locator(".status")).to_contain_text("“train” is looked at by")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(token(page, "target", 1)).to_be_focused()
    expect(page.locator(".card")).to_be_visible()
    page.keyboard.press("Enter")
    expect(token(page, "target", 1)).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("chosen: step 1 alternative 2")).to_be_visible()
    expect(token(page, "target", 1)).to_be_focused()


def test_text_stays_text_and_keeps_its_direction(demo: Open) -> None:
    page = demo("words=mixed&tokens=20")
    expect(token(page, "target", 8)).to_have_text("<b>not</b>")
    expect(page.locator(".text b")).to_have_count(0)
    # Two Hebrew words in an English sentence run from right to left, as in any text.
    first, second = token(page, "target", 2).bounding_box(), token(page, "target", 3).bounding_box()
    assert first is not None and second is not None and first["x"] > second["x"]
    token(page, "target", 8).hover()
    expect(page.locator(".card .head")).to_contain_text("<b>not</b>")
    cell(page, 1, 1).hover(position=spot(cell(page, 1, 1), 8.5 / 20, 8.5 / 21))
    expect(page.locator(".tip .pair")).to_contain_text("“<b>not</b>” → “<b>not</b>”")


def test_arrow_keys_go_the_way_the_text_runs(demo: Open) -> None:
    page = demo("words=rtl&tokens=12")
    token(page, "target", 0).focus()
    page.keyboard.press("ArrowLeft")
    expect(token(page, "target", 1)).to_be_focused()
    first, second = token(page, "target", 0).bounding_box(), token(page, "target", 1).bounding_box()
    assert first is not None and second is not None and first["x"] > second["x"]


@pytest.mark.parametrize("query", ["layers=4&heads=8&tokens=12", "layers=12&heads=12&tokens=64"])
def test_a_narrow_screen_holds_everything(demo: Open, query: str) -> None:
    page = demo(query, width=390, scheme="light")
    for _, scheme in views(page, (390, "light"), (390, "dark")):
        expect(page.locator(".sheet")).to_have_attribute("data-theme", scheme)
        page.mouse.move(2, 2)
        token(page, "target", 10).hover()
        expect(page.locator(".card")).to_be_visible()
        for selector in (".sheet", ".sentence", ".card"):
            box = page.locator(selector).bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
