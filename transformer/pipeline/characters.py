"""A text goes on character by character: an LSTM and a decoder of characters, asked the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transformer.ask import MAX_CHARACTERS, Ask, whole
from transformer.formulas.bits import bits, carried_bits, characters
from transformer.pipeline.model import Model
from transformer.pipeline.writer import Writer, drawing
from transformer.runtime.characters import CharacterRuntime, reach
from transformer.search.sampling import Drawing
from transformer.text.characters import FIRST
from transformer.trace import Trace

MOST_WRITTEN = 1000


class _OfCharacters(Model):
    """What both have: writing on, bits per character, and the reach of the gradient."""

    def go_on(
        self,
        text: str,
        count: int = 300,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> str:
        """`text` and `count` more characters, drawn from what the network foretells.

        Args:
            text: how it begins; empty: with a new line. Line breaks count.
            count: how many, 1 to 1,000.
            temperature, top_k, top_p: see `Drawing`.
            seed: the same seed gives the same characters after the same text.

        Raises:
            ValueError: a text that is too long, or a setting out of its range.
        """
        how = drawing(temperature, top_k, top_p)
        count = whole("characters", count, 1, MOST_WRITTEN)
        if not isinstance(text, str):
            raise ValueError(f"expected a text, received {type(text).__name__}")
        if len(text) > MAX_CHARACTERS:
            raise ValueError(f"expected at most {MAX_CHARACTERS:,} characters, received {len(text):,}")
        ids = [FIRST, *self.tokenizer.ids(text)]  # a line break stands before every text
        return text + str(self.tokenizer.decode(self._draw(ids, count, how, seed)))

    def bits_per_character(self, text: str) -> float:
        """How well a whole text is foretold, with context carried along."""
        raise NotImplementedError

    def reach(self, text: str, windows: int, length: int) -> np.ndarray:
        """Norms (windows, length) as of `runtime.characters.reach`, of windows spread evenly over a text.

        Raises:
            ValueError: a text that is too short, or windows longer than the network reads.
        """
        ids = np.array(self.tokenizer.ids(text), np.int32)
        if length > self.config.max_target or len(ids) < length + 1:
            raise ValueError(
                f"expected windows of at most {min(self.config.max_target, len(ids) - 1)} characters, received {length}"
            )
        starts = np.linspace(0, len(ids) - length - 1, windows).astype(int)
        return reach(self.network, ids[starts[:, None] + np.arange(length + 1)])

    def _draw(self, ids: list[int], count: int, how: Drawing, seed: int) -> list[int]:
        raise NotImplementedError


class CharacterRecurrent(_OfCharacters):
    """A character LSTM."""

    WHAT = "a recurrent network without attention"

    def __init__(self, name: str, network: Any, tokenizer: Any) -> None:
        super().__init__(name, network, tokenizer)
        self.runtime = CharacterRuntime(network)

    def trace(self, text: str) -> Trace:
        """Raises ValueError: it has no attention to record."""
        return self.ask(Ask(model=self.name, given=text))

    def _answer(self, ask: Ask, given: Any) -> Trace:
        raise ValueError(
            f"expected a network with attention, received {self.name}, which has none: go_on writes with it"
        )

    def bits_per_character(self, text: str) -> float:
        """With the state carried, in 16 rows side by side."""
        return carried_bits(self.runtime.score, np.array(self.tokenizer.ids(text), np.int32))

    def warm(self, lengths: Sequence[int] = (16, 32)) -> None:
        """Build what reads and steps."""
        self.go_on("", 2)

    def _draw(self, ids: list[int], count: int, how: Drawing, seed: int) -> list[int]:
        return list(self.runtime.draw(ids, count, how, seed))


class CharacterWriter(_OfCharacters, Writer):
    """A decoder of characters: a `Writer` too, so that it opens on Next word."""

    def bits_per_character(self, text: str) -> float:
        """In windows that overlap by half."""
        found = bits(
            self.runtime.score,
            characters(np.array(self.tokenizer.ids(text), np.int32)),
            self.config.max_target,
            start=FIRST,
            rows=4,
        )
        return found["bits_per_byte"]

    def _draw(self, ids: list[int], count: int, how: Drawing, seed: int) -> list[int]:
        """The last half of its positions is read again whenever they are full."""
        whole, longest = list(ids), self.config.max_target
        while (left := len(ids) + count - len(whole)) > 0:
            tail = whole[-(longest // 2) :]
            room = min(longest - len(tail), left)
            whole += self.runtime.draw(tail, room, how, (seed, len(whole)), end=True)
        return whole[len(ids) :]
