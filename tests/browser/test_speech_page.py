"""Speech with the network that comes along, in a real browser: a file, a microphone, a long clip, and the playhead."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import LOADING, ROOT
from transformer.audio.decode import decode
from transformer.audio.wav import wav

pytestmark = pytest.mark.browser

CLIPS = ROOT / "assets/examples/speech"


def player(page: Page) -> Locator:
    return page.locator(".speech[data-paints]")


def said(page: Page) -> Locator:
    return page.locator("h3", has_text="“")


def at(page: Page) -> float:
    return float(player(page).get_attribute("data-at") or "nan")


def test_the_first_example_is_heard_at_once_and_plays(server: str, open_page: Any) -> None:
    page = open_page(f"{server}/speech")
    player(page).wait_for(timeout=LOADING)
    expect(said(page)).to_be_visible()
    expect(page.locator(".band")).to_have_count(2)  # attention and CTC
    page.get_by_role("button", name="▶ Play").click()
    expect(player(page)).to_have_attribute("data-at", re.compile(r"^(0\.[3-9]|[1-3]\.)"))
    first = at(page)
    expect(player(page)).not_to_have_attribute("data-at", f"{first:.2f}")
    assert at(page) > first


def test_a_file_is_written_down_and_a_long_one_in_parts(server: str, open_page: Any) -> None:
    page = open_page(f"{server}/speech")
    player(page).wait_for(timeout=LOADING)
    page.locator("input[type=file]").first.set_input_files(CLIPS / "no-signs-here.ogg")
    slider = page.get_by_role("slider", name="Place in the clip")
    expect(slider).to_have_attribute("aria-valuemax", re.compile(r"3\.2\d|3\.3\d"))
    expect(said(page)).to_be_visible()
    clips = [decode(path.read_bytes()).samples for path in sorted(CLIPS.glob("*.ogg"))]
    long = np.concatenate([np.concatenate([clip, np.zeros(8000, np.float32)]) for clip in clips * 2])
    page.locator("input[type=file]").first.set_input_files(
        {"name": "long.wav", "mimeType": "audio/wav", "buffer": wav(long)}
    )
    part = page.get_by_role("combobox", name=re.compile("^Part to look into"))
    expect(part).to_be_visible()
    part.click()
    page.get_by_role("option", name=re.compile("^2: 0:")).click()
    expect(slider).not_to_have_attribute("aria-valuemin", "0.00")
    begin = float(slider.get_attribute("aria-valuemin") or 0)
    assert 5 < begin < 18
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(f"^{begin:.2f} seconds"))


def test_no_sound_is_one_sentence_and_the_picture_stays(server: str, open_page: Any) -> None:
    page = open_page(f"{server}/speech")
    player(page).wait_for(timeout=LOADING)
    before = said(page).inner_text()
    page.locator("input[type=file]").first.set_input_files(
        {"name": "picture.wav", "mimeType": "audio/wav", "buffer": b"\x89PNG\r\n\x1a\n" + bytes(2000)}
    )
    expect(page.get_by_text(re.compile("^Not transcribed:"))).to_be_visible()
    expect(player(page)).to_be_visible()
    assert said(page).inner_text() == before


def test_a_microphone_is_heard(
    server: str, browser: Browser, chromium_launch: dict[str, Any], tmp_path: Path
) -> None:
    """Chromium plays a clip of ours into a microphone that does not exist."""
    voice = tmp_path / "voice.wav"
    voice.write_bytes(wav(decode((CLIPS / "two-bottles-of-liquid.ogg").read_bytes()).samples))
    flags = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={voice}",
    ]
    launch = {**chromium_launch, "args": [*chromium_launch.get("args", []), *flags]}
    chromium = browser.browser_type.launch(**launch)
    try:
        page = chromium.new_context(permissions=["microphone"]).new_page()
        page.goto(f"{server}/speech")
        player(page).wait_for(timeout=LOADING)
        slider = page.get_by_role("slider", name="Place in the clip")
        example = slider.get_attribute("aria-valuemax")
        page.get_by_role("button", name="Record", exact=True).click()
        page.wait_for_timeout(3000)
        page.get_by_role("button", name="Stop recording").click()
        expect(slider).not_to_have_attribute("aria-valuemax", example or "")
        assert float(slider.get_attribute("aria-valuemax") or 0) > 1
    finally:
        chromium.close()
