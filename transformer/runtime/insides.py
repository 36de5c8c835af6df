"""What a network computes on the way to an answer, recorded by a pass of its own; and what each layer would answer.

Nothing of the size layers x positions x vocabulary is ever there at once: guesses are made layer by layer.
Letters for shapes: L layers, T positions, D width, N what is said, V vocabulary or classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from transformer.analysis.insides import Recording
from transformer.config import ModelConfig
from transformer.interventions import KINDS, Kind
from transformer.models.altering import AS_IT_IS, Alter, Given, absent
from transformer.runtime import answers
from transformer.runtime.common import ALTERNATIVES, alter_signature, alter_tensors, plain, tf
from transformer.search.generate import permitted


class Guesses(NamedTuple):
    """ids and probabilities (L + 1, N, 5), best first, and natural log-probabilities (L + 1, N) of the targets."""

    ids: np.ndarray
    probabilities: np.ndarray
    own: np.ndarray


class Insides:
    """Records passes of one network.

    Args:
        config: of the network.
        run: (inputs ..., alter) -> `Forward` of one row.
        say: the stream (1, T, D) behind any block -> scores (1, N, V), or (1, V) of a text.
        signature: of the inputs, each with one row.
        letters: the same of the encoder's stream and its CTC output; None where there is none.
    """

    def __init__(
        self,
        config: ModelConfig,
        run: Callable[..., Any],
        say: Callable[[Any], Any],
        signature: Sequence[Any],
        letters: Callable[[Any], Any] | None = None,
    ) -> None:
        self.config, self._run, self._hears = config, run, letters is not None
        self._kinds: tuple[Kind, ...] = ("decoder", "cross") if config.decoder else ("encoder",)
        self._recorded = plain(self._run_recorded, [*signature, alter_signature(config)])
        self._given = plain(self._run_given, [*signature, alter_signature(config)])
        stream = tf.TensorSpec((1, None, config.width))
        self._scores = plain(lambda x: tf.cast(_rows(say(x)), tf.float32), [stream])
        each = [stream, tf.TensorSpec((None,), tf.int32)]
        self._guesses = plain(lambda x, target: self._run_guesses(say(x), target, config.task.kind), each)
        self._letters: Any = (
            plain(lambda x, target: self._run_guesses(letters(x), target, "ctc"), each) if letters else None
        )

    def record(self, inputs: Sequence[Any], alter: Alter = AS_IT_IS) -> Recording:
        """One pass over inputs of one row."""
        streams, fed, mixed, heard = self._recorded(*inputs, alter_tensors(self.config, alter))
        return Recording(
            streams.numpy(),
            {kind: part.numpy() for kind, part in mixed.items()},
            fed.numpy(),
            heard.numpy() if self._hears else None,
        )

    def given(self, inputs: Sequence[Any], alter: Alter = AS_IT_IS) -> dict[Kind, Given]:
        """What every stack had in one pass over inputs of one row, and what heads handed over: of each map, to be put
        into another pass."""
        found = self._given(*inputs, alter_tensors(self.config, alter))
        return {
            kind: Given(*(None if absent(part) else part.numpy() for part in parts))
            for kind, parts in zip(KINDS, found, strict=True)
            if parts
        }

    def guesses(self, streams: np.ndarray, targets: np.ndarray, *, letters: bool = False) -> Guesses:
        """What each layer would answer.

        Args:
            streams: (L + 1, T, D) of a recording.
            targets: (N,) ids that are said in the end; -1: the best guess of the last layer.
            letters: they are the encoder's, for its CTC output.
        """
        run, found = self._letters if letters else self._guesses, list[Any]()
        for stream in streams[::-1]:
            guessed = run(tf.constant(stream[None]), tf.constant(np.maximum(targets, 0), tf.int32))
            ids, probabilities, own = (part.numpy() for part in guessed)
            if not found and (targets < 0).any():
                own = np.where(targets < 0, np.log(probabilities[:, 0]), own)
                targets = np.where(targets < 0, ids[:, 0], targets)
            found.append((ids, probabilities, own))
        return Guesses(*(np.stack(parts[::-1]) for parts in map(list, zip(*found, strict=True))))

    def scores(self, stream: np.ndarray) -> np.ndarray:
        """What the stream (T, D) behind the last block is answered with: scores (N, V), float32."""
        found: np.ndarray = self._scores(tf.constant(stream[None])).numpy()
        return found

    def _run_recorded(self, *given: Any) -> tuple[Any, ...]:
        result = self._run(*given)
        mixed = {
            kind: tf.stack([own.mixed[0] for own in parts])
            for kind, parts in zip(KINDS, result.projections, strict=True)
            if kind in self._kinds and parts and parts[0] is not None
        }
        streams, fed = ([part[0] for part in parts] for parts in result.inside)
        heard = tf.stack([part[0] for part in result.heard.streams]) if self._hears else tf.zeros(0)
        whole = [tf.cast(part, tf.float32) for part in (tf.stack(streams), tf.stack(fed), heard)]
        return whole[0], whole[1], tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), mixed), whole[2]

    def _run_given(self, *given: Any) -> tuple[Any, ...]:
        result = self._run(*given)
        both = self.config.encoder and self.config.decoder
        stacks = {"encoder": result.heard if both else result.inside, "decoder": result.inside}

        def rows(parts: Any) -> Any:
            return tf.cast(tf.stack([part[0] for part in parts]), tf.float32)

        found = []
        for kind, parts in zip(KINDS, result.projections, strict=True):
            if not parts or parts[0] is None:
                found.append(())
                continue
            inside = [rows(part) for part in stacks[kind]] if kind in stacks else [(), ()]
            found.append((*inside, rows([own.mixed for own in parts])))
        return tuple(found)

    def _run_guesses(self, scores: Any, target: Any, task: str) -> tuple[Any, ...]:
        chances = answers.chances(task, _rows(scores))  # (N, V)
        among = permitted(chances, self.config) if task in ("tokens", "masked_tokens") else chances
        best, ids = tf.math.top_k(among, min(ALTERNATIVES, int(chances.shape[-1])))
        return ids, tf.exp(best), tf.gather(chances, target, batch_dims=1)


def _rows(scores: Any) -> Any:
    """(1, N, V) or (1, V) -> (N, V)."""
    return scores[0] if len(scores.shape) == 3 else scores
