"""The page of recurrence in a real browser: both networks write, Why, three translations, a phone."""

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LOADING
from transformer.ui.recurrence import translation as section

pytestmark = pytest.mark.browser


def test_both_write_and_a_link_opens_why(server: str, open_page: Callable[..., Page]) -> None:
    url = f"{server}/recurrence?{urlencode({'beginning': 'JULIET:', 'seed': '3'})}"
    page = open_page(url)
    samples = page.get_by_test_id("stCode")
    expect(samples).to_have_count(2, timeout=LOADING)
    before = samples.all_inner_texts()
    assert all(text.startswith("JULIET:") and len(text) > 250 for text in before)
    page.get_by_role("button", name="Another").click()
    expect(samples.first).not_to_have_text(before[0])
    expect(samples.nth(1)).not_to_have_text(before[1])
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_value("4")

    page.goto(f"{server}/recurrence?section=Why")
    page.locator(".js-plotly-plot .scatterlayer .trace").first.wait_for()
    expect(page.get_by_text("half of it lies within").first).to_be_visible()

    phone = open_page(url, width=390)
    expect(phone.get_by_test_id("stCode")).to_have_count(2, timeout=LOADING)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_three_translations_beside_each_other(server: str, open_page: Callable[..., Page]) -> None:
    query = {"section": "Translation", "sentence": "Eu gosto de ler livros antigos."}
    url = f"{server}/recurrence?{urlencode(query)}"
    page = open_page(url)
    alignments = page.locator("[class*=st-key-alignment-] .heatmaplayer image")
    expect(alignments).to_have_count(len(section.NETWORKS), timeout=LOADING)
    for network in section.NETWORKS.values():
        expect(page.get_by_text(network.paper)).to_be_visible()
    assert len(page.get_by_text(re.compile(r"[\d,]+ ms · BLEU \d\d\.\d")).all()) == len(section.NETWORKS)

    sentence = page.get_by_role("textbox", name="Sentence")
    before = page.get_by_role("heading", level=4).all_inner_texts()
    sentence.fill("Onde está o meu carro?")
    sentence.press("Enter")
    expect(page.get_by_role("heading", level=4).last).not_to_have_text(before[-1])
    expect(page.get_by_role("heading", level=4).last).to_contain_text("car")

    slider = page.get_by_role("slider", name="Sentences at once")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text(" ".join(source for source, _ in section.SENTENCES[:4]))).to_be_visible()
    expect(page.get_by_text(re.compile(r"^chrF \d+ · "))).to_have_count(len(section.NETWORKS))
    assert "sentences=4" in str(page.evaluate("location.search"))

    phone = open_page(url, width=390)
    expect(phone.locator("[class*=st-key-alignment-] .heatmaplayer image")).to_have_count(3, timeout=LOADING)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
