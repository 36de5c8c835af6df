"""What a network answers, and what is made of its last vectors for that."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from transformer.config.records import Record, at_least, need, shares

TaskKind = Literal[
    "tokens",  # goes on writing
    "masked_tokens",  # what stands at each position
    "classes",  # one of them
    "labels",  # any number of them
    "score",  # numbers as they are, most often one
    "token_classes",  # a class for each position
    "spans",  # where an answer begins and ends
    "replaced",  # which tokens are not the ones that stood there
    "vectors",
    "ctc",  # letters of sound
]
Pooling = Literal["first", "last", "max", "mean"]
# Of a whole text; of each of its tokens; and all whose answers have names.
OF_TEXTS: tuple[TaskKind, ...] = ("classes", "labels", "score")
OF_TOKENS: tuple[TaskKind, ...] = ("token_classes", "replaced")
NAMED = (*OF_TEXTS, *OF_TOKENS)


@dataclass(frozen=True, kw_only=True)
class Task(Record):
    """The head of a network. A decoder with another task than tokens reads, as an encoder does."""

    kind: TaskKind = "tokens"
    classes: int = 0  # how many classes, labels or numbers
    names: tuple[str, ...] = ()  # in their order; (): they are called by their numbers
    pooling: Pooling = "first"  # how the vectors of a text become the one that is classified
    pooler: bool = False  # a dense layer on that vector, as in BERT, or on each where each has an answer
    pooler_activation: Literal["tanh", "relu", "gelu", "gelu_tanh", "silu"] = "tanh"
    pooler_bias: bool = True  # of that layer, and of the one before masked tokens
    pooler_norm: bool = False  # it is normalised, as the layer before masked tokens always is
    class_bias: bool = True  # of the layer that gives classes, labels or numbers
    dropout: float = 0.0  # before the classes
    tied: bool = True  # the table of tokens, transposed, is the output projection
    bias: bool = False  # of the output projection
    scale: float = 1.0  # of vectors before it
    softcap: float = 0.0  # scores s become softcap * tanh(s / softcap); 0: they do not
    ctc: bool = False  # a second output on the encoder, for connectionist temporal classification; padding is its blank
    left_out: str = ""  # the head that a published checkpoint has and this network has not

    def __post_init__(self) -> None:
        at_least(self, 0, "classes")
        need(
            (self.kind in NAMED) == (self.classes > 0),
            "classes with a task that names them",
            f"{self.classes} and {self.kind}",
        )
        need(self.kind != "replaced" or self.classes == 2, "2 classes of replaced", self.classes)
        fine = len(self.names) in (0, self.classes)
        need(fine, f"{self.classes} names", len(self.names))
        for name, least in (("scale", "above 0"), ("softcap", "of at least 0")):
            value = getattr(self, name)
            need(0 <= value < inf and (name == "softcap" or value > 0), f"{name} {least}", value)
        shares(self, "dropout")
