"""What pages and components send to the browser, caught on its way."""

import json
import struct
from typing import Any

import pytest

from transformer.ui.parts import component
from transformer.ui.speech import player


def by_the_player(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the player sends last from now on, by the key of its part."""
    parts: dict[str, bytes] = {}
    monkeypatch.setattr(player, "_SPEECH", lambda key, data, **_: parts.update({key: data}))
    monkeypatch.setattr(component, "_CARRIER", lambda key, data: parts.update({key: data}))
    return parts


def unpacked(data: bytes) -> tuple[dict[str, Any], bytes]:
    """A header and the bytes behind it, out of what `wire.headed` made."""
    (length,) = struct.unpack("<I", data[:4])
    return json.loads(data[4 : 4 + length]), data[4 + length :]
