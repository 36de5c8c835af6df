"""What the compiled passes of every kind of network share: graphs, padded lengths, what is altered and recorded."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from keras import ops

from transformer import settings
from transformer.config import ModelConfig
from transformer.models.altering import AS_IT_IS, EDGE, PATCH, Alter, Gates, Patches, absent, patch_width
from transformer.search.generate import permitted

__all__ = ["tf"]

# It warns of many compilations: here each padded length is meant to have one.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

ALTERNATIVES = 5
_BUCKETS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


# From this width on TensorFlow's own kernels beat XLA's matrix products on a processor (BERT-base, 128 tokens: 280 ms
# instead of 740 on the same busy machine), and need no compilation for each length.
WIDE = 768


class Graphs:
    """One function twice: `few` is compiled by XLA for each of a few shapes where that pays, `any` is one graph without
    XLA for all others. Where it does not pay, they are the same one.

    Called, it runs through `few`, or `any` where a shape has not been compiled yet and who asks is not to wait for that
    (see `prompt`): that shape is compiled behind the answer then.
    """

    def __init__(self, few: Any, any: Any) -> None:
        self.few, self.any = few, any
        self._compiled: set[Any] = set()

    def __call__(self, *inputs: Any) -> Any:
        if self.few is self.any or beyond(inputs):
            return self.any(*inputs)
        shapes = tuple(tuple(part.shape) for part in tf.nest.flatten(inputs) if part is not None)
        if shapes in self._compiled:
            return self.few(*inputs)
        behind = _behind.get()
        if behind is None:
            found = self.few(*inputs)
            self._compiled.add(shapes)
            return found
        # Whoever asks before it is compiled asks for it again: once is enough.
        behind(lambda: shapes in self._compiled or self(*inputs))
        return self.any(*inputs)


class Plain:
    """One function as a graph without XLA, and as others for what forbids looks and for what is put in: what that
    costs, nobody else pays. Each is built when it is first asked for."""

    def __init__(self, function: Any, signature: Sequence[Any]) -> None:
        def graph(**without: Any) -> Any:
            own = [part._replace(**without) if isinstance(part, Alter) else part for part in signature]
            return tf.function(function, autograph=False, input_signature=own)

        self.usual, self.cutting, self.patching = graph(edges=(), patches=()), graph(patches=()), graph()

    def __call__(self, *inputs: Any) -> Any:
        if not beyond(inputs):
            return self.usual(*inputs)
        patched = any(isinstance(part, Alter) and not absent(part.patches) for part in inputs)
        return (self.patching if patched else self.cutting)(*inputs)

    def experimental_get_tracing_count(self) -> int:
        """How many graphs have been built."""
        graphs = (self.usual, self.cutting, self.patching)
        return sum(int(graph.experimental_get_tracing_count()) for graph in graphs)


def beyond(inputs: Sequence[Any]) -> bool:
    """Whether more is changed than numbers that go into every graph: looks are forbidden, or vectors put in."""
    changed = [part for part in inputs if isinstance(part, Alter)]
    return any(not absent(part.edges) or not absent(part.patches) for part in changed)


_behind: ContextVar[Callable[[Callable[[], Any]], Any] | None] = ContextVar("behind", default=None)


@contextmanager
def prompt(behind: Callable[[Callable[[], Any]], Any]) -> Iterator[None]:
    """Who asks meanwhile waits for no compilation: what is not compiled yet is answered by graphs without XLA, and
    `behind` is given a function that compiles it, to be called in another thread or not at all."""
    token = _behind.set(behind)
    try:
        yield
    finally:
        _behind.reset(token)


def others_wait() -> bool:
    """Whether who asks now shares the networks with others, as on a page (see `prompt`)."""
    return _behind.get() is not None


def graphs(function: Any, signature: Any, xla: bool) -> Graphs:
    """`function` for the shapes that are common, and for those that must not wait for a compilation.

    Args:
        function: takes and returns tensors.
        signature: of its arguments, with None for every length.
        xla: see `pays`.
    """
    one = plain(function, signature)
    return Graphs(tf.function(function, jit_compile=True, autograph=False) if xla else one, one)


def plain(function: Any, signature: Any = None) -> Any:
    """`function` as a graph without XLA: built within a second or two, and of one `signature` only once; of one that
    has what is altered twice, see `Plain`."""
    if signature and any(isinstance(part, Alter) for part in signature):
        return Plain(function, signature)
    return tf.function(function, autograph=False, input_signature=signature)


_lasting = ContextVar("lasting", default=True)


@contextmanager
def passing() -> Iterator[None]:
    """Networks that are made meanwhile will not stay for as long as the process: they run without XLA, whatever their
    width. What it has compiled TensorFlow keeps to the end, and has no way to drop, 100 MB and more for a network; a
    graph goes with its network."""
    token = _lasting.set(False)
    try:
        yield
    finally:
        _lasting.reset(token)


def pays(config: ModelConfig, *, wide: bool = False) -> bool:
    """Whether a network that is made now is compiled by XLA: narrow ones are.

    Args:
        config: of the network.
        wide: its matrices are large however narrow the network is.
    """
    return settings.xla() and _lasting.get() and config.width < WIDE and not wide


IDS = tf.TensorSpec((None, None), tf.int32)
EDGES = tf.TensorSpec((None, None, EDGE), tf.int32)  # see `Alter`


def alter_signature(config: ModelConfig) -> Alter:
    """The shapes of `alter_tensors`, of all that can be changed."""
    shapes = config.attention_shapes()
    gates = Gates(**{kind: tf.TensorSpec((None, *shape), tf.float32) for kind, shape in shapes.items()})
    vectors = tf.TensorSpec((None, None, patch_width(config)), tf.float32)
    patches = Patches(tf.TensorSpec((None, None, PATCH), tf.int32), vectors)
    return Alter(gates, tf.TensorSpec((None,), tf.float32), EDGES, patches)


class Recorded(NamedTuple):
    """One forced pass, cropped to the real lengths S and T; a map that the network does not have is None.

    encoder (layers, H, S, S), decoder (layers, H, T, T), cross (layers, H, T, S): attention weights, float32.
    log_probability (T,) of each target token, natural log; entropy (T,) in bits; alternatives (T, 5) ids and their
    probabilities, best first.
    """

    encoder: Any
    decoder: Any
    cross: Any
    log_probability: np.ndarray
    entropy: np.ndarray
    alternatives: np.ndarray
    probabilities: np.ndarray


class Projected(NamedTuple):
    """What the attention layers of one stack made their weights of, and what they weighted, float32.

    inputs (layers, T, D): what each layer was given; queries (layers, H, T, K); keys and values (layers, G, S, K).
    """

    inputs: np.ndarray
    queries: np.ndarray
    keys: np.ndarray
    values: np.ndarray


def bucket(length: int, longest: int, at_least: int = 0) -> int:
    """The padded length for `length` tokens: the next of the few, beyond them 1.5 or 2 times a power of 2, and never
    more than `longest`."""
    if not 1 <= length <= longest:
        raise ValueError(f"expected from 1 to {longest} tokens, received {length}")
    needed = max(length, at_least)
    power = 1 << (needed - 1).bit_length()
    beyond = power * 3 // 4 if power * 3 // 4 >= needed else power
    return min(next((b for b in _BUCKETS if b >= needed), beyond), longest)


def ids_row(ids: Sequence[int], length: int, fill: int) -> Any:
    """ids as a tensor (1, length), the rest filled."""
    row = np.full((1, length), fill, np.int32)
    row[0, : len(ids)] = ids
    return tf.constant(row)


def ids_rows(rows: Sequence[Sequence[int]], length: int, fill: int, count: int) -> Any:
    """Rows of ids as a tensor (count, length), the rest filled; one row stands for all of them.

    Raises:
        ValueError: neither one row nor `count`.
    """
    if len(rows) not in (1, count):
        raise ValueError(f"expected 1 or {count} rows of ids, received {len(rows)}")
    found = np.full((count, length), fill, np.int32)
    for i in range(count):
        row = rows[i % len(rows)]
        found[i, : len(row)] = row
    return tf.constant(found)


def alter_tensors(config: ModelConfig, alter: Alter = AS_IT_IS, rows: int = 1) -> Alter:
    """What is altered as tensors with a row for each input: ones where nothing is.

    Args:
        config: of the network.
        alter: gates (layers, H) or (B, layers, H), a scale, a number or (B,), edges (E, 10) or (B, E, 10), and patches
            alike; one of them stands for all rows.
        rows: how many inputs there are; one input takes as many rows as `alter` has.

    Raises:
        ValueError: gates of another shape, or of other rows.
    """
    shapes, found = config.attention_shapes(), {}
    for kind, gate in alter.gates._asdict().items():
        if absent(gate):
            values = np.ones((1, *shapes[kind]), np.float32) if kind in shapes else None
        else:
            values = np.asarray(gate, np.float32)
            values = values[None] if values.ndim == 2 else values
            if kind not in shapes or values.shape[1:] != shapes[kind]:
                raise ValueError(
                    f"expected gates {shapes.get(kind, ())} of {kind}, received {values.shape[1:]}"
                )
        if values is not None:
            found[kind] = values
    scale = (
        np.ones(1, np.float32) if absent(alter.scale) else np.atleast_1d(np.asarray(alter.scale, np.float32))
    )
    edges = np.zeros((1, 0, EDGE), np.int32) if absent(alter.edges) else np.asarray(alter.edges, np.int32)
    edges = edges[None] if edges.ndim == 2 else edges
    patches: Any = ()
    if not absent(alter.patches):
        places, vectors = (np.asarray(part) for part in alter.patches)
        patches = Patches(places.reshape(-1, *places.shape[-2:]), vectors.reshape(-1, *vectors.shape[-2:]))
    many = [scale, edges, *found.values(), *patches]
    rows = max(rows, *(len(part) for part in many))

    def repeated(part: np.ndarray) -> Any:
        if len(part) not in (1, rows):
            raise ValueError(f"expected gates and scales of 1 or {rows} rows, received {len(part)}")
        return tf.constant(part if len(part) == rows else np.repeat(part, rows, axis=0))

    gates = Gates(**{kind: repeated(gate) for kind, gate in found.items()})
    if patches:  # what they run through takes looks that are forbidden, too, none or some
        return Alter(gates, repeated(scale), repeated(edges), Patches(*(repeated(part) for part in patches)))
    return Alter(gates, repeated(scale), repeated(edges) if edges.size else ())


def foretold(logits: Any, target: Any, config: ModelConfig) -> tuple[Any, ...]:
    """Of scores (B, T, vocabulary) for the tokens `target` (B, T): log-probability, entropy in bits, and the best
    alternatives with their probabilities, as `Recorded` has them."""
    log_p = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)  # (B, T, V)
    entropy = -ops.sum(ops.exp(log_p) * log_p, axis=-1) / np.log(2.0)
    # What could have been written instead: what is barred never is.
    best, ids = ops.top_k(permitted(log_p, config), min(ALTERNATIVES, config.vocabulary))
    own = ops.take_along_axis(log_p, target[:, :, None], axis=-1)[:, :, 0]
    return own, entropy, ids, ops.exp(best)


def ctc_loss(labels: Any, logits: Any, counts: Any, lengths: Any) -> Any:
    """Negative log-probability (B,) of the first `counts` (B,) labels (B, T), id 0 being the blank; 0 where a clip is
    too short for them.

    Keras takes the loss that TensorFlow writes out in its own operations, which is half of a training step on a
    processor. This is its older kernel, which wants sparse labels and the blank last.
    """
    places = tf.where(tf.sequence_mask(counts, tf.shape(labels)[1]))
    ids = tf.cast(tf.gather_nd(labels, places), tf.int32) - 1
    sparse = tf.SparseTensor(places, ids, tf.cast(tf.shape(labels), tf.int64))
    return tf.compat.v1.nn.ctc_loss(
        sparse, tf.roll(logits, -1, axis=2), lengths, ignore_longer_outputs_than_inputs=True, time_major=False
    )
