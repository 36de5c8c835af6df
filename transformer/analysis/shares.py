"""What adds how much to a score? Each head and feed-forward, the embedding and the biases, so that they sum to it.

Direct contributions after Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits": a block only adds to
the residual stream, so the direction in which a score grows is carried down, from the score to what each part wrote.
Normalisations divide by a number that depends on the stream: it is held at what it was, which makes them linear. So is
the factor by which a curve above the stack, such as a soft cap, changed each number. What a head does by way of later
layers is theirs.

All in float64 from what the network recorded, so that the sum is a check of its own.
Letters for shapes: L layers, H heads, K width of one head, D width, P positions that the score is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from transformer.analysis.by_hand import Array
from transformer.analysis.insides import Recording
from transformer.analysis.scores import normalised
from transformer.config import Norm, Stack
from transformer.trace import KINDS, Kind, Label

# What float32 rounds off a sum of a few dozen parts; more where parts are large.
TOLERANCE = 1e-4
SUBLAYERS: dict[Kind, str] = {
    "encoder": "self_attention",
    "decoder": "self_attention",
    "cross": "cross_attention",
}
PER_SIZE = 4 * float(np.finfo(np.float32).eps)


class Part(Protocol):
    """Something between the stream and a score, over the last axis of what goes through."""

    def forward(self, x: Array) -> Array:
        """What it makes of x."""
        ...

    def back(self, x: Array, d: Array) -> tuple[Array, Array]:
        """The direction in x (..., I) for a direction d (..., O) in what it makes of x, its scales held fixed, and what
        it adds by itself (...): forward(x) . d = x . direction + that."""
        ...


class Affine(NamedTuple):
    """x W + b, (I, O) and (O,)."""

    kernel: npt.ArrayLike
    bias: npt.ArrayLike | None = None

    def forward(self, x: Array) -> Array:
        """See `Part`."""
        made = x @ np.asarray(self.kernel, np.float64)
        return made if self.bias is None else made + np.asarray(self.bias, np.float64)

    def back(self, x: Array, d: Array) -> tuple[Array, Array]:
        """See `Part`."""
        return d @ np.asarray(self.kernel, np.float64).T, _dot(d, self.bias)


class Normed(NamedTuple):
    """A normalisation with its scale and shift (D,); None where it has none."""

    norm: Norm
    scale: npt.ArrayLike | None
    shift: npt.ArrayLike | None = None

    def forward(self, x: Array) -> Array:
        """See `Part`."""
        return normalised(x, self.norm, self.scale, self.shift)

    def back(self, x: Array, d: Array) -> tuple[Array, Array]:
        """See `Part`: what x is divided by is held fixed."""
        centred = x - x.mean(-1, keepdims=True) if self.norm.kind == "layer" else x
        size = np.sqrt((centred**2).mean(-1, keepdims=True) + self.norm.epsilon)
        direction = (d if self.scale is None else d * np.asarray(self.scale, np.float64)) / size
        if self.norm.kind == "layer":  # taking the mean away is linear
            direction = direction - direction.mean(-1, keepdims=True)
        return direction, _dot(d, self.shift)


class Curve(NamedTuple):
    """A function of each number by itself that leaves 0 at 0."""

    function: Callable[[Array], Array]

    def forward(self, x: Array) -> Array:
        """See `Part`."""
        return self.function(x)

    def back(self, x: Array, d: Array) -> tuple[Array, Array]:
        """See `Part`: the factor by which it changed each number is held fixed."""
        factor = np.divide(self.function(x), x, out=np.zeros_like(x), where=x != 0)
        return d * factor, np.zeros(d.shape[:-1])


class Block(NamedTuple):
    """What one block has learned, as far as it lies between what its parts wrote and the stream.

    Args:
        norms: of the sums or outputs of its sublayers, by their names ("self_attention", "feed_forward_after", …).
        outputs: of each of its maps the projection (H K, D).
        bias: of the feed-forward's output (D,); None where it has none.
    """

    norms: Mapping[str, Normed]
    outputs: Mapping[Kind, Affine]
    bias: npt.ArrayLike | None = None


class Answer(NamedTuple):
    """What stands above the stream.

    Args:
        last: the last normalisation of the stack; None where it has none.
        parts: from finished vectors to scores.
        pooling: "first", "last", "max" or "mean" of all positions, or "" where each position answers by itself.
    """

    last: Normed | None
    parts: Sequence[Part]
    pooling: str = ""


class Share(NamedTuple):
    """One part: a map's head, or "feed_forward", "embedding" or "biases"; layer and head from 0, where it has them."""

    part: str
    layer: int | None
    head: int | None
    value: float


class Shares(NamedTuple):
    """How much each part adds to the score of one answer, or to its score minus that of another.

    Args:
        label, against: the answer and the other; None where there is no other.
        heads: of each map (L, H), float64.
        feed_forwards: (L,).
        embedding: of tokens and positions.
        biases: of all layers, with the shifts of normalisations and what answers have by themselves.
        score: what the network said, in float32.
    """

    label: Label
    against: Label | None
    heads: Mapping[Kind, Array]
    feed_forwards: Array
    embedding: float
    biases: float
    score: float

    def listed(self) -> list[Share]:
        """All parts, those that add or take away most first."""
        found = [
            Share(kind, i, j, float(heads[i, j]))
            for kind, heads in self.heads.items()
            for i, j in np.ndindex(*heads.shape)
        ]
        found += [Share("feed_forward", i, None, float(value)) for i, value in enumerate(self.feed_forwards)]
        found += [Share("embedding", None, None, self.embedding), Share("biases", None, None, self.biases)]
        return sorted(found, key=lambda share: -abs(share.value))

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return sum(float(part.sum()) for part in self._parts)

    @property
    def difference(self) -> float:
        """How far the sum is from what the network said."""
        return abs(self.total - self.score)

    @property
    def tolerance(self) -> float:
        """What is rounding in float32, for parts of this size."""
        return TOLERANCE + PER_SIZE * sum(float(np.abs(part).sum()) for part in self._parts)

    @property
    def passed(self) -> bool:
        """Whether the parts add up to the score."""
        return self.difference <= self.tolerance

    @property
    def _parts(self) -> list[Array]:
        return [*self.heads.values(), self.feed_forwards, np.array([self.embedding, self.biases])]


def scores(answer: Answer, stream: npt.ArrayLike) -> Array:
    """What is answered from the stream (P, D) behind the last block: (P, O), or (1, O) of pooled positions."""
    x = np.asarray(stream, np.float64)
    x = answer.last.forward(x) if answer.last else x
    x = pooled(answer.pooling, x)
    for part in answer.parts:
        x = part.forward(x)
    return x


def pooled(how: str, x: Array) -> Array:
    """The vector (1, D) that stands for positions (P, D), or all of them where each answers by itself."""
    if how in ("max", "mean"):
        return x.max(0, keepdims=True) if how == "max" else x.mean(0, keepdims=True)
    return {"first": x[:1], "last": x[-1:]}.get(how, x)


def shares(
    stack: Stack,
    blocks: Sequence[Block],
    answer: Answer,
    recording: Recording,
    place: int,
    weights: Sequence[float],
    said: tuple[Label, Label | None, float],
) -> Shares:
    """How much each part adds to the weighted sum of an answer's outputs.

    Args:
        stack: the one that answers.
        blocks: of the stack.
        answer: what stands above it, with as few outputs as there are weights.
        recording: of the pass.
        place: the position that answers; all of them do where they are pooled.
        weights: of the outputs (O,).
        said: the labels, and what the network said of them.
    """
    if answer.pooling == "last":
        place = recording.streams.shape[1] - 1
    here = slice(None) if answer.pooling in ("max", "mean") else slice(place, place + 1)
    streams = recording.streams[:, here].astype(np.float64)  # (L + 1, P, D)
    d, biases = _above(answer, streams[-1], np.asarray(weights, np.float64))
    mixed = {
        kind: recording.mixed[kind][:, here].astype(np.float64) for kind in KINDS if kind in recording.mixed
    }
    heads = {kind: np.zeros((len(blocks), _heads(stack, kind))) for kind in mixed}
    fed = np.zeros(len(blocks))
    for layer in reversed(range(len(blocks))):
        block, x = blocks[layer], streams[layer]
        wrote = recording.fed[layer, here].astype(np.float64)
        # Each sublayer in order: its name, its map or None, and what it wrote.
        sublayers: list[tuple[str, Kind | None, Array]] = [
            (SUBLAYERS[kind], kind, block.outputs[kind].forward(mixed[kind][layer])) for kind in mixed
        ]
        sublayers.append(("feed_forward", None, wrote))
        sums = []
        for name, _, out in sublayers:
            after = _after(stack, block, name)
            x = x + (after.forward(out) if after else out)
            sums.append(x)
            x = block.norms[name].forward(x) if stack.norm.place == "post" else x
        for (name, kind, out), total in zip(sublayers[::-1], sums[::-1], strict=True):
            if stack.norm.place == "post":
                d, own = block.norms[name].back(total, d)
                biases += own.sum()
            after, towards = _after(stack, block, name), d
            if after:
                towards, own = after.back(out, d)
                biases += own.sum()
            if kind is None:
                constant = _dot(towards, block.bias).sum()
                fed[layer] = (wrote * towards).sum() - constant
            else:
                back, constant = block.outputs[kind].back(out, towards)  # (P, H K)
                by_head = (mixed[kind][layer] * back).reshape(len(back), heads[kind].shape[1], -1)
                heads[kind][layer] = by_head.sum((0, 2))
                constant = constant.sum()
            biases += constant
    embedding = (streams[0] * d).sum()
    label, against, score = said
    return Shares(label, against, heads, fed, float(embedding), float(biases), score)


def _above(answer: Answer, stream: Array, weights: Array) -> tuple[Array, float]:
    """The direction (P, D) in the stream for a direction in the outputs, and what is added above it."""
    finished = answer.last.forward(stream) if answer.last else stream
    through = [pooled(answer.pooling, finished)]
    for part in answer.parts:
        through.append(part.forward(through[-1]))
    d, biases = weights[None], 0.0
    for part, x in zip(answer.parts[::-1], through[-2::-1], strict=True):
        d, own = part.back(x, d)
        biases += float(own.sum())
    if answer.pooling == "max":  # each number comes from one position
        d = np.where(np.arange(len(finished))[:, None] == finished.argmax(0), d, 0.0)
    elif answer.pooling == "mean":
        d = np.repeat(d / len(finished), len(finished), axis=0)
    if answer.last:
        d, own = answer.last.back(stream, d)
        biases += float(own.sum())
    return d, biases


def _after(stack: Stack, block: Block, name: str) -> Normed | None:
    """What a sublayer's output is normalised by before it is added."""
    found = {"after": name, "both": f"{name}_after"}.get(stack.norm.place)
    return block.norms[found] if found else None


def _heads(stack: Stack, kind: Kind) -> int:
    return stack.cross.heads if kind == "cross" and stack.cross else stack.attention.heads


def _dot(d: Array, constant: npt.ArrayLike | None) -> Array:
    return np.zeros(d.shape[:-1]) if constant is None else d @ np.asarray(constant, np.float64)
