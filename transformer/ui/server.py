"""The server: Streamlit, and before it a guard that knows by which names it is reached and who may ask.

    python -m transformer.ui.server [SCRIPT] [--address 127.0.0.1] [--port 8501]

Streamlit itself answers to any name and, where a page of another origin asks, looks its own address up outside. A page
elsewhere could so drive an app that listens on this machine alone, by a name of its own that leads here ("DNS
rebinding"). Here the names are known, and what is foreign is refused before Streamlit sees it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import ipaddress
import re
import signal
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from google.protobuf.message import DecodeError
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.state.common import GENERATED_ELEMENT_ID_PREFIX
from streamlit.runtime.state.session_state import STREAMLIT_INTERNAL_KEY_PREFIX

from transformer import home, settings
from transformer.ui.shell import door, stated

LOCAL = door.LOCAL
WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # every address of the machine: no name by which it is reached
# What a visitor's browser may say. The rest is for whoever runs the app (caches are everybody's, and full of networks;
# what git knows of the folder is nobody else's), and dropped.
HEARD = frozenset(
    ("rerun_script", "stop_script", "app_heartbeat", "file_urls_request", "backend_operation_request")
)
# What the ids of widgets begin with: Streamlit would take another for a key of the session's own, and fail over it.
WIDGETS = (GENERATED_ELEMENT_ID_PREFIX, STREAMLIT_INTERNAL_KEY_PREFIX)
CLOSED = "/_stcore/metrics"  # what it counts is not for visitors, and nothing here asks for it
HOST = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9_.-]{1,253}))(?::[0-9]{1,5})?")
REFUSED = (
    "Headlight does not answer to this name, or to pages of another origin. "
    f"Whoever runs it names more in {settings.HOSTS}; see the README.\n"
)


class Guard:
    """ASGI middleware that refuses foreign hosts and origins, and says to browsers that everything comes from here.

    A host is known if its name, whatever the port, is one of `names` or of those given, or is the very address that the
    connection came in by: no name that somebody else made leads to a number. An origin is known if it is the host, port
    included, or one of those given, as behind a proxy that changes the host. Requests without an origin pass: a browser
    sends one with everything that changes something, and with every websocket.

    Args:
        app: what is guarded.
        names: by which this machine is reached, in lower case, IPv6 without brackets.
        given: further hosts as browsers have them, `name` or `name:port`, in lower case.

    Reference:
        RFC 6454, section 7 (Origin); RFC 9110, section 7.2 (Host).
    """

    def __init__(self, app: ASGIApp, names: Collection[str], given: Collection[str] = ()) -> None:
        self.app, self.given = app, given
        self.names = {*names, *map(hostname, given)}
        self.headers = {
            "Content-Security-Policy": policy(),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one websocket, or the life of the server."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif not self.knows(scope):
            if scope["type"] == "websocket":  # before it is accepted: the browser is told 403
                await send({"type": "websocket.close", "code": 1008})
            else:
                await PlainTextResponse(REFUSED, 403)(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].rstrip("/") == CLOSED:
            await PlainTextResponse("", 404)(scope, receive, send)
        else:
            # Streamlit would look an origin up outside: it has been looked at, so there is none any more.
            inner = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"origin"]}
            if scope["type"] == "websocket":
                await self.app(inner, _heard(receive, send), send)
            else:
                await self.app(inner, receive, self._with_headers(send))

    def knows(self, scope: Scope) -> bool:
        """Whether a request is for this server, and from one of its own pages or no page at all."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or len(origins) > 1:
            return False
        host = hosts[0].lower()
        name = hostname(host)
        if not name or not (name in self.names or name == _own(scope)):
            return False
        return not origins or _netloc(origins[0].lower()) in {host, *self.given}

    def _with_headers(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        return sent


def hostname(host: str) -> str:
    """The name in a Host header of lower case, without port and brackets; "" where it is none."""
    found = HOST.fullmatch(host)
    return (found[1] or found[2]).rstrip(".") if found else ""


def policy() -> str:
    """The content security policy of all pages: a browser fetches nothing from any other host, and frames none of it.

    Components come as blobs, styles stand in the page; of scripts in the page only Streamlit's own one is let through,
    by its hash.
    """
    page = (Path(st.__file__).parent / "static" / "index.html").read_text("utf-8")
    hashes = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    )
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' blob:{hashes}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' blob:",  # a recording, on its way from the microphone
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def _netloc(origin: str) -> str | None:
    """`name:port` of an origin; None for `null` and whatever is none."""
    scheme, _, rest = origin.partition("://")
    return rest if scheme in ("http", "https") and HOST.fullmatch(rest) else None


def _own(scope: Scope) -> str | None:
    """The address of this machine that a connection came in by; IPv4 also where it came in by an IPv6 socket."""
    try:
        address = ipaddress.ip_address((scope.get("server") or ("",))[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _heard(receive: Receive, send: Send) -> Receive:
    """What a visitor's browser says, but for what is not its business; what no browser says ends the connection."""

    async def received() -> Message:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            try:
                said = BackMsg.FromString(message.get("bytes") or b"text")
                known = all(state.id.startswith(WIDGETS) for state in said.rerun_script.widget_states.widgets)
            except DecodeError:
                known = False
            if not known:
                await send({"type": "websocket.close", "code": 1002})  # RFC 6455, section 7.4.1
                return {"type": "websocket.disconnect", "code": 1002}
            if said.WhichOneof("type") in HEARD:
                return message

    return received


def _end_by_signal() -> None:
    """SIGTERM and Ctrl+C end the process at once, by the signal.

    There is nothing to save. An orderly end waits for threads that compile or run a network, and Python's own end takes
    from native threads what they still use, which aborts; a handler in Python does not run while native code is busy.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


@asynccontextmanager
async def _lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    _end_by_signal()  # uvicorn has put its own handlers there
    yield {}


def application(script: Path, address: str) -> st.App:
    """The guarded app.

    Args:
        script: the front page.
        address: that it listens on: a name by which it is reached, unless it stands for all.
    """
    door.guarded = True
    stated.only_in_their_type()
    names = LOCAL | ({address.lower()} - WILDCARDS)
    guard = Middleware(Guard, names=names, given=settings.hosts())
    return st.App(script, middleware=[guard], lifespan=_lifespan)


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(
        prog="python -m transformer.ui.server", description=__doc__.split("\n")[0]
    )
    parser.add_argument("script", nargs="?", type=Path, default=home.script(), help="the front page")
    parser.add_argument("--address", default="127.0.0.1", help="to listen on: 127.0.0.1 is this machine only")
    parser.add_argument("--port", type=int, default=8501)
    options = parser.parse_args()
    _end_by_signal()
    sys.argv = [
        str(options.script)
    ]  # beside it, and in the working directory, Streamlit looks for its configuration
    application(options.script.resolve(), options.address).run(
        config={
            "server.address": options.address,
            "server.port": options.port,
            "server.allowedHosts": [],  # the guard's business
            "logger.hideWelcomeMessage": True,  # it would look this machine's address up outside
        }
    )


if __name__ == "__main__":
    main()
