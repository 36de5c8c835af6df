"""What is changed in a network while it answers, as numbers that go in with the inputs.

Batch first, so that they ride in the state of a decoding, where a beam search repeats and reorders every row.
Multiplying by 1.0 is exact: what is not changed is as it is. () takes no place at all.
Letters for shapes: B batch, H heads.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from transformer.config import ModelConfig
from transformer.interventions import ALL, KINDS, SITES, Interventions, Kind, Site
from transformer.layers.attention import Cuts, Put
from transformer.layers.blocks import NOTHING, Puts


class Gates(NamedTuple):
    """One number a head, (layers, H) or (B, layers, H): 1 leaves it on, 0 switches it off. (): all on.

    In the state of a decoding they are (B, layers, H).
    """

    encoder: Any = ()
    decoder: Any = ()
    cross: Any = ()


ALL_ON = Gates()


# What a row of `Alter.edges` holds: the number of its map, the first and the last layer, head, query and key, and
# whether it drops.
EDGE = 10
PATCH = 5
MOST_VECTORS = 8192  # of all patches together


class Patches(NamedTuple):
    """Vectors of another run, (P, W) or (B, P, W) float32, see `patch_width`, and where each belongs: int32 (P, 5) or
    (B, P, 5), the number of its site and of its map, its layer, its head (-1 where it is not one of a head), and its
    position."""

    places: Any
    vectors: Any


class Later(NamedTuple):
    """Rows of one pass over a stack that are as a recorded row up to some block, and begin only there: what is the same
    in all of them is not run again.

    streams: (layers + 1, T, D), what went into each block of that row, and what came out of the last.
    counts: (layers + 1,) int32, how many rows begin there; in gates and vectors they stand in that order.
    """

    streams: Any
    counts: Any


class Begins(NamedTuple):
    """The `Later` of either stack; (): all rows are run through all of it."""

    encoder: Any = ()
    decoder: Any = ()


class Alter(NamedTuple):
    """Gates of the heads, what position vectors are multiplied by, which looks are forbidden, and what is put in.

    scale: a number, or one a row (B,), as in the state of a decoding; (): positions are left.
    edges: int32 (E, 10) or (B, E, 10), see `edges_of`; (): none.
    patches: `Patches`; (): none.
    begins: of a pass over finished inputs of one row alone, where its rows begin.
    """

    gates: Gates = ALL_ON
    scale: Any = ()
    edges: Any = ()
    patches: Any = ()
    begins: Begins = Begins()


AS_IT_IS = Alter()


def absent(part: Any) -> bool:
    """Whether a part of `Gates` or `Alter` changes nothing because it is not there."""
    return part is None or (isinstance(part, tuple) and not part)


def gated(alter: Alter) -> bool:
    """Whether there are gates."""
    return not all(absent(gate) for gate in alter.gates)


def of_layer(gates: Any, layer: int, count: Any = None) -> Any:
    """The gate (H,) or (B, H) of one layer, of the first `count` rows where it is said; None where there is none."""
    return None if absent(gates) else gates[..., layer, :][:count]


def nobody(inputs: Any, rows: Any) -> Any:
    """What a pass over `inputs` (B, T, D) begins with: none of them (0, T, D) where all its `Later` begin later."""
    return inputs if absent(rows) else rows.streams[:0]


def begun(x: Any, rows: Any, layer: int) -> tuple[Any, Any]:
    """What goes into a block, x (B, T, D) and below it the `Later` that begin there, and how many that are by now; None
    where nothing begins later."""
    if absent(rows):
        return x, None
    own = rows.streams[layer]
    x = ops.concatenate([x, ops.broadcast_to(own[None], (rows.counts[layer], *ops.shape(own)))])
    return x, ops.shape(x)[0]


def gates_of(interventions: Interventions, shapes: dict[str, tuple[int, int]]) -> Gates:
    """The factors of heads as gates (1, layers, H), float32.

    Args:
        interventions: which have passed `fits` for these shapes.
        shapes: (layers, H) of each map that the network has.
    """
    gates = {
        kind: np.array([interventions.factors(kind, *shapes[kind])], np.float32)
        for kind in KINDS
        if kind in shapes
    }
    return Gates(**gates)


def edges_of(interventions: Interventions) -> Any:
    """The looks that are forbidden as numbers (E, 10), int32; () where there are none."""
    rows = [
        (
            KINDS.index(edge.kind),
            *(place for span in edge.bounds() for place in span),
            int(edge.how == "drop"),
        )
        for edge in interventions.edges
    ]
    return np.array(rows, np.int32) if rows else ()


def moved_up(edges: np.ndarray, gone: Collection[int]) -> np.ndarray:
    """The same looks (E, 10) of a text from which places are gone, so that those behind them have moved up; what was
    about those alone is about nothing."""
    before = np.cumsum(
        np.isin(np.arange(edges[:, 5:9].max(initial=0) + 2), list(gone))
    )  # gone up to and with each
    moved = edges.copy()
    for first in (5, 7):  # queries and keys
        begins, ends = edges[:, first], edges[:, first + 1]
        moved[:, first] = begins - np.where(begins > 0, before[begins - 1], 0)
        moved[:, first + 1] = ends - before[ends]
    return moved


def shifted(patches: Patches, gone: Collection[int]) -> np.ndarray:
    """Where the same vectors (P, 5) belong in a text from which places are gone, see `moved_up`."""
    moved, positions = patches.places.copy(), patches.places[:, -1]
    moved[:, -1] = positions - sum(((positions > i).astype(np.int32) for i in gone), np.zeros_like(positions))
    moved[np.isin(positions, list(gone)), -1] = -1
    return moved


def within(alter: Alter, *kinds: Kind) -> Alter:
    """The same with looks forbidden in these maps alone; its edges are numbers (E, 10) still."""
    if absent(alter.edges):
        return alter
    edges = alter.edges[np.isin(alter.edges[:, 0], [KINDS.index(kind) for kind in kinds])]
    return alter._replace(edges=edges if len(edges) else ())


def cuts_of(edges: Any, kind: Kind, layer: int, heads: int, queries: Any, keys: Any) -> Cuts | None:
    """The looks that one layer must not take; None where nothing is cut in the whole network.

    Args:
        edges: (B, E, 10), or ().
        kind, layer, heads: which layer it is, and how many heads it has.
        queries, keys: int32 (T,) and (S,), the places of its rows and columns.
    """
    if absent(edges):
        return None

    def between(first: int, places: Any) -> Any:
        """(B, E, places): whether each edge is about each of them."""
        low, high = edges[:, :, first, None], edges[:, :, first + 1, None]
        return ops.cast(ops.logical_and(low <= places, places <= high), "float32")

    here = ops.cast(edges[:, :, 0, None] == KINDS.index(kind), "float32") * between(1, np.array([layer]))
    rows, columns = between(5, queries), between(7, keys)
    in_heads, drops = here * between(3, np.arange(heads)), ops.cast(edges[:, :, 9, None], "float32")
    found = [
        ops.einsum("beh,bet,bes->bhts", part, rows, columns) > 0
        for part in (in_heads * (1 - drops), in_heads * drops)
    ]
    return Cuts(*found)


class Given(NamedTuple):
    """What one stack of another run had, float32; a part that its map does not have is None.

    streams: (layers + 1, T, D); fed: (layers, T, D); mixed: (layers, T, H K). See `analysis.insides.Recording`.
    """

    streams: Any
    fed: Any
    mixed: Any


def patch_width(config: ModelConfig) -> int:
    """W: as many numbers as the widest vector has that can be put in."""
    if config.recurrent:
        return config.width  # it takes none
    heads = [config.attention(kind, 0).head_width for kind in config.attention_shapes()]
    return max(config.width, *heads)


def patches_of(interventions: Interventions, given: dict[Kind, Given], config: ModelConfig) -> Patches:
    """The patches as numbers.

    Args:
        interventions: which have passed `fits`.
        given: what the other run had, by map.
        config: of the network.

    Raises:
        ValueError: a place that the other run does not have.
    """
    places, vectors = list[tuple[int, ...]](), list[np.ndarray]()
    for patch in interventions.patches:
        stack = given[patch.kind]
        parts = {"stream": stack.streams, "head": stack.mixed, "feed_forward": stack.fed}[patch.site]
        part = parts[patch.layer + (patch.site == "stream")]  # (T, D) or (T, H K)
        length = len(part)
        if patch.position == ALL:
            pairs = [(t, t) for t in range(length)]
        else:
            origin = patch.position if patch.origin == ALL else patch.origin
            if origin >= length:
                raise ValueError(
                    f"expected a token of the other text from 1 to {length}, received {origin + 1}"
                )
            pairs = [(patch.position, origin)]
        count = config.attention(patch.kind, patch.layer).heads if patch.site == "head" else 1
        heads = range(count) if patch.head == ALL else [patch.head]
        for position, origin in pairs:
            rows = part[origin].reshape(count, -1)
            for head in heads:
                named = head if patch.site == "head" else ALL
                places.append(
                    (SITES.index(patch.site), KINDS.index(patch.kind), patch.layer, named, position)
                )
                vectors.append(rows[max(named, 0)])
    if len(places) > MOST_VECTORS:
        raise ValueError(f"expected at most {MOST_VECTORS} vectors to be put in, received {len(places)}")
    found = np.zeros((len(places), patch_width(config)), np.float32)
    for row, vector in zip(found, vectors, strict=True):
        row[: len(vector)] = vector
    return Patches(np.array(places, np.int32), found)


def puts_of(
    patches: Any, kind: Kind, layer: int, steps: Any, count: Any = None, *, heads: int, cross: int = 0
) -> Puts:
    """What is put into one block.

    Args:
        patches: `Patches` with rows for each input, or ().
        kind: of the block's self-attention.
        layer: its number.
        steps: int32 (T,), the positions of its rows.
        count: how many inputs there are by now, see `begun`; None: all.
        heads, cross: how many its self-attention has, and its cross-attention.
    """
    if absent(patches):
        return NOTHING
    places, vectors = patches.places[:count], patches.vectors[:count]
    site, own, at, head, position = (places[:, :, i, None] for i in range(PATCH))

    def put(what: Site, whose: Kind, count: int = 0) -> Put:
        here = (site == SITES.index(what)) & (own == KINDS.index(whose)) & (at == layer)  # (B, P, 1)
        rows = ops.logical_and(here, position == steps)  # (B, P, T)
        if count:
            rows = ops.logical_and(rows[:, :, None], (head == np.arange(count))[..., None])
        return Put(rows, vectors)

    return Puts(
        put("stream", kind),
        put("feed_forward", kind),
        put("head", kind, heads),
        put("head", "cross", cross) if cross else None,
    )
