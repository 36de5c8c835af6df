"""The page of models in a real browser: look, open, use, forget; and folders that only look like models."""

import io
import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LOADING

pytestmark = pytest.mark.browser

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.fixture
def visit(server: str, open_page: Callable[..., Page]) -> Callable[..., Page]:
    def run(**options: object) -> Page:
        page = open_page(f"{server}/models", **options)
        expect(page.get_by_role("heading", name="Opened models")).to_be_visible(timeout=LOADING)
        return page

    return run


def look(page: Page, place: Path | str) -> None:
    box = page.get_by_label("Folder or hub id", exact=True)
    box.fill(str(place))
    box.press("Enter")


def entry(page: Page, name: str) -> Locator:
    """An opened model's place in the list."""
    return page.locator(f".st-key-opened-{name}")


def open_folder(page: Page, place: Path) -> None:
    look(page, place)
    page.get_by_role("button", name="Open it").click()
    expect(entry(page, place.name).get_by_text("learned numbers")).to_be_visible(timeout=LOADING)


def test_a_translator_of_ones_own_is_opened_used_and_forgotten(visit: Callable[..., Page]) -> None:
    page = visit()
    look(page, GOLDEN / "marian-swish")
    found = page.locator(".st-key-found")
    expect(found).to_contain_text("Marian. It reads a text and writes another.")
    expect(found).to_contain_text("reads with 2 layers of 4 heads and writes with 2 layers of 4 heads")
    page.get_by_role("button", name="Open it").click()
    link = entry(page, "marian-swish").get_by_role("link", name="Translate")
    expect(link).to_be_visible(timeout=LOADING)
    link.click()
    expect(page.get_by_role("heading", name="Translate", exact=True)).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["model"] == ["marian-swish"]
    expect(page.get_by_role("combobox", name="Model")).to_have_value("marian-swish")
    box = page.get_by_label("Sentence", exact=True)
    box.fill("a b c")
    box.press("Enter")
    expect(page.locator('.text[data-side="source"]')).to_contain_text("c", timeout=LOADING)
    expect(page.get_by_text("reads with 2 layers of 4 heads and writes with 2 layers")).to_be_visible()
    expect(page.get_by_role("gridcell", name="Layer 2 head 4", exact=True)).to_be_visible()
    link_to_it = page.url
    page.get_by_role("link", name="Models").first.click()
    entry(page, "marian-swish").get_by_role("button", name="Forget").click()
    expect(entry(page, "marian-swish")).to_have_count(0)
    page.goto(link_to_it)
    expect(page.get_by_text("The model “marian-swish” is not open on this server")).to_be_visible()
    page.get_by_role("link", name="See the models").click()
    expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("name", "where"), [("gpt2-tied", "Next word"), ("bert-masked", "Read"), ("whisper-english", "Speech")]
)
def test_an_opened_network_answers_on_its_page(visit: Callable[..., Page], name: str, where: str) -> None:
    page = visit()
    open_folder(page, GOLDEN / name)
    entry(page, name).get_by_role("link", name=where).click()
    expect(page.get_by_role("heading", name=where, exact=True)).to_be_visible()
    expect(page.get_by_role("combobox", name="Model")).to_have_value(name)
    if where == "Speech":
        page.locator("input[type=file]").set_input_files(
            files=[{"name": "tone.wav", "mimeType": "audio/wav", "buffer": tone(0.5)}]
        )
    expect(page.get_by_role("gridcell", name="Layer 2 head 2", exact=True)).to_be_visible(timeout=LOADING)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def tone(seconds: float) -> bytes:
    """A sine of 440 Hz as a 16-bit wav file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        times = np.arange(int(seconds * 16_000)) / 16_000
        out.writeframes((8000 * np.sin(2 * np.pi * 440 * times)).astype("<i2").tobytes())
    return file.getvalue()


@pytest.mark.parametrize("name", ["gpt2-tied", "bert-masked", "whisper-multilingual"])
def test_every_other_family_opens_for_all_visitors(visit: Callable[..., Page], name: str) -> None:
    page = visit()
    open_folder(page, GOLDEN / name)
    other = visit()
    expect(entry(other, name)).to_be_visible()
    entry(other, name).get_by_role("button", name="Forget").click()
    expect(entry(other, name)).to_have_count(0)


def test_folders_that_cannot_be_opened_end_in_one_line(visit: Callable[..., Page], tmp_path: Path) -> None:
    endless = Path(shutil.copytree(GOLDEN / "marian-swish", tmp_path / "endless"))
    (endless / "config.json").unlink()
    (endless / "config.json").symlink_to("/dev/zero")
    cut = Path(shutil.copytree(GOLDEN / "marian-swish", tmp_path / "cut"))
    whole = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    pickled = Path(shutil.copytree(GOLDEN / "marian-swish", tmp_path / "pickled"))
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    page = visit(width=390, scheme="dark")
    alert = page.get_by_test_id("stAlert")
    for place, says in (
        (endless, "expected an ordinary file at config.json"),
        (cut, "expected a whole safetensors file"),
        (pickled, "can run code when it is opened. Convert it where you trust it, by transformers"),
        (GOLDEN / "unsupported-family", "expected a model_type out of"),
        ("/dev/zero", "received a file: '…/zero'"),
        ("[x](javascript:alert(1)) <b>", "received '[x](javascript:alert(1)) <b>'"),
    ):
        look(page, place)
        expect(alert).to_contain_text(says)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.get_by_role("button", name="Open it")).to_have_count(0)


def test_a_shared_server_opens_nothing_elsewhere(
    serve: Callable[..., str], open_page: Callable[..., Page], tmp_path: Path
) -> None:
    mine = Path(shutil.copytree(GOLDEN / "gpt2-tied", tmp_path / "mine"))
    url = serve(
        "app.py", HEADLIGHT_MODELS=str(tmp_path), HEADLIGHT_HUB="off", HF_HUB_CACHE=str(tmp_path / "hub")
    )
    page = open_page(f"{url}/models")
    alert = page.get_by_test_id("stAlert")
    expect(page.get_by_role("heading", name="Opened models")).to_be_visible(timeout=LOADING)
    for place, shown in ((GOLDEN / "gpt2-tied", "…/gpt2-tied"), ("../", "../"), ("no-such", "no-such")):
        look(page, place)
        expect(alert).to_contain_text(
            f"among those that this server opens, or a hub id such as org/name, received '{shown}'"
        )
    look(page, "org/name")
    expect(alert).to_contain_text("fetching is switched off")
    look(page, mine.name)
    expect(page.locator(".st-key-found")).to_contain_text("GPT-2")
