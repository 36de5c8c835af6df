"""What every model with a `.trace(...)` has: its name, its network, its tokenizer, and the sums behind its maps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from transformer.analysis.by_hand import Array, LayerWeights, Mask
from transformer.config import NO_ID, ModelConfig
from transformer.layers.attention import MultiHeadAttention
from transformer.pipeline import reference
from transformer.pipeline.reference import Opinion
from transformer.runtime import Projected
from transformer.text.tokenizer import clean
from transformer.trace import KINDS, Alternative, Label, Step, Trace

# Far above what any network here can read; protects the tokenizer from a text of megabytes.
MAX_CHARACTERS = 4000


class Model:
    """A network with its tokenizer. Immutable after loading: visitors share it.

    Raises:
        ValueError: a tokenizer with more subwords than the network's vocabulary.
    """

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

    def trace(self, given: Any, /, *, target: str | None = None) -> Trace:
        """Answer a text or a clip, or take `target` for the answer, and record what every head looked at."""
        raise NotImplementedError

    def warm(self, lengths: Sequence[int] = (16, 32)) -> None:
        """Compile ahead for inputs of up to these many tokens."""
        raise NotImplementedError

    def projections(self, trace: Trace) -> dict[str, Projected]:
        """The queries and keys behind a trace of this model, by kind, and what each layer was given."""
        raise NotImplementedError

    def layer_weights(self, kind: str, layer: int) -> LayerWeights:
        """What one attention layer has learned; `layer` counts from 0."""
        return reference.layer_weights(self._attention_layer(kind, layer))

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

    def _fits(self, ids: Sequence[int], longest: int) -> None:
        if not 1 <= len(ids) <= longest:
            raise ValueError(f"expected a text of at most {longest} tokens, received {len(ids)}")

    def _known(self, ids: Sequence[int], longest: int) -> None:
        self._fits(ids, longest)
        # Where an id stands for padding alone, it stands for no token.
        padding = self.config.pad_id if self.config.pad_id != self.config.end_id else NO_ID
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


def whole(name: str, value: int, least: int, most: int | None = None) -> int:
    """`value`, if it is a whole number from `least` to `most` (None: without end); `name` says of what, in the plural.

    Raises:
        ValueError: another number, or none: True is none, either.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"expected {name} as a whole number, received {value!r}")
    if value < least or (most is not None and value > most):
        wanted = f"at least {least}" if most is None else f"{least} to {most:,}"
        raise ValueError(f"expected {wanted} {name}, received {value}")
    return int(value)


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
