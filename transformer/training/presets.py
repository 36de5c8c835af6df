"""How a network is trained, and the named presets with their sources.

References: Vaswani et al. 2017, "Attention Is All You Need" (arXiv:1706.03762), table 3; the TensorFlow tutorial
"Neural machine translation with a Transformer and Keras"; Tensor2Tensor `models/transformer.py`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from transformer.config import (
    END,
    Attention,
    Embedding,
    FeedForward,
    ModelConfig,
    Norm,
    Record,
    Recurrent,
    Sound,
    Special,
    Stack,
    Table,
    Task,
)

Decay = Literal["inverse_square_root", "none"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Record):
    """How a network is trained: Adam under the warm-up schedule of Vaswani et al. section 5.3, label smoothing."""

    steps: int = 100_000
    batch_tokens: int = 25_000  # target tokens a step, padding included; of speech: frames of 10 ms
    learning_rate: float = 1.0  # multiplies width^-0.5 * min(step^-0.5, step * warmup^-1.5)
    decay: Decay = "inverse_square_root"  # none: the rate rises to learning_rate itself and stays
    warmup_steps: int = 4000
    cooldown_steps: int = 0  # over the last steps the rate falls in a straight line to 0; 0: it does not
    beta_1: float = 0.9
    beta_2: float = 0.98
    epsilon: float = 1e-9
    clip_norm: float = 0.0  # 0: no clipping of gradients
    label_smoothing: float = 0.1
    weight_decay: float = 0.0
    ctc_weight: float = 0.3  # of speech: the share of CTC in the loss
    word_dropout: float = 0.0  # of texts that are classified: the share of tokens that a pass leaves out


@dataclass(frozen=True)
class Preset:
    """A named network with its training, and where its numbers come from."""

    source: str
    model: ModelConfig
    training: TrainingConfig = TrainingConfig()


def stack(
    layers: int, attention: Attention, feed_forward: FeedForward, *, pre: bool = False, **more: Any
) -> Stack:
    """Blocks as in the paper, normalised after each sum; `pre` before each sublayer, and once more at the top."""
    more = dict(norm=Norm(place="pre" if pre else "post", last=pre)) | more
    return Stack(layers=layers, attention=attention, feed_forward=feed_forward, **more)


def translator(
    vocabulary: int, layers: tuple[int, int], width: int, heads: int, feed_forward: int, **more: Any
) -> ModelConfig:
    """An encoder-decoder of the paper: (encoder, decoder) layers, one table of tokens times sqrt(width), interleaved
    sinusoids. `more` are fields of `stack` for both, or of `ModelConfig`."""
    own: dict[str, Any] = {name: more.pop(name) for name in ("pre", "norm", "table") if name in more}
    attention = Attention.split(width, heads, dropout=more.pop("attention_dropout", 0.0))
    blocks = dict[str, Any](table=Table(kind="interleaved")) | own
    tokens = Embedding(vocabulary=vocabulary, scale=width**0.5)
    fields: dict[str, Any] = dict(
        width=width,
        source=tokens,
        target=tokens,
        shared_embeddings=True,
        encoder=stack(layers[0], attention, FeedForward(width=feed_forward), **blocks),
        decoder=stack(layers[1], attention, FeedForward(width=feed_forward), cross=attention, **blocks),
        max_source=128,
        max_target=128,
    )
    return ModelConfig(**(fields | more))


def listener(
    vocabulary: int, layers: tuple[int, int], width: int, heads: int, feed_forward: FeedForward, **more: Any
) -> ModelConfig:
    """A speech network after transformer_base of Tensor2Tensor: pre-norm, projections of attention without biases,
    timing signal over d/2-1. `more` are fields of `Sound` or of `ModelConfig`."""
    sound = {name: more.pop(name) for name in ("channels", "prior_frames") if name in more}
    attention = Attention.split(
        width, heads, query_bias=False, key_bias=False, value_bias=False, output_bias=False, dropout=0.1
    )
    blocks: dict[str, Any] = dict(pre=True, table=Table(kind="halves_minus_one"))
    return ModelConfig(
        width=width,
        sound=Sound(kind="t2t", scale=width**0.5, **sound),
        target=Embedding(vocabulary=vocabulary, scale=width**0.5),
        encoder=stack(layers[0], attention, feed_forward, **blocks),
        decoder=stack(layers[1], attention, feed_forward, cross=attention, **blocks),
        **more,
    )


def recurrent(score: Literal["additive", "general"]) -> ModelConfig:
    """A translator by recurrence: only the score differs."""
    tokens = Embedding(vocabulary=6000, scale=256**0.5)
    return ModelConfig(
        width=256,
        source=tokens,
        target=tokens,
        shared_embeddings=True,
        recurrent=Recurrent(kind="gru", score=score),
        max_source=128,
        max_target=128,
    )


def classifier(table: Literal["learned", "none"]) -> ModelConfig:
    """The text classifier of Chollet, "Deep Learning with Python", second edition (2021), section 11.4: one block of
    width 256, 2 heads, 32 hidden, the maximum over all positions, dropout of a half before the classes."""
    return ModelConfig(
        width=256,
        source=Embedding(vocabulary=16_000),
        encoder=stack(1, Attention.split(256, 2), FeedForward(width=32), table=Table(kind=table)),
        max_source=512,
        task=Task(kind="classes", classes=2, names=("negative", "positive"), pooling="max", dropout=0.5),
    )


_PAPER = "Vaswani et al. 2017 (arXiv:1706.03762), table 3"
_T2T = "Tensor2Tensor models/transformer.py"

# Of transformer_base of Tensor2Tensor: Adam with beta_2 0.997, and the schedule constant
# 2.0 * linear_warmup(8000) * rsqrt_decay * rsqrt_hidden_size.
_T2T_TRAINING: dict[str, Any] = dict(learning_rate=2.0, warmup_steps=8000, beta_2=0.997)
_RECURRENT_TRAINING = TrainingConfig(
    steps=6_000, batch_tokens=1024, learning_rate=0.8, warmup_steps=600, cooldown_steps=2_000, clip_norm=1.0
)
_REVIEWS = TrainingConfig(
    steps=2_400,
    batch_tokens=8_192,
    learning_rate=0.16,
    warmup_steps=100,
    cooldown_steps=1_600,
    clip_norm=1.0,
    label_smoothing=0.1,
    word_dropout=0.3,
)

# Two networks of characters with the same text, the same budget of 5.1 million characters, and as good as the same
# number of weights: 4,799,939 and 4,756,224. Ids are those of Keras's StringLookup: the line break is the first.
_CHARACTERS: dict[str, Any] = dict(
    tokens="characters", special=Special(pad=0, unknown=1, start=2, end=2, suppressed=(0, 1))
)
_CHARACTERS_TRAINING: dict[str, Any] = dict(
    learning_rate=1e-3, decay="none", clip_norm=1.0, label_smoothing=0.0
)

PRESETS: dict[str, Preset] = {
    "base": Preset(f"{_PAPER}, base", translator(37_000, (6, 6), 512, 8, 2048)),
    "big": Preset(
        f"{_PAPER}, big",
        translator(37_000, (6, 6), 1024, 16, 4096, dropout=0.3),
        TrainingConfig(steps=300_000),
    ),
    # Its heads are 128 wide each (`key_dim=d_model`), which makes 10,184,162 parameters with its two vocabularies;
    # here heads share the width, as in the paper.
    "tf-tutorial": Preset(
        "TensorFlow tutorial 'Neural machine translation with a Transformer and Keras'",
        translator(
            7765,  # of its Portuguese tokenizer; its English one has 7,010
            (4, 4),
            128,
            8,
            512,
            norm=Norm(epsilon=1e-3),  # the default of Keras
            table=Table(kind="halves"),
            attention_dropout=0.1,
            shared_embeddings=False,
            task=Task(tied=False, bias=True),
        ),
        TrainingConfig(steps=16_000, batch_tokens=64 * 128, label_smoothing=0.0),
    ),
    "librispeech_v1": Preset(
        f"{_T2T}, transformer_librispeech_v1",
        listener(256, (5, 3), 256, 4, FeedForward(width=1024, dropout=0.1), max_source=1650, max_target=350),
        # Counted in input elements, frames times bins.
        TrainingConfig(**_T2T_TRAINING, batch_tokens=6_000_000),
    ),
    "librispeech_v2": Preset(
        f"{_T2T}, transformer_librispeech_v2",
        listener(
            256,
            (6, 4),
            384,
            2,
            FeedForward(width=1536, kind="conv_relu_conv", first_kernel=9, dropout=0.2),
            dropout=0.2,
            max_source=1550,
            max_target=350,
        ),
        TrainingConfig(**_T2T_TRAINING, batch_tokens=16 * 350),
    ),
    "pt-en": Preset(
        "trained here: Portuguese and Spanish to English, 4+3 layers of width 256",
        translator(6000, (4, 3), 256, 8, 1024, pre=True),
        TrainingConfig(steps=30_000, batch_tokens=2048, warmup_steps=1500, clip_norm=1.0),
    ),
    "digits-en": Preset(
        "trained here: spoken English digits, a small librispeech_v1 with CTC",
        listener(
            40,
            (4, 2),
            128,
            4,
            FeedForward(width=512, dropout=0.1),
            channels=32,
            task=Task(ctc=True),
            max_source=750,
            max_target=64,
        ),
        TrainingConfig(
            steps=3_000,
            batch_tokens=6_000,
            warmup_steps=400,
            cooldown_steps=800,
            beta_2=0.98,
            clip_norm=1.0,
            ctc_weight=0.5,
        ),
    ),
    "speech-en": Preset(
        "trained here: read English and spoken digits, 5+2 layers of width 256 after librispeech_v1, with CTC",
        listener(
            40,
            (5, 2),
            256,
            4,
            FeedForward(width=1024, kind="conv_relu_conv", dropout=0.1),
            channels=32,
            prior_frames=200,
            task=Task(ctc=True),
            max_source=448,
            max_target=416,
        ),
        TrainingConfig(
            steps=15_000,
            batch_tokens=8_000,
            learning_rate=0.8,
            warmup_steps=2_000,
            cooldown_steps=3_000,
            beta_2=0.98,
            clip_norm=1.0,
            ctc_weight=0.5,
        ),
    ),
    "next-word-en": Preset(
        "trained here: English novels, a decoder of 4 layers of width 256",
        ModelConfig(
            width=256,
            target=Embedding(vocabulary=6000),
            decoder=stack(
                4,
                Attention.split(256, 8),
                FeedForward(width=1024, activation="gelu"),
                pre=True,
                table=Table(kind="learned"),
            ),
            max_target=256,
            special=Special(start=END),  # a paragraph begins where another ended
        ),
        TrainingConfig(
            steps=8_000,
            cooldown_steps=2_000,
            batch_tokens=4096,
            warmup_steps=400,
            clip_norm=1.0,
            label_smoothing=0.0,
            weight_decay=0.05,
        ),
    ),
    "rnn-additive": Preset(
        "trained here: pt-en's task by recurrence, attention after Bahdanau et al. 2015 (arXiv:1409.0473)",
        recurrent("additive"),
        _RECURRENT_TRAINING,
    ),
    "rnn-multiplicative": Preset(
        "trained here: pt-en's task by recurrence, attention after Luong et al. 2015 (arXiv:1508.04025), general",
        recurrent("general"),
        _RECURRENT_TRAINING,
    ),
    "sentiment-en": Preset(
        "trained here: English film reviews, Chollet's text classifier with learned positions",
        classifier("learned"),
        _REVIEWS,
    ),
    "sentiment-en-unordered": Preset(
        "trained here: the same without positions",
        classifier("none"),
        # More steps make it worse: 89.8 % of the validation set after 1,000, 86.6 % after 2,400.
        dataclasses.replace(_REVIEWS, steps=1_000, cooldown_steps=600),
    ),
    "shakespeare-lstm": Preset(
        "trained here: tiny Shakespeare, embedding 128 and an LSTM of 1,024 units",
        ModelConfig(
            width=1024,
            target=Embedding(vocabulary=67),
            recurrent=Recurrent(kind="lstm", embedding_width=128),
            max_target=200,
            dropout=0.0,
            **_CHARACTERS,
        ),
        TrainingConfig(
            **_CHARACTERS_TRAINING,
            steps=1_600,
            batch_tokens=3_200,
            warmup_steps=1,
            cooldown_steps=500,
            beta_2=0.999,
            epsilon=1e-7,
        ),
    ),
    "shakespeare-transformer": Preset(
        "trained here: tiny Shakespeare, a decoder of 6 layers of width 256",
        ModelConfig(
            width=256,
            target=Embedding(vocabulary=67, scale=256**0.5),
            decoder=stack(
                6, Attention.split(256, 8), FeedForward(width=1024), pre=True, table=Table(kind="halves")
            ),
            max_target=256,
            **_CHARACTERS,
        ),
        TrainingConfig(
            **_CHARACTERS_TRAINING, steps=5_000, batch_tokens=1_024, warmup_steps=200, cooldown_steps=2_000
        ),
    ),
}
