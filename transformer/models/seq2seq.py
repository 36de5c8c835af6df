"""The encoder-decoder Transformer over tokens (Vaswani et al. 2017, figure 1), or from sound to tokens."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from transformer.config import ModelConfig
from transformer.layers.blocks import DecoderCache, EncoderOutput, Logits, TokenEmbedding
from transformer.layers.stem import STRIDES, SoundEmbedding
from transformer.models.altering import AS_IT_IS, Alter
from transformer.models.decoder import Decoder
from transformer.models.encoder import Encoder


class Forward(NamedTuple):
    """Logits (B, T, vocabulary) and every attention map: (B, layers, H, queries, keys), float32.

    A map that the network does not have is None. `projections` has for each of the three maps, in this order, a tuple
    of the `Projections` of its layers, () where there is no such map. `inside` is the `Inside` of the stack that
    answers, `heard` that of an encoder beside it. `ctc` is (B, S, vocabulary) where configured.
    """

    logits: Any
    encoder: Any = None
    decoder: Any = None
    cross: Any = None
    projections: Any = ((), (), ())
    ctc: Any = None
    inside: Any = None
    heard: Any = None


class State(NamedTuple):
    """What decoding carries along: which source positions are real (B, S), a cache for each decoder block, and what is
    changed in the network meanwhile."""

    source_real: Any
    caches: tuple[DecoderCache, ...]
    alter: Alter = AS_IT_IS


class Transformer(keras.Model):
    """Source ids (B, S) and target ids (B, T) -> logits (B, T, vocabulary); with a stem the source is sound.

    The logits at position t are for the token after target[:, t]: feed the target shifted right, start token first.
    """

    def __init__(self, config: ModelConfig, name: str = "transformer", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        policy = self.dtype_policy
        self.source_embedding: Any = (
            SoundEmbedding(config, dtype=policy, name="source_embedding")
            if config.sound
            else TokenEmbedding(config, "source", dtype=policy, name="source_embedding")
        )
        self.target_embedding = TokenEmbedding(config, "target", dtype=policy, name="target_embedding")
        if config.shared_embeddings:
            self.target_embedding.tokens = self.source_embedding.tokens
        self.encoder = Encoder(config, dtype=policy)
        self.decoder = Decoder(config, dtype=policy)
        self.output_projection = Logits(
            config, self.target_embedding.tokens, dtype=policy, name="output_projection"
        )
        self.ctc = keras.layers.Dense(config.vocabulary, dtype=policy, name="ctc") if config.ctc else None

    def build(self, input_shape: Any = None) -> None:
        shape = (None, None, self.config.width)
        for layer in (self.source_embedding, self.target_embedding, self.encoder, self.decoder):
            layer.build(shape)
        self.output_projection.build(shape)
        if self.ctc:
            self.ctc.build(shape)
        self.built = True

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """{"source": (B, S), "target": (B, T)} -> logits (B, T, vocabulary).

        For sound the source is (B, frames, bins), and "frames" (B,) says how many of them are real. A network with
        two outputs gives both: {"tokens": logits, "ctc": (B, S, vocabulary), certain of the blank after the clip}.
        """
        real = self._real(inputs["source"], inputs.get("frames"))
        result = self.forward(inputs["source"], inputs["target"], real=real, training=training)
        if result.ctc is None:
            return result.logits
        blank = ops.where(ops.arange(self.config.vocabulary) == self.config.pad_id, 0.0, -1e4)
        ctc = ops.where(real[:, :, None], ops.cast(result.ctc, "float32"), blank[None, None])
        return {"tokens": result.logits, "ctc": ctc}

    def forward(
        self,
        source: Any,
        target: Any = None,
        *,
        real: Any = None,
        target_real: Any = None,
        alter: Alter = AS_IT_IS,
        training: bool | None = None,
    ) -> Forward:
        """One pass over a finished pair, recording every attention map.

        Args:
            source: ids (B, S), or log-mel pictures (B, frames, bins).
            target: ids (B, T), the start token first.
            real: (B, S) booleans, false where the source is padding; None takes the id of padding for it, and all
                of a picture for sound.
            target_real: the same of the target; only padding that stands before real tokens needs it.
            alter: see `Alter`; here and in what follows `start` it acts on both sides.
        """
        # PyTorch's modules hand what `call` is given to a method of this name.
        if isinstance(source, dict):
            return self.call(source, training=training)
        encoded, real = self.encode(source, real, alter=alter, training=training)
        decoded = self.look(
            encoded.vectors, real, target, target_real=target_real, alter=alter, training=training
        )
        projections = (encoded.projections, *decoded.projections[1:])
        ctc = self.ctc(encoded.vectors) if self.ctc else None
        return decoded._replace(
            encoder=encoded.attention, projections=projections, ctc=ctc, heard=encoded.inside
        )

    def encode(
        self,
        source: Any,
        real: Any = None,
        *,
        alter: Alter = AS_IT_IS,
        training: bool | None = None,
    ) -> tuple[EncoderOutput, Any]:
        """The encoder's side of `forward`: its output, and which of its positions are real (B, S)."""
        real = self._real(source) if real is None else real
        x = self.source_embedding(source, position_scale=alter.scale, training=training)
        found = self.encoder(
            x,
            real=real,
            gates=alter.gates.encoder,
            edges=alter.edges,
            patches=alter.patches,
            position_scale=alter.scale,
            rows=alter.begins.encoder,
            training=training,
        )
        return found, real

    def look(
        self,
        memory: Any,
        real: Any,
        target: Any,
        *,
        target_real: Any = None,
        alter: Alter = AS_IT_IS,
        training: bool | None = None,
    ) -> Forward:
        """The decoder's side of `forward`, over the encoder's vectors (B, S, D): everything but the encoder's map."""
        decoded = self.decoder(
            self.target_embedding(target, position_scale=alter.scale, training=training),
            memory,
            memory_real=real,
            real=target_real,
            gates=alter.gates.decoder,
            cross_gates=alter.gates.cross,
            edges=alter.edges,
            patches=alter.patches,
            rows=alter.begins.decoder,
            position_scale=alter.scale,
            training=training,
        )
        return Forward(
            self.say(decoded.vectors),
            decoder=decoded.attention,
            cross=decoded.cross,
            projections=((), decoded.projections, decoded.cross_projections),
            inside=decoded.inside,
        )

    def say(self, vectors: Any, many: bool = False) -> Any:
        """What the decoder's finished vectors (B, T, D) answer: logits (B, T, vocabulary); `many`: see `Logits`."""
        return self.output_projection(vectors, many=many)

    def start(self, source: Any, length: Any, *, real: Any = None, alter: Alter = AS_IT_IS) -> State:
        """Encode sources as in `forward` and make room for `length` target tokens; gates are (B, layers, H)."""
        encoded, real = self.encode(source, real, alter=alter)
        return self.begin(encoded.vectors, real, length, alter)

    def begin(self, memory: Any, real: Any, length: Any, alter: Alter = AS_IT_IS) -> State:
        """`start` from what the encoder has made on: vectors (B, S, D), of which these are `real` (B, S)."""
        return State(real, self.decoder.start(memory, length), alter)

    def step(self, token: Any, index: Any, state: State) -> tuple[Any, State]:
        """Target ids (B,) at position `index` -> logits (B, vocabulary) for the next one, and the state after it."""
        gates, scale, edges, patches = state.alter[:4]
        x, caches = self.decoder.step(
            self.target_embedding(token[:, None], start=index, position_scale=scale),
            index,
            state.caches,
            memory_real=state.source_real,
            gates=gates.decoder,
            cross_gates=gates.cross,
            edges=edges,
            patches=patches,
            position_scale=scale,
        )
        return self.say(x)[:, 0], state._replace(caches=caches)

    def _real(self, source: Any, frames: Any = None) -> Any:
        if self.config.stem == "none":
            return ops.not_equal(source, self.config.pad_id)
        length = -(-ops.shape(source)[1] // STRIDES[self.config.stem])
        if frames is None:
            return ops.ones((ops.shape(source)[0], length), "bool")
        return self.source_embedding.real(frames, length)
