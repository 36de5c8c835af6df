"""The whole app in a headless browser: from a key to painted pixels."""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

from transformer import home
from transformer.bench.measure import Row

# Words of everyday Portuguese: a sentence of N tokens takes as many as it needs, each beginning at another one.
_WORDS = (
    "o homem disse que a mulher não quer ir para casa porque o filho está na escola e eu não sei onde "
    "ela pode comprar o livro que você leu ontem quando nós fomos ao parque com os amigos dele"
)


def _sentences(tokens: int, count: int) -> list[str]:
    """Different sentences of nearly `tokens` tokens of the shipped tokenizer."""
    from transformer.pipeline import find
    from transformer.text.tokenizer import SubwordTokenizer

    tokenizer = SubwordTokenizer.load(find("pt-en") / "tokenizer.json")
    words, found = _WORDS.split(), []
    for start in range(count):
        text = ""
        for i in range(tokens):
            longer = f"{text} {words[(start * 5 + i) % len(words)]}".strip()
            if len(tokenizer.encode(longer).ids) > tokens:
                break
            text = longer
        found.append(text)
    return found


def missing() -> str | None:
    """Why no browser can be driven here; None where one can."""
    if importlib.util.find_spec("playwright") is None:
        return "no Playwright: run make test once"
    found = _chromium()
    return found.stderr.strip() if found.returncode else None


@cache
def _chromium() -> subprocess.CompletedProcess[str]:
    """The script that looks for a browser, and what it said."""
    command = [sys.executable, "scripts/chromium.py"]
    return subprocess.run(command, cwd=home.ROOT, capture_output=True, text=True, check=False)


def browser() -> Iterator[Row]:
    """The whole app. Needs what `make test` installs: Playwright and a Chromium.

    Raises:
        ValueError: one of them is missing, or the browser comes to no end.
    """
    import socket
    import tempfile

    if why := missing():
        raise ValueError(why)
    from playwright.sync_api import Error, sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "transformer.ui.server", f"--port={port}"]
    with tempfile.TemporaryFile() as log, sync_playwright() as playwright:
        server = subprocess.Popen(command, cwd=home.ROOT, stdout=log, stderr=log)
        try:
            _wait_until_up(url)
            chromium = playwright.chromium.launch(
                executable_path=_chromium().stdout.strip(),
                args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
            )
            # Playwright waits by evaluating text in the page, which the page's own policy forbids.
            page = chromium.new_page(viewport={"width": 1280, "height": 900}, bypass_csp=True)
            begun = time.perf_counter()
            page.goto(url)
            page.get_by_role("heading", level=1).wait_for(timeout=60_000)
            yield {"name": "first-paint", "median_ms": (time.perf_counter() - begun) * 1000}
            yield from _enter_to_painted(page, url)
            yield from _upload_to_painted(page, url)
            chromium.close()
        except Error as error:
            raise ValueError(f"expected a browser that answers, received {error}") from error
        finally:
            server.terminate()
            server.wait()


def _wait_until_up(url: str) -> None:
    import urllib.error
    import urllib.request

    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise ValueError(f"expected the app at {url}, received no answer for 30 seconds")


_UPLOADED = """
() => addEventListener('change', (event) => {
  if (event.target.type === 'file') window.__enter = performance.now();
}, true)
"""
_LISTEN = """
() => {
  window.__enter = Infinity;
  addEventListener('keydown', (event) => { if (event.key === 'Enter') window.__enter = performance.now(); }, true);
}
"""
_PAINTED = """
() => {
  const marks = performance.getEntriesByName('headlight:sheet-painted')
    .filter((mark) => mark.startTime > window.__enter && !mark.detail.sameWeights);
  return marks.length ? marks[0].startTime - window.__enter : 0;
}
"""


def _enter_to_painted(page: Any, url: str, runs: int = 7) -> Iterator[Row]:
    received = [0]
    page.on(
        "websocket",
        lambda channel: channel.on("framereceived", lambda frame: _count(received, frame)),
    )
    page.goto(f"{url}/translate")
    page.get_by_label("Sentence").wait_for(timeout=120_000)
    page.evaluate(_LISTEN)
    for tokens in (10, 20, 40, 120):
        times, sizes = [], []
        for i, text in enumerate(_sentences(tokens, runs + 2)):
            page.evaluate("() => { window.__enter = Infinity; performance.clearMarks(); }")
            page.get_by_label("Sentence").fill(text)
            received[0] = 0
            page.get_by_label("Sentence").press("Enter")
            painted = page.wait_for_function(_PAINTED, timeout=180_000).json_value()
            page.wait_for_timeout(1000)  # everything else that this answer sends
            if i >= 2:  # the first ones may still compile
                times.append(float(painted))
                sizes.append(received[0])
        row: Row = {"name": f"Enter-to-painted/{tokens}", "median_ms": statistics.median(times)}
        row["bytes"] = int(statistics.median(sizes))
        yield row


def _upload_to_painted(page: Any, url: str, runs: int = 5) -> Iterator[Row]:
    from transformer.audio.wav import wav
    from transformer.bench.sound import spoken

    page.goto(f"{url}/speech")
    page.locator(".speech[data-paints]").wait_for(timeout=120_000)  # the first example
    page.evaluate(_UPLOADED)
    times = []
    for i in range(runs + 2):
        page.evaluate("() => { window.__enter = Infinity; performance.clearMarks(); }")
        clip = {"name": f"{i}.wav", "mimeType": "audio/wav", "buffer": wav(spoken(seed=i))}
        page.locator("input[type=file]").first.set_input_files(clip)
        painted = page.wait_for_function(_PAINTED, timeout=180_000).json_value()
        page.wait_for_timeout(1000)
        if i >= 2:
            times.append(float(painted))
    yield {"name": "Enter-to-painted/speech-10s", "median_ms": statistics.median(times)}


def _count(received: list[int], frame: Any) -> None:
    received[0] += len(frame if isinstance(frame, bytes) else str(frame).encode())
