"""The translator in a real browser: what a visitor does, from the first sentence to the files taken home.

What the network says may change with its weights; that all views show the same numbers may not.
"""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LOADING, still, until, views
from transformer.trace import Trace

pytestmark = pytest.mark.browser

CAT = "O gato preto dorme na cadeira azul."
COFFEE = "Ela não gosta de café, mas eu gosto."


@pytest.fixture
def visit(server: str, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """`visit(text=..., layer=..., width=390)`: Translate with this address, its heads and its heatmap painted."""

    def run(*, width: int = 1280, scheme: str = "light", **query: str) -> Page:
        page = open_page(f"{server}/translate?{urlencode(query)}", width=width, scheme=scheme)
        painted(page)
        if "text" in query:
            expect(said(page)).to_have_text(as_read(query["text"]))
        return page

    return run


def painted(page: Page) -> None:
    page.locator(".sheet[data-paints]").wait_for(timeout=LOADING)
    page.locator(".heatmaplayer image").wait_for()


def as_read(text: str) -> re.Pattern[str]:
    """The words of a sentence as its tokens stand on the page, spaces apart."""
    return re.compile(r"\s*".join(re.escape(letter) for letter in text if letter != " "))


def said(page: Page) -> Locator:
    """The input as the network read it; the end marker included."""
    return page.locator('.text[data-side="source"]')


def answer(page: Page) -> Locator:
    return page.locator('.text[data-side="target"]')


def heading(page: Page) -> Locator:
    """The line above the heatmap."""
    return page.locator(".st-key-view")


def drawn(page: Page) -> str:
    """What the heatmap holds; while another takes its place, the old one is still there, hidden."""
    plot = page.locator(".js-plotly-plot:visible")
    return str(plot.evaluate("plot => JSON.stringify(plot.data[0].z)"))


def cell(page: Page, layer: int, head: int) -> Locator:
    return page.get_by_role("gridcell", name=f"Layer {layer} head {head}", exact=True)


def chosen(page: Page) -> Locator:
    return page.locator('.cell[aria-selected="true"]')


def pick(page: Page, picker: str, option: str) -> None:
    group = page.get_by_role("radiogroup", name=picker, exact=True)
    group.get_by_role("radio", name=option, exact=True).click()


def picked(page: Page, picker: str) -> Locator:
    return page.get_by_role("radiogroup", name=picker, exact=True).get_by_role("radio", checked=True)


def write(page: Page, text: str) -> None:
    box = page.get_by_label("Sentence", exact=True)
    box.fill(text)
    box.press("Enter")
    expect(said(page)).to_have_text(as_read(text))


def test_a_sentence_becomes_a_translation(visit: Callable[..., Page]) -> None:
    page = visit()
    before = answer(page).inner_text()
    write(page, CAT)
    expect(answer(page)).not_to_have_text(before)
    expect(heading(page)).to_have_text("Cross-attention, layer 1, head 1")
    assert parse_qs(urlsplit(page.url).query)["text"] == [CAT]


def test_sheet_pickers_and_heatmap_agree(visit: Callable[..., Page]) -> None:
    page = visit(text=CAT)
    before = drawn(page)
    cell(page, 2, 3).click()
    expect(heading(page)).to_have_text("Cross-attention, layer 2, head 3")
    until(
        page,
        """before => [...document.querySelectorAll(".js-plotly-plot")].some(
            plot => plot.checkVisibility() && JSON.stringify(plot.data[0].z) !== before)""",
        before,
    )
    expect(picked(page, "Layer")).to_have_text("2")
    expect(picked(page, "Head")).to_have_text("3")

    cell(page, 2, 3).press("ArrowRight")
    cell(page, 2, 4).press("ArrowUp")
    expect(cell(page, 1, 4)).to_be_focused()
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text("Cross-attention, layer 1, head 4")
    expect(picked(page, "Head")).to_have_text("4")
    expect(cell(page, 1, 4)).to_be_focused()

    pick(page, "Head", "6")
    expect(heading(page)).to_have_text("Cross-attention, layer 1, head 6")
    expect(cell(page, 1, 6)).to_have_attribute("aria-selected", "true")
    expect(chosen(page)).to_have_count(1)

    heads = page.get_by_role("columnheader", name=re.compile("Head")).count()
    pick(page, "Head", "All")
    expect(heading(page)).to_have_text("Cross-attention, layer 1, average of all heads")
    expect(chosen(page)).to_have_count(heads)
    pick(page, "Together as", "Maximum")
    expect(heading(page)).to_have_text("Cross-attention, layer 1, maximum of all heads")
    pick(page, "Layer", "All")
    expect(heading(page)).to_have_text("Cross-attention, maximum of all layers and heads")
    expect(chosen(page)).to_have_count(page.locator(".cell").count())


def test_every_kind_of_attention_words_and_markers(visit: Callable[..., Page]) -> None:
    page = visit(text=CAT)
    labels = page.locator(".js-plotly-plot:visible .xtick text")
    pick(page, "Attention", "Encoder")
    expect(heading(page)).to_have_text("Encoder self-attention, layer 1, head 1")
    expect(labels.last).to_have_text("end")
    page.get_by_text("Hide markers").click()
    expect(labels.last).not_to_have_text("end")
    page.get_by_text("Whole words").click()
    expect(labels).to_have_text(CAT.split())
    pick(page, "Attention", "Decoder")
    expect(heading(page)).to_have_text("Decoder self-attention, layer 1, head 1")
    expect(page.get_by_role("grid", name=re.compile("Decoder"))).to_be_visible()


def test_the_numbers_can_be_read_as_a_table(visit: Callable[..., Page]) -> None:
    page = visit(text="O gato.")
    page.get_by_text("The same numbers as a table").click()
    rows = page.get_by_test_id("stTable").locator("tbody tr")
    expect(rows).to_have_count(page.locator(".js-plotly-plot .ytick").count())
    sums = [sum(float(x) for x in row.locator("td").all_inner_texts()) for row in rows.all()]
    np.testing.assert_allclose(sums, 1, atol=1e-3)


def test_the_network_goes_on_from_another_word(visit: Callable[..., Page]) -> None:
    page = visit(text=CAT)
    page.locator('.token[data-side="target"][data-index="0"]').click()
    other = page.locator(".card .alternative:not(:disabled)").first
    word = other.locator(".name").inner_text()
    other.click()
    expect(page.locator('.token[data-side="target"][data-index="0"]')).to_have_text(word)
    expect(page.get_by_text("You chose a word; the network went on from it.")).to_be_visible()
    assert "choices" in parse_qs(urlsplit(page.url).query)
    page.get_by_role("button", name="Back to the network's own").click()
    expect(page.locator('.token[data-side="target"][data-index="0"]')).not_to_have_text(word)


def test_an_output_of_ones_own_is_forced(visit: Callable[..., Page]) -> None:
    page = visit(text=CAT)
    page.get_by_role("button", name="Your own translation").click()
    box = page.get_by_role("textbox", name="Force this output")
    box.fill("The black dog barks.")
    box.press("Enter")
    expect(answer(page)).to_have_text(as_read("The black dog barks."))
    expect(page.locator(".side .title").last).to_have_text("Your translation")
    assert parse_qs(urlsplit(page.url).query)["target"] == ["The black dog barks."]


def test_files_hold_what_the_page_shows(
    visit: Callable[..., Page], open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit(text=CAT, layer="2", head="3")
    page.get_by_role("button", name="Download").click()
    files = {}
    for label, suffix in [
        ("PNG", "png"),
        ("SVG", "svg"),
        ("CSV", "csv"),
        ("Web page", "html"),
        ("JSON", "json"),
        ("NPZ", "npz"),
    ]:
        with page.expect_download() as download:
            page.get_by_role("button", name=label, exact=True).click()
        assert download.value.suggested_filename.startswith("o-gato-preto")
        files[suffix] = tmp_path / f"file.{suffix}"
        download.value.save_as(files[suffix])

    assert files["png"].read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert ET.parse(files["svg"]).getroot().tag.endswith("svg")
    trace = Trace.load(files["npz"])
    assert trace.input == CAT and trace.output
    assert json.loads(files["json"].read_text("utf-8"))
    assert Trace.load(files["json"]).output == trace.output
    rows = list(csv.reader(io.StringIO(files["csv"].read_text("utf-8-sig"))))
    numbers = np.array([[float(x) for x in row[1:]] for row in rows[1:]])
    np.testing.assert_allclose(numbers, trace["cross"].weights[1, 2], atol=1e-6)

    offline = open_page(files["html"].as_uri())
    asked: list[str] = []
    offline.on("request", lambda request: asked.append(request.url))
    offline.reload()
    assert offline.locator("#input").inner_text() == CAT
    assert offline.locator("#chosen").inner_text() == "Layer 2, head 3"
    assert asked == [files["html"].as_uri()]


def test_the_link_opens_the_same_view(visit: Callable[..., Page], open_page: Callable[..., Page]) -> None:
    page = visit(text=CAT)
    pick(page, "Attention", "Encoder")
    cell(page, 2, 2).click()
    expect(heading(page)).to_have_text("Encoder self-attention, layer 2, head 2")
    page.get_by_role("button", name="Link").click()
    code = page.get_by_test_id("stCode")
    expect(code).to_contain_text("layer=2")
    link = code.inner_text().strip()
    assert parse_qs(urlsplit(link).query) == parse_qs(urlsplit(page.url).query)
    again = open_page(link)
    painted(again)
    expect(said(again)).to_have_text(as_read(CAT))
    expect(heading(again)).to_have_text("Encoder self-attention, layer 2, head 2")
    expect(cell(again, 2, 2)).to_have_attribute("aria-selected", "true")


def test_a_permalink_is_the_first_request_of_a_server(
    serve: Callable[..., str], open_page: Callable[..., Page]
) -> None:
    query = {
        "model": "pt-en",
        "text": COFFEE,
        "search": "Beam",
        "attention": "Decoder",
        "layer": "2",
        "head": "5",
    }
    # Compiled as for visitors, so that one sentence of these tests went through XLA.
    page = open_page(f"{serve('app.py', HEADLIGHT_XLA='on')}/translate?{urlencode(query)}")
    painted(page)
    expect(said(page)).to_have_text(as_read(COFFEE))
    expect(page.get_by_role("heading", name="Translate", exact=True)).to_be_visible()
    expect(heading(page)).to_have_text("Decoder self-attention, layer 2, head 5")
    expect(cell(page, 2, 5)).to_have_attribute("aria-selected", "true")
    expect(picked(page, "Search")).to_have_text("Beam")
    expect(page.get_by_label("Sentence", exact=True)).to_have_value(COFFEE)
    expect(page.get_by_role("combobox", name="Model")).to_have_value("pt-en")


def test_two_visitors_do_not_disturb_each_other(visit: Callable[..., Page]) -> None:
    one, two = visit(text=CAT), visit(text=COFFEE)
    first = answer(one).inner_text()
    cell(one, 1, 2).click()
    cell(two, 2, 4).click()
    # A picker that is touched before the click on a head has come back to this browser would undo it.
    expect(heading(one)).to_have_text("Cross-attention, layer 1, head 2")
    pick(one, "Attention", "Encoder")
    expect(heading(two)).to_have_text("Cross-attention, layer 2, head 4")
    expect(heading(one)).to_have_text("Encoder self-attention, layer 1, head 2")
    write(two, "O gato.")
    cell(one, 2, 1).click()
    expect(heading(one)).to_have_text("Encoder self-attention, layer 2, head 1")
    expect(heading(two)).to_have_text("Cross-attention, layer 2, head 4")
    assert answer(one).inner_text() == first
    expect(said(one)).to_have_text(as_read(CAT))
    expect(said(two)).to_have_text(as_read("O gato."))


def test_every_width_and_theme_holds_it_all(visit: Callable[..., Page]) -> None:
    page = visit(text=" ".join([CAT, COFFEE, CAT]), width=390, scheme="dark")
    for width, scheme in views(page, (390, "dark"), (390, "light"), (1280, "dark")):
        expect(page.locator(".sheet")).to_have_attribute("data-theme", scheme)
        for picture in (".sheet", ".sentence", ".js-plotly-plot:visible"):
            box = still(page.locator(picture)).bounding_box()
            assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width + 1
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_bad_input_leaves_the_picture(visit: Callable[..., Page]) -> None:
    page = visit(text=CAT)
    digest = page.locator(".sheet").get_attribute("data-digest")
    box = page.get_by_label("Sentence", exact=True)
    box.fill("gato " * 200)
    box.press("Enter")
    expect(page.get_by_text("at most 128 tokens")).to_be_visible()
    expect(page.locator(".sheet")).to_have_attribute("data-digest", digest or "")
    expect(said(page)).to_have_text(as_read(CAT))


def test_home_leads_to_a_head(server: str, open_page: Callable[..., Page]) -> None:
    page = open_page(server)
    painted(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    cell(page, 2, 3).click()
    expect(page.get_by_role("heading", name="Translate", exact=True)).to_be_visible()
    expect(heading(page)).to_have_text("Cross-attention, layer 2, head 3")
    page.get_by_role("link", name="Headlight").first.click()
    expect(page.get_by_role("heading", name="See what every attention head looks at")).to_be_visible()
    painted(page)
    expect(chosen(page)).to_have_count(page.locator(".cell").count())
