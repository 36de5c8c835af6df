"""What networks have answered, kept for all visitors: one store, bounded by bytes.

BERT-base over 512 tokens fills 151 MB, a sentence's translation 0.2: a bound on the number of answers bounds no memory.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from transformer import settings
from transformer.ui.models.queue import Queue, Told

T = TypeVar("T")


class Kept:
    """Answers by model and question. The one that nobody has asked for the longest goes first.

    A question that is being answered is not answered twice: whoever asks it meanwhile waits in the queue and finds it.

    Args:
        queue: in which answers are made.
        most: bytes that answers may fill together; None: as `settings.kept_bytes` says. The newest stays whatever its
            size.
    """

    def __init__(self, queue: Queue, most: int | None = None) -> None:
        self.queue, self._most = queue, most
        self._answers: OrderedDict[tuple[Any, Hashable], tuple[Any, int]] = OrderedDict()
        self._changing = threading.Lock()

    @property
    def nbytes(self) -> int:
        """What is filled."""
        with self._changing:
            return sum(size for _, size in self._answers.values())

    def answer(self, model: Any, question: Hashable, make: Callable[[], T], told: Told | None = None) -> T:
        """What `make` answers, or answered before.

        Args:
            model: of whom it is asked; once nothing else holds it, its answers are let go. None: of no model.
            question: equal questions to one model have one answer.
            make: called in the queue where nobody has asked before; what it raises is not kept.
            told: see `Queue.turn`.
        """
        key = (None if model is None else weakref.ref(model), question)
        found = self._get(key)
        if found is None:
            with self.queue.turn(told):
                found = self._get(key) or self._put(key, make())
        result: T = found[0]
        return result

    def forget(self, model: Any = None) -> None:
        """Let go of the answers of a model; None: of all."""
        with self._changing:
            for key in [key for key in self._answers if model is None or key[0] == weakref.ref(model)]:
                del self._answers[key]

    def _get(self, key: tuple[Any, Hashable]) -> tuple[Any, int] | None:
        with self._changing:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)

    def _put(self, key: tuple[Any, Hashable], answer: Any) -> tuple[Any, int]:
        most = settings.kept_bytes() if self._most is None else self._most
        with self._changing:
            found = self._answers[key] = (answer, size(answer))
            for gone in [other for other in self._answers if other[0] is not None and other[0]() is None]:
                del self._answers[gone]
            filled = sum(nbytes for _, nbytes in self._answers.values())
            while filled > most and len(self._answers) > 1:
                filled -= self._answers.popitem(last=False)[1][1]
        return found


def size(value: Any) -> int:
    """Bytes that a value fills, as good as all of which lie in its arrays."""
    if isinstance(value, tuple | list | frozenset):
        return sys.getsizeof(value) + sum(size(part) for part in value)
    if isinstance(value, dict):
        return sys.getsizeof(value) + sum(size(part) for item in value.items() for part in item)
    return max(int(getattr(value, "nbytes", 0)), sys.getsizeof(value))
