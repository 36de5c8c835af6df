"""Models that visitors opened: shared by everyone who uses this server, few, and gone when it ends.

Each is fetched and built by a thread of its own, so that nobody waits for it; one is built at a time, so that memory
is asked for when it is needed. `calls` turns a name into a model; here is known which names there are
besides the shipped ones.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformer import settings
from transformer.checkpoints import hub
from transformer.checkpoints.look import Look, look

MOST = 4
FAILED = 4  # of those that did not open, so many are remembered
WAITING, FETCHING, OPENING = "waiting", "fetching", "opening"


@dataclass
class Opened:
    """A model that is open, on its way, or did not open.

    source: its folder, or a hub id. found: what was seen in the folder; None until it is there. fetched: bytes that
    have come, and of how many.
    """

    name: str
    source: Path | str
    found: Look | None = None
    phase: str = WAITING
    fetched: tuple[int, int] = (0, 0)
    forgotten: bool = False
    future: Future[Any] = field(default_factory=Future)

    @property
    def ready(self) -> bool:
        """Whether it can be used."""
        return self.future.done() and not self.future.exception()

    @property
    def problem(self) -> str:
        """Why it did not open; empty where it did, or may yet."""
        return str(self.future.exception() or "") if self.future.done() else ""


_opened: dict[str, Opened] = {}
_changing = threading.RLock()
_one_at_a_time = threading.Lock()


def opened() -> list[Opened]:
    """All of them, oldest first."""
    with _changing:
        return list(_opened.values())


def get(name: str) -> Opened | None:
    """The one of this name that can be used."""
    model = _opened.get(name)
    return model if model and model.ready else None


def names(family: str) -> list[str]:
    """Those of a family ("seq2seq", "decoder", "encoder", "reading_decoder", "speech") that can be used."""
    return [m.name for m in opened() if m.ready and m.found and m.found.config.family == family]


def open_model(
    source: Path | str, *, taken: Sequence[str] = (), before: Callable[[], None] = lambda: None
) -> Opened:
    """Begin to open a folder or a hub id; returns at once.

    Args:
        source: a folder, links resolved, or a hub id.
        taken: names that are somebody else's.
        before: called before a network is built.

    Raises:
        ValueError: it is open already, or as many as there may be are.
    """
    with _changing:
        for model in opened():
            if model.source == source and not model.problem:
                raise ValueError(f"expected a model that is not open, received one that is: {model.name}")
        going = [model for model in opened() if not model.problem]
        if len(going) >= MOST:
            raise ValueError(
                f"expected at most {MOST} opened models, received one more: forget one of them first"
            )
        for model in [model for model in opened() if model.problem][: -FAILED + 1]:
            forget(model.name)
        first = source.name if isinstance(source, Path) else source
        name, number = first, 2
        while name in taken or (name in _opened and not _opened[name].problem):
            name, number = f"{first}-{number}", number + 1
        model = _opened[name] = Opened(name, source)
    threading.Thread(target=_work, args=(model, before), name=f"open {name}", daemon=True).start()
    return model


def forget(name: str) -> None:
    """Let go of a model; what is being fetched stops."""
    with _changing:
        if model := _opened.pop(name, None):
            model.forgotten = True


def _work(model: Opened, before: Callable[[], None]) -> None:
    try:
        folder = model.source if isinstance(model.source, Path) else _fetch(model, model.source)
        model.phase = WAITING
        with _one_at_a_time:
            found = _build(model, folder, before)
        model.future.set_result(found)
    except BaseException as error:
        if not isinstance(error, ValueError):
            logging.getLogger(__name__).exception("the model %s does not open", model.name)
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        model.future.set_exception(ValueError(f"{kind}{' '.join(str(error).split())[:400]}"))
        return
    try:
        if settings.warm() == "all":
            found.warm()  # whoever asks it something meanwhile waits for the same compilation
    except Exception:
        logging.getLogger(__name__).exception("the model %s does not warm up", model.name)


def _fetch(model: Opened, name: str) -> Path:
    def progress(done: int, total: int) -> None:
        model.fetched = (done, total)
        _wanted(model)

    model.phase = FETCHING
    return hub.fetch(name, progress)


def _build(model: Opened, folder: Path, before: Callable[[], None]) -> Any:
    _wanted(model)
    model.phase = OPENING
    model.found = look(folder)

    from transformer.pipeline import open_folder
    from transformer.runtime import passing

    before()
    with passing():  # until somebody forgets it
        return open_folder(folder, model.name)


def _wanted(model: Opened) -> None:
    if model.forgotten:
        raise ValueError("expected somebody who waits for it, received none: it was forgotten")
