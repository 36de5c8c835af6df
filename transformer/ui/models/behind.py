"""What is compiled behind an answer that did not wait for it: one length after the other, in a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformer import settings

MOST = 32  # waiting at once; what is asked for again is taken up later


class Behind:
    """Takes jobs and does them in turn; a job that fails is told in the log and forgotten."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Callable[[], Any]] = queue.Queue(MOST)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, job: Callable[[], Any]) -> None:
        """Do the job later; where too many wait, or `settings.warm` wants nothing compiled, not at all."""
        if settings.warm() != "all":
            return
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="compile behind", daemon=True)
                self._thread.start()

    def join(self) -> None:
        """Wait for all jobs."""
        self._jobs.join()

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except Exception:
                logging.getLogger(__name__).exception("a length could not be compiled")
            finally:
                self._jobs.task_done()
                del job  # and the network with it


behind = Behind()


@contextmanager
def promptly() -> Iterator[None]:
    """Whoever asks a network meanwhile waits for no compilation: see `transformer.runtime.prompt`."""
    from transformer.runtime import prompt

    with prompt(behind):
        yield
