"""How long a person waits, on this machine: medians of what the pages do, from the network up to painted pixels.

Rows named by a shape (`4x128`: 4 + 4 layers of width 128) run networks of that shape with random weights, source 40 and
30 written or 31 forced tokens, one sentence at a time; everything that a trace holds is included. Rows with `pt-en` run
the shipped network. `Enter-to-painted/N` runs the whole app in a headless browser, from the key to all heads of an
N-token sentence on screen, and counts the bytes that the browser received for it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict

from transformer.config import ModelConfig

ROOT = Path(__file__).resolve().parents[1]
SENTENCE = "O trem saiu da estação na hora."
SHAPES = {
    "4x128": ModelConfig(
        vocabulary=8000, encoder_layers=4, decoder_layers=4, width=128, heads=8, feed_forward=512
    ),
    "4x256": ModelConfig(
        vocabulary=8000, encoder_layers=4, decoder_layers=4, width=256, heads=8, feed_forward=1024
    ),
    "6x512": ModelConfig(
        vocabulary=58_101, encoder_layers=6, decoder_layers=6, width=512, heads=8, feed_forward=2048
    ),
}
GREEDY_NAMES = {"6x512": "6x512-58k"}


class Row(TypedDict, total=False):
    """A measured median in milliseconds, and where the row measures size, bytes."""

    name: str
    median_ms: float
    bytes: int


def run(only: str | None = None) -> Iterator[Row]:
    """Measure row by row; `only` keeps the rows whose name contains it."""
    for name, measure in _rows().items():
        if only is None or only in name:
            yield from measure()


def _rows() -> dict[str, Callable[[], Iterator[Row]]]:
    rows: dict[str, Callable[[], Iterator[Row]]] = {}
    for shape in SHAPES:
        name = f"greedy-30/{GREEDY_NAMES.get(shape, shape)}"
        rows[name] = lambda name=name, shape=shape: _greedy(name, shape)  # type: ignore[misc]
    for shape in SHAPES:
        rows[f"forced/{shape}"] = lambda shape=shape: _forced(f"forced/{shape}", shape)  # type: ignore[misc]
    rows["cold-import load/pt-en first-trace/pt-en trace/pt-en"] = _processes
    rows["first-paint Enter-to-painted"] = _browser
    return rows


def _median(work: Callable[[], object], runs: int = 15) -> float:
    """Median milliseconds of `work` after two runs that are not counted."""
    times = []
    for _ in range(runs + 2):
        begun = time.perf_counter()
        work()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times[2:])


def _random_model(shape: str, max_target: int) -> Any:
    import dataclasses

    import keras

    from transformer.models.seq2seq import Transformer
    from transformer.pipeline import Translator
    from transformer.text.numbers import Numbers

    keras.utils.set_random_seed(1)
    network = Transformer(dataclasses.replace(SHAPES[shape], max_source=40, max_target=max_target))
    network.build()
    return Translator(shape, network, Numbers(network.config.vocabulary))


def _greedy(name: str, shape: str) -> Iterator[Row]:
    model = _random_model(shape, 30)
    source = list(range(100, 140))
    written = model.runtime.decode(source)
    if len(written) != 30:
        raise ValueError(f"expected random weights to write 30 tokens, received {len(written)}")

    def work() -> None:
        model.trace_ids(source, model.runtime.decode(source))

    yield {"name": name, "median_ms": _median(work)}


def _forced(name: str, shape: str) -> Iterator[Row]:
    model = _random_model(shape, 31)
    source, target = list(range(100, 140)), list(range(200, 231))
    yield {"name": name, "median_ms": _median(lambda: model.runtime.record(source, target))}


_FRESH = """
import json, time
begun = time.perf_counter()
import transformer.pipeline as pipeline
imported = time.perf_counter()
model = pipeline.load("pt-en")
loaded = time.perf_counter()
model.trace({sentence!r})
first = time.perf_counter()
warm = []
for _ in range(15):
    start = time.perf_counter()
    model.trace({sentence!r})
    warm.append(time.perf_counter() - start)
print(json.dumps([imported - begun, loaded - imported, first - loaded, sorted(warm)[7]]))
"""


def _processes(runs: int = 3) -> Iterator[Row]:
    """Import, load, first and later traces, each in a process of its own."""
    samples = []
    for _ in range(runs):
        output = subprocess.run(
            [sys.executable, "-c", _FRESH.format(sentence=SENTENCE)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        samples.append(json.loads(output))
    for name, values in zip(
        ("cold-import", "load/pt-en", "first-trace/pt-en", "trace/pt-en"),
        zip(*samples, strict=True),
        strict=True,
    ):
        yield {"name": name, "median_ms": statistics.median(values) * 1000}


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


def _browser() -> Iterator[Row]:
    """The whole app. Needs what `make test` installs: Playwright and a Chromium."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise ValueError(
            "expected Playwright for the browser rows, received none: run make test once"
        ) from None
    import socket
    import tempfile

    find = subprocess.run([sys.executable, "scripts/chromium.py"], cwd=ROOT, capture_output=True, text=True)
    if find.returncode:
        raise ValueError(find.stderr.strip())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    with tempfile.TemporaryFile() as log, sync_playwright() as playwright:
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            _wait_until_up(url)
            browser = playwright.chromium.launch(
                executable_path=find.stdout.strip(),
                args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            begun = time.perf_counter()
            page.goto(url)
            page.get_by_role("heading", level=1).wait_for(timeout=60_000)
            yield {"name": "first-paint", "median_ms": (time.perf_counter() - begun) * 1000}
            yield from _enter_to_painted(page, url)
            browser.close()
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


def _count(received: list[int], frame: Any) -> None:
    received[0] += len(frame if isinstance(frame, bytes) else str(frame).encode())
