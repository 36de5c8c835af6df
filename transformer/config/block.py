"""What a stack of blocks is made of: attention, feed-forward, where normalisations stand, and how positions enter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transformer.config.attention import Attention, Relative
from transformer.config.records import Record, at_least, need, shares

NormKind = Literal["layer", "rms"]
Place = Literal["pre", "post", "both", "after"]
FeedForwardKind = Literal["dense", "gated", "conv_relu_conv"]
Activation = Literal["relu", "gelu", "gelu_tanh", "silu"]
TableKind = Literal["interleaved", "halves", "halves_minus_one", "learned", "none"]
Reach = Literal["global", "local"]
Residual = Literal["serial", "parallel", "parallel_one_norm"]


@dataclass(frozen=True, kw_only=True)
class Norm(Record):
    """The normalisations of a stack.

    place: "post" after each residual sum, as in the paper; "pre" of what goes into a sublayer (Xiong et al. 2020,
    arXiv:2002.04745); "after" of what comes out of one, before the sum; "both" before it and after it.
    """

    kind: NormKind = "layer"
    epsilon: float = 1e-6
    bias: bool = True
    place: Place = "post"
    first: bool = True  # whether the first block normalises before its attention
    last: bool = False  # one more at the top of the stack

    def __post_init__(self) -> None:
        need(0 < self.epsilon < 1, "epsilon between 0 and 1", self.epsilon)


@dataclass(frozen=True, kw_only=True)
class FeedForward(Record):
    """The position-wise layers of a block (section 3.3), or Tensor2Tensor's `conv_relu_conv` (common_layers.py)."""

    width: int
    kind: FeedForwardKind = "dense"
    activation: Activation = "relu"
    bias: bool = True
    first_kernel: int = 3  # of conv_relu_conv; its second kernel is 1, as in Tensor2Tensor
    dropout: float = 0.0  # of what is between the two

    def __post_init__(self) -> None:
        at_least(self, 1, "width", "first_kernel")
        shares(self, "dropout")


@dataclass(frozen=True, kw_only=True)
class Table(Record):
    """Positions that are added to embeddings: one of three conventions of sinusoids, learned rows, or none."""

    kind: TableKind = "none"
    offset: int = 0  # the row that the first position takes (2 in RoBERTa)

    def __post_init__(self) -> None:
        at_least(self, 0, "offset")
        need(not self.offset or self.kind != "none", "a table where there is an offset", self.kind)


@dataclass(frozen=True, kw_only=True)
class Stack(Record):
    """The blocks of an encoder or of a decoder."""

    layers: int
    attention: Attention
    feed_forward: FeedForward
    cross: Attention | None = None  # of a decoder over an encoder
    norm: Norm = Norm()
    table: Table = Table()
    local: Attention | None = None  # of the layers that `pattern` calls local
    pattern: tuple[Reach, ...] = ()  # of each layer; (): all are global
    relative: Relative | None = None
    residual: Residual = (
        "serial"  # or attention and feed-forward side by side, with a normalisation each or one
    )
    shared_layers: bool = False  # all blocks have the same weights

    def __post_init__(self) -> None:
        at_least(self, 1, "layers")
        fine = len(self.pattern) in (0, self.layers)
        need(fine, f"a pattern of {self.layers} layers", f"{len(self.pattern)} of them")
        fine = ("local" in self.pattern) == (self.local is not None)
        need(fine, "local attention where the pattern says so", f"{self.local} and {self.pattern}")
        shapes = {(a.heads, a.head_width, a.groups) for a in (self.attention, self.local or self.attention)}
        need(len(shapes) == 1, "local and global attention of one shape", f"{len(shapes)} of them")
        fine = self.residual == "serial" or (self.norm.place == "pre" and self.cross is None)
        need(fine, "normalisations pre and no cross where a residual is parallel", self.norm.place)
        need(
            not (self.relative and self.attention.alibi), "distances scored in one way", "relative and alibi"
        )

    def attention_at(self, layer: int) -> Attention:
        """What the self-attention of one layer is made of; layers count from 0."""
        here = self.pattern[layer] if self.pattern else "global"
        return self.local if here == "local" and self.local else self.attention
