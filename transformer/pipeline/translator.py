"""Text to text: translate, and record what every head looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from transformer.analysis.patching import Compared, Rows, both
from transformer.ask import MOST_BEAMS, Ask, choices_text, scale, whole
from transformer.interventions import NONE, Interventions, Kind
from transformer.models.altering import Alter
from transformer.pipeline.model import Model, Sayings, ids_of, numbered, readable, several, steps_of
from transformer.runtime import Projected, Recorded, Runtime
from transformer.runtime.common import ids_row
from transformer.text.languages import ENGLISH, Languages
from transformer.text.tokenizer import clean
from transformer.trace import AttentionMap, Label, Trace


class Embedded(NamedTuple):
    """What goes into the encoder for one text, float32 (S, D): word vectors, positions as added, and their sum."""

    labels: tuple[Label, ...]
    tokens: np.ndarray
    positions: np.ndarray
    total: np.ndarray


class Translator(Model):
    """An encoder-decoder network over text with its tokenizer.

    `tasks` are what a text may begin with for the network to know what to do with it, such as "summarize: ".
    """

    WHAT = "a translator"
    SIDES = 2
    READS = frozenset(
        (
            *("target", "target_ids", "choices", "beams", "alpha", "position_scale", "interventions"),
            *("language", "into"),
        )
    )

    def __init__(self, name: str, network: Any, tokenizer: Any, tasks: Sequence[str] = ()) -> None:
        super().__init__(name, network, tokenizer)
        self.runtime, self.tasks = Runtime(network), tuple(tasks)

    def trace(
        self,
        text: str,
        *,
        target: str | None = None,
        target_ids: Sequence[int] = (),
        choices: Sequence[tuple[int, int]] = (),
        beams: int | None = None,
        alpha: float = 0.6,
        position_scale: float = 1.0,
        interventions: Interventions | str = NONE,
        language: str = "",
        into: str = "",
    ) -> Trace:
        """Translate `text`, then record what every head looked at.

        Args:
            text: one sentence.
            target: forces this output instead of the network's own, "" too.
            target_ids: forces an output as ids, as the network writes them, the end token among them.
            choices: (step, alternative) pairs, both counted from 0, applied one after the other: at that step the
                network is made to write that alternative instead, and goes on from there greedily.
            beams: 1 to 8; 1 and None decode greedily.
            alpha: length penalty of beam search.
            position_scale: what the network's position vectors are multiplied by on both sides, 0 to 10; 0 takes
                them away.
            interventions: heads that are changed and looks that are cut, or such a text as "h:x1.3;x:x2.3.5.7", while
                it writes as while it is recorded. An output that does not end is cut off soon, and the trace says so as
                "stopped"; a row that would have nothing else to look at is not barred, and the trace says of how many
                as "spared".
            language, into: codes of the text's language and of the one to write, of a network that knows several, see
                `languages`; "" is the usual one.

        Raises:
            ValueError: no text, or more than the network can read; a setting out of its range (see `Ask`); no such
                choice, head or language.
        """
        return self.ask(
            Ask(
                model=self.name,
                given=text,
                target=target,
                target_ids=tuple(target_ids),
                choices=tuple(choices),
                beams=beams,
                alpha=alpha,
                position_scale=position_scale,
                interventions=Interventions.of(interventions),
                language=language,
                into=into,
            )
        )

    def _answer(self, ask: Ask, given: str) -> Trace:
        alter, changed = self._patched(ask)
        named, begin = self._told(ask.language, ask.into)
        source = (
            self.tokenizer.encode(readable(given), named["language"])
            if named
            else self.tokenizer.encode(readable(given))
        )
        self._fits(source.ids, self.config.max_source)
        options: dict[str, str | int | float] = {"decoding": "forced"}
        own = ask.target is None and not ask.target_ids
        if ask.target_ids:
            ids = list(ask.target_ids)
            self._known(ids, self.config.max_target, written=True)
        elif ask.target is not None:
            ids = self.tokenizer.encode_target(readable(ask.target) if ask.target else "").ids
            ids = ids if tuple(ids[: len(begin)]) == begin else [*begin, *ids]
            self._fits(ids, self.config.max_target)
        else:
            beams = ask.beams or 1
            ids = self.runtime.decode(source.ids, beams=beams, alpha=ask.alpha, begin=begin, alter=alter)
            options = {"decoding": "greedy"}
            if beams > 1:
                options = {"decoding": "beam", "beams": beams, "alpha": ask.alpha}
        if source.unknown:
            options["unknown"] = " ".join(dict.fromkeys(source.unknown))
        options |= named | changed
        recorded = self.runtime.record(source.ids, ids, alter)
        for step, alternative in ask.choices:
            if not (0 <= step < len(ids) and 0 <= alternative < recorded.alternatives.shape[1]):
                raise ValueError(
                    f"expected a step below {len(ids)} and an alternative below {recorded.alternatives.shape[1]}, "
                    f"received step {step}, alternative {alternative}"
                )
            chosen = int(recorded.alternatives[step, alternative])
            ids = self._go_on(source.ids, [*ids[:step], chosen], alter)
            recorded = self.runtime.record(source.ids, ids, alter)
        if ask.choices:
            options |= {"decoding": "greedy", "choices": choices_text(ask.choices)}
        n, m = len(source.ids), len(ids)
        options |= self._spared(ask.interventions, encoder=(n, n), decoder=(m, m), cross=(m, n))
        if ask.interventions and (own or ask.choices) and ids[-1] != self.config.end_id:
            options["stopped"] = len(ids)
        forced = ask.target is not None and not ask.choices
        output = clean(ask.target or "") if forced else self.tokenizer.decode(ids)
        return self._trace(clean(given), source.ids, source.labels, ids, recorded, output, options)

    def _compared(self, trace: Trace, other: str) -> Compared:
        """The first token that the translations do not share."""
        if self.config.recurrent:
            raise ValueError("expected a Transformer, received a recurrent network")
        beams: Any = trace.options.get("beams")
        language, into = (str(trace.options.get(name, "")) for name in ("language", "into"))
        ask = Ask(
            model=self.name,
            given=other,
            beams=beams if isinstance(beams, int) else None,
            language=language,
            into=into,
            position_scale=scale("position_scale", trace.options.get("position_scale", 1.0)),
        )
        theirs = self.ask(ask)
        own, others = ids_of(trace.target), ids_of(theirs.target)
        place = next((i for i, pair in enumerate(zip(own, others, strict=False)) if pair[0] != pair[1]), None)
        if place is None:
            raise ValueError(
                f"expected texts that are translated differently, received “{trace.output}” for both"
            )
        sources = ids_of(trace.source), ids_of(theirs.source)
        rows = [(source, ids[: place + 1]) for source, ids in zip(sources, (own, others), strict=True)]
        written = trace.target[: place + 1]
        labels: dict[Kind, Sequence[Label]] = {
            "encoder": both(trace.source, theirs.source),
            "decoder": written,
            "cross": written,
        }
        return Compared((rows[0], rows[1]), place, labels)

    def _other(self, ask: Ask) -> Rows:
        found = self._answer(ask, ask.given)
        return ids_of(found.source), ids_of(found.target)

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that it is told; () where it is told none."""
        return tuple(self._known_languages.codes) if self._known_languages else ()

    @property
    def language(self) -> str:
        """The language that a text is taken to be in where nobody says another; "" where it is told none."""
        return self._known_languages.source if self._known_languages else ""

    @property
    def into(self) -> str:
        """The language that it writes where nobody chooses another; "" where that cannot be chosen, as it is not told
        at the beginning of what is written."""
        known, config = self._known_languages, self.config
        if known is None or config.start_id != config.end_id:
            return ""
        forced = known.name(config.prefix[0]) if config.prefix else ""
        others = (code for code in (*ENGLISH, *known.codes) if code in known.codes and code != known.source)
        return forced or known.target or next(others)

    @property
    def _known_languages(self) -> Languages | None:
        found: Languages | None = getattr(self.tokenizer, "languages", None)
        return found

    def _told(self, language: str, into: str) -> tuple[dict[str, str], tuple[int, ...]]:
        """The languages of a text and of what is written, by the names of a trace's options, and the ids that this
        begins with."""
        known, config = self._known_languages, self.config
        if known is None:
            if given := language or into:
                raise ValueError(
                    f"expected no language for {self.name}, which is told none, received {given[:40]!r}"
                )
            return {}, config.prefix
        known.id(language or known.source)
        named = {"language": language or known.source}
        if not self.into:
            if into:
                raise ValueError(
                    f"expected no language to write for {self.name}, which knows one, received {into[:40]!r}"
                )
            return named, config.prefix
        return named | {"into": into or self.into}, (known.id(into or self.into),)

    def trace_ids(self, source: Sequence[int], target: Sequence[int]) -> Trace:
        """The same for ready-made ids, the end token last in both.

        Raises:
            ValueError: an empty side, one that is too long, or an id that the vocabulary lacks.
        """
        self._known(source, self.config.max_source)
        self._known(target, self.config.max_target, written=True)
        source, target = [int(i) for i in source], [int(i) for i in target]
        recorded = self.runtime.record(source, target)
        text, output = self.tokenizer.decode(source), self.tokenizer.decode(target)
        return self._trace(
            text, source, self.tokenizer.labels(source), target, recorded, output, {"decoding": "forced"}
        )

    def embed(self, text: str, *, position_scale: float = 1.0) -> Embedded:
        """The vectors that the encoder is given for `text`: rows of the token table times its scale, and positions.

        Raises:
            ValueError: no text, or more than the network can read.
        """
        encoded = self.tokenizer.encode(readable(text))
        self._fits(encoded.ids, self.config.max_source)
        layer, ids = self.runtime.network.source_embedding, np.array([encoded.ids], np.int32)
        tokens = np.asarray(layer(ids, position_scale=0.0))[0]
        table = layer.positions.table()
        positions = (
            np.zeros_like(tokens) if table is None else table[: len(tokens)] * np.float32(position_scale)
        )
        total = np.asarray(layer(ids, position_scale=position_scale))[0]
        return Embedded(tuple(encoded.labels), tokens, positions, total)

    def projections(self, trace: Trace) -> dict[str, Projected]:
        """The queries and keys behind a trace of this model, by kind, and what each layer was given.

        They come from a pass of their own over the ids that the trace's labels stand for, with heads and positions
        changed as the trace's options say.

        Raises:
            ValueError: a trace of another model, one without input and output, or one with options that cannot be.
        """
        self._own(trace)
        return self.runtime.projections(ids_of(trace.source), ids_of(trace.target), self._altered(trace))

    def _sayings(self, trace: Trace, given: Any = None) -> Sayings:
        self._own(trace)
        source, target = ids_of(trace.source), ids_of(trace.target)
        inputs = tuple(ids_row(ids, len(ids), self.config.pad_id) for ids in (source, target))
        size = self._largest(len(target), len(source))
        return Sayings(list(trace.target), inputs, range(len(target)), target, size)

    def translate(
        self, texts: Sequence[str], *, beams: int = 1, alpha: float = 0.6, size: int = 32
    ) -> list[str]:
        """Many sentences at once, `size` of nearly one length a batch; nothing is recorded.

        A text longer than the network can read is cut to what it can: a test set must yield an answer for each line.
        """
        beams, size = whole("beams", beams, 1, MOST_BEAMS), whole("sentences a batch", size, 1)
        rows = self.tokenizer.encode_all(several(texts))
        longest = self.config.max_source
        rows = [row if len(row) <= longest else [*row[: longest - 1], self.config.end_id] for row in rows]
        _, begin = self._told("", "")
        return [
            self.tokenizer.decode(ids) for ids in self.runtime.decode_all(rows, beams, alpha, size, begin)
        ]

    def warm(
        self, lengths: Sequence[int] = (16, 32), beams: Sequence[int] = (1,), *, beyond: bool = False
    ) -> None:
        """Compile ahead for sources of up to these many tokens; with `beyond`, build what longer outputs need."""
        self.runtime.warm(lengths, beams, beyond=beyond)

    def _go_on(self, source: Sequence[int], prefix: list[int], alter: Alter) -> list[int]:
        if prefix[-1] == self.config.end_id or len(prefix) >= self.config.max_target:
            return prefix
        return self.runtime.decode(source, prefix=prefix, alter=alter)

    def _trace(
        self,
        text: str,
        source_ids: Sequence[int],
        source: Sequence[Label],
        ids: Sequence[int],
        recorded: Recorded,
        output: str,
        options: dict[str, str | int | float],
    ) -> Trace:
        source = numbered(source, source_ids)
        written = numbered(self.tokenizer.labels(ids), ids)
        # Self-attention of the decoder: the token being written looks at what has been written before it.
        read_ids = [self.config.start_id, *ids[:-1]]
        read = numbered(self.tokenizer.labels(read_ids), read_ids)
        seen = (
            ("encoder", recorded.encoder, source, source),
            ("decoder", recorded.decoder, written, read),
            ("cross", recorded.cross, written, source),
        )
        # A recurrent network has no self-attention to show.
        maps = tuple(
            AttentionMap(kind, weights, rows, keys)
            for kind, weights, rows, keys in seen
            if weights is not None
        )
        steps = steps_of(self.tokenizer, written, recorded)
        return Trace(
            maps,
            output,
            steps,
            source=source,
            target=written,
            positions=self._table(self.network.source_embedding, max(len(source), len(ids)), options),
            model=self.name,
            input=text,
            options=options,
        )
