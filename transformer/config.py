"""What a network is made of, how it is trained, and the named presets with their sources.

References: Vaswani et al. 2017, "Attention Is All You Need" (arXiv:1706.03762), table 3; the TensorFlow tutorial
"Neural machine translation with a Transformer and Keras"; Tensor2Tensor `models/transformer.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args, get_type_hints

Norm = Literal["pre", "post"]
Activation = Literal["relu", "gelu"]
Positions = Literal["interleaved", "halves", "halves_minus_one", "learned", "none"]
FeedForward = Literal["dense", "conv_relu_conv"]

# The first four ids of every vocabulary made here.
PAD, START, END, UNKNOWN = 0, 1, 2, 3


class _Record:
    """Strict construction from JSON-like mappings, shared by the records below."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from a mapping; an unknown key or a value of another type raises ValueError."""
        hints = get_type_hints(cls)
        unknown = sorted(set(values) - set(hints))
        if unknown:
            raise ValueError(f"expected the fields of {cls.__name__}, received unknown {', '.join(unknown)}")
        for name, value in values.items():
            choices = get_args(hints[name])
            if choices and value not in choices:
                raise ValueError(f"expected {name} to be one of {', '.join(choices)}, received {value!r}")
            if hints[name] is bool and not isinstance(value, bool):
                raise ValueError(f"expected {name} to be true or false, received {value!r}")
            if hints[name] is int and (isinstance(value, bool) or not isinstance(value, int)):
                raise ValueError(f"expected {name} to be a whole number, received {value!r}")
            if hints[name] is float and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ValueError(f"expected {name} to be a number, received {value!r}")
            if hints[name] is str and not isinstance(value, str):
                raise ValueError(f"expected {name} to be text, received {value!r}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]


@dataclass(frozen=True, kw_only=True)
class ModelConfig(_Record):
    """The shape of an encoder-decoder network. Sizes are counts; dropouts are probabilities."""

    vocabulary: int = 8000
    encoder_layers: int = 6
    decoder_layers: int = 6
    width: int = 512
    heads: int = 8
    feed_forward: int = 2048
    max_source: int = 128  # longest source, in positions, special tokens included
    max_target: int = 128
    norm: Norm = "post"
    norm_epsilon: float = 1e-6
    activation: Activation = "relu"
    positions: Positions = "interleaved"
    feed_forward_kind: FeedForward = "dense"
    first_kernel: int = 3  # of conv_relu_conv; its second kernel is 1, as in Tensor2Tensor
    dropout: float = 0.1  # of embeddings and of what each sublayer adds to the residual stream
    attention_dropout: float = 0.0
    feed_forward_dropout: float = 0.0
    query_bias: bool = True
    key_bias: bool = True
    value_bias: bool = True
    output_bias: bool = True
    logits_bias: bool = False
    shared_embeddings: bool = True  # source and target tokens use one table
    tied_logits: bool = True  # the target table, transposed, is the output projection
    scale_embeddings: bool = True  # times sqrt(width), Vaswani et al. section 3.4

    def __post_init__(self) -> None:
        sizes = ("vocabulary", "width", "heads", "feed_forward", "max_source", "max_target", "first_kernel")
        for name in sizes:
            if getattr(self, name) < 1:
                raise ValueError(f"expected {name} of at least 1, received {getattr(self, name)}")
        if self.encoder_layers < 1 or self.decoder_layers < 1:
            raise ValueError(
                f"expected at least one layer a stack, received {self.encoder_layers} and {self.decoder_layers}"
            )
        if self.width % self.heads:
            raise ValueError(
                f"expected a width divisible by the heads, received {self.width} and {self.heads} heads"
            )
        if self.positions not in ("learned", "none") and self.width % 2:
            raise ValueError(f"expected an even width for sinusoids, received {self.width}")
        for name in ("dropout", "attention_dropout", "feed_forward_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"expected {name} in [0, 1), received {getattr(self, name)}")
        if not 0 < self.norm_epsilon < 1:
            raise ValueError(f"expected norm_epsilon between 0 and 1, received {self.norm_epsilon}")
        if self.logits_bias and self.tied_logits:
            raise ValueError("expected no logits_bias where tied_logits is set, received both")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(_Record):
    """How a network is trained: Adam under the warm-up schedule of Vaswani et al. section 5.3, label smoothing."""

    steps: int = 100_000
    batch_tokens: int = 25_000  # target tokens a step, padding included
    learning_rate: float = 1.0  # multiplies width^-0.5 * min(step^-0.5, step * warmup^-1.5)
    warmup_steps: int = 4000
    cooldown_steps: int = 0  # over the last steps the rate falls in a straight line to 0; 0: it does not
    beta_1: float = 0.9
    beta_2: float = 0.98
    epsilon: float = 1e-9
    clip_norm: float = 0.0  # 0: no clipping of gradients
    label_smoothing: float = 0.1
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Preset:
    """A named network with its training, and where its numbers come from."""

    source: str
    model: ModelConfig
    training: TrainingConfig = TrainingConfig()


_PAPER = "Vaswani et al. 2017 (arXiv:1706.03762), table 3"
_T2T = "Tensor2Tensor models/transformer.py"

# transformer_base of Tensor2Tensor: pre-norm, projections of attention without biases, timing signal over d/2-1,
# Adam with beta_2 0.997, and the schedule constant 2.0 * linear_warmup(8000) * rsqrt_decay * rsqrt_hidden_size.
_T2T_MODEL: dict[str, Any] = dict(
    norm="pre",
    positions="halves_minus_one",
    query_bias=False,
    key_bias=False,
    value_bias=False,
    output_bias=False,
    attention_dropout=0.1,
    feed_forward_dropout=0.1,
)
_T2T_TRAINING: dict[str, Any] = dict(learning_rate=2.0, warmup_steps=8000, beta_2=0.997)

PRESETS: dict[str, Preset] = {
    "base": Preset(f"{_PAPER}, base", ModelConfig(vocabulary=37_000)),
    "big": Preset(
        f"{_PAPER}, big",
        ModelConfig(vocabulary=37_000, width=1024, heads=16, feed_forward=4096, dropout=0.3),
        TrainingConfig(steps=300_000),
    ),
    # Its heads are 128 wide each (`key_dim=d_model`), which makes 10,184,162 parameters with its two vocabularies;
    # here heads share the width, as in the paper.
    "tf-tutorial": Preset(
        "TensorFlow tutorial 'Neural machine translation with a Transformer and Keras'",
        ModelConfig(
            vocabulary=7765,  # of its Portuguese tokenizer; its English one has 7,010
            encoder_layers=4,
            decoder_layers=4,
            width=128,
            heads=8,
            feed_forward=512,
            norm_epsilon=1e-3,  # the default of Keras
            positions="halves",
            attention_dropout=0.1,
            logits_bias=True,
            shared_embeddings=False,
            tied_logits=False,
        ),
        TrainingConfig(steps=16_000, batch_tokens=64 * 128, label_smoothing=0.0),
    ),
    "librispeech_v1": Preset(
        f"{_T2T}, transformer_librispeech_v1",
        ModelConfig(
            **_T2T_MODEL,
            vocabulary=256,
            encoder_layers=5,
            decoder_layers=3,
            width=256,
            heads=4,
            feed_forward=1024,
            max_source=1650,
            max_target=350,
        ),
        # Counted in input elements, frames times bins.
        TrainingConfig(**_T2T_TRAINING, batch_tokens=6_000_000),
    ),
    "librispeech_v2": Preset(
        f"{_T2T}, transformer_librispeech_v2",
        ModelConfig(
            **(_T2T_MODEL | dict(feed_forward_dropout=0.2)),
            vocabulary=256,
            encoder_layers=6,
            decoder_layers=4,
            width=384,
            heads=2,
            feed_forward=1536,
            feed_forward_kind="conv_relu_conv",
            first_kernel=9,
            dropout=0.2,
            max_source=1550,
            max_target=350,
        ),
        TrainingConfig(**_T2T_TRAINING, batch_tokens=16 * 350),
    ),
    "pt-en": Preset(
        "trained here: Portuguese and Spanish to English, 4+3 layers of width 256",
        ModelConfig(
            vocabulary=6000,
            encoder_layers=4,
            decoder_layers=3,
            width=256,
            heads=8,
            feed_forward=1024,
            norm="pre",
            dropout=0.1,
        ),
        TrainingConfig(steps=30_000, batch_tokens=2048, warmup_steps=1500, clip_norm=1.0),
    ),
}
