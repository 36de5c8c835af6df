"""Who may use the networks now: one at a time, in the order in which they came.

A pass uses every core, so several at once finish no sooner and share the processor's caches: the first of ten visitors
would wait as long as the last.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Told = Callable[[int], None]

LOOK = 0.25  # seconds between two looks at the queue, after which who waits is told its place again


class Queue:
    """A lock that is taken in turn and tells who waits how many are before them."""

    def __init__(self) -> None:
        self._waiting: deque[object] = deque()  # the first has its turn
        self._changed = threading.Condition()
        self._mine = threading.local()

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting)

    @contextmanager
    def turn(self, told: Told | None = None) -> Iterator[None]:
        """Wait for one's turn and have it; a thread that has it already goes on at once.

        Args:
            told: called with the number of those before, again and again as long as it waits; what it raises ends
                the waiting, as when a visitor has left.
        """
        if getattr(self._mine, "turn", False):
            yield
            return
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
        try:
            self._wait(ticket, told)
            self._mine.turn = True
            yield
        finally:
            self._mine.turn = False
            with self._changed:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def _wait(self, ticket: object, told: Told | None) -> None:
        while True:
            with self._changed:
                if self._waiting[0] is not ticket:
                    self._changed.wait(LOOK)
                before = self._waiting.index(ticket)
            if not before:
                return
            if told:
                told(before)
