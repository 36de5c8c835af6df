"""Compiled inference from sound to tokens: the encoder once, then greedy, beam and forced passes over what it heard."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from transformer.layers.stem import STRIDES
from transformer.models.altering import AS_IT_IS, Alter, within
from transformer.models.seq2seq import Transformer
from transformer.runtime.common import (
    IDS,
    Graphs,
    Projected,
    Recorded,
    alter_signature,
    alter_tensors,
    bucket,
    foretold,
    graphs,
    ids_row,
    ids_rows,
    pays,
    plain,
    tf,
)
from transformer.runtime.effects import Effects, foretold_at
from transformer.runtime.insides import Insides
from transformer.search.ctc import NEVER
from transformer.search.generate import EMPTY, beam, greedy
from transformer.search.ngram import NGram
from transformer.search.sampling import normal

# Of the CTC output in the score of a search, the decoder having the rest: of 64 validation sentences `speech-en` gets
# 35.0 % of the words wrong with 0.3, 34.4 with 0.5.
CTC_WEIGHT = 0.5
# Of what the n-gram model says where there is one, and what each token is worth beside it: with weights of 0, 0.3 and
# 0.5 an earlier network got 39.8, 34.5 and 34.0 % of the words of such sentences wrong.
NGRAM_WEIGHT, TOKEN_BONUS = 0.4, 1.6
SEED = 1  # of what is drawn: the same clip always gives the same text
_SECONDS = (2, 4, 6, 8, 10, 15, 20, 30)  # padded lengths of sound


class Heard(NamedTuple):
    """What the encoder made of a clip: tensors that stay where the network runs.

    vectors (B, S, D), real (B, S) booleans, attention (B, layers, H, S, S), ctc (B, S, vocabulary) or an empty tensor,
    B being 1 unless the clip was heard by a network that was altered in several ways; positions: how many of the S are
    of the clip itself, the rest being padding.
    """

    vectors: Any
    real: Any
    attention: Any
    ctc: Any
    positions: int


class SpeechRuntime:
    """Passes of one speech Transformer, compiled.

    A network that pads clips itself (Whisper: always 30 s, and silence counts as heard) is given all its positions;
    any other is given the clip, padded to one of a few lengths, and told which positions are real.
    """

    def __init__(self, network: Transformer, ngram: NGram | None = None) -> None:
        self.network = network
        self.ngram = ngram and NGram(*(tf.constant(part) for part in ngram))
        self.stride = STRIDES[network.config.stem]
        self.whole = network.config.stem == "whisper"
        config, altered = network.config, alter_signature(network.config)
        vectors = tf.TensorSpec((None, None, config.width), tf.as_dtype(network.compute_dtype))
        real = tf.TensorSpec((None, None), tf.bool)
        # Whisper's 1,500 positions are large matrices already in its narrowest network: see `common.WIDE`.
        sound = tf.TensorSpec((None, None, config.bins), tf.float32)
        count = tf.TensorSpec((None,), tf.int32)
        self._xla, xla = pays(config), pays(config, wide=self.whole)
        self._encode = graphs(self._run_encode, [sound, count, altered], xla)
        self._forced = graphs(self._run_forced, [vectors, real, IDS, altered], xla)
        number = tf.TensorSpec((), tf.float32)
        self._greedy = graphs(self._run_greedy, [vectors, real, IDS, altered, number], self._xla)
        # A search is of one clip: `decode` says so.
        shape = (1, None, config.vocabulary) if config.ctc else (0,)
        one = [tf.TensorSpec((1, *spec.shape[1:]), spec.dtype) for spec in (vectors, real, IDS)]
        ctc = tf.TensorSpec(shape, vectors.dtype if config.ctc else tf.float32)
        self._searched = [*one[:2], ctc, one[2], number, altered]
        self._beams: dict[int, Graphs] = {}  # by their number
        self._first = plain(self._run_first, [vectors, real, altered])
        self.effects = Effects(config, self._run_inside, self._run_chances, [sound, count, IDS])
        letters = self._run_letters if config.ctc else None
        self.insides = Insides(config, self._run_inside, self._run_say, [sound, count, IDS], letters)

    @property
    def longest(self) -> int:
        """Frames of the longest clip that one pass takes."""
        return self.network.config.max_source * self.stride

    def hear(self, features: np.ndarray, alter: Alter = AS_IT_IS, frames: int | None = None) -> Heard:
        """Run the encoder over log-mel features (frames, bins); `frames` says how many of them are sound, all if None.

        Of several rows of `alter` each makes its own of the clip.

        Raises:
            ValueError: another number of bins, no frames, or more than the network can read.
        """
        config = self.network.config
        if features.ndim != 2 or features.shape[1] != config.bins:
            raise ValueError(f"expected features (frames, {config.bins}), received {features.shape}")
        count = len(features) if frames is None else frames
        if not 1 <= count <= len(features) or len(features) > self.longest:
            raise ValueError(f"expected from 1 to {self.longest} frames, received {len(features)}")
        if self.whole and len(features) != self.longest:
            raise ValueError(f"expected {self.longest} frames, silence included, received {len(features)}")
        padded, real = self.sound(features, count)
        tensors = alter_tensors(config, within(alter, "encoder"))
        rows = len(tensors.scale)
        encode = self._encode if rows == 1 else self._encode.any
        vectors, real, attention, ctc = encode(
            tf.repeat(padded, rows, axis=0), tf.repeat(real, rows, axis=0), tensors
        )
        return Heard(vectors, real, attention, ctc, -(-count // self.stride))

    def decode(
        self,
        heard: Heard,
        *,
        prefix: Sequence[int] = (),
        beams: int = 1,
        alpha: float = 0.6,
        temperature: float = 0.0,
        alter: Alter = AS_IT_IS,
    ) -> list[int]:
        """What the network writes after `prefix`, which is part of the result: ids up to and with the end token.

        Args:
            heard: of one row.
            prefix: ids that the output begins with.
            beams: 1 is greedy.
            alpha: length penalty of beam search.
            temperature: above 0 tokens are drawn, each time the same ones, whatever the beams; with a CTC output there
                is always a search.
            alter: as the clip was heard with, of one row.
        """
        config, tensors = self.network.config, self._decoders(alter)
        limit = config.max_target
        if len(prefix) >= limit:
            raise ValueError(f"expected a prefix below {limit} tokens, received {len(prefix)}")
        if self.network.ctc:  # which says at most one token at each position
            limit = min(limit, max(int(heard.vectors.shape[1]), len(prefix)) + 1)
        row = ids_row(prefix, limit, EMPTY)
        # With a CTC output the decoder never searches alone, not even greedily: it might go on behind the clip.
        if (beams > 1 and not temperature) or self.network.ctc or self.ngram:
            if beams not in self._beams:
                self._beams[beams] = graphs(partial(self._run_beam, beams), self._searched, self._xla)
            penalty = tf.constant(alpha, tf.float32)
            ids = self._beams[beams](heard.vectors, heard.real, heard.ctc, row, penalty, tensors)
        else:
            warmth = tf.constant(temperature, tf.float32)
            ids = self._greedy(heard.vectors, heard.real, row, tensors, warmth)
        return [int(i) for i in ids.numpy()[0] if i != EMPTY]

    def record(self, heard: Heard, target: Sequence[int], alter: Alter = AS_IT_IS) -> Recorded:
        """One pass over finished ids; maps are cropped to the clip's own positions by whoever shows them."""
        return self.record_rows(heard, [target], alter)[0]

    def record_rows(
        self, heard: Heard, targets: Sequence[Sequence[int]], alter: Alter = AS_IT_IS
    ) -> list[Recorded]:
        """`record` for several rows at once: what was heard, and one target, may stand for all rows of `alter`."""
        config, longest = self.network.config, max(len(target) for target in targets)
        tensors = self._decoders(alter, max(len(targets), len(heard.vectors)))
        rows = len(tensors.scale)
        ids = ids_rows(targets, bucket(longest, config.max_target), max(config.pad_id, 0), rows)
        each = rows // len(heard.vectors)
        vectors, masks = (tf.repeat(part, each, axis=0) for part in (heard.vectors, heard.real))
        forced = self._forced if rows == 1 else self._forced.any
        decoder, cross, *said = (part.numpy() for part in forced(vectors, masks, ids, tensors))
        encoder = heard.attention.numpy()
        real = encoder.shape[-1] if self.whole else heard.positions
        found = []
        for i in range(rows):
            count = len(targets[i % len(targets)])
            found.append(
                Recorded(
                    encoder[i % len(encoder), :, :, :real, :real],
                    decoder[i, :, :, :count, :count],
                    cross[i, :, :, :count, :real],
                    *(part[i, :count] for part in said),
                )
            )
        return found

    def cross(self, heard: Heard, target: Sequence[int], alter: Alter = AS_IT_IS) -> np.ndarray:
        """Cross-attention (layers, H, T, S) while `target` is written, and where there is room one row more: of the
        last token, which is read then."""
        return self._forcing(heard, target, min(len(target) + 1, self.network.config.max_target), alter)[0]

    def log_probabilities(self, heard: Heard, target: Sequence[int], alter: Alter = AS_IT_IS) -> np.ndarray:
        """The natural log of the probability (T,) of each token of `target`."""
        return self._forcing(heard, target, len(target), alter)[1]

    def _forcing(
        self, heard: Heard, target: Sequence[int], count: int, alter: Alter
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cross-attention and log-probabilities of the first `count` rows of a forced pass."""
        config = self.network.config
        row = ids_row(target, bucket(count, config.max_target), max(config.pad_id, 0))
        _, cross, own, *_ = self._forced(heard.vectors, heard.real, row, self._decoders(alter))
        return cross.numpy()[0, :, :, :count, :], own.numpy()[0, :count]

    def first(self, heard: Heard, among: Sequence[int], alter: Alter = AS_IT_IS) -> int:
        """Which of these ids the network would most likely write first (Whisper: the language of the clip)."""
        return int(among[int(self.opening(heard, alter)[list(among)].argmax())])

    def opening(self, heard: Heard, alter: Alter = AS_IT_IS) -> np.ndarray:
        """Natural log-probabilities (vocabulary,) of what the network would write first."""
        tensors = self._decoders(alter)
        return normal(self._first(heard.vectors, heard.real, tensors).numpy()[0].astype(np.float64))[0]

    def ctc(self, heard: Heard) -> np.ndarray | None:
        """Natural log-probabilities of the second output (positions, vocabulary), padding being the blank.

        None where the network has no such output.
        """
        if not self.network.config.ctc:
            return None
        logits = heard.ctc.numpy()[0, : heard.positions].astype(np.float64)
        logits -= logits.max(-1, keepdims=True)
        result: np.ndarray = (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)
        return result

    def projections(
        self, features: np.ndarray, target: Sequence[int], alter: Alter = AS_IT_IS
    ) -> dict[str, Projected]:
        """Queries and keys of every layer and head for features as `hear` takes them, without padding, and a target."""
        # Padded as `hear` pads it: the last position of a clip hears what stands behind it.
        padded, count = self._pad(features), -(-len(features) // self.stride)
        real = tf.range(-(-padded.shape[1] // self.stride))[None] < count
        altered = alter_tensors(self.network.config, alter)
        target_ids = self._read(tf.constant([list(target)]))
        forward = self.network.forward(padded, target_ids, real=real, alter=altered)
        found = {}
        for kind, stack in zip(("encoder", "decoder", "cross"), forward.projections, strict=True):
            inputs, queries, keys, values = (np.stack([p[i].numpy()[0] for p in stack]) for i in range(4))
            if kind == "encoder":
                queries, inputs = queries[:, :, :count], inputs[:, :count]
            if kind != "decoder":
                keys, values = keys[:, :, :count], values[:, :, :count]
            found[kind] = Projected(inputs, queries, keys, values)
        return found

    def warm(self, seconds: Sequence[float] = (4,), beams: int = 1) -> None:
        """Compile ahead for clips of these lengths and a search of so many beams."""
        config = self.network.config
        for length in seconds:
            frames = self.longest if self.whole else min(int(length * 100), self.longest)
            heard = self.hear(np.zeros((frames, config.bins), np.float32))
            ids = self.decode(heard, prefix=config.prefix, beams=beams)
            self.record(heard, ids or [config.end_id])

    def sound(self, features: np.ndarray, frames: int) -> tuple[Any, Any]:
        """What the encoder is given: features (1, frames, bins), padded, and how many frames of them are real (1,)."""
        padded = self._pad(features)
        return tf.constant(padded), tf.constant([padded.shape[1] if self.whole else frames])

    def _decoders(self, alter: Alter, rows: int = 1) -> Alter:
        """What is altered on the decoder's side: what is cut in the encoder alone costs nothing here."""
        return alter_tensors(self.network.config, within(alter, "decoder", "cross"), rows)

    def _pad(self, features: np.ndarray) -> np.ndarray:
        """(frames, bins) -> (1, one of a few lengths, bins): what differs in length would be compiled anew."""
        frames, bins = features.shape
        if self.whole:
            return features[None]
        length = min(next((100 * s for s in _SECONDS if 100 * s >= frames), self.longest), self.longest)
        padded = np.zeros((1, length, bins), np.float32)
        padded[0, :frames] = features
        return padded

    def _run_encode(self, features: Any, frames: Any, alter: Alter) -> tuple[Any, ...]:
        network = self.network
        real = network.source_embedding.real(frames, -(-ops.shape(features)[1] // self.stride))
        encoded, real = network.encode(features, real, alter=alter)
        ctc = network.ctc(encoded.vectors) if network.ctc else ops.zeros((0,))
        return encoded.vectors, real, encoded.attention, ctc

    def _run_greedy(self, vectors: Any, real: Any, prefix: Any, alter: Alter, temperature: Any) -> Any:
        limit = ops.shape(prefix)[1]
        state = self.network.begin(vectors, real, limit, alter)

        def noise(index: Any, scores: Any) -> Any:
            def gumbel() -> Any:
                drawn = tf.random.stateless_uniform(tf.shape(scores), [SEED, index])
                return -temperature * tf.math.log(-tf.math.log(drawn))

            return tf.cond(temperature > 0, gumbel, lambda: tf.zeros_like(scores))

        return greedy(self.network, vectors, limit, prefix, state=state, noise=noise).ids

    def _run_beam(
        self,
        beams: int,
        vectors: Any,
        real: Any,
        ctc: Any,
        prefix: Any,
        alpha: Any,
        alter: Alter,
    ) -> Any:
        network = self.network
        if network.ctc:
            # Behind the clip there is nothing but the blank, so that its positions change no score.
            scores = ops.log_softmax(ops.cast(ctc[0], "float32"), axis=-1)
            blank = ops.arange(network.config.vocabulary) == network.config.pad_id
            ctc = ops.where(real[0][:, None], scores, ops.where(blank, 0.0, NEVER)[None])
        limit = ops.shape(prefix)[1]
        return beam(
            network,
            vectors,
            limit,
            beams,
            alpha,
            prefix=prefix[0],
            state=network.begin(vectors, real, limit, alter),
            ctc=ctc if network.ctc else None,
            ctc_weight=CTC_WEIGHT,
            ngram=self.ngram,
            ngram_weight=NGRAM_WEIGHT,
            token_bonus=TOKEN_BONUS,
        ).ids

    def _run_forced(self, vectors: Any, real: Any, target: Any, alter: Alter) -> tuple[Any, ...]:
        result = self.network.look(vectors, real, self._read(target), alter=alter)
        return result.decoder, result.cross, *foretold(result.logits, target, self.network.config)

    def _run_inside(self, features: Any, frames: Any, target: Any, alter: Alter) -> Any:
        real = self.network.source_embedding.real(frames, -(-ops.shape(features)[1] // self.stride))
        return self.network.forward(features, self._read(target), real=real, alter=alter)

    def _run_say(self, stream: Any) -> Any:
        return self.network.say(self.network.decoder.finish(stream), many=True)

    def _run_chances(self, stream: Any, places: Any, ids: Any, *_: Any) -> Any:
        return foretold_at(self._run_say, stream, places, ids)

    def _run_letters(self, stream: Any) -> Any:
        found: Any = self.network.ctc
        return found(self.network.encoder.finish(stream))

    def _run_first(self, vectors: Any, real: Any, alter: Alter) -> Any:
        start = ops.full((1, 1), self.network.config.start_id, "int32")
        return self.network.look(vectors, real, start, alter=alter).logits

    def _read(self, target: Any) -> Any:
        """What the decoder reads while it writes `target`."""
        start = ops.full((ops.shape(target)[0], 1), self.network.config.start_id, "int32")
        return ops.concatenate([start, target[:, :-1]], axis=1)
