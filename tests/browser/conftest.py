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
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Position,
    expect,
    sync_playwright,
)

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
    """A server for `script` as `make app` starts it, and its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "transformer.ui.server", str(script), f"--port={port}"]
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


@contextmanager
def serving(script: str, folder: Path, **environment: str) -> Iterator[str]:
    """The address of a server of its own for a script, relative to the repository's root; its log lies in `folder`."""
    process, url = start(ROOT / script, folder / "server.log", environment)
    try:
        yield url
    finally:
        stop(process)


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """`serve("app.py", HEADLIGHT_HUB="off") -> url`: a fresh server, with these variables, that ends with the test."""
    with ExitStack() as running:

        def launch(script: str, **environment: str) -> str:
            return running.enter_context(serving(script, tmp_path_factory.mktemp("server"), **environment))

        yield launch


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the whole app, one server for all tests that need no other."""
    with serving("app.py", tmp_path_factory.mktemp("server")) as url:
        yield url


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


def until(page: Page, ready: str, arg: object = None) -> None:
    """Wait until a function of the page, given as JavaScript, answers true.

    Playwright's `wait_for_function` evaluates text in the page, which the page's own policy forbids.
    """
    page.evaluate(
        f"""async (arg) => {{
          const ready = {ready};
          for (let tries = 0; !ready(arg); tries++) {{
            if (tries === {SLOW // 100}) throw new Error("expected an answer in time, received none");
            await new Promise((done) => setTimeout(done, 100));
          }}
        }}""",
        arg,
    )


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


def new_context(browser: Browser) -> BrowserContext:
    """A visitor's browser, asked for less motion: to paint what moves without a graphics card takes a core."""
    return browser.new_context(reduced_motion="reduce")


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One visitor's browser for all tests: what it has fetched and compiled of Streamlit it keeps, so that a visit is
    quick."""
    own = new_context(browser)
    yield own
    own.close()


def forget(page: Page) -> None:
    """Clear what the page's origin has put by, cookies too: a theme that was picked, for one."""
    origin = urlsplit(page.url)
    if origin.scheme == "http":
        session = page.context.new_cdp_session(page)
        session.send(
            "Storage.clearDataForOrigin",
            {
                "origin": f"{origin.scheme}://{origin.netloc}",
                "storageTypes": "cookies,local_storage,indexeddb",
            },
        )


@pytest.fixture
def open_page(browser: Browser, context: BrowserContext) -> Iterator[Callable[..., Page]]:
    """`open_page(url, width=1280, height=900, scheme="light") -> Page`: a new visitor.

    The first of a test comes with the session's browser, emptied of what earlier ones put by; each further one is
    somebody else, with a browser context of their own. Errors in their consoles and requests to other hosts fail the
    test when it ends.
    """
    visits: list[tuple[Page, Watch]] = []

    def visit(url: str, *, width: int = 1280, height: int = 900, scheme: str = "light") -> Page:
        page = (new_context(browser) if visits else context).new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_default_timeout(SLOW)
        visits.append((page, Watch(page)))
        page.goto(url)
        return page

    yield visit
    for page, _ in visits:
        if page.context is context:
            forget(page)
            page.close()
        else:
            page.context.close()
    for _, watch in visits:
        watch.check()


def views(page: Page, *looks: tuple[int, str]) -> Iterator[tuple[int, str]]:
    """Turn the page to each (width, "light" or "dark") in turn, and wait until it is at rest there."""
    for width, scheme in looks:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        still(page.locator("[data-testid=stApp]"))
        yield width, scheme
