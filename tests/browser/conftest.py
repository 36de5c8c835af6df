"""A Streamlit server per script, and a browser that notices every error and every request to another host."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Position, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90
SLOW = 90_000  # ms that a page may take on two busy cores
LOADING = 240_000  # ms; a server imports TensorFlow and compiles while its first visitor waits
expect.set_options(timeout=SLOW)


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(script: Path, log: Path, environment: dict[str, str]) -> tuple[subprocess.Popen[bytes], str]:
    """A server for `script`, run from the repository's root so that its own configuration holds, and its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(script),
        f"--server.port={port}",
        "--server.headless=true",
    ]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return process, url
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    stop(process)
    pytest.fail(f"the server did not answer within {START_SECONDS} s:\n{log.read_text('utf-8', 'replace')}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server, by force if it does not go of its own accord."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """`serve("app.py") -> url`: starts a server, waits until it is healthy, ends it with the session.

    A script, relative to the repository's root, is started once however often it is asked for; `fresh=True` starts
    another server, for tests of the very first request; `environment={...}` adds variables.
    """
    running: list[subprocess.Popen[bytes]] = []
    known: dict[str, str] = {}
    logs = tmp_path_factory.mktemp("servers")

    def launch(script: str, *, fresh: bool = False, environment: dict[str, str] | None = None) -> str:
        shared = not fresh and not environment
        if shared and script in known:
            return known[script]
        process, url = start(ROOT / script, logs / f"{len(running)}.log", environment or {})
        running.append(process)
        if shared:
            known[script] = url
        return url

    yield launch
    for process in running:
        stop(process)


@pytest.fixture(scope="session")
def server(serve: Callable[..., str]) -> str:
    """The address of the whole app."""
    return serve("app.py")


@pytest.fixture(scope="session")
def browser(chromium_launch: dict[str, Any]) -> Iterator[Browser]:
    """One Chromium for the session."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**chromium_launch)
        yield chromium
        chromium.close()


# Streamlit fetches its widgets as it first shows them: what stands above a picture can still grow when the picture is
# painted already, and a spot measured before is another one afterwards.
REST = """async (place) => {
  const app = document.querySelector("[data-testid=stApp]");
  const look = () => JSON.stringify(place.getBoundingClientRect());
  for (let last = look(), calm = 0, tries = 0; calm < 5; tries++) {
    if (tries === 600) throw new Error("expected a page at rest, received one that moves or runs after a minute");
    await new Promise((done) => setTimeout(done, 100));
    const now = look();
    calm = now === last && app?.dataset.testScriptState !== "running" ? calm + 1 : 0;
    last = now;
  }
}"""


def still(place: Locator) -> Locator:
    """The same place, once it moves no more and no script runs."""
    place.evaluate(REST)
    return place


def spot(place: Locator, x: float, y: float) -> Position:
    """Where to point or click in `place`, given as fractions of its sides, once nothing moves any more."""
    box = still(place).bounding_box()
    assert box is not None
    return {"x": box["width"] * x, "y": box["height"] * y}


# On a deep link such as /translate Streamlit's frontend first asks below that path, is told 404, and then asks at the
# root. Chromium prints these two answers as errors; no page can help it, and no other failed request is let through.
PROBES = re.compile(r"http://127\.0\.0\.1:\d+/[a-z_]+/_stcore/(health|host-config)")


class Watch:
    """What a page did that it must not do: errors in the console or thrown, requests to another host."""

    def __init__(self, page: Page) -> None:
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.note(request.url))
        page.on("websocket", lambda channel: self.note(channel.url))

    def hear(self, message: ConsoleMessage) -> None:
        """Remember an error that the console shows."""
        probe = message.text.startswith("Failed to load resource") and PROBES.fullmatch(
            message.location["url"]
        )
        if message.type == "error" and not probe:
            self.errors.append(f"{message.text} ({message.location['url']})")

    def note(self, url: str) -> None:
        """Remember the host of a request; data: and blob: addresses have none."""
        if urlsplit(url).scheme in ("http", "https", "ws", "wss"):
            self.hosts.add(urlsplit(url).hostname or "")

    def check(self) -> None:
        """Fail on anything that was noticed."""
        assert self.errors == []
        assert self.hosts <= {"127.0.0.1"}


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`open_page(url, width=1280, height=900, scheme="light", **context) -> Page`: a new visitor.

    Errors in its console and requests to other hosts fail the test when it ends.
    """
    visits: list[tuple[Page, Watch]] = []

    def visit(
        url: str, *, width: int = 1280, height: int = 900, scheme: str = "light", **context: Any
    ) -> Page:
        page = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,  # type: ignore[arg-type]
            **context,
        ).new_page()
        page.set_default_timeout(SLOW)
        visits.append((page, Watch(page)))
        page.goto(url)
        return page

    yield visit
    for page, _ in visits:
        page.context.close()
    for _, watch in visits:
        watch.check()
