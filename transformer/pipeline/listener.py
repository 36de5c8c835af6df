"""Sound to text: transcribe, and record where in the sound every head listened."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from transformer.analysis.alignment import Evidence, Named, by_ctc, later, timed
from transformer.analysis.doubt import COMPRESSION, PATIENCE, TEMPERATURES, Measures, measure, spoken
from transformer.analysis.insides import Insides
from transformer.analysis.lens import Lens
from transformer.ask import MOST_BEAMS, Ask, whole
from transformer.audio.clip import samples_of
from transformer.audio.decode import RATE, SILENT, Sound, cut
from transformer.audio.features import HOP, HOP_SECONDS, Features, log_mel
from transformer.audio.quiet import pauses
from transformer.interventions import NONE, Interventions
from transformer.layers.stem import STRIDES
from transformer.models.altering import AS_IT_IS, Alter
from transformer.pipeline.model import Model, Sayings, changes, ids_of, numbered, readable, steps_of
from transformer.runtime import Projected, SpeechRuntime, others_wait
from transformer.runtime.common import ids_row
from transformer.search.ngram import NGram
from transformer.trace import AttentionMap, Label, Spectrogram, Trace, Word, one_text

Clip = str | os.PathLike[str] | bytes | Sound | np.ndarray

REST = "rest"  # the key that stands for all of the padding behind a clip


@dataclass(frozen=True)
class Spoken:
    """The tokens with which a network is told what to do (Radford et al. 2022, section 2.3); empty where it has none.

    Args:
        languages: the token of each language by its code, such as "en".
        tasks: the token of each task, "transcribe" and "translate".
        without_times: the token that asks for text without time stamps.
        alignment_heads: (layer, head) pairs of cross-attention that follow the sound, as the checkpoint says.
    """

    languages: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, int] = field(default_factory=dict)
    without_times: int | None = None
    alignment_heads: tuple[tuple[int, int], ...] = ()


class Listened(NamedTuple):
    """What the encoder has made of a clip, for `trace` and `evidence` to go on from: `listen` makes it once for both.

    seconds: of the clip; features (frames, bins), as the network reads them; heard: stays where the network runs;
    pauses: (start, end) in seconds where nothing is said (see `audio.quiet`);
    interventions, position_scale: what was changed in the network meanwhile, and is while it goes on.
    """

    seconds: float
    features: np.ndarray
    heard: Any
    pauses: tuple[tuple[float, float], ...] = ()
    interventions: Interventions = NONE
    position_scale: float = 1.0


class Part(NamedTuple):
    """Seconds of a clip that one pass heard, and its trace, whose own times begin at 0; None where it is silent."""

    start: float
    end: float
    trace: Trace | None


class Transcript(NamedTuple):
    """A clip of any length: all that was said, its words in seconds of the clip, and the parts that it was heard in."""

    text: str
    words: tuple[Word, ...]
    parts: tuple[Part, ...]


class Listener(Model):
    """A speech Transformer with its tokenizer."""

    WHAT = "a network that listens"
    READS = frozenset(
        (
            *("target", "target_ids", "beams", "language", "task", "name", "whole", "words"),
            *("position_scale", "interventions"),
        )
    )

    def __init__(
        self,
        name: str,
        network: Any,
        tokenizer: Any,
        spoken: Spoken | None = None,
        *,
        ngram: NGram | None = None,
    ) -> None:
        super().__init__(name, network, tokenizer)
        self.runtime = SpeechRuntime(network, ngram)
        self.spoken = spoken or Spoken()
        layers, heads = network.config.attention_shapes()["cross"]
        if not all(0 <= i < layers and 0 <= j < heads for i, j in self.spoken.alignment_heads):
            raise ValueError(
                f"expected alignment_heads of {layers} x {heads}, received {str(self.spoken.alignment_heads)[:80]}"
            )
        self.features = Features(
            "whisper" if network.config.stem == "whisper" else "t2t", network.config.bins
        )

    @property
    def longest_seconds(self) -> float:
        """The longest clip that one pass takes."""
        return float(self.runtime.longest * HOP_SECONDS)

    @property
    def beams(self) -> int:
        """How wide the model searches unless it is told: 4 with a CTC output, which makes the wider search much better
        (see the card of `speech-en`); else 1, greedily."""
        return 4 if self.config.ctc else 1

    def passes(self, samples: np.ndarray) -> list[tuple[int, int]]:
        """How a clip of any length is heard pass by pass: (first, last + 1) samples, cut at pauses."""
        if len(samples) <= self.longest_seconds * RATE:
            return [(0, len(samples))]
        return cut(samples, self.longest_seconds)

    def listen(
        self,
        sound: Clip,
        interventions: Interventions | str = NONE,
        *,
        rate: int = RATE,
        position_scale: float = 1.0,
    ) -> Listened:
        """Run the encoder over a clip; what is changed meanwhile stays changed when `trace` goes on from there.

        Raises:
            ValueError: sound that cannot be read, or longer than one pass takes; or a head that the network lacks.
        """
        interventions = Interventions.of(interventions)
        alter = self._alter(interventions, position_scale)
        samples = samples_of(sound, rate)
        seconds = len(samples) / RATE
        if seconds > self.longest_seconds:
            raise ValueError(
                f"expected at most {self.longest_seconds:g} s in one pass, received {seconds:.1f} s"
            )
        features, frames = self.log_mel(samples)
        heard = self.runtime.hear(features, alter, frames)
        return Listened(seconds, features, heard, pauses(samples), interventions, position_scale)

    def ctc(self, listened: Listened) -> tuple[np.ndarray, int] | None:
        """Natural log-probabilities (positions, vocabulary) of the CTC output and its blank; None without one."""
        likely = self.runtime.ctc(listened.heard)
        return None if likely is None else (likely, max(self.config.pad_id, 0))

    def evidence(self, listened: Listened, trace: Trace) -> Evidence:
        """What tells when the words of a trace of this clip were spoken, besides the trace."""
        return Evidence(self._named(listened, trace), self.ctc(listened), listened.pauses)

    def _named(self, listened: Listened, trace: Trace) -> Named | None:
        """The heads that the checkpoint names, over the prompt without time stamps, the text, and its end."""
        heads, labels = self.spoken.alignment_heads, trace.target
        first = next((i for i, label in enumerate(labels) if not label.special), None)
        if not heads or first is None:
            return None
        told = {*self.spoken.languages.values(), *self.spoken.tasks.values()}
        prompt = [i for i in ids_of(labels[:first]) if i in told] if first else []
        if self.spoken.without_times is not None:
            prompt.append(self.spoken.without_times)
        text = ids_of([label for label in labels if not label.special])
        ids = [*prompt, *text, self.config.end_id]
        if len(ids) > self.config.max_target:
            return None
        alter = self._alter(listened.interventions, listened.position_scale)
        weights = self.runtime.cross(listened.heard, ids, alter)
        # Two arrays of indices side by side: (layer, head) pairs, not all layers with all heads.
        layers, numbers = np.array(heads).T
        return Named(weights[layers, numbers, :, : listened.heard.positions], len(prompt))

    def trace(
        self,
        sound: Clip | Listened,
        *,
        rate: int = RATE,
        target: str | None = None,
        target_ids: Sequence[int] = (),
        beams: int | None = None,
        language: str = "",
        task: str = "transcribe",
        name: str = "",
        whole: bool = False,
        words: bool = False,
        position_scale: float = 1.0,
        interventions: Interventions | str = NONE,
    ) -> Trace:
        """Transcribe a clip, then record what every head looked at.

        Args:
            sound: the path of a file, its bytes, what `audio.decode` made of them, or samples (see `audio.clip`), or
                what `listen` made of these, which knows what was changed meanwhile.
            rate: of samples, in Hz.
            target: forces this transcript, "" too.
            target_ids: forces a transcript as ids, as the network writes them from the first token on.
            beams: 1 to 8; 1 decodes greedily. None: as wide as `beams` of the model says.
            language: a code that the network knows; "" lets it find out. A network that knows one only takes "en".
            task: "transcribe", or "translate" into English where the network can.
            name: what the trace calls the clip.
            whole: keep the attention to the silence that a network pads clips with; otherwise its columns are one, the
                last, and its rows are left out.
            words: find the times of the words: by the heads that the checkpoint names for it, or by the CTC output, or
                where there is neither by heads that follow the sound (see `analysis.alignment`).
            position_scale: what the network's position vectors are multiplied by on both sides, 0 to 10.
            interventions: heads that are changed, or such a text as "h:x1.3", while it listens and writes as while it
                is recorded.

        Raises:
            ValueError: sound that cannot be read, longer than one pass takes, other beams, or a language, task or head
                that the model does not know; or a clip that was listened to with other changes.
        """
        return self._answer(
            Ask(
                model=self.name,
                target=target,
                target_ids=tuple(target_ids),
                beams=beams,
                language=language,
                task=task,
                name=name,
                whole=whole,
                words=words,
                position_scale=position_scale,
                interventions=Interventions.of(interventions),
            ),
            sound if isinstance(sound, Listened) else samples_of(sound, rate),
        )

    def _answer(self, ask: Ask, given: Any) -> Trace:
        listened = self._listened(ask, given)
        heard, interventions, position_scale = listened.heard, listened.interventions, listened.position_scale
        alter = self._alter(interventions, position_scale)
        prefix, found = self._prefix(heard, ask.language, ask.task, alter)
        options: dict[str, Any] = {"seconds": round(listened.seconds, 3), **found}
        options["decoding"] = "forced"
        if ask.target_ids:
            ids = list(ask.target_ids)
            self._known(ids, self.config.max_target)
        elif ask.target is not None:
            target = readable(ask.target) if ask.target else ""
            ids = [*prefix, *self.tokenizer.encode_target(target).ids]
            if ids[-1:] != [self.config.end_id]:
                ids.append(self.config.end_id)
            self._fits(ids, self.config.max_target)
        else:
            altered = bool(changes(interventions, position_scale))
            ids, said = self._written(heard, prefix, ask.beams or self.beams, alter, altered)
            options |= said
            if interventions and ids[-1:] != [self.config.end_id]:
                options["stopped"] = len(ids)
        options |= changes(interventions, position_scale)
        places = heard.attention.shape[-1] if self.runtime.whole else heard.positions
        options |= self._spared(
            interventions, encoder=(places, places), decoder=(len(ids),) * 2, cross=(len(ids), places)
        )
        trace = self._trace(ask.name, listened.features, heard, ids, options, ask.whole, alter)
        if not ask.words:
            return trace
        ways = timed(trace, self.evidence(listened, trace))
        return dataclasses.replace(trace, words=next((way.words for way in ways.values()), ()))

    def _written(
        self, heard: Any, prefix: list[int], beams: int, alter: Alter = AS_IT_IS, altered: bool = False
    ) -> tuple[list[int], dict[str, Any]]:
        """What the network writes, and what a trace says of how and how surely.

        As Whisper's own program does it: while an answer is in doubt it is drawn anew at a higher temperature, and
        where nobody speaks nothing is written. If all are in doubt, the likeliest that does not repeat itself stays (as
        faster-whisper has it). An altered network is asked once: what it does is what somebody wants to see. Where
        others wait meanwhile, nothing is drawn any more after `PATIENCE` seconds.
        """
        how = "greedy" if beams == 1 else "beam"
        silence = self._no_speech(heard, alter)
        tried: list[tuple[Measures, float, list[int]]] = []
        once = silence is None or altered
        temperatures, begun = TEMPERATURES[:1] if once else TEMPERATURES, time.monotonic()
        for temperature in temperatures:
            ids = self.runtime.decode(heard, prefix=prefix, beams=beams, temperature=temperature, alter=alter)
            sure = self.runtime.log_probabilities(heard, ids, alter)[len(prefix) :]
            tried.append((measure(self.tokenizer.decode(ids), sure, silence or 0.0), temperature, ids))
            if not tried[-1][0].failed or tried[-1][0].silent:
                break
            if others_wait() and time.monotonic() - begun > PATIENCE:
                break
        measures, temperature, ids = tried[-1]
        said: dict[str, Any] = {}
        if measures.failed and not measures.silent:
            if len(tried) < len(temperatures):
                said["tries"] = len(tried)
            fresh = [one for one in tried if one[0].compression <= COMPRESSION]
            measures, temperature, ids = max(fresh or tried, key=lambda one: one[0].log_probability)
        said["decoding"] = "sampled" if temperature else how
        if temperature:
            said["temperature"] = temperature
        said["log_probability"] = round(measures.log_probability, 4)
        said["compression"] = round(measures.compression, 3)
        if (likely := self.runtime.ctc(heard)) is not None:
            labels = self.tokenizer.labels(ids)
            tokens = [i for i, label in zip(ids, labels, strict=True) if not label.special]
            if (evidence := spoken(likely, tokens, max(self.config.pad_id, 0))) is not None:
                said["ctc"] = round(evidence, 3)
        if silence is not None:
            said["no_speech"] = round(silence, 4)
            if measures.silent and not once:
                said["silent"] = True
                ids = [*prefix, self.config.end_id]
        return ids, said

    def _no_speech(self, heard: Any, alter: Alter) -> float | None:
        """The probability of the token for no speech where the text begins; None for a network without one."""
        without = self.spoken.without_times
        if without is None:
            return None
        # It stands right before that for text without time stamps in every Whisper.
        return float(np.exp(self.runtime.opening(heard, alter)[without - 1]))

    def _listened(self, ask: Ask, sound: Any) -> Listened:
        """What was heard, now or before; before, with the same changes as are asked for, or with those of its own."""
        if isinstance(sound, str):  # the digest of a clip is no path
            raise ValueError("expected a clip beside what is asked, received its name alone")
        if not isinstance(sound, Listened):
            return self.listen(sound, ask.interventions, position_scale=ask.position_scale)
        asked, heard = (changes(part.interventions, part.position_scale) for part in (ask, sound))
        if asked and asked != heard:
            raise ValueError(
                f"expected a clip that was heard with {asked}, received one with {heard or 'none'}"
            )
        return sound

    def trace_parts(self, sound: Clip, *, rate: int = RATE, **asked: Any) -> Transcript:
        """Trace a clip of any length part by part, cut at pauses where it is longer than a pass.

        Args:
            sound, rate: as with `trace`.
            asked: what else `trace` takes, except a forced transcript; words are always timed.

        Raises:
            ValueError: as with `trace`, length aside.
        """
        if forced := {"target", "target_ids"} & asked.keys():
            raise ValueError(f"expected no {min(forced)} for a clip in parts, received one")
        samples = samples_of(sound, rate)
        parts, words = [], list[Word]()
        for first, last in self.passes(samples):
            begin = first / RATE
            trace = None
            if np.abs(samples[first:last]).max() >= SILENT:
                trace = self.trace(samples[first:last], **asked | {"words": True})
                words += later(trace.words, begin)
            parts.append(Part(begin, last / RATE, trace))
        text = one_text(part.trace.output for part in parts if part.trace)
        return Transcript(text, tuple(words), tuple(parts))

    def transcribe(
        self, sound: Clip, *, rate: int = RATE, beams: int | None = None, language: str = ""
    ) -> str:
        """What is said in a clip of any length, nothing recorded. Errors as with `trace`, length aside."""
        samples = samples_of(sound, rate)
        beams = self._width(beams)
        said = []
        for first, last in self.passes(samples):
            features, frames = self.log_mel(samples[first:last])
            heard = self.runtime.hear(features, frames=frames)
            prefix, _ = self._prefix(heard, language, "transcribe")
            if self.spoken.without_times is None:  # which is asked once, whatever it says: see `_written`
                ids = self.runtime.decode(heard, prefix=prefix, beams=beams)
            else:
                ids, _ = self._written(heard, prefix, beams)
            said.append(str(self.tokenizer.decode(ids)))
        return one_text(said)

    def align(self, sound: Clip, transcript: str) -> tuple[Word, ...]:
        """When the words of a transcript are said, by the CTC path; nothing is searched for or recorded.

        Raises:
            ValueError: as with `trace`; a network without a CTC output; too short a clip for these words.
        """
        found = self.ctc(self.listen(sound))
        if found is None:
            raise ValueError(f"expected a network with a CTC output, received {self.name}")
        likely, blank = found
        ids = self.tokenizer.encode_target(readable(transcript)).ids
        labels = numbered(self.tokenizer.labels(ids), ids)
        step = STRIDES[self.config.stem] * HOP_SECONDS
        return by_ctc(likely, labels, step, blank).words

    def trace_ids(self, features: np.ndarray, target: Sequence[int]) -> Trace:
        """The same for ready-made log-mel features (frames, bins) and target ids, nothing left out.

        Raises:
            ValueError: features or ids that do not fit the network.
        """
        target = [int(i) for i in target]
        self._known(target, self.config.max_target)
        features = np.asarray(features, np.float32)
        heard = self.runtime.hear(features)
        return self._trace("", features, heard, target, {"decoding": "forced"}, True)

    def log_mel(self, samples: np.ndarray) -> tuple[np.ndarray, int]:
        """The features that the network reads for samples at 16 kHz, and how many of their frames are of the clip."""
        if not self.runtime.whole:
            features = log_mel(samples, self.features, self.config.prior_frames)
            return features, len(features)
        padded = np.zeros(self.runtime.longest * HOP, np.float32)
        padded[: len(samples)] = samples
        return log_mel(padded, self.features), min(-(-len(samples) // HOP), self.runtime.longest)

    def projections(self, trace: Trace) -> dict[str, Projected]:
        """The queries and keys behind a trace of this model whose sound is all there, and what each layer was given.

        Raises:
            ValueError: a trace of another model, one without ids, features, or all of its positions, or one with
                options that cannot be.
        """
        self._own(trace)
        if trace.spectrogram is None or "cut" in trace.options:
            raise ValueError("expected a trace with all of its positions, received one without its silence")
        return self.runtime.projections(trace.spectrogram.values, ids_of(trace.target), self._altered(trace))

    def insides(self, trace: Trace, given: Any = None) -> Insides:
        """As of every model, with the streams of an encoder that has a CTC output, at the positions of the clip."""
        found = super().insides(trace, given)
        heard = found.recording.heard
        if heard is None:
            return found
        return found._replace(recording=found.recording._replace(heard=heard[:, : len(trace.source)]))

    def letters(self, of: Trace | Insides, given: Any = None) -> Lens:
        """What the CTC output would say at each position (S) of the clip if the encoder ended after each layer.

        Args:
            of, given: as of `lens`.

        Raises:
            ValueError: a network without a CTC output, and whatever `insides` refuses.
        """
        inside = of if isinstance(of, Insides) else self.insides(of, given)
        if (heard := inside.recording.heard) is None:
            raise ValueError(f"expected a network with a CTC output, received {self.name}")
        targets = np.full(heard.shape[1], -1, np.int32)
        found = self.runtime.insides.guesses(heard, targets, letters=True)
        lens = self._guessed(found.ids[-1, :, 0], found)
        blank = max(self.config.pad_id, 0)
        return lens._replace(names={**lens.names, blank: Label("blank", special=True, id=blank)})

    def _sayings(self, trace: Trace, given: Any = None) -> Sayings:
        self._own(trace)
        if given is not None:
            features, frames = self.log_mel(given)
        elif trace.spectrogram is None or "cut" in trace.options:
            raise ValueError("expected the samples of the clip, received a trace without its silence")
        else:
            features, frames = trace.spectrogram.values, len(trace.spectrogram.values)
        ids = ids_of(trace.target)
        inputs = (*self.runtime.sound(features, frames), ids_row(ids, len(ids), max(self.config.pad_id, 0)))
        size = self._largest(len(ids), inputs[0].shape[1] // self.runtime.stride)
        return Sayings(list(trace.target), inputs, range(len(ids)), ids, size)

    def warm(self, lengths: Sequence[float] = (4,)) -> None:
        """Compile ahead for clips of up to these many seconds."""
        self.runtime.warm(lengths, self.beams)

    def _width(self, beams: int | None) -> int:
        return whole("beams", self.beams if beams is None else beams, 1, MOST_BEAMS)

    def _prefix(
        self, heard: Any, language: str, task: str, alter: Alter = AS_IT_IS
    ) -> tuple[list[int], dict[str, Any]]:
        """What the output begins with, and what it says."""
        spoken, found = self.spoken, dict[str, Any]()
        prefix: list[int] = []
        if spoken.languages:
            if language and language not in spoken.languages:
                raise ValueError(
                    f"expected a language out of {', '.join(spoken.languages)}, received {language!r}"
                )
            codes = {token: code for code, token in spoken.languages.items()}
            chosen = spoken.languages[language] if language else self.runtime.first(heard, list(codes), alter)
            prefix.append(chosen)
            found["language"] = codes[chosen]
        elif language not in ("", "en"):
            raise ValueError(
                f"expected no language but en for a network that knows one only, received {language!r}"
            )
        if spoken.tasks:
            if task not in spoken.tasks:
                raise ValueError(f"expected a task out of {', '.join(spoken.tasks)}, received {task!r}")
            prefix.append(spoken.tasks[task])
            found["task"] = task
        elif task != "transcribe":
            raise ValueError(f"expected the task transcribe, received {task!r}")
        if spoken.without_times is not None:
            prefix.append(spoken.without_times)
        return prefix or list(self.config.prefix), found

    def _trace(
        self,
        name: str,
        features: np.ndarray,
        heard: Any,
        ids: Sequence[int],
        options: dict[str, Any],
        whole: bool,
        alter: Alter = AS_IT_IS,
    ) -> Trace:
        recorded = self.runtime.record(heard, ids, alter)
        stride = STRIDES[self.config.stem]
        count = recorded.encoder.shape[-1]
        seconds = stride * HOP_SECONDS
        places = [
            Label(f"{i * seconds:.2f} s", start=round(i * seconds, 4), end=round((i + 1) * seconds, 4))
            for i in range(count)
        ]
        encoder, cross = recorded.encoder, recorded.cross
        if not whole and heard.positions < count:
            kept = heard.positions
            encoder, cross = _cut(encoder, kept)[:, :, :kept], _cut(cross, kept)
            rest = Label(REST, special=True, start=places[kept].start, end=places[-1].end)
            queries, places = places[:kept], [*places[:kept], rest]
            features = features[: kept * stride]
            options["cut"] = kept
        else:
            queries = places
        written = numbered(self.tokenizer.labels(ids), ids)
        read_ids = [self.config.start_id, *ids[:-1]]
        read = numbered(self.tokenizer.labels(read_ids), read_ids)
        return Trace(
            (
                AttentionMap("encoder", encoder, queries, places),
                AttentionMap("decoder", recorded.decoder, written, read),
                AttentionMap("cross", cross, written, places),
            ),
            str(self.tokenizer.decode(ids)).strip(),
            steps_of(self.tokenizer, written, recorded),
            source=queries,
            target=written,
            positions=self._table(self.network.source_embedding, len(queries), options),
            spectrogram=Spectrogram(features, HOP_SECONDS),
            model=self.name,
            input=name,
            options=options,
        )


def _cut(weights: np.ndarray, kept: int) -> np.ndarray:
    """(..., keys) -> (..., kept + 1): the weights beyond `kept` as one, so that rows still sum to 1."""
    rest = weights[..., kept:].sum(-1, keepdims=True, dtype=np.float32)
    return np.concatenate([weights[..., :kept], rest], axis=-1)
