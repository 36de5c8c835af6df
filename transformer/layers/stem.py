"""From a log-mel picture to encoder positions: the convolutions below a speech Transformer, and positions.

`t2t`: two 3x3 convolutions of stride 2 over time and bins, then a dense layer over what is left of the bins
(Tensor2Tensor `layers/modalities.py`, speech_recognition_bottom): 40 ms a position. `whisper`: two convolutions of
width 3 over time, the second of stride 2 (Radford et al. 2022, arXiv:2212.04356, section 2.2): 20 ms a position.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from transformer.config import ModelConfig, present
from transformer.layers.positions import PositionTable

STRIDES = {"t2t": 4, "whisper": 2}  # frames a position


class SoundEmbedding(keras.layers.Layer):
    """Log-mel pictures (B, frames, bins) -> vectors (B, S, D), S = ceil(frames / stride); position i hears the frames
    around i * stride, whatever follows. Those of `t2t` are multiplied by a scale.

    Call arguments:
        inputs: (B, frames, bins).
        position_scale: see `PositionTable`.
    """

    def __init__(self, config: ModelConfig, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        policy = self.dtype_policy
        sound, table = present(config.sound, "sound"), present(config.encoder, "an encoder").table
        if sound.kind not in STRIDES:
            raise ValueError(
                f"expected sound {' or '.join(STRIDES)}, received {sound.kind}: not implemented yet"
            )
        self.kind, self.bins, self.width = sound.kind, sound.bins, config.width
        self.scale, self.channels = sound.scale, sound.channels
        if self.kind == "t2t":
            self.convolutions = [
                keras.layers.Conv2D(
                    self.channels, 3, 2, "valid", activation="relu", dtype=policy, name=f"convolution_{i}"
                )
                for i in range(2)
            ]
            self.projection = keras.layers.Dense(config.width, dtype=policy, name="projection")
        else:
            self.convolutions = [
                keras.layers.Conv1D(
                    config.width, 3, stride, "valid", activation="gelu", dtype=policy, name=f"convolution_{i}"
                )
                for i, stride in enumerate((1, 2))
            ]
        self.positions = PositionTable(
            config.max_source, config.width, table.kind, offset=table.offset, dtype=policy, name="positions"
        )
        self.dropout = keras.layers.Dropout(config.dropout, dtype=policy)

    def build(self, input_shape: Any = None) -> None:
        if self.kind == "t2t":
            self.convolutions[0].build((None, None, self.bins, 1))
            self.convolutions[1].build((None, None, -(-self.bins // 2), self.channels))
            self.projection.build((None, None, -(-self.bins // 4) * self.channels))
        else:
            self.convolutions[0].build((None, None, self.bins))
            self.convolutions[1].build((None, None, self.width))
        self.positions.build(None)
        self.built = True

    def real(self, frames: Any, length: int) -> Any:
        """(B,) numbers of real frames -> (B, S) booleans, true where a position has heard one; S = `length`."""
        stride = STRIDES[self.kind]
        heard = (ops.cast(frames, "int32") + stride - 1) // stride
        return ops.arange(length)[None] < heard[:, None]

    def call(self, inputs: Any, position_scale: Any = (), training: bool | None = None) -> Any:
        # Padded by hand: "same" of TensorFlow shifts what a position hears by whether the frames are even in number.
        if self.kind == "t2t":
            x = inputs[..., None]
            for convolution in self.convolutions:
                x = convolution(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))
            x = ops.reshape(x, (ops.shape(x)[0], ops.shape(x)[1], x.shape[2] * x.shape[3]))
            x = self.projection(x) * self.scale
        else:
            x = inputs
            for convolution in self.convolutions:
                x = convolution(ops.pad(x, ((0, 0), (1, 1), (0, 0))))
        return self.dropout(self.positions(x, scale=position_scale), training=training)
