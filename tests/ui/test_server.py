"""The door: foreign names and origins stay out, nothing is asked outside, and the server ends when it is told to."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.testing.v1 import AppTest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from transformer import settings
from transformer.ui.server import LOCAL, Guard, application
from transformer.ui.shell import door

HOME = "127.0.0.1:8501"


def asked(
    guard: Guard,
    kind: str,
    *headers: tuple[str, str],
    own: str = "127.0.0.1",
    said: bytes | None = b"",
    path: str = "/",
) -> tuple[list[Message], Scope | None, Message | None]:
    """What a client is sent, and what the app behind the guard sees of the request and of what the client says."""
    sent: list[Message] = []
    heard: list[Message] = [{"type": "websocket.receive", "bytes": said}, {"type": "websocket.disconnect"}]

    async def receive() -> Message:
        return heard.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "method": "GET",
        "path": path,
        "server": (own, 8501),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    seen.clear()
    asyncio.run(guard(scope, receive, send))
    inner, first = seen or (None, None)
    return sent, inner, first


seen: list[Any] = []


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that says yes to whatever reaches it."""
    seen[:] = scope, (await receive() if scope["type"] == "websocket" else None)
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"yes"})


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (HOME, None),
        (HOME, f"http://{HOME}"),
        ("localhost:8501", "http://localhost:8501"),
        ("LocalHost:8501", "http://localhost:8501"),
        ("localhost.:8501", "http://localhost.:8501"),
        ("[::1]:8501", "http://[::1]:8501"),
        ("localhost", "https://localhost"),
        ("lamp.example", "https://lamp.example"),
        ("lamp.example:8080", "http://lamp.example:8080"),
        # A proxy that tells the server another host than the browser sees.
        ("localhost:8501", "https://lamp.example"),
        ("localhost:8501", "https://work.example:8443"),
        ("10.1.2.3:8501", "http://10.1.2.3:8501"),
    ],
)
def test_who_is_known_is_let_in_and_the_origin_left_outside(kind: str, host: str, origin: str | None) -> None:
    guard = Guard(app, LOCAL, {"lamp.example", "work.example:8443"})
    headers = [("host", host), *([("origin", origin)] if origin else [])]
    _, scope, _ = asked(guard, kind, *headers, own="::ffff:10.1.2.3")
    assert scope is not None
    assert [name for name, _ in scope["headers"]] == [b"host"]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        (("host", "evil.example:8501"),),
        (("host", "evil.example:8501"), ("origin", "http://evil.example:8501")),
        (("host", HOME), ("origin", "http://evil.example")),
        (("host", HOME), ("origin", "null")),
        (("host", HOME), ("origin", "")),
        (("host", HOME), ("origin", "http://localhost:8501")),
        (("host", HOME), ("origin", "http://127.0.0.1:8502")),
        (("host", HOME), ("origin", "http://127.0.0.1")),
        (("host", HOME), ("origin", f"file://{HOME}")),
        (("host", HOME), ("origin", f"http://{HOME}/path")),
        (("host", HOME), ("origin", f"http://a@{HOME}")),
        (("host", HOME), ("origin", "https://x.streamlit.app")),
        (("host", HOME), ("origin", "https://lamp.example:1")),
        (("host", "x.streamlit.app"), ("origin", "https://x.streamlit.app")),
        (("host", "lamp.example.evil.example"),),
        (("host", "10.1.2.4:8501"), ("origin", "http://10.1.2.4:8501")),
        (("host", HOME), ("origin", f"http://{HOME}"), ("origin", "http://evil.example")),
        (("host", HOME), ("host", "evil.example")),
        (("host", "127.0.0.1:8501@evil.example"),),
        (("host", ""),),
        (),
    ],
)
def test_who_is_foreign_is_refused_before_streamlit_sees_it(
    kind: str, headers: tuple[tuple[str, str], ...]
) -> None:
    sent, scope, _ = asked(Guard(app, LOCAL, {"lamp.example"}), kind, *headers, own="10.1.2.3")
    assert scope is None
    if kind == "websocket":
        assert sent == [{"type": "websocket.close", "code": 1008}]
    else:
        assert sent[0]["status"] == 403
        assert settings.HOSTS in sent[1]["body"].decode() and b"evil" not in sent[1]["body"]


def test_pages_are_told_to_fetch_from_nowhere_else() -> None:
    sent, _, _ = asked(Guard(app, LOCAL), "http", ("host", HOME))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert (
        rules["default-src"] == "'self'"
        and rules["connect-src"] == "'self' blob:"
        and rules["frame-ancestors"] == "'none'"
    )
    sources = {
        source for rule in rules.values() for source in rule.split() if not source.startswith("'sha256-")
    }
    assert sources == {"'self'", "'none'", "data:", "blob:", "'unsafe-inline'"}
    assert "unsafe" not in rules["script-src"]
    assert headers["x-content-type-options"] == "nosniff" and "referrer-policy" in headers


def test_names_come_from_the_environment_and_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.HOSTS, "Lamp.example, work.example:8443")
    monkeypatch.setattr(door, "guarded", False)
    for address, names in (
        ("127.0.0.1", LOCAL),
        ("0.0.0.0", LOCAL),
        ("::", LOCAL),
        ("Desk", LOCAL | {"desk"}),
    ):
        (guard,) = application(Path(__file__), address)._user_middleware
        assert guard.kwargs == {"names": names, "given": {"lamp.example", "work.example:8443"}}
        assert door.guarded


def test_a_visitor_says_what_browsers_say_and_nothing_that_concerns_others() -> None:
    rerun = BackMsg()
    rerun.rerun_script.query_string = "a=b"
    rerun.rerun_script.widget_states.widgets.add(id="$$ID-0-text", string_value="x")
    beat = BackMsg(app_heartbeat=True).SerializeToString()
    clear = BackMsg(clear_cache=True).SerializeToString()
    for said, passes in (
        (rerun.SerializeToString(), True),
        (beat, True),
        (clear, False),
        (rerun.SerializeToString() + clear, False),
        (clear + rerun.SerializeToString(), True),
        (BackMsg(load_git_info=True).SerializeToString(), False),
        (BackMsg(set_run_on_save=True).SerializeToString(), False),
        (BackMsg(debug_shutdown_runtime=True).SerializeToString(), False),
    ):
        sent, _, heard = asked(Guard(app, LOCAL), "websocket", ("host", HOME), said=said)
        assert heard is not None and (heard["type"] == "websocket.receive") is passes and not sent


STRANGE = BackMsg()
STRANGE.rerun_script.widget_states.widgets.add(id="text", string_value="x")


@pytest.mark.parametrize("said", [b"no message", b"\xff" * 100, None, STRANGE.SerializeToString()])
def test_what_no_browser_says_ends_the_connection(said: bytes | None) -> None:
    """None: a frame of text."""
    sent, _, heard = asked(Guard(app, LOCAL), "websocket", ("host", HOME), said=said)
    assert heard == {"type": "websocket.disconnect", "code": 1002}
    assert sent == [{"type": "websocket.close", "code": 1002}]


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/metrics/"])
def test_what_streamlit_counts_is_not_told(path: str) -> None:
    sent, scope, _ = asked(Guard(app, LOCAL), "http", ("host", HOME), path=path)
    assert scope is None and sent[0]["status"] == 404


@pytest.mark.parametrize(
    ("address", "guarded", "refused"),
    [
        ("127.0.0.1", False, False),
        ("localhost", False, False),
        ("0.0.0.0", False, True),
        (None, False, True),
        ("lamp.example", False, True),
        ("0.0.0.0", True, False),
    ],
)
def test_pages_without_the_guard_are_for_this_machine_alone(
    address: str | None, guarded: bool, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "guarded", guarded)
    monkeypatch.setattr(door.st, "get_option", {"server.address": address}.get)
    assert door.refusal().startswith("Headlight was started without its guard") is refused
    assert bool(door.refusal()) is refused


def test_a_page_without_the_guard_says_so_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "refusal", lambda: "why")

    def page() -> None:
        from transformer.ui.shell.frame import frame

        frame("app.py")
        raise RuntimeError("what comes below")

    shown = AppTest.from_function(page).run()
    assert [error.value for error in shown.error] == ["why"] and not shown.exception


# Whatever the process connects to or looks up, a line each; what is said within one machine counts too.
WATCH = """
import os, sys
def hear(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        with open(os.environ["HEARD"], "a") as file:
            print(event, arguments[-1] if event == "socket.connect" else arguments, file=file)
sys.addaudithook(hear)
"""
SCRIPT = """
import json, pathlib
import streamlit as st
here = pathlib.Path(__file__).parent
@st.cache_resource
def once():
    with (here / "made").open("a") as file:
        file.write("made\\n")
once()
names = {names!r}
(here / "options").write_text(json.dumps({{name: st.get_option(name) for name in names}}))
if "fail" in st.query_params:
    raise ValueError(f"a secret of {{here}}")
"""
OPTIONS = {
    "client.showErrorDetails": "none",
    "client.allowedOrigins": [],
    "runner.postScriptGC": False,
    "server.maxMessageSize": 50,
    "server.maxWidgetStateSize": 5,
    "server.enableXsrfProtection": True,
    "server.enableCORS": True,
    "browser.gatherUsageStats": False,
    "logger.hideWelcomeMessage": True,
}


@contextmanager
def serving(
    root: Path, *arguments: str, log: Any = subprocess.DEVNULL, **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server as `make app` starts it, once it answers, and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "transformer.ui.server", *arguments, f"--port={port}"],
        cwd=root,
        env={**os.environ, **environment},
        stdout=log,
        stderr=log,
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            pytest.fail("the server does not answer")
        yield process, port
    finally:
        process.kill()
        process.wait()


def visit(port: int, **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{port}/_stcore/stream", compression=None, max_size=None, **options)


def run(page: ClientConnection, query: str = "") -> bytes:
    """Let a page run, and hear all that it says until it has ended."""
    message, said = BackMsg(), b""
    message.rerun_script.query_string = query
    page.send(message.SerializeToString())
    while True:
        data = page.recv(60)
        assert isinstance(data, bytes)
        said += data
        if ForwardMsg.FromString(data).WhichOneof("type") == "script_finished":
            return said


def test_a_server_for_everybody_asks_nobody_and_keeps_what_it_has_and_knows_to_itself(
    root: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    script, heard, log = tmp_path / "page.py", tmp_path / "heard", tmp_path / "log"
    script.write_text(SCRIPT.format(names=list(OPTIONS)))
    heard.touch()
    path = os.pathsep.join([str(tmp_path), str(root)])
    with (
        log.open("wb") as output,
        serving(root, str(script), "--address=0.0.0.0", log=output, PYTHONPATH=path, HEARD=str(heard)) as (
            _,
            port,
        ),
    ):
        for origin in ("http://evil.example", "null", f"http://localhost:{port}", "https://x.streamlit.app"):
            with pytest.raises(InvalidStatus, match="403"):
                visit(port, origin=origin)
        with visit(port, origin=f"http://127.0.0.1:{port}") as page:
            run(page)
            page.send(BackMsg(clear_cache=True).SerializeToString())
            page.send(BackMsg(load_git_info=True).SerializeToString())
            run(page)
            assert (tmp_path / "made").read_text() == "made\n"
            assert json.loads((tmp_path / "options").read_text()) == OPTIONS
            said = run(page, "fail=1")
        assert b"This app has encountered an error" in said
        assert b"a secret of" not in said and b'page.py", line' not in said
    assert "a secret of" in log.read_text()
    assert heard.read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_networks_load_and_nobody_reads_its_log(
    root: Path, number: signal.Signals
) -> None:
    reader, writer = os.pipe()
    with serving(root, log=writer, HEADLIGHT_WARM="all", HEADLIGHT_XLA="on") as (process, port):
        os.close(writer)
        os.close(reader)
        with visit(port, origin=f"http://127.0.0.1:{port}") as page:
            run(page)  # from here on TensorFlow is on its way
            process.send_signal(number)
            assert process.wait(10) == -number
