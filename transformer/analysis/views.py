"""From the attention of all heads to one picture: choose, average, hide special tokens, merge subwords into words.

A `View` is what figures and tables draw. Its values are weights as the network computed them, summed or averaged
but never renormalised: after `hide_special` or a maximum a row need not sum to one, and what is missing from it is
the weight that went elsewhere.

Letters for shapes: L layers, H heads, Q queries, K keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from transformer.trace import ROW_TOLERANCE, AttentionMap, FloatArray, Label, spelt, word_starts

Combination = Literal["mean", "max"]


class View(NamedTuple):
    """A picture of attention.

    Args:
        values: float32 (Q, K), 0 to 1; from `every_head`, with the layers and heads before: (L, H, Q, K).
        queries: Q labels, the positions that look.
        keys: K labels, the positions that are looked at.
        signed: the values are differences of weights, -1 to 1.
        unit: what the values are where they are no weights; "" where they are.
    """

    values: FloatArray
    queries: tuple[Label, ...]
    keys: tuple[Label, ...]
    signed: bool = False
    unit: str = ""

    def __repr__(self) -> str:
        return f"<View {self.values.shape}: {len(self.queries)} queries x {len(self.keys)} keys>"


def every_head(attention: AttentionMap) -> View:
    """All heads at once: values (L, H, Q, K). `hide_special` and `merge_words` apply to all of them."""
    return View(attention.weights, attention.queries, attention.keys)


def select(attention: AttentionMap, layer: int, head: int) -> View:
    """One head of one layer, both counted from 0: values (Q, K)."""
    return combine(attention, layer=layer, head=head)


def combine(
    attention: AttentionMap, how: Combination = "mean", *, layer: int | None = None, head: int | None = None
) -> View:
    """Mean or maximum over heads, over layers or over both: values (Q, K).

    Args:
        how: "mean", whose rows are distributions again, or "max", the strongest look that any head takes.
        layer: counted from 0; None combines all layers.
        head: counted from 0; None combines all heads. With several layers, the head of this number in each.

    Raises:
        ValueError: no such layer, head or combination.
    """
    if how not in get_args(Combination):
        raise ValueError(
            f"expected a combination out of {', '.join(get_args(Combination))}, received {how!r}"
        )
    for name, index, count in (("layer", layer, attention.layers), ("head", head, attention.heads)):
        if index is not None and not 0 <= index < count:
            raise ValueError(f"expected a {name} from 0 to {count - 1}, received {index}")
    layers = slice(None) if layer is None else slice(layer, layer + 1)
    heads = slice(None) if head is None else slice(head, head + 1)
    chosen = attention.weights[layers, heads]
    return View(
        chosen.mean((0, 1)) if how == "mean" else chosen.max((0, 1)), attention.queries, attention.keys
    )


def difference(now: View, before: View) -> View:
    """How much more each query looks at each key than before: signed values (Q, K).

    Raises:
        ValueError: views of other tokens, whose cells have no counterparts.
    """
    if not same_axes(now, before):
        raise ValueError("expected two views of the same tokens, received views of different ones")
    return View(now.values - before.values, now.queries, now.keys, signed=True)


def same_axes(one: View | AttentionMap, other: View | AttentionMap) -> bool:
    """Whether each cell of one has its counterpart in the other."""
    return one.queries == other.queries and one.keys == other.keys


def hide_special(view: View) -> View:
    """Leave out the positions of special tokens, as queries and as keys.

    Rows are not renormalised: what is missing from a row is the weight that it gave to special tokens, which is
    often most of it (Clark et al. 2019, section 3.2). An axis that has only special tokens ends up empty.
    """
    rows, columns = _ordinary(view.queries), _ordinary(view.keys)
    values = view.values[..., rows, :][..., columns]
    queries, keys = tuple(view.queries[i] for i in rows), tuple(view.keys[i] for i in columns)
    return View(values, queries, keys, view.signed, view.unit)


def merge_words(view: View) -> View:
    """Subwords to words: summed over the keys of a word and averaged over its queries, so distributions stay such.

    This is the rule of Clark et al. 2019, "What Does BERT Look At?", section 4.1: attention *to* a word is the sum
    over its tokens, attention *from* a word the mean over them. Words are those of `trace.word_starts`.
    """
    if not view.queries or not view.keys:
        return view
    rows, columns = word_starts(view.queries), word_starts(view.keys)
    summed = np.add.reduceat(view.values, columns, axis=-1, dtype=np.float64)
    lengths = np.diff([*rows, len(view.queries)])
    averaged = np.add.reduceat(summed, rows, axis=-2) / lengths[:, None]
    queries, keys = _words(view.queries, rows), _words(view.keys, columns)
    return View(averaged.astype(np.float32), queries, keys, view.signed, view.unit)


def spans(labels: Sequence[Label], *, words: bool = False, hide: bool = False) -> list[tuple[int, int]]:
    """The first and the last position that each row or column of a view stands for.

    Args:
        labels: of the map.
        words: subwords are merged as by `merge_words`.
        hide: special ones are left out as by `hide_special`, after that.
    """
    starts = word_starts(labels) if words else list(range(len(labels)))
    pairs = [(start, after - 1) for start, after in pairwise([*starts, len(labels)])]
    return [pair for pair in pairs if not (hide and labels[pair[0]].special)]


def row_sums(view: View) -> str:
    """What the rows of a view (Q, K) add up to, as a sentence for files that leave the page; "" where it is 1, and of
    what are no weights."""
    if view.signed or view.unit:
        return ""
    sums = view.values.sum(-1, dtype=np.float64)
    if not sums.size or np.abs(sums - 1).max() <= ROW_TOLERANCE:
        return ""
    lowest, highest = (f"{value:.2f}" for value in (sums.min(), sums.max()))
    said = f"Rows add up to {lowest}" + (f" to {highest}" if lowest != highest else "")
    return f"{said}: the rest went to what is hidden." if sums.max() <= 1 + ROW_TOLERANCE else f"{said}."


def _ordinary(labels: Sequence[Label]) -> npt.NDArray[np.intp]:
    return np.array([i for i, label in enumerate(labels) if not label.special], np.intp)


def _words(labels: Sequence[Label], starts: Sequence[int]) -> tuple[Label, ...]:
    words = []
    for start, end in zip(starts, [*starts[1:], len(labels)], strict=True):
        parts = labels[start:end]
        words.append(Label(spelt(parts), special=parts[0].special, start=parts[0].start, end=parts[-1].end))
    return tuple(words)
