"""Compiled inference of a decoder alone: the forced pass, writing on, and the likeliest next words.

One text after the other has another length. So nothing here is compiled by XLA for a length, which takes seconds:
a pass over a text is one graph for every length, and a step over caches one for each of a few sizes of the caches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from transformer.models.altering import AS_IT_IS, Alter, absent
from transformer.models.language import LanguageModel, Written
from transformer.runtime.common import (
    IDS,
    Projected,
    Recorded,
    alter_signature,
    alter_tensors,
    bucket,
    foretold,
    ids_row,
    ids_rows,
    plain,
    tf,
)
from transformer.runtime.effects import Effects, foretold_at, own
from transformer.runtime.insides import Insides
from transformer.search.sampling import NEVER, Drawing, largest, only, shaped, together

PATHS, DEPTH = 24, 6  # of the search for words: beginnings that are followed at once, and tokens of a word
SMALLEST = 64  # positions of the smallest caches


class Ends(NamedTuple):
    """How tokens make words, each (vocabulary,) booleans: which cannot continue a word, which are whole at once, and
    which are no word on their own yet."""

    begins: np.ndarray
    alone: np.ndarray
    open: np.ndarray


class Found(NamedTuple):
    """A word as tokens, and the natural logs of two probabilities: that it is drawn, and the network's own."""

    tokens: tuple[int, ...]
    drawn: float
    own: float


class LanguageRuntime:
    """Forced and writing passes of one decoder."""

    def __init__(self, network: LanguageModel) -> None:
        self.network = network
        config, altered = network.config, alter_signature(network.config)
        self._forced = plain(self._run_forced, [IDS, altered])
        self._projections = plain(self._run_projections, [IDS, altered])
        self._start = plain(self._run_start, [IDS, tf.TensorSpec((), tf.int32), altered])
        # By the size of the caches, whether looks are forbidden, and whether vectors are put in.
        self._steps: dict[tuple[int, bool, bool], Any] = {}
        self._scores = plain(self._run_scores, [IDS, IDS])
        self.effects = Effects(config, self._run_inside, self._run_chances, [IDS])
        self.insides = Insides(config, self._run_inside, self._run_say, [IDS])
        self._barred = np.zeros(config.vocabulary, bool)
        self._barred[[i for i in (*config.suppressed, config.end_id) if i >= 0]] = True

    def record(self, ids: Sequence[int], alter: Alter = AS_IT_IS) -> Recorded:
        """One pass over finished ids (T,): the decoder's maps, and of each token but the first what was foretold.

        Raises:
            ValueError: no ids, or more than the network's positions.
        """
        return self.record_rows([ids], alter)[0]

    def record_rows(self, rows: Sequence[Sequence[int]], alter: Alter = AS_IT_IS) -> list[Recorded]:
        """`record` for several rows at once: ids, one row of which may stand for all rows of `alter`."""
        config = self.network.config
        for ids in rows:
            bucket(len(ids), config.max_target)
        tensors = alter_tensors(config, alter, len(rows))
        count, longest = len(tensors.scale), max(len(ids) for ids in rows)
        maps, *said = (part.numpy() for part in self._forced(ids_rows(rows, longest, 0, count), tensors))
        found = []
        for i in range(count):
            n = len(rows[i % len(rows)])
            found.append(Recorded(None, maps[i, :, :, :n, :n], None, *(part[i, : n - 1] for part in said)))
        return found

    def write(
        self,
        ids: Sequence[int],
        count: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int = 0,
        alter: Alter = AS_IT_IS,
    ) -> list[int]:
        """Up to `count` more ids after `ids`, as many as there are positions left; arguments as of `draw`."""
        return list(self.draw(ids, count, Drawing(temperature, top_k, top_p), seed, alter=alter))

    def draw(
        self,
        ids: Sequence[int],
        count: int,
        how: Drawing,
        seed: int | Sequence[int] = 0,
        first: np.ndarray | None = None,
        end: bool = False,
        *,
        alter: Alter = AS_IT_IS,
    ) -> Iterator[int]:
        """Up to `count` ids, one after the other; the end token is drawn only with `end`.

        The largest sum of log-probability and Gumbel noise is a draw from the distribution (Gumbel 1954), so the same
        seed gives the same ids.

        Args:
            ids: what stands before them.
            count: how many, as long as there are positions left.
            how: see `Drawing`.
            seed: of the noise; one number or several.
            first: (vocabulary,) booleans, what the first one may be; None: anything.
            end: it is a token like others, as a line break is among characters.
            alter: what is changed in the network meanwhile, of one row.

        Raises:
            ValueError: no ids, or more than the network's positions leave room after.
        """
        barred = self._barred.copy()
        if end:
            barred[self.network.config.end_id] = False
        config, noise = self.network.config, np.random.default_rng(seed)
        bucket(len(ids), config.max_target - 1)
        state, token = self._begin(ids, count, alter), int(ids[-1])
        for index in range(len(ids) - 1, min(len(ids) - 1 + count, config.max_target - 1)):
            log_p, state = self._step(state, [0], [token], index)
            if first is not None and index == len(ids) - 1:
                log_p = only(log_p, first)
            drawn = shaped(np.where(barred, NEVER, log_p), how)[0]
            token = int(np.argmax(drawn + noise.gumbel(size=drawn.shape)))
            yield token

    def words(
        self,
        ids: Sequence[int],
        ends: Ends,
        *,
        count: int = 10,
        how: Drawing | None = None,
        first: np.ndarray | None = None,
        alter: Alter = AS_IT_IS,
    ) -> list[Found]:
        """The `count` likeliest next words after `ids`, best first; words of more than `DEPTH` tokens are left out.

        A word's probability is that of its tokens one after the other, times the probability that what follows them
        begins something new. A beginning that is less likely than `count` words already is not followed.

        Args:
            ids: what stands before them.
            ends: how tokens make words.
            count: how many.
            how: see `Drawing`; None: as the network foretells.
            first: (vocabulary,) booleans, what the first token may be; None: anything.
            alter: what is changed in the network meanwhile, of one row.

        Raises:
            ValueError: no ids, or more than the network's positions leave room after.
        """
        config, how = self.network.config, how or Drawing()
        bucket(len(ids), config.max_target - DEPTH)
        own, state = self._step(self._begin(ids, DEPTH, alter), [0], [int(ids[-1])], len(ids) - 1)  # (1, V)
        if first is not None:
            own = only(own, first)
        drawn = shaped(np.where(self._barred, NEVER, own), how)
        paths = [Found((), 0.0, 0.0)]
        found: list[Found] = []
        for depth in range(DEPTH):
            # The likeliest beginnings that could still be among the answer, each with the path that it goes on from.
            least = found[count - 1].drawn if len(found) >= count else NEVER
            total = (np.array([path.drawn for path in paths])[:, None] + drawn).ravel()
            best = largest(total, PATHS)
            best = best[total[best] > least]
            if not len(best):
                break
            parents, tokens = np.divmod(best, config.vocabulary)
            paths = [
                Found((*paths[i].tokens, int(j)), float(total[at]), paths[i].own + float(own[i, j]))
                for at, i, j in zip(best, parents, tokens, strict=True)
            ]
            own, state = self._step(state, parents, tokens, len(ids) + depth)  # (paths, V)
            drawn = shaped(np.where(self._barred, NEVER, own), how)
            whole, partly = ends.alone[tokens], ends.open[tokens]
            # What must follow for a word to be over.
            over = [
                np.where(whole, 0.0, np.where(partly, NEVER, together(x, ends.begins))) for x in (drawn, own)
            ]
            found += [
                Found(path.tokens, path.drawn + a, path.own + b)
                for path, a, b in zip(paths, *(part.tolist() for part in over), strict=True)
                if a > NEVER
            ]
            found.sort(key=lambda word: -word.drawn)
            goes_on = (~ends.begins | partly[:, None]) & ~whole[:, None]
            drawn = np.where(goes_on, drawn, NEVER)
        return found[:count]

    def score(self, inputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Natural log-probabilities (B, T) of `labels` after `inputs`, both (B, T)."""
        result: np.ndarray = self._scores(tf.constant(inputs), tf.constant(labels)).numpy()
        return result

    def projections(self, ids: Sequence[int], alter: Alter = AS_IT_IS) -> dict[str, Projected]:
        """Queries and keys of every layer and head for finished ids."""
        config = self.network.config
        bucket(len(ids), config.max_target)
        result = self._projections(ids_row(ids, len(ids), 0), alter_tensors(config, alter))
        return {"decoder": Projected(*(part.numpy() for part in result))}

    def warm(self, lengths: Sequence[int] = (16, 32)) -> None:
        """Build the graphs that texts of up to these many tokens need."""
        config = self.network.config
        nothing = np.zeros(config.vocabulary, bool)
        for length in lengths:
            ids = [max(config.end_id, 0)] * min(length, config.max_target - DEPTH)
            self.record(ids)
            self.words(ids, Ends(nothing, nothing, nothing))

    def _begin(self, ids: Sequence[int], more: int, alter: Alter = AS_IT_IS) -> Written:
        """The caches after `ids`, with room for `more`."""
        longest, size = self.network.config.max_target, SMALLEST
        while size < min(len(ids) + more, longest):
            size *= 2
        started: Written = self._start(
            ids_row(ids, len(ids), 0),
            tf.constant(min(size, longest)),
            alter_tensors(self.network.config, alter),
        )
        return started

    def _step(
        self, state: Written, parents: Sequence[int], tokens: Sequence[int], index: int
    ) -> tuple[np.ndarray, Written]:
        """Put `tokens` (N,) at `index`, each after the row of the caches that `parents` names: what is foretold after
        them, natural log-probabilities (N, vocabulary), and the state."""
        changed, size = state.alter, int(state.caches[0].self_attention.key.shape[2])
        how = size, not absent(changed.edges), not absent(changed.patches)
        if how not in self._steps:
            rows = tf.nest.map_structure(lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), state)
            whole = alter_signature(self.network.config)  # with any number of looks, or vectors
            edges, patches = (
                () if absent(part) else spec
                for part, spec in ((changed.edges, whole.edges), (changed.patches, whole.patches))
            )
            rows = rows._replace(alter=rows.alter._replace(edges=edges, patches=patches))
            several, one = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32)
            self._steps[how] = plain(self._run_step, [rows, several, several, one])
        given = (tf.constant(np.asarray(part, np.int32)) for part in (parents, tokens, index))
        log_p, state = self._steps[how](state, *given)
        return log_p.numpy(), state

    def _run_forced(self, ids: Any, alter: Alter) -> tuple[Any, ...]:
        result = self.network.forward(ids, alter=alter)
        return result.decoder, *foretold(result.logits[:, :-1], ids[:, 1:], self.network.config)

    def _run_inside(self, ids: Any, alter: Alter) -> Any:
        return self.network.forward(ids, alter=alter)

    def _run_say(self, stream: Any) -> Any:
        return self.network.say(self.network.decoder.finish(stream), many=True)

    def _run_chances(self, stream: Any, places: Any, ids: Any, _: Any) -> Any:
        return foretold_at(self._run_say, stream, places, ids)

    def _run_start(self, ids: Any, size: Any, alter: Alter) -> Written:
        state: Written = self.network.start(ids, size, alter=alter)[1]
        return state

    def _run_step(self, state: Written, parents: Any, tokens: Any, index: Any) -> tuple[Any, Written]:
        state = tf.nest.map_structure(lambda x: tf.gather(x, parents), state)
        logits, state = self.network.step(tokens, index, state)
        return ops.log_softmax(ops.cast(logits, "float32"), axis=-1), state

    def _run_scores(self, inputs: Any, labels: Any) -> Any:
        return own(self.network.forward(inputs).logits, labels)

    def _run_projections(self, ids: Any, alter: Alter) -> tuple[Any, ...]:
        stack = self.network.forward(ids, alter=alter).projections[1]
        return tuple(ops.stack([p[i][0] for p in stack]) for i in range(4))
