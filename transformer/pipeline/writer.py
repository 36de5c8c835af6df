"""A text goes on: a decoder alone with its tokenizer, its next words, and what every head looked at."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from transformer.analysis.patching import Compared, Rows, both
from transformer.ask import MAX_CHARACTERS, Ask, whole
from transformer.checkpoints.look import at_once, free_memory
from transformer.interventions import NONE, Interventions
from transformer.models.altering import AS_IT_IS, Alter
from transformer.pipeline.model import Model, Sayings, ids_of, numbered, readable, steps_of
from transformer.runtime import LanguageRuntime, Projected
from transformer.runtime.common import ids_row
from transformer.runtime.language import Ends
from transformer.search.sampling import Drawing
from transformer.text.tokenizer import clean
from transformer.trace import AttentionMap, Label, Trace

ROOM = 32  # tokens that are kept free for what comes next
NEXT = Label("next", special=True)  # what is foretold behind a text
LONG = 8  # tokens: a text in which words are longer on average, or have no spaces between them, is cut short


class Word(NamedTuple):
    """A word that could come next.

    Args:
        text: as it is appended to the text: with a space before it where it needs one.
        probability: that it is drawn, 0 to 1.
        ids: its tokens.
        own: the network's own probability, before temperature, top-k and top-p.
    """

    text: str
    probability: float
    ids: tuple[int, ...]
    own: float


class Writer(Model):
    """A decoder alone with its tokenizer. `reads` says how many tokens it takes at once: all of its positions, or fewer
    where memory is short."""

    WHAT = "a decoder alone"
    READS = frozenset(("target", "target_ids", "tokens", "position_scale", "interventions"))

    def __init__(self, name: str, network: Any, tokenizer: Any) -> None:
        super().__init__(name, network, tokenizer)
        self.runtime = LanguageRuntime(network)
        self.reads = at_once(network.config, free_memory())  # tokens at once

    def encode(self, text: str) -> list[int]:
        """What the network reads for `text`: the start token where it has one, and the text's tokens.

        Raises:
            ValueError: nothing to read, or more than the network can.
        """
        ids = self._encode(readable(text))
        self._fits(ids, self.reads)
        return ids

    @property
    def longest(self) -> int:
        """How many tokens a text may have so that the network can still go on with it."""
        return self.reads - min(ROOM, self.reads // 4)

    def tail(self, text: str, longest: int | None = None) -> str:
        """The last part of `text` that has at most `longest` tokens (None: as many as the property), from the
        beginning of a word; all of it where it fits. Of a word that alone is too long, its end."""
        most = min(self.longest, longest or self.longest)
        text = text[-MAX_CHARACTERS:]
        if len(self._encode(text)) <= most:
            return text
        starts = [word.start() for word in re.finditer(r"\S+", text)]
        if len(self._encode(text[starts[-1] :])) > most:
            starts = list(range(starts[-1], len(text)))
        fits = bisect_left(starts, True, key=lambda start: len(self._encode(text[start:])) <= most)
        return text[starts[min(fits, len(starts) - 1)] :]

    def trace(
        self,
        text: str,
        *,
        target: str | None = None,
        target_ids: Sequence[int] = (),
        tokens: int = 0,
        position_scale: float = 1.0,
        interventions: Interventions | str = NONE,
    ) -> Trace:
        """Read `text`, write on, and record what every head looked at.

        The rows of the map are the tokens that were read; what stands in a row foretells the token after it. Steps and
        target are all tokens that were foretold: those of the text too.

        Args:
            text: how it begins.
            target: forces this continuation; "" is none, as with no tokens.
            target_ids: forces a continuation as ids, as the network writes them.
            tokens: how many tokens to write on, each the likeliest; 0 looks at the text alone.
            position_scale: what the network's position vectors are multiplied by, 0 to 10.
            interventions: heads that are changed and looks that are cut, or such a text as "h:d1.3;x:d2.3.5.2", while
                it writes as while it is recorded.

        Raises:
            ValueError: no text, more than the network can read, a setting out of its range (see `Ask`), or no such
                head.
        """
        return self.ask(
            Ask(
                model=self.name,
                given=text,
                target=target,
                target_ids=tuple(target_ids),
                tokens=tokens,
                position_scale=position_scale,
                interventions=Interventions.of(interventions),
            )
        )

    def _answer(self, ask: Ask, given: str) -> Trace:
        alter, changed = self._patched(ask)
        text, target, tokens = given, ask.target, ask.tokens
        prompt, whole_text = self.encode(text), text
        written: list[int] = list(ask.target_ids)
        if written:
            self._known([*prompt, *written], self.reads)
        elif target:
            # One text to the tokenizer, so that the join is made as it would be in running text.
            whole_text = f"{text} {readable(target)}"
            both = self.encode(whole_text)
            prompt, written = both[: len(prompt)], both[len(prompt) :]
        elif target is None and tokens and len(prompt) < self.reads:
            written = self.runtime.write(prompt, min(tokens, self.reads - len(prompt)), top_k=1, alter=alter)
        forced = target is not None or ask.target_ids or not tokens
        options: dict[str, Any] = {"decoding": "forced" if forced else "greedy"}
        typed = self.tokenizer.encode(whole_text)
        if typed.unknown:
            options["unknown"] = " ".join(dict.fromkeys(typed.unknown))
        options |= changed
        output = clean(whole_text)
        if not target:
            output += self._after(output, prompt, written)
        ids = [*prompt, *written]
        options |= self._spared(ask.interventions, decoder=(len(ids), len(ids)))
        return self._trace(clean(text), output, ids, len(prompt), options, typed.labels, alter)

    def _other(self, ask: Ask) -> Rows:
        return [self.encode(ask.given)]

    def _compared(self, trace: Trace, other: str) -> Compared:
        """What comes after both texts."""
        ids, theirs = ids_of(trace.source), self.encode(other)
        labels = both(trace.source, self._read_as(theirs, ()))
        return Compared(([ids], [theirs]), len(ids) - 1, {"decoder": labels})

    def trace_ids(self, ids: Sequence[int]) -> Trace:
        """The same for ready-made ids, exactly as the network is to read them.

        Raises:
            ValueError: no ids, too many, or one that the vocabulary lacks.
        """
        ids = [int(i) for i in ids]
        self._known(ids, self.reads)
        text = str(self.tokenizer.decode(ids))
        return self._trace(text, text, ids, len(ids), {"decoding": "forced"})

    def next_words(
        self,
        text: str,
        *,
        count: int = 10,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        interventions: Interventions | str = NONE,
    ) -> list[Word]:
        """The likeliest next words after `text`, best first; subwords are joined.

        A text that ends in a space is over: only what begins a word comes next. Without one its last word may go on.

        Args:
            text: how it begins.
            count: how many.
            temperature, top_k, top_p: of each token, as `write` draws it: see `Drawing`.
            interventions: heads that are changed meanwhile, or their text such as "h:e1.3".

        Raises:
            ValueError: nothing to read, no room for another word, a setting out of its range, or no such head.
        """
        how, count = drawing(temperature, top_k, top_p), whole("words", count, 1)
        ask = Ask(model=self.name, given=text, interventions=Interventions.of(interventions))
        alter, _ = self._patched(ask)
        ids = self.encode(text)
        self._fits(ids, self.longest)
        joined: dict[str, Word] = {}
        # A few more than asked for: two rows of tokens may spell one word.
        for tokens, drawn, own in self.runtime.words(
            ids, self._ends, count=count + 5, how=how, first=self._first(text), alter=alter
        ):
            word = self._after(text, ids, tokens)
            known = joined.get(word, Word(word, 0.0, tokens, 0.0))
            joined[word] = known._replace(
                probability=known.probability + math.exp(drawn), own=known.own + math.exp(own)
            )
        return sorted(joined.values(), key=lambda word: -word.probability)[:count]

    def write(
        self,
        text: str,
        words: int = 20,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int = 0,
        interventions: Interventions | str = NONE,
    ) -> str:
        """`text` and up to `words` more words, drawn from what the network foretells.

        What it foretells depends on the last part of a text that it can read (`tail`).

        Args:
            words: how many, 1 to 200; the end of a word that `text` broke off is one.
            temperature, top_k, top_p: see `Drawing`.
            seed: the same seed gives the same words after the same text.
            interventions: heads that are changed meanwhile, or their text such as "h:e1.3".

        Raises:
            ValueError: nothing to read, a setting out of its range, or no such head.
        """
        how = drawing(temperature, top_k, top_p)
        alter, _ = self._patched(
            Ask(model=self.name, given=readable(text), interventions=Interventions.of(interventions))
        )
        words = whole("words", words, 1, 200)
        first, new = self._first(readable(text)), ""
        left = LONG * words
        while left > 0:
            ids, written = self._encode(self.tail(text + new)), list[int]()
            room = min(self.reads - len(ids), left)
            # Other noise for other words: the same again would say the same again.
            for token in self.runtime.draw(ids, room, how, (seed, len(text + new)), first, alter=alter):
                # The word after the last one has begun: it is not ours.
                if self._ends.begins[token] and not self._ends.alone[token]:
                    more = self._after(text + new, ids, written)
                    if len((new + more).split()) >= words:
                        return text + new + more
                written.append(token)
            new, first, left = new + self._after(text + new, ids, written), None, left - room
        return text + new

    def projections(self, trace: Trace) -> dict[str, Projected]:
        """The queries and keys behind a trace of this model, and what each layer was given.

        Raises:
            ValueError: a trace of another model, one without ids, or one with options that cannot be.
        """
        self._own(trace)
        return self.runtime.projections(ids_of(trace["decoder"].keys), self._altered(trace))

    def _sayings(self, trace: Trace, given: Any = None) -> Sayings:
        """The tokens that were foretold, and where there is room the likeliest that comes next."""
        self._own(trace)
        ids = ids_of(trace["decoder"].keys)
        labels, said, count = list(trace["decoder"].keys[1:]), ids[1:], len(ids)
        if count < self.config.max_target:
            (new,) = self.runtime.write(ids, 1, top_k=1, alter=self._altered(trace))
            labels, said = [*labels, *numbered([self.tokenizer.label(new)], [new])], [*said, new]
        if not said:
            raise ValueError("expected a text in which something is foretold, received one token")
        return Sayings(labels, (ids_row(ids, count, 0),), range(len(said)), said, self._largest(count, count))

    def _forced(self, trace: Trace, given: Any = None) -> tuple[list[Label], list[int], tuple[Any, ...]]:
        """The tokens that were foretold, and what comes next."""
        self._own(trace)
        ids = ids_of(trace["decoder"].keys)
        return [*trace["decoder"].keys[1:], NEXT], [*ids[1:], -1], (ids_row(ids, len(ids), 0),)

    def warm(self, lengths: Sequence[int] = (16, 32)) -> None:
        """Build ahead what texts of up to these many tokens need."""
        _ = self._ends  # labels of a large vocabulary take a moment
        self.runtime.warm(lengths)

    def _encode(self, text: str) -> list[int]:
        """The ids of any text; what stands after its last letter is no part of it."""
        ids = list(self.tokenizer.encode(text.rstrip()).ids)
        ids = ids[:-1] if ids and ids[-1] == self.config.end_id else ids
        return [self.config.start_id, *ids] if self.config.start_id >= 0 else ids

    def _after(self, text: str, ids: Sequence[int], tokens: Sequence[int]) -> str:
        """What `tokens` add to `text`, whose ids are `ids`: a space before them where they need one."""
        before, after = self.tokenizer.decode(ids), self.tokenizer.decode([*ids, *tokens])
        # The text of a longer row begins with that of the shorter one, unless that has nothing that can be spelled.
        if before and after.startswith(before):
            new = str(after[len(before) :])
        else:
            begins = bool(tokens) and not self._joins[tokens[0]]
            new = " " * begins + str(self.tokenizer.decode(tokens))
        new = re.sub(" +", " ", new)  # a space of its own and a word that brings one are still one space
        return new.lstrip() if text[-1:].isspace() else new

    def _first(self, text: str) -> np.ndarray | None:
        """What the first token after `text` may be; None: anything."""
        return ~self._joins if text[-1:].isspace() else None

    @cached_property
    def _joins(self) -> np.ndarray:
        return np.array([label.joins for label in self._labels])

    @cached_property
    def _labels(self) -> list[Label]:
        # Rows of the table beyond the tokenizer's size stand for nothing.
        spare = [Label("", special=True)] * (self.config.vocabulary - self.tokenizer.size)
        return [*(self.tokenizer.label(i) for i in range(self.tokenizer.size)), *spare]

    @cached_property
    def _ends(self) -> Ends:
        letters = np.array([any(c.isalnum() for c in label.text) for label in self._labels])
        special = np.array([label.special for label in self._labels])
        blank = np.array([not label.text.strip() for label in self._labels]) & ~special
        # An apostrophe may stand inside a word; other punctuation that joins what stands before it ends that.
        inner = np.array([label.text in ("'", "\u2019") for label in self._labels]) & self._joins
        begins = ~self._joins | special | (~letters & ~inner)
        return Ends(begins, (special | ~letters) & ~blank & ~inner, blank)

    def _read_as(self, ids: Sequence[int], typed: Sequence[Label]) -> list[Label]:
        """A label for each of the ids; what is unknown keeps its own text, which `typed` has, the labels of a text."""
        labels = list(self.tokenizer.labels(ids))
        begin = int(ids[0] == self.config.start_id)
        if begin:  # its id may be that of the end
            labels[0] = Label("start", special=True)
        for place, label in enumerate(typed[: len(ids) - begin], begin):
            if ids[place] == self.config.unknown_id:
                labels[place] = label
        return labels

    def _trace(
        self,
        text: str,
        output: str,
        ids: Sequence[int],
        prompt: int,
        options: dict[str, Any],
        typed: Sequence[Label] = (),
        alter: Alter = AS_IT_IS,
    ) -> Trace:
        recorded = self.runtime.record(ids, alter)
        read = numbered(self._read_as(ids, typed), ids)
        return Trace(
            (AttentionMap("decoder", recorded.decoder, read, read, self._windows("decoder")),),
            output,
            steps_of(self.tokenizer, read[1:], recorded),
            source=read[:prompt],
            target=read[1:],
            positions=self._table(self.network.embedding, len(ids), options),
            model=self.name,
            input=text,
            options=options,
        )


def drawing(temperature: float, top_k: int | None, top_p: float) -> Drawing:
    for name, value, fine in (
        ("temperature above 0 and at most 10", temperature, 0 < temperature <= 10),
        ("top_p above 0 and at most 1", top_p, 0 < top_p <= 1),
        ("top_k of at least 1", top_k, top_k is None or top_k >= 1),
    ):
        if not fine:
            raise ValueError(f"expected a {name}, received {value}")
    return Drawing(temperature, top_k, top_p)
