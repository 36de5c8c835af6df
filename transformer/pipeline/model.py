"""What every model with a `.trace(...)` has: its name, its network, its tokenizer, and the sums behind its maps."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

from transformer.analysis.by_hand import Array, LayerWeights, Mask
from transformer.analysis.handed import lengths
from transformer.analysis.importance import Against
from transformer.analysis.insides import Insides
from transformer.analysis.lens import Lens
from transformer.analysis.patching import Compared, Contest, Patched, Rows, TwoRuns
from transformer.analysis.scores import Learned, cut_of, mask_of, spared
from transformer.analysis.shares import Shares, scores, shares
from transformer.ask import MAX_CHARACTERS, Ask, done_to, scale
from transformer.config import NAMED, NO_ID, OF_TEXTS, ModelConfig, present
from transformer.interventions import NONE, Interventions, Kind, Site
from transformer.layers.attention import MultiHeadAttention
from transformer.models.altering import ALL_ON, Alter, absent, edges_of, gates_of, patches_of
from transformer.pipeline import patching, reference
from transformer.pipeline.insides import answering, blocks_of, stack_of
from transformer.pipeline.reference import Opinion
from transformer.runtime import Projected
from transformer.runtime.common import ids_row
from transformer.text.tokenizer import clean
from transformer.trace import KINDS, Alternative, FloatArray, Label, Step, Trace

PIECE = 8192  # columns of a table of tokens that are in float64 at once


class Sayings(NamedTuple):
    """What a trace says, a label each (N,); the inputs of `runtime.effects` that say it, and by which id (N,) at which
    place (N,) it does; and the numbers of the largest tensor that one row of a pass makes."""

    labels: list[Label]
    inputs: tuple[Any, ...]
    places: Sequence[int]
    ids: Sequence[int]
    size: int


class Model:
    """A network with its tokenizer. Immutable after loading: visitors share it.

    Each kind says what it is, for an error, and which fields of `Ask` it reads beside what is given.

    Raises:
        ValueError: a tokenizer with more subwords than the network's vocabulary.
    """

    WHAT: ClassVar[str] = "a network"
    READS: ClassVar[frozenset[str]] = frozenset()
    SIDES: ClassVar[int] = 1  # rows of ids that say a run again

    runtime: Any
    network: Any
    tokenizer: Any

    def __init__(self, name: str, network: Any, tokenizer: Any) -> None:
        if not tokenizer.size <= network.config.vocabulary:
            raise ValueError(
                f"expected a tokenizer of at most {network.config.vocabulary} subwords, received {tokenizer.size}"
            )
        self.name, self.network, self.tokenizer = name, network, tokenizer

    def __repr__(self) -> str:
        config = self.config
        return (
            f"<{type(self).__name__} {self.name}: {config.family}, {config.summary()}, "
            f"vocabulary {config.vocabulary:,}, {self.parameters:,} parameters>"
        )

    @property
    def config(self) -> ModelConfig:
        """What the network is made of."""
        return self.network.config

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return int(self.network.count_params())

    def ask(self, ask: Ask, given: Any = None) -> Trace:
        """Answer a question, and record what every head looked at.

        Args:
            ask: what is asked; each kind of model reads what it knows.
            given: what `ask.given` stands for where that is no text, as a clip is none.

        Raises:
            ValueError: a field that this kind of model does not know, by its name; and whatever `trace` refuses.
        """
        for name in ask.changed():
            if name != "given" and name not in self.READS:
                raise ValueError(f"expected no {name} for {self.WHAT}, received one")
        return self._answer(ask, ask.given if given is None else given)

    def _answer(self, ask: Ask, given: Any) -> Trace:
        raise NotImplementedError

    def warm(self, lengths: Sequence[int] = (16, 32)) -> None:
        """Compile ahead for inputs of up to these many tokens."""
        raise NotImplementedError

    def projections(self, trace: Trace) -> dict[str, Projected]:
        """The queries and keys behind a trace of this model, by kind, and what each layer was given."""
        raise NotImplementedError

    def handed(
        self, trace: Trace, projected: Mapping[str, Projected] | None = None
    ) -> dict[Kind, FloatArray]:
        """How long each vector is that a key hands over (layers, H, keys), of each map: see `analysis.handed`.

        Args:
            trace: of this model; what was changed when it was made is changed here, too.
            projected: its `projections`, where they are known already.

        Raises:
            ValueError: as of `projections`.
        """
        gates, found = self._altered(trace).gates, dict[Kind, FloatArray]()
        for kind, parts in (self.projections(trace) if projected is None else projected).items():
            own = getattr(gates, kind)
            found[kind] = np.stack(  # type: ignore[index]
                [
                    lengths(
                        values,
                        np.asarray(self._attention_layer(kind, layer).output_projection.kernel),
                        None if absent(own) else np.asarray(own).reshape(-1, *np.shape(own)[-2:])[0, layer],
                    )
                    for layer, values in enumerate(parts.values)
                ]
            )
        return found

    def sayings(self, trace: Trace) -> list[Label]:
        """What a trace says, one label a place (N,): what `slopes` and `without_each` ask heads about.

        Raises:
            ValueError: a trace of another model, or one that says nothing.
        """
        return self._sayings(trace).labels

    def slopes(self, trace: Trace, about: np.ndarray | Against, given: Any = None) -> dict[Kind, np.ndarray]:
        """An estimate of how much each head matters, from one backward pass: see `runtime.effects.Effects.slopes`.

        Args:
            trace: of this model; what was changed when it was made is changed here, too.
            about: weights (N,) of the `sayings`, whose log-probabilities are added up so; or one answer against
                another, at the place of one of them.
            given: for sound, the samples; None: what the trace has of them.

        Returns:
            (layers, H) of each map: by how much that sum, or difference, would fall without the head, in nats.

        Raises:
            ValueError: as of `sayings`, weights that do not fit, or no such place or answer.
        """
        said, weights = self._weighed(trace, about, given)
        found: dict[Kind, np.ndarray] = self.runtime.effects.slopes(
            said.inputs, said.places, said.ids, weights, self._altered(trace)
        )
        return found

    def without_each(
        self,
        trace: Trace,
        about: np.ndarray | Against,
        given: Any = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[Kind, np.ndarray]:
        """How much each head matters, measured: the network says the same again with each head off by itself.

        Args:
            trace, about, given: see `slopes`.
            progress: told how many heads are done, and of how many; what it raises ends this.

        Returns:
            (layers, H) of each map: by how much that sum, or difference, falls without the head, in nats.
        """
        said, weights = self._weighed(trace, about, given)
        effects = self.runtime.effects
        found: dict[Kind, np.ndarray] = {kind: np.zeros(shape) for kind, shape in effects.shapes.items()}
        done, count, whole = 0, sum(values.size for values in found.values()), 0.0
        for heads, chances in effects.without_each(
            said.inputs, said.places, said.ids, said.size, self._altered(trace)
        ):
            sums = chances.astype(np.float64) @ weights
            if not heads:  # as it is
                whole = float(sums[0])
                continue
            for (kind, layer, head), row in zip(heads, sums, strict=True):
                found[kind][layer, head] = whole - row
            done += len(heads)
            if progress:
                progress(done, count)
        return found

    def insides(self, trace: Trace, given: Any = None) -> Insides:
        """What the network computed on the way to a trace, from a pass of its own: see `analysis.insides`.

        Args:
            trace: of this model; what was changed when it was made is changed here, too.
            given: for sound, the samples; None: what the trace has of them.

        Raises:
            ValueError: as of `sayings`, or a recurrent network, whose layers add to no stream.
        """
        if self.runtime.insides is None:
            raise ValueError("expected a Transformer, received a recurrent network")
        labels, targets, inputs = self._forced(trace, given)
        recording = self.runtime.insides.record(inputs, self._altered(trace))
        task = self.config.task.kind
        names = [self.answer_label(i) for i in range(len(self.config.class_names))] if task in NAMED else []
        swapped = any(patch.site == "stream" for patch in done_to(trace.options).patches)
        return Insides(tuple(labels), tuple(targets), recording, task in OF_TEXTS, tuple(names), swapped)

    def lens(self, of: Trace | Insides, given: Any = None) -> Lens:
        """What the network would answer if it ended after each layer: see `analysis.lens`.

        Args:
            of: a trace, or its `insides`, which take most of the time.
            given: of `insides`.

        Raises:
            ValueError: as of `insides`, or a network that answers with numbers.
        """
        task = self.config.task.kind
        if task == "score":
            raise ValueError(
                "expected a network whose answers have probabilities, received one that gives a score"
            )
        inside = of if isinstance(of, Insides) else self.insides(of, given)
        targets = np.array([-1] if inside.classes else inside.targets, np.int32)
        found = self.runtime.insides.guesses(inside.recording.streams, targets)
        targets = np.where(targets < 0, found.ids[-1, :, 0], targets)
        if inside.names:
            names = dict(enumerate(inside.names))
            labels = (names[int(targets[0])],) if inside.classes else inside.labels
            apart = task == "labels"
            return Lens(labels, targets, found.ids, found.probabilities, found.own, names, apart)
        return self._guessed(targets, found)

    def _guessed(self, targets: np.ndarray, found: Any) -> Lens:
        """Guesses of tokens, with what each is called."""
        known = {int(i) for i in (*np.unique(found.ids), *targets)}
        names = {i: numbered([self.tokenizer.label(i)], [i])[0] for i in sorted(known)}
        labels = tuple(names[int(i)] for i in targets)
        return Lens(labels, targets, found.ids, found.probabilities, found.own, names)

    def shares(
        self,
        of: Trace | Insides,
        place: int = 0,
        token: int | None = None,
        against: int | None = None,
        given: Any = None,
    ) -> Shares:
        """How much each part of the network adds to one score: see `analysis.shares`.

        Args:
            of: a trace, or its `insides`, which take most of the time.
            place: of what the trace says, from 0; of no matter to a network that classifies.
            token: the id, or class, whose score it is; None: what is said there.
            against: another id or class, whose score is taken away.
            given: of `insides`.

        Raises:
            ValueError: no such place, token or class, or a stream into which vectors of another run were put.
        """
        inside = of if isinstance(of, Insides) else self.insides(of, given)
        if inside.swapped:
            raise ValueError(
                "expected a stream that adds up, received one into which another run's vectors were put"
            )
        place, count = (0 if inside.classes else place), len(inside.targets)
        if not 0 <= place < count:
            raise ValueError(f"expected a place below {count}, received {place}")
        stream = inside.recording.streams[-1]
        said = self.runtime.insides.scores(stream if inside.classes else stream[place : place + 1])[0]
        token = token if token is not None else (-1 if inside.classes else inside.targets[place])
        token = int(said.argmax()) if token < 0 else token
        chosen = [token] if against is None else [token, against]
        if beyond := [i for i in chosen if not 0 <= i < len(said)]:
            raise ValueError(f"expected an answer from 0 to {len(said) - 1}, received {beyond[0]}")
        labels = [self.answer_label(i) for i in chosen]
        weights = [1.0, -1.0][: len(chosen)]
        score = float(said[chosen].astype(np.float64) @ weights)
        return shares(
            stack_of(self.config),
            blocks_of(self.network),
            answering(self.network)(chosen),
            inside.recording,
            place,
            weights,
            (labels[0], labels[1] if against is not None else None, score),
        )

    def scores_again(self, of: Insides, place: int = 0) -> Array:
        """The scores of all answers behind each layer at one place, in float64 from the streams: (L + 1, V)."""
        answer, streams = answering(self.network), of.recording.streams
        if of.classes:
            return np.concatenate([scores(answer(slice(None)), stream) for stream in streams])
        size = len(of.names) or self.config.vocabulary
        parts = [slice(first, min(first + PIECE, size)) for first in range(0, size, PIECE)]
        return np.concatenate([scores(answer(part), streams[:, place]) for part in parts], axis=-1)

    def likely(self, of: Insides, place: int = 0, count: int = 5) -> list[Label]:
        """The likeliest answers at a place of what a trace says, best first, with their ids; of a network that
        classifies the classes."""
        stream = of.recording.streams[-1]
        said = self.runtime.insides.scores(stream if of.classes else stream[place : place + 1])[0]
        best = [int(i) for i in np.argsort(-said, kind="stable")[:count]]
        return [self.answer_label(i) for i in best]

    def two_runs(self, trace: Trace, other: str) -> TwoRuns:
        """A trace's text and another one of as many tokens through the network, and what is asked of both; errors as of
        `pipeline.patching.two_runs`."""
        return patching.two_runs(self, trace, other)

    def patched(
        self,
        runs: TwoRuns,
        site: Site = "stream",
        kind: Kind | None = None,
        *,
        noising: bool = False,
        asked: Contest | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Patched:
        """What becomes of the answer with one part of the other run at a time: see `pipeline.patching.patched`; `kind`
        None: of the first map that the network has."""
        shapes = self.config.attention_shapes()
        own = next(each for each in KINDS if each == kind or (kind is None and each in shapes))
        return patching.patched(self, runs, site, own, noising=noising, asked=asked, progress=progress)

    @property
    def answers_texts(self) -> bool:
        """Whether there is one answer to a whole text."""
        return self.config.task.kind in OF_TEXTS

    def answer_label(self, i: int) -> Label:
        """What an answer is called: a token, or a class."""
        if self.config.task.kind in NAMED:
            return Label(self.config.class_names[i], id=i)
        return numbered([self.tokenizer.label(i)], [i])[0]

    def _compared(self, trace: Trace, other: str) -> Compared:
        """A trace's run and that of another text, up to where their answers are compared."""
        raise ValueError(f"expected a network over text, received {self.WHAT}")

    def token(self, word: str, goes_on: bool = False) -> int:
        """The id of a word that the network says as one token.

        Args:
            word: as it is typed.
            goes_on: where the vocabulary has it twice, as the beginning of a word and as what goes on with one, it is
                the second that is meant.

        Raises:
            ValueError: nothing, a word that the vocabulary lacks, or one of several tokens.
        """
        word = readable(word).strip()
        tokenizer = self.tokenizer
        if not (found := self._spelled.get(word, [])):
            # As it is typed within a text: without capitals, perhaps, or spelt in another way.
            encoded = getattr(tokenizer, "encode_target", tokenizer.encode)(f" {word}")
            found = [i for i in encoded.ids if not tokenizer.label(i).special]
            if encoded.unknown or not found:
                raise ValueError(f"expected a word that {self.name} knows, received “{word}”")
            if len(found) > 1:
                parts = " + ".join(tokenizer.label(i).text for i in found)
                raise ValueError(f"expected a word of one token, received “{word}”, which is {parts}")
        return next((i for i in found if tokenizer.label(i).joins == goes_on), found[0])

    @cached_property
    def _spelled(self) -> dict[str, list[int]]:
        """The ids of each text that a token stands for."""
        found: dict[str, list[int]] = {}
        for i in range(self.tokenizer.size):
            if not (label := self.tokenizer.label(i)).special:
                found.setdefault(label.text, []).append(i)
        return found

    def _forced(self, trace: Trace, given: Any = None) -> tuple[list[Label], list[int], tuple[Any, ...]]:
        """What a trace says, its ids, and the inputs of `runtime.insides` that say it; -1: what is foretold there."""
        said = self._sayings(trace, given)
        return said.labels, [-1 if label.id is None else label.id for label in said.labels], said.inputs

    def _sayings(self, trace: Trace, given: Any = None) -> Sayings:
        raise NotImplementedError

    def _weighed(self, trace: Trace, about: np.ndarray | Against, given: Any) -> tuple[Sayings, np.ndarray]:
        """What is asked about alone, with its weights."""
        said = self._sayings(trace, given)
        count = len(said.labels)
        if isinstance(about, Against):
            return self._set_against(said, about), np.array([1.0, -1.0])
        weights = np.asarray(about, np.float64)
        if weights.shape != (count,) or not np.isfinite(weights).all():
            raise ValueError(f"expected {count} finite weights, received shape {weights.shape}")
        # What weighs nothing is not computed, unless nothing else would be left.
        kept = [int(i) for i in np.flatnonzero(weights)] or [0]
        places, ids = ([part[i] for i in kept] for part in (said.places, said.ids))
        return said._replace(places=places, ids=ids), weights[kept]

    def _set_against(self, said: Sayings, about: Against) -> Sayings:
        config = self.config
        if config.output == "spans":
            raise ValueError(
                "expected a network that answers by words or classes, received one that marks a text"
            )
        answers = config.classes if config.task.kind in NAMED else config.vocabulary
        place = 0 if config.task.kind in OF_TEXTS else about.place
        if not 0 <= place < len(said.places):
            raise ValueError(f"expected a place below {len(said.places)}, received {place}")
        for answer in (about.token, about.against):
            if not 0 <= answer < answers:
                raise ValueError(f"expected an answer from 0 to {answers - 1}, received {answer}")
        return said._replace(places=[said.places[place]] * 2, ids=[about.token, about.against])

    def _largest(self, queries: int, keys: int) -> int:
        """The numbers of the largest tensor that a row of a pass makes below its scores: the weights of a layer, or
        what a feed-forward expands to."""
        heads = max(heads for _, heads in self.config.attention_shapes().values())
        stacks = [stack for stack in (self.config.encoder, self.config.decoder) if stack]
        widest = max([self.config.width, *(stack.feed_forward.width for stack in stacks)])
        longest = max(queries, keys)
        return max(longest * widest, heads * longest**2)

    def layer_weights(self, kind: str, layer: int) -> LayerWeights:
        """What one attention layer has learned; `layer` counts from 0."""
        return reference.layer_weights(self._attention_layer(kind, layer))

    def learned(self, kind: str, layer: int) -> Learned:
        """What the norms of queries and keys of one attention layer have learned, and what is added to its scores by
        distance; `layer` counts from 0."""
        stack = self.config.encoder if kind == "encoder" else self.config.decoder
        found = self._attention_layer(kind, layer)
        norms = reference.learned_norms(found, present(stack, f"a stack of {kind}").norm)
        blocks = self.network.encoder if kind == "encoder" else self.network.decoder
        if kind == "cross" or blocks.relative is None:
            return norms
        return norms._replace(relative=np.asarray(blocks.relative.by_distance(), np.float32))

    def _windows(self, kind: str) -> tuple[int, ...]:
        """How far each layer of a map sees."""
        layers = self.config.attention_shapes()[kind][0]
        return tuple(self.config.attention(kind, layer).window for layer in range(layers))

    def opinions(self, kind: str, layer: int, inputs: Array, mask: Mask) -> dict[str, Opinion]:
        """One self-attention layer over ready vectors (T, D), by this project's own layer and by Keras's."""
        own = self._attention_layer(kind, layer)
        return {
            "keras.layers.MultiHeadAttention": reference.by_keras(reference.layer_weights(own), inputs, mask),
            "Headlight's own layer": reference.by_this_project(own, inputs, mask),
        }

    def _attention_layer(self, kind: str, layer: int) -> MultiHeadAttention:
        stack = getattr(self.network, "encoder" if kind == "encoder" else "decoder", None)
        blocks = stack.blocks if stack else ()
        if kind not in KINDS or not 0 <= layer < len(blocks):
            raise ValueError(
                f"expected {', '.join(KINDS)} and a layer that it has, received {kind!r} and {layer}"
            )
        found = blocks[layer].cross_attention if kind == "cross" else blocks[layer].self_attention
        return found

    def _alter(self, interventions: Interventions, position_scale: float, other: Rows = ()) -> Alter:
        """What is changed, as numbers for the network.

        Args:
            other: the ids of the run that patches come from, see `_other`, through the network as it is.

        Raises:
            ValueError: a head that it does not have, or a change that it does not take.
        """
        if (interventions.edges or interventions.patches) and self.config.recurrent:
            what = "looks that are cut" if interventions.edges else "parts of another run"
            raise ValueError(f"expected changes of heads alone of a recurrent network, received {what}")
        if interventions.patches and not other:
            raise ValueError("expected changes of heads and looks alone, received parts of another run")
        shapes = self.config.attention_shapes()
        interventions.fits(shapes)
        gates = gates_of(interventions, shapes) if interventions else ALL_ON
        found = Alter(gates, () if position_scale == 1 else position_scale, edges_of(interventions))
        if not interventions.patches:
            return found
        given = self.runtime.insides.given(self._rows(other), Alter(scale=found.scale))
        return found._replace(patches=patches_of(interventions, given, self.config))

    def _patched(self, ask: Ask) -> tuple[Alter, dict[str, Any]]:
        """What a question changes, as numbers for the network, and what a trace says of it.

        Raises:
            ValueError: as of `_alter`, or patches without a text that they come from.
        """
        interventions, scaled = ask.interventions, ask.position_scale
        said: dict[str, Any] = dict(changes(interventions, scaled))
        if not interventions.patches:
            return self._alter(interventions, scaled), said
        if not interventions.other:
            raise ValueError("expected the other text that parts come from, received none")
        if self.runtime.insides is None:
            return self._alter(interventions, scaled), said  # says why not
        as_it_is = dataclasses.replace(
            ask,
            given=interventions.other,
            target=None,
            target_ids=(),
            choices=(),
            interventions=NONE,
        )
        other = self._other(as_it_is)
        return self._alter(interventions, scaled, other), said | {
            "other": "|".join(" ".join(map(str, row)) for row in other)
        }

    def _other(self, ask: Ask) -> Rows:
        """Rows of ids that say again what the network is given, and what it answers: see `_rows`."""
        raise ValueError(
            f"expected changes of heads and looks alone of {self.WHAT}, received parts of another run"
        )

    def _rows(self, rows: Rows) -> tuple[Any, ...]:
        """The inputs of `runtime.insides` that stand for rows of ids."""
        return tuple(ids_row(row, len(row), 0) for row in rows)

    def _said_other(self, trace: Trace) -> Rows:
        """The run that a trace's patches come from, which somebody else may have written."""
        text: Any = trace.options.get("other", "")
        if not isinstance(text, str) or not re.fullmatch(r"\d{1,8}(?:[ |]\d{1,8}){0,20000}", text):
            raise ValueError("expected a trace with the ids of its other run, received one without")
        rows = [[int(i) for i in row.split(" ")] for row in text.split("|")]
        size, longest = max(self.config.vocabulary, self.config.source_vocabulary), self.config.longest
        if len(rows) != self.SIDES or any(len(row) > longest or max(row) >= size for row in rows):
            raise ValueError(f"expected {self.SIDES} rows of ids below {size}, received {text[:40]!r}")
        return rows

    def _spared(self, interventions: Interventions, **sizes: tuple[int, int]) -> dict[str, int]:
        """In how many rows of how many heads nothing was barred because nothing else would have been left, as a trace
        says it; nothing where there are none.

        Args:
            interventions: which have passed `fits`.
            sizes: (queries, keys) of each map.
        """
        count = 0
        for kind in {edge.kind for edge in interventions.edges}:
            layers, heads = self.config.attention_shapes()[kind]
            for layer in range(layers):
                barred = cut_of(interventions.edges, kind, layer, (heads, *sizes[kind]))
                seen = mask_of(kind, *sizes[kind], self.config.attention(kind, layer).window)
                count += int(spared(seen, barred).sum())
        return {"spared": count} if count else {}

    def _altered(self, trace: Trace) -> Alter:
        """What was changed when a trace was made, by its options, which somebody else may have written."""
        done = done_to(trace.options)
        other = self._said_other(trace) if done.patches else ()
        return self._alter(done, scale("position_scale", trace.options.get("position_scale", 1.0)), other)

    def _table(self, embedding: Any, rows: int, options: Mapping[str, Any]) -> np.ndarray | None:
        """The first rows of an embedding's positions, scaled as a trace's options say; None where it has none."""
        table = embedding.positions.table()
        return None if table is None else table[:rows] * np.float32(options.get("position_scale", 1.0))

    def _fits(self, ids: Sequence[int], longest: int) -> None:
        if not 1 <= len(ids) <= longest:
            raise ValueError(f"expected a text of at most {longest} tokens, received {len(ids)}")

    def _known(self, ids: Sequence[int], longest: int, *, written: bool = False) -> None:
        self._fits(ids, longest)
        # Where an id stands for padding alone, it stands for no token; but nothing keeps a T5 from writing it.
        padding = self.config.pad_id if self.config.pad_id != self.config.end_id else NO_ID
        padding = NO_ID if written and padding not in self.config.suppressed else padding
        beyond = [int(i) for i in ids if not 0 <= int(i) < self.config.vocabulary or int(i) == padding]
        if beyond:
            lowest, last = 1 if padding == 0 else 0, self.config.vocabulary - 1
            other = f" other than {padding}" if padding > 0 else ""
            raise ValueError(f"expected ids from {lowest} to {last}{other}, received {beyond[0]}")

    def _own(self, trace: Trace) -> None:
        if trace.model != self.name:
            raise ValueError(f"expected a trace of {self.name}, received one of {trace.model or 'no model'}")
        # A trace may come from a file that somebody else wrote.
        ids = [label.id for shown in trace.maps for label in (*shown.queries, *shown.keys)]
        ids += [other.id for step in trace.steps for other in step.alternatives]
        size = max(self.config.vocabulary, self.config.source_vocabulary)
        beyond = [i for i in ids if (i or 0) >= size]
        if beyond:
            raise ValueError(f"expected ids below {size}, received {beyond[0]}")


def changes(interventions: Interventions, position_scale: float) -> dict[str, str | int | float]:
    """What a trace says of how the network was changed when it was made: nothing where it was not."""
    said: dict[str, str | int | float] = {}
    if interventions:
        said["interventions"] = interventions.text()
    if position_scale != 1:
        said["position_scale"] = position_scale
    return said


def readable(text: str) -> str:
    """`text`, if there is something to read in it, and not too much.

    Raises:
        ValueError: no text, nothing, or more than `MAX_CHARACTERS`.
    """
    if not isinstance(text, str):
        raise ValueError(f"expected a text, received {type(text).__name__}")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"expected at most {MAX_CHARACTERS:,} characters, received {len(text):,}")
    # Invisible characters alone, such as U+200B, are nothing to read either.
    if not any(character.isprintable() and not character.isspace() for character in clean(text)):
        raise ValueError("expected a sentence, received nothing to read")
    return text


def several(texts: Iterable[str]) -> list[str]:
    """`texts` as a list.

    Raises:
        ValueError: one text alone, whose letters would be taken for texts, or anything that is no text.
    """
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise ValueError(f"expected a list of texts, received {type(texts).__name__}")
    found = list(texts)
    if wrong := [text for text in found if not isinstance(text, str)]:
        raise ValueError(f"expected a list of texts, received {type(wrong[0]).__name__} in it")
    return found


def numbered(labels: Sequence[Label], ids: Sequence[int]) -> list[Label]:
    """Labels that know their ids."""
    return [dataclasses.replace(label, id=int(i)) for label, i in zip(labels, ids, strict=True)]


def ids_of(labels: Sequence[Label]) -> list[int]:
    """The ids that labels stand for.

    Raises:
        ValueError: labels without ids, as of a trace that was written before labels had any.
    """
    found = [label.id for label in labels if label.id is not None]
    if len(found) != len(labels) or not labels:
        raise ValueError("expected a trace whose labels hold the network's ids, received one without")
    return found


def steps_of(tokenizer: Any, written: Sequence[Label], recorded: Any) -> list[Step]:
    """One `Step` for each label and row of a recorded pass."""
    shown: dict[int, str] = {int(i): tokenizer.label(int(i)).text for i in np.unique(recorded.alternatives)}
    return [
        Step(
            label.text,
            float(min(0.0, recorded.log_probability[t])),
            float(max(0.0, recorded.entropy[t])),
            tuple(
                Alternative(shown[int(i)], float(p), id=int(i))
                for i, p in zip(recorded.alternatives[t], recorded.probabilities[t], strict=True)
            ),
        )
        for t, label in enumerate(written)
    ]
