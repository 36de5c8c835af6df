"""A text is read: an encoder or a decoder alone with its tokenizer, what it says, and what every head looked at."""

from __future__ import annotations

import dataclasses
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from transformer.analysis.patching import Compared, Rows, both
from transformer.ask import MAX_CHARACTERS, Ask
from transformer.checkpoints.look import at_once, free_memory
from transformer.config import OF_TEXTS, OF_TOKENS
from transformer.interventions import NONE, Interventions
from transformer.models.altering import AS_IT_IS, Alter, absent, moved_up, shifted
from transformer.pipeline.model import Model, Sayings, ids_of, numbered, readable, several, steps_of
from transformer.runtime import Projected, ReaderRuntime, answers
from transformer.runtime.common import ids_row
from transformer.runtime.reader import Read
from transformer.text.tokenizer import Encoded, clean
from transformer.text.words import Word, words
from transformer.trace import (
    Alternative,
    Answer,
    AttentionMap,
    FloatArray,
    Label,
    Step,
    Trace,
    spelt,
)

MASK = "[MASK]"
SHOWN = 5  # classes of each token
NONE_OF_THEM, NOTHING = (
    "none of them",
    "O",
)  # no label is likely; the class of a token that is no part of anything


class TextReader(Model):
    """An encoder alone, or a decoder that reads, with its tokenizer. `reads` says how many tokens it takes at once: all
    of its positions, or fewer where memory is short."""

    WHAT = "a network that only reads"
    SIDES = 3
    READS = frozenset(("second", "masked", "position_scale", "interventions"))

    def __init__(self, name: str, network: Any, tokenizer: Any) -> None:
        super().__init__(name, network, tokenizer)
        self.runtime = ReaderRuntime(network)
        self.reads = at_once(network.config, free_memory())

    def trace(
        self,
        text: str,
        second: str = "",
        *,
        target: str | None = None,
        masked: Sequence[int] = (),
        position_scale: float = 1.0,
        interventions: Interventions | str = NONE,
    ) -> Trace:
        """Read `text` and record what every head looked at.

        A network that guesses masked tokens gives one step a position: the token that stands there, how likely the
        network holds it, and its best guesses; the output is the text with every mask filled in. A mask is no special
        label: it stands for a word, and continues one where the token under it does.

        One that answers the text gives `answers`: every class with its probability, and the likeliest as output; every
        label with a probability of its own, and those that are likelier than not as output; or a score, a number that
        is no probability. One that answers each token gives one step a position, with the likeliest classes, and the
        stretches that belong together as answers: a class without its B- or I-, and where it begins and ends. One that
        answers a question gives the best stretches of the second text, or of the only one, and the best as output.

        Args:
            text: what is read.
            second: the other text of a pair, such as a passage that is to answer a question; "": there is none.
            target: an encoder writes nothing: must be None.
            masked: positions, counted over all tokens from 0, that are hidden from the network.
            position_scale: what the network's position vectors are multiplied by, 0 to 10.
            interventions: heads that are changed and looks that are cut meanwhile, or their text such as
                "h:e1.3;x:e2.3.5.2".

        Raises:
            ValueError: no text, more than the network can read, no mask token where one is asked for, or no such head.
        """
        return self.ask(
            Ask(
                model=self.name,
                given=text,
                second=second,
                target=target,
                masked=tuple(masked),
                position_scale=position_scale,
                interventions=Interventions.of(interventions),
            )
        )

    def _answer(self, ask: Ask, given: str) -> Trace:
        alter, changed = self._patched(ask)
        encoded, types, begins = self._encode(given, ask.second)
        ids = self._hide(list(encoded.ids), ask.masked)
        options: dict[str, Any] = {"second": clean(ask.second)} if ask.second else {}
        if encoded.unknown:
            options["unknown"] = " ".join(dict.fromkeys(encoded.unknown))
        options |= changed
        options |= self._spared(ask.interventions, encoder=(len(ids),) * 2, decoder=(len(ids),) * 2)
        return self._trace(clean(given), encoded.labels, ids, options, types, alter, begins)

    def _compared(self, trace: Trace, other: str) -> Compared:
        """The classes of both texts, or the word under the first mask."""
        second: Any = trace.options.get("second", "")
        ids, mask = ids_of(trace.source), self.config.mask_id
        masked = [i for i, own in enumerate(ids) if own == mask >= 0]
        if self.config.output == "masked_tokens" and not masked:
            raise ValueError("expected a text with a hidden word to ask about, received one without")
        if self.config.output not in ("masked_tokens", "classes"):
            raise ValueError(
                f"expected a network that answers by classes or hidden words, received one for {self.config.output}"
            )
        encoded, types, _ = self._encode(other, second if isinstance(second, str) else "")
        theirs = list(encoded.ids)
        if len(theirs) == len(ids):  # else it is refused
            theirs = self._hide(theirs, masked)
        rows = [
            (each, kinds or [0] * len(each), each)
            for each, kinds in ((ids, self._types(trace)), (theirs, types))
        ]
        place = masked[0] if self.config.output == "masked_tokens" else 0
        labels = both(trace.source, self._marked(encoded.labels, theirs))
        return Compared((rows[0], rows[1]), place, {self.runtime.kind: labels})

    def _other(self, ask: Ask) -> Rows:
        encoded, types, _ = self._encode(ask.given, ask.second)
        ids = self._hide(list(encoded.ids), ask.masked)
        return ids, types or [0] * len(ids), ids

    def _rows(self, rows: Rows) -> tuple[Any, ...]:
        kinds = max(self.config.token_types, 1)
        if len({len(row) for row in rows}) != 1 or max(rows[1]) >= kinds:
            raise ValueError(f"expected rows of one length and segments below {kinds}, received others")
        return super()._rows(rows)

    @property
    def joins(self) -> bool:
        """Whether it reads two texts as a pair."""
        return bool(getattr(self.tokenizer, "joins", False))

    def trace_ids(self, ids: Sequence[int], types: Sequence[int] | None = None) -> Trace:
        """The same for ready-made ids, exactly as the network is to read them, and their segments.

        Raises:
            ValueError: no ids, too many, one that the vocabulary lacks, or segments that do not fit.
        """
        ids = [int(i) for i in ids]
        self._known(ids, self.reads)
        if types is not None and (
            len(types) != len(ids) or not all(0 <= int(t) < self.config.token_types for t in types)
        ):
            raise ValueError(
                f"expected {len(ids)} segments below {self.config.token_types}, received {list(types)[:10]}"
            )
        return self._trace(self.tokenizer.decode(ids), self.tokenizer.labels(ids), ids, {}, types)

    def classify(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities (N, classes) of many texts at once, or their scores; nothing is recorded.

        A text longer than the network can read is cut to what it can: a test set must yield an answer for each line.

        Raises:
            ValueError: a network that does not answer texts, or no list of texts.
        """
        return self.runtime.classify([self._cut(row) for row in self.tokenizer.encode_all(several(texts))])

    def beginning(self, text: str) -> str:
        """The first part of `text` that the network can read, up to the end of a word; all of it where it fits. Of a
        first word that alone is too long, its beginning."""
        text = text[:MAX_CHARACTERS]

        def too_long(end: int) -> bool:
            return len(self.tokenizer.encode(text[:end]).ids) > self.reads

        if not too_long(len(text)):
            return text
        ends = [word.end() for word in re.finditer(r"\S+", text)]
        if too_long(ends[0]):
            ends = list(range(1, ends[0]))
        return text[: ends[max(0, bisect_left(ends, True, key=too_long) - 1)]]

    def gradient_times_input(self, trace: Trace, chosen: int) -> FloatArray:
        """How much each token (S,) of a trace speaks for a class, a label or a score, a first-order estimate: see
        `ReaderRuntime.gradient_times_input`.

        Raises:
            ValueError: a trace of another model, a network that does not answer texts, or a class that it lacks.
        """
        self._own(trace)
        found: FloatArray = self.runtime.gradient_times_input(
            ids_of(trace.source), chosen, self._types(trace), self._altered(trace)
        )
        return found

    def leave_one_out(
        self, trace: Trace, chosen: int, progress: Callable[[int, int], None] | None = None
    ) -> FloatArray:
        """How much the log-odds of a class or label, ln(p / (1 - p)), or a score fall once a word is gone, for each of
        `words` of the text or texts: all its tokens are taken out, and those after it move up (Li et al. 2016,
        "Understanding Neural Networks through Representation Erasure", arXiv:1612.08220, section 3).

        Args:
            trace: of this model.
            chosen: the class, the label or the score.
            progress: told how many texts have been read, and of how many.

        Raises:
            ValueError: as of `gradient_times_input`, or a text of one word alone whose tokenizer adds no markers.
        """
        self._own(trace)
        if self.config.output not in OF_TEXTS or not 0 <= chosen < self.config.classes:
            raise ValueError(
                f"expected a class of a network that answers texts, received {chosen} of {self.config.classes}"
            )
        ids, types = ids_of(trace.source), self._types(trace)
        both = f"{trace.input} {trace.options.get('second', '')}"
        gone = [set[int](), *(set(word.places) for word in words(both, trace.source))]
        rows, kinds = (
            [[part for i, part in enumerate(whole) if i not in places] for places in gone]
            for whole in (ids, types or [0] * len(ids))
        )
        alter = self._altered(trace)
        if not absent(alter.edges):  # a look is between tokens, wherever they stand then
            alter = alter._replace(edges=np.stack([moved_up(alter.edges, places) for places in gone]))
        if not absent(alter.patches):  # and so does what is put in
            own = alter.patches
            alter = alter._replace(
                patches=own._replace(places=np.stack([shifted(own, places) for places in gone]))
            )
        scores = self.runtime.scores(rows, progress, alter, kinds)
        odds = np.asarray(answers.odds(self.config.output, scores, chosen))
        found: FloatArray = odds[0] - odds[1:]
        return found

    def words(self, text: str, second: str = "") -> list[Word]:
        """The words of a text, or of two with a blank between them, each with its positions and where it stands there;
        errors as with `trace`."""
        encoded, *_ = self._encode(text, second)
        return words(f"{text} {second}" if second else text, self._marked(encoded.labels, encoded.ids))

    def guesses(self, trace: Trace, places: Sequence[int], count: int = 5) -> list[Alternative]:
        """What could stand at masked positions that make up one word, best first; markers such as padding cannot.

        The network guesses each mask by itself, so the probability of several together is the product of theirs.

        Args:
            trace: of this model, with masks at these positions.
            places: positions in order, at least one.
            count: how many guesses there are at most.

        Raises:
            ValueError: a trace of another model, or one that has no guesses.
        """
        self._own(trace)
        if not trace.steps or any(other.id is None for i in places for other in trace.steps[i].alternatives):
            raise ValueError("expected a trace with the ids of its guesses, received one without")
        best: list[tuple[Alternative, ...]] = [()]
        for place in places:
            # The best of all begin with one of the best so far.
            real = [o for o in trace.steps[place].alternatives if not self.tokenizer.label(o.id).special]
            longer = [(*begun, other) for begun in best for other in real]
            best = sorted(longer, key=lambda run: -math.prod(o.probability for o in run))[:count]
        return [Alternative(self._spelt(run), math.prod(other.probability for other in run)) for run in best]

    def _spelt(self, run: Sequence[Alternative]) -> str:
        return _text([self.tokenizer.label(other.id) for other in run])

    def _encode(self, text: str, second: str = "") -> tuple[Encoded, list[int] | None, int]:
        """One text or two, the segments where there are two and the network tells them apart, and where the second one
        begins."""
        types, begins = None, 0
        if second and not self.joins:
            raise ValueError(
                f"expected one text for {self.name}, received two: it does not say how it joins them"
            )
        if second:
            encoded, types, begins = self.tokenizer.encode_pair(readable(text), readable(second))
        else:
            encoded = self.tokenizer.encode(readable(text))
        self._fits(encoded.ids, self.reads)
        return encoded, types if self.config.token_types > 1 else None, begins

    def _types(self, trace: Trace) -> list[int] | None:
        """The segments of a trace, which somebody else may have written."""
        said = trace.options.get("segments")
        if not isinstance(said, str):
            return None
        types = [int(digit) for digit in said.split()]
        if len(types) != len(trace.source) or not all(
            0 <= t < max(self.config.token_types, 1) for t in types
        ):
            raise ValueError(f"expected {len(trace.source)} segments in a trace, received {said[:40]!r}")
        return types

    def _cut(self, ids: Sequence[int]) -> list[int]:
        """The ids that fit, the marker at the end among them where there is one."""
        longest = self.reads
        if len(ids) <= longest:
            return list(ids)
        last = [ids[-1]] if self.tokenizer.label(ids[-1]).special else []
        return [*ids[: longest - len(last)], *last]

    def _marked(self, labels: Sequence[Label], ids: Sequence[int]) -> list[Label]:
        """Labels with every mask among them as a word that somebody left out."""
        masked = [i == self.config.mask_id for i in ids]
        return [
            dataclasses.replace(label, text=MASK, special=False) if mask else label
            for label, mask in zip(labels, masked, strict=True)
        ]

    def projections(self, trace: Trace) -> dict[str, Projected]:
        """The queries and keys behind a trace of this model, and what each layer was given.

        Raises:
            ValueError: a trace of another model, one without ids, or one with options that cannot be.
        """
        self._own(trace)
        return self.runtime.projections(ids_of(trace.source), self._types(trace), self._altered(trace))

    def _sayings(self, trace: Trace, given: Any = None) -> Sayings:
        """The classes, labels or scores; of an answer in the text, where it begins and where it ends; or of each place
        the token that stands there, under a mask the best guess, or the token's class."""
        self._own(trace)
        ids, config = ids_of(trace.source), self.config
        if config.output == "vectors":
            raise ValueError("expected a network that guesses words or classes, received one that only reads")
        target, labels, places = list(ids), list(trace.source), list(range(len(ids)))
        types = self._types(trace)
        allowed = [True] * len(ids)
        if config.output in OF_TEXTS:
            labels = [Label(name) for name in config.class_names]
            places, target = [0] * len(labels), list(range(len(labels)))
        elif config.output == "spans":
            second = str(trace.options.get("second", ""))
            begins = self._encode(trace.input, second)[2] if second else 0
            allowed = self._stands(trace.source, types, begins)
            answer = trace.answers[0] if trace.answers else None
            places = [] if answer is None else [answer.begin or 0, (answer.end or 0) - 1]
            if not places or not all(0 <= place < len(ids) and allowed[place] for place in places):
                raise ValueError("expected a trace with an answer in its text, received one without")
            target = [0, 1]
            labels = [
                Label(f"{way} at {labels[i].text}") for way, i in zip(("begins", "ends"), places, strict=True)
            ]
        elif config.output in OF_TOKENS:
            if len(trace.steps) != len(ids) or {step.token for step in trace.steps} - set(config.class_names):
                raise ValueError("expected a trace with a class for each token, received another")
            target = [config.class_names.index(step.token) for step in trace.steps]
            labels = [
                Label(f"{label.text}: {step.token}", special=label.special)
                for label, step in zip(labels, trace.steps, strict=True)
            ]
        else:
            for place, step in enumerate(trace.steps):
                if ids[place] == config.mask_id and step.alternatives and step.alternatives[0].id is not None:
                    target[place] = step.alternatives[0].id
                    labels[place] = numbered([self.tokenizer.label(target[place])], [target[place]])[0]
        rows = ids, types or [0] * len(ids), allowed
        inputs = tuple(ids_row(row, len(ids), 0) for row in rows)
        return Sayings(labels, inputs, places, target, self._largest(len(ids), len(ids)))

    def _stands(self, source: Sequence[Label], types: Sequence[int] | None, begins: int) -> list[bool]:
        """Where in a text (S,) an answer may stand: in the second of two, which begins there, and on no marker."""
        first = begins or (list(types).index(1) if types is not None and 1 in types else 0)
        return [place >= first and not label.special for place, label in enumerate(source)]

    def _forced(self, trace: Trace, given: Any = None) -> tuple[list[Label], list[int], tuple[Any, ...]]:
        """The classes, labels or scores; or of each place its token, and the id that stands there or its class."""
        if self.config.output == "spans":
            raise ValueError(
                "expected a network that answers by words or classes, received one that marks where an answer stands"
            )
        if self.config.output in OF_TOKENS:
            said = self._sayings(trace, given)
            return list(trace.source), list(said.ids), said.inputs
        return super()._forced(trace, given)

    def warm(self, lengths: Sequence[int] = (16, 32)) -> None:
        """Compile ahead for texts of up to these many tokens."""
        self.runtime.warm(lengths)

    def _hide(self, ids: list[int], masked: Sequence[int]) -> list[int]:
        if masked and self.config.mask_id < 0:
            raise ValueError("expected a network with a mask token, received one without")
        for place in masked:
            if not 0 <= place < len(ids):
                raise ValueError(f"expected a position below {len(ids)} to hide, received {place}")
            ids[place] = self.config.mask_id
        return ids

    def _trace(
        self,
        text: str,
        labels: Sequence[Label],
        ids: Sequence[int],
        options: dict[str, Any],
        types: Sequence[int] | None = None,
        alter: Alter = AS_IT_IS,
        begins: int = 0,
    ) -> Trace:
        read = self.runtime.record(ids, types, alter)
        source = numbered(self._marked(labels, ids), ids)
        steps, output, given = list[Step](), text, list[Answer]()
        if read.alternatives is not None:
            steps = steps_of(self.tokenizer, source, read)
            filled = [
                int(read.alternatives[place][0]) if i == self.config.mask_id else i
                for place, i in enumerate(ids)
            ]
            output = str(self.tokenizer.decode(filled))
        elif self.config.output in OF_TOKENS:
            steps = self._classes_of_tokens(read)
            given = stretches(source, steps, read)
            output = ", ".join(
                f"{_text(source[answer.begin : answer.end])} ({answer.name})" for answer in given
            )
        elif self.config.output == "spans":
            allowed = self._stands(source, types, begins)
            given = [
                Answer(
                    _text(source[span.begin : span.end]), span.score, span.probability, span.begin, span.end
                )
                for span in answers.spans(read.scores, np.array(allowed))
            ]
            output = given[0].name if given else ""
        elif read.classes is not None:
            given, output = self._answered(read)
            if self.config.output == "classes":  # as traces said it before they had answers
                options |= {f"probability of {answer.name}": answer.probability for answer in given}
        if self.config.classes or self.config.output == "spans":
            options["answers"] = self.config.output
        if types is not None:
            options["segments"] = " ".join(str(int(t)) for t in types)
        return Trace(
            (AttentionMap(self.runtime.kind, read.maps, source, source, self._windows(self.runtime.kind)),),
            output,
            steps,
            source=source,
            target=source if steps else (),
            positions=self._table(self.network.embedding, len(ids), options),
            model=self.name,
            input=text,
            options=options,
            answers=given,
        )

    def _answered(self, read: Read) -> tuple[list[Answer], str]:
        """Every class, label or number of a text, and what is said of them all."""
        names, output = self.config.class_names, self.config.output
        if output == "score":
            given = [Answer(name, float(score)) for name, score in zip(names, read.scores, strict=True)]
            return given, ", ".join(f"{answer.score:.4g}" for answer in given)
        given = [
            Answer(name, float(score), float(chance))
            for name, score, chance in zip(names, read.scores, read.classes, strict=True)
        ]
        if output == "labels":
            likely = [answer.name for answer in given if (answer.probability or 0.0) > 0.5]
            return given, ", ".join(likely) or NONE_OF_THEM
        return given, names[int(read.classes.argmax())]

    def _classes_of_tokens(self, read: Read) -> list[Step]:
        """Of each position its likeliest classes."""
        names, found = self.config.class_names, []
        for chances in read.classes.astype(np.float64):
            best = np.argsort(-chances, kind="stable")[:SHOWN]
            others = tuple(Alternative(names[i], float(chances[i])) for i in best)
            log_p = np.log(np.maximum(chances, 1e-45))
            entropy = float(max(0.0, -(chances * log_p).sum() / math.log(2)))
            found.append(Step(names[best[0]], float(min(0.0, log_p[best[0]])), entropy, others))
        return found


def stretches(source: Sequence[Label], steps: Sequence[Step], read: Read) -> list[Answer]:
    """Tokens beside each other whose classes belong together, without those of no class: B- begins one anew, and the
    probability is the mean of theirs (transformers 5.24, `pipelines/token_classification.py`, strategy "simple")."""
    found: list[Answer] = []
    run: list[int] = []

    def end() -> None:
        name = steps[run[0]].token.split("-", 1)[-1] if run else NOTHING
        if name != NOTHING:
            chances = [steps[i].probability for i in run]
            score = float(np.mean([read.scores[i].max() for i in run]))
            found.append(Answer(name, score, float(np.mean(chances)), run[0], run[-1] + 1))

    for place, (label, step) in enumerate(zip(source, steps, strict=True)):
        if label.special:
            continue
        if run and (step.token.startswith("B-") or _kind(step.token) != _kind(steps[run[-1]].token)):
            end()
            run = []
        run.append(place)
    end()
    return found


def _text(labels: Sequence[Label]) -> str:
    """What labels spell: words with blanks between them."""
    words: list[list[Label]] = []
    for label in labels:
        if label.joins and words:
            words[-1].append(label)
        else:
            words.append([label])
    return " ".join(spelt(word).strip() for word in words)


def _kind(name: str) -> str:
    """A class without what says that a stretch begins or goes on."""
    return name[2:] if name.startswith(("B-", "I-")) else name
