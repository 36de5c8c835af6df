"""What a whole network is made of: two sides of tokens or sound, a stack of blocks for each, and what it answers.

References: Vaswani et al. 2017, "Attention Is All You Need" (arXiv:1706.03762); Tensor2Tensor `models/transformer.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from transformer.config.attention import Attention, Relative
from transformer.config.block import Stack
from transformer.config.flat import v2
from transformer.config.records import Record, at_least, need, shares
from transformer.config.recurrent import Recurrent
from transformer.config.sound import Sound
from transformer.config.task import Task
from transformer.config.tokens import Embedding, Special, Tokens

Family = Literal[
    "seq2seq", "decoder", "encoder", "reading_decoder", "speech", "recurrent", "recurrent_decoder"
]


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Record):
    """A network. Sizes are counts; dropouts are probabilities; ids are places in its vocabulary.

    Both stacks: an encoder-decoder. `decoder` alone goes on writing what it is given, or reads it where its task is
    another than tokens; `encoder` alone reads. `sound` instead of `source`: what is read is sound. `recurrent` instead
    of stacks: both sides are one recurrent layer.
    """

    format: Literal[2] = 2
    width: int
    source: Embedding | None = None  # tokens that are read
    sound: Sound | None = None
    target: Embedding | None = None  # tokens that are written
    shared_embeddings: bool = False  # source and target tokens have one table
    encoder: Stack | None = None
    decoder: Stack | None = None
    recurrent: Recurrent | None = None
    max_source: int = 0  # longest source, in positions, special tokens included; 0 where there is none
    max_target: int = 0
    dropout: float = 0.1  # of embeddings and of what each sublayer adds to the residual stream
    tokens: Tokens = "subwords"  # what one id stands for
    task: Task = field(default_factory=Task)
    special: Special = field(default_factory=Special)

    def __post_init__(self) -> None:
        self._check_sides()
        at_least(self, 1, "width", *(["max_source"] if self.source or self.sound else []))
        at_least(self, 1, *(["max_target"] if self.target else []))
        shares(self, "dropout")
        self._check_stacks()
        writes = bool(self.target) and (self.family != "reading_decoder")
        need(writes == (self.task.kind == "tokens"), "the task tokens of what writes alone", self.task.kind)
        fine = self.special.start >= 0 or not (self.encoder and self.decoder)
        need(fine, "a special.start where a decoder answers an encoder", "none")
        self.special.within(self.vocabulary)

    def _check_sides(self) -> None:
        gru = self.recurrent is not None and self.recurrent.kind == "gru"
        reads, writes = bool(self.encoder) or gru, bool(self.decoder or self.recurrent)
        need(reads or writes, "layers in at least one stack", "none")
        need(not (self.recurrent and (self.encoder or self.decoder)), "stacks or recurrent", "both")
        sides = int(bool(self.source)) + int(bool(self.sound))
        need(sides == int(reads), "a source or sound, one of them, for what reads alone", f"{sides} of them")
        need(bool(self.target) == writes, "a target for what writes alone", "one" if self.target else "none")
        fine = not self.shared_embeddings or (self.source is not None and self.source == self.target)
        need(fine, "source and target alike where shared_embeddings is set", "others")
        fine = not (self.sound or self.task.ctc) or self.encoder is not None
        need(fine, "an encoder where there is sound or ctc", "none")

    def _check_stacks(self) -> None:
        for name, stack in (("encoder", self.encoder), ("decoder", self.decoder)):
            if stack:
                crosses = name == "decoder" and self.encoder is not None
                fine = crosses == (stack.cross is not None)
                need(fine, f"cross of {name} where a decoder looks at an encoder", stack.cross)
                fine = stack.table.kind in ("learned", "none") or self.width % 2 == 0
                need(fine, f"an even width for the sinusoids of {name}", self.width)
        if self.decoder and not self.encoder:
            kind = self.decoder.feed_forward.kind
            # What it sees to the left would have to be found in a prompt that padding may follow.
            need(kind != "conv_relu_conv", "a feed-forward without convolution in a decoder alone", kind)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: str = "") -> Self:
        """Build from a mapping, one of the first format too; see `Record`."""
        flat = isinstance(values, Mapping) and "format" not in values
        return super().from_dict(v2(values) if flat else values, path)

    def to_text(self) -> str:
        """What `config.json` holds: the family, and every field."""
        return json.dumps({"family": self.family, **self.to_dict()}, indent=2) + "\n"

    def summary(self) -> str:
        """Such as "4+3 layers, 8 heads, width 256"."""
        sides = ((self.source or self.sound, self.encoder), (self.target, self.decoder))
        counts = [stack.layers if stack else 1 for side, stack in sides if side]
        heads = sorted({heads for _, heads in self.attention_shapes().values()})
        parts = ["+".join(map(str, counts)) + (" layer" if counts == [1] else " layers")]
        if heads:
            parts.append("/".join(map(str, heads)) + (" head" if heads == [1] else " heads"))
        return ", ".join([*parts, f"width {self.width}"])

    def attention_shapes(self) -> dict[str, tuple[int, int]]:
        """(layers, heads) of each attention map that the network has: "encoder", "decoder", "cross"."""
        if self.recurrent:
            return {"cross": (1, 1)} if self.recurrent.kind == "gru" else {}
        return {kind: (stack.layers, self.attention(kind).heads) for kind, stack in self._stacks().items()}

    def attention(self, kind: str, layer: int = 0) -> Attention:
        """What a layer of one map is made of.

        Raises:
            ValueError: the network does not have such a map, or has it of recurrent layers.
        """
        found = self._stacks()
        need(kind in found, f"one of {', '.join(found)}", repr(kind))
        cross = found[kind].cross if kind == "cross" else None
        return cross or found[kind].attention_at(layer)

    def relative(self, kind: str) -> Relative | None:
        """How distances are scored in one map; None: they are not, as from one side to the other."""
        return None if kind == "cross" else self._stacks()[kind].relative

    def _stacks(self) -> dict[str, Stack]:
        """The stack of each map."""
        stacks = {"encoder": self.encoder, "decoder": self.decoder}
        stacks["cross"] = self.decoder if self.decoder and self.decoder.cross else None
        return {kind: stack for kind, stack in stacks.items() if stack}

    @property
    def family(self) -> Family:
        """Which assembly this is the configuration of."""
        if self.recurrent:
            return "recurrent" if self.recurrent.kind == "gru" else "recurrent_decoder"
        if self.sound:
            return "speech"
        if self.encoder and self.decoder:
            return "seq2seq"
        if self.encoder:
            return "encoder"
        return "decoder" if self.task.kind == "tokens" else "reading_decoder"

    @property
    def vocabulary(self) -> int:
        """How many tokens there are: of what is written, or of what is read where nothing is."""
        side = self.target or self.source
        return side.vocabulary if side else 0

    @property
    def longest(self) -> int:
        """The longest text that is read, in positions."""
        return self.max_source if self.source or self.sound else self.max_target

    @property
    def source_vocabulary(self) -> int:
        """How many tokens can be read; 0 where none are."""
        return self.source.vocabulary if self.source else 0

    @property
    def token_types(self) -> int:
        """Segments that a token which is read can belong to."""
        return self.source.types if self.source else 0

    @property
    def stem(self) -> str:
        """The convolutions that make positions of sound, or "none"."""
        return self.sound.kind if self.sound else "none"

    @property
    def bins(self) -> int:
        """Of the log-mel picture that is read; 0 where no sound is."""
        return self.sound.bins if self.sound else 0

    @property
    def prior_frames(self) -> int:
        """See `Sound`."""
        return self.sound.prior_frames if self.sound else 0

    @property
    def output(self) -> str:
        """What the last layer says: the kind of its task."""
        return self.task.kind

    @property
    def classes(self) -> int:
        return self.task.classes

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of classes, labels or numbers, in their order; where they have none, those are their numbers."""
        return self.task.names or tuple(str(i) for i in range(self.task.classes))

    @property
    def ctc(self) -> bool:
        return self.task.ctc

    @property
    def pad_id(self) -> int:
        return self.special.pad

    @property
    def start_id(self) -> int:
        return self.special.start

    @property
    def end_id(self) -> int:
        return self.special.end

    @property
    def unknown_id(self) -> int:
        return self.special.unknown

    @property
    def mask_id(self) -> int:
        return self.special.mask

    @property
    def suppressed(self) -> tuple[int, ...]:
        return self.special.suppressed

    @property
    def suppressed_first(self) -> tuple[int, ...]:
        return self.special.suppressed_first

    @property
    def prefix(self) -> tuple[int, ...]:
        return self.special.prefix
