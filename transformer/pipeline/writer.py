"""A text goes on: a decoder alone with its tokenizer, its next words, and what every head looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from transformer.models.seq2seq import Gates
from transformer.pipeline.model import Model, ids_of, numbered, readable, steps_of
from transformer.runtime import LanguageRuntime, Projected
from transformer.runtime.language import DEPTH, ROOM, Ends
from transformer.text.tokenizer import clean
from transformer.trace import AttentionMap, Trace


class Word(NamedTuple):
    """A word that could come next: as it is appended to the text, its probability (0 to 1), and its tokens."""

    text: str
    probability: float
    ids: tuple[int, ...]


class Writer(Model):
    """A decoder alone with its tokenizer."""

    def __init__(self, name: str, network: Any, tokenizer: Any) -> None:
        super().__init__(name, network, tokenizer)
        self.runtime = LanguageRuntime(network)

    def encode(self, text: str) -> list[int]:
        """What the network reads for `text`: the start token where it has one, and the text's tokens.

        Raises:
            ValueError: nothing to read, or more than the network can.
        """
        ids = [*self._start, *self._plain(readable(text))]
        self._fits(ids, self.config.max_target)
        return ids

    def trace(
        self, text: str, *, target: str | None = None, tokens: int = 0, gates: Gates | None = None
    ) -> Trace:
        """Read `text`, write on, and record what every head looked at.

        The rows of the map are the tokens that were read; what stands in a row foretells the token after it. Steps and
        target are all tokens that were foretold: those of the text too.

        Args:
            text: how it begins.
            target: forces this continuation.
            tokens: how many tokens to write on, each the likeliest; 0 looks at the text alone.
            gates: one number a head; 0 switches it off.

        Raises:
            ValueError: no text, or more than the network can read.
        """
        prompt = self.encode(text)
        written: list[int] = []
        if target is not None:
            # One text to the tokenizer, so that the join is made as it would be in running text.
            whole = self.encode(f"{text} {readable(target)}")
            prompt, written = whole[: len(prompt)], whole[len(prompt) :]
        while len(written) < tokens and len(prompt) + len(written) < self.config.max_target:
            more = self.runtime.write([*prompt, *written], tokens - len(written), top_k=1)
            if not more:
                break
            written += more
        options: dict[str, Any] = {"decoding": "forced" if target is not None or not tokens else "greedy"}
        return self._trace(clean(text), prompt, written, options, gates)

    def trace_ids(self, ids: Sequence[int]) -> Trace:
        """The same for ready-made ids, exactly as the network is to read them.

        Raises:
            ValueError: no ids, too many, or one that the vocabulary lacks.
        """
        ids = [int(i) for i in ids]
        self._known(ids, self.config.max_target)
        return self._trace(self.tokenizer.decode(ids), ids, [], {"decoding": "forced"})

    def next_words(self, text: str, *, count: int = 10, temperature: float = 1.0) -> list[Word]:
        """The likeliest next words after `text`, best first; subwords are joined.

        Args:
            text: how it begins.
            count: how many.
            temperature: every word's probability is raised to 1/temperature and the results of all that were found
                scaled back to their sum; 1 leaves them as the network gives them.

        Raises:
            ValueError: nothing to read, or no room for another word.
        """
        ids = self.encode(text)
        self._fits(ids, self.config.max_target - DEPTH)
        before = self.tokenizer.decode(ids)
        joined: dict[str, tuple[float, tuple[int, ...]]] = {}
        for tokens, score in self.runtime.words(ids, self._ends):
            after = self.tokenizer.decode([*ids, *tokens])
            # A tokenizer's text of a longer row begins with that of the shorter one, spaces at the end aside.
            word = after[len(before) :] if after.startswith(before) else " " + self.tokenizer.decode(tokens)
            known = joined.get(word, (0.0, tokens))
            joined[word] = (known[0] + math.exp(score), known[1])
        total = sum(p for p, _ in joined.values())
        sharpened = {word: p ** (1 / temperature) for word, (p, _) in joined.items()}
        scale = total / sum(sharpened.values()) if temperature != 1 and sharpened else 1.0
        found = [Word(word, sharpened[word] * scale, joined[word][1]) for word in joined]
        return sorted(found, key=lambda word: -word.probability)[:count]

    def write(
        self,
        text: str,
        words: int = 20,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> str:
        """`text` and up to `words` more words, drawn from what the network foretells.

        Args:
            temperature: above 0; below 1 makes the likely likelier.
            top_k: draw from this many tokens; 1 takes the likeliest, None all.
            top_p: draw from the fewest tokens that hold this much of the probability, 0 to 1.
            seed: the same seed gives the same text.

        Raises:
            ValueError: nothing to read, no room for more, or a setting out of its range.
        """
        for name, value, fine in (
            ("temperature", temperature, 0 < temperature <= 10),
            ("top_p", top_p, 0 < top_p <= 1),
            ("top_k", top_k, top_k is None or top_k >= 1),
            ("words", words, 1 <= words <= 200),
        ):
            if not fine:
                raise ValueError(f"expected a {name} that can be drawn with, received {value}")
        ids, begins = self.encode(text), self._ends.begins
        self._fits(ids, self.config.max_target - 1)
        written: list[int] = []
        while len(ids) + len(written) < self.config.max_target:
            more = self.runtime.write(
                [*ids, *written],
                ROOM,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                seed=seed + len(written),
            )
            for token in more:
                # The word after the last one has begun: it is not ours.
                if begins[token] and self._words(written) >= words and not self._ends.alone[token]:
                    return self._joined(ids, written)
                written.append(token)
        return self._joined(ids, written)

    def projections(self, trace: Trace) -> dict[str, Projected]:
        """The queries and keys behind a trace of this model, and what each layer was given.

        Raises:
            ValueError: a trace of another model, or one without ids.
        """
        self._own(trace)
        return self.runtime.projections(ids_of(trace["decoder"].keys))

    def warm(self, lengths: Sequence[int] = (16, 32)) -> None:
        """Compile ahead for texts of up to these many tokens."""
        self.runtime.warm(lengths)

    @property
    def _start(self) -> list[int]:
        return [self.config.start_id] if self.config.start_id >= 0 else []

    def _plain(self, text: str) -> list[int]:
        ids = list(self.tokenizer.encode(text).ids)
        return ids[:-1] if ids and ids[-1] == self.config.end_id else ids

    def _words(self, ids: Sequence[int]) -> int:
        return len(self.tokenizer.decode(ids).split()) if ids else 0

    def _joined(self, ids: Sequence[int], written: Sequence[int]) -> str:
        return str(self.tokenizer.decode([*ids, *written]))

    @cached_property
    def _ends(self) -> Ends:
        labels = [self.tokenizer.label(i) for i in range(self.config.vocabulary)]
        letters = np.array([any(c.isalnum() for c in label.text) for label in labels])
        special = np.array([label.special for label in labels])
        joins = np.array([label.joins for label in labels])
        blank = np.array([not label.text.strip() for label in labels]) & ~special
        inner = np.array([label.text in ("'", "\u2019", "-") for label in labels]) & joins
        # Punctuation that joins what stands before it ends a word all the same; an apostrophe may stand inside one.
        begins = ~joins | special | (~letters & ~inner)
        return Ends(begins, (special | ~letters) & ~blank, blank)

    def _trace(
        self,
        text: str,
        prompt: Sequence[int],
        written: Sequence[int],
        options: dict[str, Any],
        gates: Gates | None = None,
    ) -> Trace:
        ids = [*prompt, *written]
        recorded = self.runtime.record(ids, gates)
        read = numbered(self.tokenizer.labels(ids), ids)
        table = self.network.embedding.positions.table()
        return Trace(
            (AttentionMap("decoder", recorded.decoder, read, read),),
            str(self.tokenizer.decode(ids)),
            steps_of(self.tokenizer, read[1:], recorded),
            source=read[: len(prompt)],
            target=read[1:],
            positions=None if table is None else table[: len(ids)],
            model=self.name,
            input=text,
            options=options,
        )
