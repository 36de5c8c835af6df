"""Text to text: translate, and record what every head looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from transformer.models.seq2seq import Gates
from transformer.pipeline.model import Model, ids_of, numbered, readable, several, steps_of, whole
from transformer.runtime import Projected, Recorded, Runtime
from transformer.text.tokenizer import clean
from transformer.trace import AttentionMap, Label, Trace


class Embedded(NamedTuple):
    """What goes into the encoder for one text, float32 (S, D): word vectors, positions as added, and their sum."""

    labels: tuple[Label, ...]
    tokens: np.ndarray
    positions: np.ndarray
    total: np.ndarray


class Translator(Model):
    """An encoder-decoder network over text with its tokenizer."""

    def __init__(self, name: str, network: Any, tokenizer: Any) -> None:
        super().__init__(name, network, tokenizer)
        self.runtime = Runtime(network)

    def trace(
        self,
        text: str,
        *,
        target: str | None = None,
        beams: int = 1,
        alpha: float = 0.6,
        choices: Sequence[tuple[int, int]] = (),
        gates: Gates | None = None,
        position_scale: float = 1.0,
    ) -> Trace:
        """Translate `text`, then record what every head looked at.

        Args:
            text: one sentence.
            target: forces this output instead of the network's own.
            beams: 1 decodes greedily.
            alpha: length penalty of beam search.
            choices: (step, alternative) pairs, both counted from 0, applied one after the other: at that step the
                network is made to write that alternative instead, and goes on from there greedily.
            gates: one number a head in the recording pass; 0 switches it off.
            position_scale: what the network's position vectors are multiplied by on both sides, 0 to 10; 0 takes
                them away.

        Raises:
            ValueError: no text, or more than the network can read; no beam count from 1 to 8; no such choice; no such
                scale.
        """
        beams = whole("beams", beams, 1, 8)
        if not 0 <= position_scale <= 10:
            raise ValueError(f"expected a position_scale from 0 to 10, received {position_scale}")
        scale = None if position_scale == 1 else float(position_scale)
        source = self.tokenizer.encode(readable(text))
        self._fits(source.ids, self.config.max_source)
        if target is not None:
            ids = self.tokenizer.encode_target(readable(target)).ids
            self._fits(ids, self.config.max_target)
            decoding = "forced"
        else:
            ids = self.runtime.decode(source.ids, beams=beams, alpha=alpha, position_scale=scale)
            decoding = "greedy" if beams == 1 else "beam"
        options: dict[str, str | int | float] = {"decoding": decoding}
        if decoding == "beam":
            options |= {"beams": beams, "alpha": alpha}
        if scale is not None:
            options["position_scale"] = scale
        if source.unknown:
            options["unknown"] = " ".join(dict.fromkeys(source.unknown))
        recorded = self.runtime.record(source.ids, ids, gates, scale)
        for step, alternative in choices:
            if not (0 <= step < len(ids) and 0 <= alternative < recorded.alternatives.shape[1]):
                raise ValueError(
                    f"expected a step below {len(ids)} and an alternative below {recorded.alternatives.shape[1]}, "
                    f"received step {step}, alternative {alternative}"
                )
            chosen = int(recorded.alternatives[step, alternative])
            ids = self._go_on(source.ids, [*ids[:step], chosen], scale)
            recorded = self.runtime.record(source.ids, ids, gates, scale)
        output = clean(target) if target is not None else self.tokenizer.decode(ids)
        return self._trace(clean(text), source.ids, source.labels, ids, recorded, output, options)

    def trace_ids(self, source: Sequence[int], target: Sequence[int]) -> Trace:
        """The same for ready-made ids, the end token last in both.

        Raises:
            ValueError: an empty side, one that is too long, or an id that the vocabulary lacks.
        """
        for side, longest in ((source, self.config.max_source), (target, self.config.max_target)):
            self._known(side, longest)
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

        They come from a pass of their own over the ids that the trace's labels stand for, with every head on and
        positions scaled as the trace's options say.

        Raises:
            ValueError: a trace of another model, or one without input and output.
        """
        self._own(trace)
        scale = trace.options.get("position_scale", 1.0)
        return self.runtime.projections(
            ids_of(trace.source),
            ids_of(trace.target),
            scale if isinstance(scale, float) else 1.0,
        )

    def translate(
        self, texts: Sequence[str], *, beams: int = 1, alpha: float = 0.6, size: int = 32
    ) -> list[str]:
        """Many sentences at once, `size` of nearly one length a batch; nothing is recorded.

        A text longer than the network can read is cut to what it can: a test set must yield an answer for each line.
        """
        beams, size = whole("beams", beams, 1, 8), whole("sentences a batch", size, 1)
        rows = self.tokenizer.encode_all(several(texts))
        longest = self.config.max_source
        rows = [row if len(row) <= longest else [*row[: longest - 1], self.config.end_id] for row in rows]
        return [self.tokenizer.decode(ids) for ids in self.runtime.decode_all(rows, beams, alpha, size)]

    def warm(
        self,
        lengths: Sequence[int] = (16, 32),
        beams: Sequence[int] = (1,),
        position_scale: float | None = None,
    ) -> None:
        """Compile ahead for sources of up to these many tokens; with a position_scale, for every other scale too."""
        self.runtime.warm(lengths, beams, position_scale)

    def _go_on(self, source: Sequence[int], prefix: list[int], scale: float | None) -> list[int]:
        if prefix[-1] == self.config.end_id or len(prefix) >= self.config.max_target:
            return prefix
        return self.runtime.decode(source, prefix=prefix, position_scale=scale)

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
            AttentionMap(kind, weights, *axes) for kind, weights, *axes in seen if weights is not None
        )
        steps = steps_of(self.tokenizer, written, recorded)
        table = self.runtime.network.source_embedding.positions.table()
        scale = np.float32(options.get("position_scale", 1.0))
        return Trace(
            maps,
            output,
            steps,
            source=source,
            target=written,
            positions=None if table is None else table[: max(len(source), len(ids))] * scale,
            model=self.name,
            input=text,
            options=options,
        )
