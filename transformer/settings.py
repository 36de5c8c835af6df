"""What whoever runs Headlight may set in the environment, read anew each time it is asked for.

HEADLIGHT_MODELS: the one directory below which the pages open model folders; not set, they open any folder.
HEADLIGHT_HUB: "off" (or 0, no, false) keeps the program from fetching anything; on where it is not set.
HEADLIGHT_KEPT: megabytes that the answers of networks may fill, kept for all visitors; 600 where it is not set.
HEADLIGHT_HOSTS: further names that the server is reached by, as a browser has them in its address, `name` or
    `name:port`, with blanks or commas between.
HEADLIGHT_XLA: "off" runs the same graphs without XLA, so that nothing is compiled for a length: for tests and small
    servers. Read when a model is loaded; on where it is not set.
HEADLIGHT_WARM: what the pages compile ahead. "all", as where it is not set: one length before a shipped network
answers, what else is common behind it, and any other length behind the first question that has it; "first": that one
length alone; "none": nothing. What is not compiled yet is answered without XLA: nobody waits for a compilation.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

MODELS, HUB, KEPT, XLA = "HEADLIGHT_MODELS", "HEADLIGHT_HUB", "HEADLIGHT_KEPT", "HEADLIGHT_XLA"
WARM, HOSTS = "HEADLIGHT_WARM", "HEADLIGHT_HOSTS"
MEGABYTES = 600.0


def models_directory() -> Path | None:
    """The directory below which folders may be opened, links resolved; None: any folder may."""
    place = os.environ.get(MODELS, "").strip()
    return Path(place).expanduser().resolve() if place else None


def hub_allowed() -> bool:
    """Whether files may be fetched from the hub."""
    return _on(HUB)


def kept_bytes() -> int:
    """What the answers of networks may fill, in bytes; what is no number of megabytes counts as not set."""
    try:
        megabytes = float(os.environ.get(KEPT, ""))
    except ValueError:
        megabytes = MEGABYTES
    return int((megabytes if 0 <= megabytes < math.inf else MEGABYTES) * 2**20)


def warm() -> str:
    """What is compiled ahead: "all", "first" or "none".

    Raises:
        ValueError: another word.
    """
    told = os.environ.get(WARM, "").strip().lower() or "all"
    if told not in ("all", "first", "none"):
        raise ValueError(f"expected {WARM} to be all, first or none, received {told[:40]!r}")
    return told


def hosts() -> frozenset[str]:
    """Names that the server is reached by besides those it knows, each with the port that an address has, if any."""
    return frozenset(os.environ.get(HOSTS, "").lower().replace(",", " ").split())


def xla() -> bool:
    """Whether narrow networks are compiled by XLA."""
    return _on(XLA)


def _on(name: str) -> bool:
    return os.environ.get(name, "on").strip().lower() not in ("off", "0", "no", "false")
