"""Decoders with rotations, gates and norms by root mean square: Llama, Mistral, Qwen 2 and 3, SmolLM3, OLMo 2, Gemma 2
and 3. They differ by rows of settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

from transformer.checkpoints.families.rotary import (
    FULL,
    INVERSE,
    SLIDING,
    kinds_of_layers,
    longest,
    pattern,
    rotary,
)
from transformer.checkpoints.families.table import (
    Family,
    Row,
    activation,
    decoder,
    depth,
    flag,
    linear,
    need,
    number,
    optional,
    untied,
    writes,
)
from transformer.config import (
    Attention,
    Embedding,
    FeedForward,
    ModelConfig,
    Norm,
    Stack,
    Task,
    present,
)
from transformer.untrusted import shown

Settings = Mapping[str, Any]
Layers = Callable[[Settings, Attention, int], list[Attention]]


def _alike(config: Settings, spec: Attention, count: int) -> list[Attention]:
    return [spec] * count


def _all_windowed(config: Settings, spec: Attention, count: int) -> list[Attention]:
    """Mistral (Jiang et al. 2023, arXiv:2310.06825, section 2): every layer sees through one window."""
    return [replace(spec, window=int(number(config, "sliding_window", 4096)))] * count


def _last_windowed(config: Settings, spec: Attention, count: int) -> list[Attention]:
    """Qwen: layers from one on, where windows are used at all."""
    window = int(number(config, "sliding_window", 4096)) if flag(config, "use_sliding_window", False) else 0
    first = int(number(config, "max_window_layers", 28)) if window else count
    kinds = kinds_of_layers(config, count, [SLIDING if i >= first else FULL for i in range(count)])
    return [replace(spec, window=window) if kind == SLIDING else spec for kind in kinds]


def _some_unturned(config: Settings, spec: Attention, count: int) -> list[Attention]:
    """SmolLM3: some layers know of no positions; these alone may have a window."""
    turns, every = config.get("no_rope_layers"), optional(config, "no_rope_layer_interval") or 4
    if turns is None:
        turns = [int((i + 1) % every != 0) for i in range(count)]
    if not isinstance(turns, list) or len(turns) < count or not all(turn in (0, 1) for turn in turns):
        raise ValueError(f"expected no_rope_layers as {count} of 0 and 1, received {shown(turns)}")
    window = optional(config, "sliding_window") if flag(config, "use_sliding_window", False) else 0
    default = [SLIDING if window and not turn else FULL for turn in turns[:count]]
    kinds = kinds_of_layers(config, count, default)
    return [
        replace(spec, rotary=spec.rotary if turn else None, window=window if kind == SLIDING else spec.window)
        for turn, kind in zip(turns, kinds, strict=False)
    ]


def _some_windowed(
    config: Settings, spec: Attention, count: int, every: int, theta: float
) -> list[Attention]:
    """Gemma: all but every so manieth layer see through a window, with a rotation of their own where they have one."""
    every = optional(config, "sliding_window_pattern") or every
    default = [SLIDING if (i + 1) % every else FULL for i in range(count)]
    kinds = kinds_of_layers(config, count, default)
    turns = spec.rotary
    if theta:
        # In the older form what stretches angles is said of the layers that see all.
        parameters = config.get("rope_parameters")
        own = parameters if isinstance(parameters, Mapping) and SLIDING in parameters else {}
        base = number(config, "rope_local_base_freq", theta) or theta
        turns = rotary(
            {"rope_parameters": own, "max_position_embeddings": config.get("max_position_embeddings")},
            theta=base,
            layers=SLIDING,
        )
    local = replace(spec, window=int(number(config, "sliding_window", 4096)), rotary=turns)
    return [local if kind == SLIDING else spec for kind in kinds]


class Kind(NamedTuple):
    """What one family has otherwise than another.

    tied: where `tie_word_embeddings` is silent. theta: where the settings of the rotation are. biases: of the
    projections of queries, keys and values, and of the output; None: as `attention_bias` says. plus_one: scales of
    norms are kept without one. scale: rows of tokens are multiplied by the root of the width. heads: see `Attention`.
    head_width: where `head_dim` is silent; 0: the heads share the width. scalar: scores are divided by the root of
    `query_pre_attn_scalar`. caps: of scores and of logits where settings are silent; None: there is no such setting.
    """

    title: str
    tied: bool = False
    theta: float = 10_000.0
    epsilon: float = 1e-6
    biases: tuple[bool, bool] | None = None
    mlp_bias: bool = False
    activation: tuple[str, str] = ("hidden_act", "silu")
    qk_norm: Literal["none", "head", "whole"] = "none"
    place: Literal["pre", "after", "both"] = "pre"
    layers: Layers = _alike
    head_width: int = 0
    scalar: bool = False
    plus_one: bool = False
    scaled: bool = False
    cap: float | None = None
    last_cap: float | None = None


def _settings(kind: Kind, config: Settings, names: Collection[str]) -> ModelConfig:
    width, heads = need(config, "hidden_size"), need(config, "num_attention_heads")
    count, vocabulary = depth(config, "num_hidden_layers"), need(config, "vocab_size")
    size = optional(config, "head_dim") or kind.head_width or width // max(heads, 1)
    turns = rotary(config, theta=kind.theta, layers=FULL)
    bias = flag(config, "attention_bias", False)
    inner, outer = kind.biases or (bias, bias)
    scalar = number(config, "query_pre_attn_scalar", 256.0) if kind.scalar else 0.0
    spec = Attention(
        heads=heads,
        head_width=size,
        key_heads=optional(config, "num_key_value_heads"),
        query_bias=inner,
        key_bias=inner,
        value_bias=inner,
        output_bias=outer,
        scale=scalar**-0.5 if scalar > 0 else 0.0,
        softcap=0.0 if kind.cap is None else number(config, "attn_logit_softcapping", kind.cap),
        qk_norm=kind.qk_norm,
        rotary=turns,
    )
    return ModelConfig(
        width=width,
        target=Embedding(vocabulary=vocabulary, scale=width**0.5 if kind.scaled and width > 0 else 1.0),
        decoder=Stack(
            layers=count,
            feed_forward=FeedForward(
                width=need(config, "intermediate_size"),
                kind="gated",
                activation=activation(config, *kind.activation),
                bias=kind.mlp_bias and flag(config, "mlp_bias", False),
            ),
            norm=Norm(
                kind="rms",
                place=kind.place,
                last=True,
                bias=False,
                epsilon=number(config, "rms_norm_eps", kind.epsilon),
            ),
            **pattern(kind.layers(config, spec, count)),
        ),
        max_target=longest(config, turns),
        task=Task(
            tied=flag(config, "tie_word_embeddings", kind.tied),
            softcap=0.0
            if kind.last_cap is None
            else number(config, "final_logit_softcapping", kind.last_cap),
        ),
        special=writes(config, vocabulary),
    )


# What normalises what, by where the norms of a block stand.
_NORMS = {
    "pre": {"input_layernorm": "self_attention_norm", "post_attention_layernorm": "feed_forward_norm"},
    "after": {
        "post_attention_layernorm": "self_attention_norm",
        "post_feedforward_layernorm": "feed_forward_norm",
    },
    "both": {
        "input_layernorm": "self_attention_norm",
        "post_attention_layernorm": "self_attention_after_norm",
        "pre_feedforward_layernorm": "feed_forward_norm",
        "post_feedforward_layernorm": "feed_forward_after_norm",
    },
}


def _rows(kind: Kind, config: ModelConfig) -> list[Row]:
    stack = present(config.decoder, "a decoder")
    spec, change = stack.attention, "plus one" if kind.plus_one else ""
    block, ours = "layers.{}", "decoder/block_{}"
    norms = {f"{block}.{theirs}": f"{ours}/{name}" for theirs, name in _NORMS[stack.norm.place].items()}
    if spec.qk_norm != "none":
        norms |= {
            f"{block}.self_attn.{part[0]}_norm": f"{ours}/self_attention/{part}_norm"
            for part in ("query", "key")
        }
    norms["norm"] = "decoder/last_norm"
    table = [Row("embed_tokens.weight", "embedding/tokens/embeddings")]
    table += [Row(f"{theirs}.weight", f"{name}/gamma", change) for theirs, name in norms.items()]
    for letter, part, bias in (
        ("q", "query", spec.query_bias),
        ("k", "key", spec.key_bias),
        ("v", "value", spec.value_bias),
        ("o", "output", spec.output_bias),
    ):
        table += linear(f"{block}.self_attn.{letter}_proj", f"{ours}/self_attention/{part}", bias)
    for theirs, part in (("gate", "gate"), ("up", "expand"), ("down", "contract")):
        table += linear(f"{block}.mlp.{theirs}_proj", f"{ours}/feed_forward/{part}", stack.feed_forward.bias)
    return table + untied(config, "lm_head.weight", "output_projection/kernel")


def _family(kind: Kind, **fixed: Collection[Any]) -> Family:
    return decoder(
        "model.",
        partial(_settings, kind),
        partial(_rows, kind),
        fixed=fixed,
        spare=INVERSE,
        tied={"lm_head.weight": "embed_tokens.weight"},
        title=kind.title,
    )


_GEMMA = Kind(
    "Gemma 2",
    tied=True,
    activation=("hidden_activation", "gelu_pytorch_tanh"),
    place="both",
    layers=partial(_some_windowed, every=2, theta=0.0),
    head_width=256,
    scalar=True,
    plus_one=True,
    scaled=True,
    cap=50.0,
    last_cap=30.0,
)

FAMILIES = {
    "llama": _family(Kind("Llama", mlp_bias=True)),
    "mistral": _family(Kind("Mistral", biases=(False, False), layers=_all_windowed)),
    "qwen2": _family(Kind("Qwen 2", biases=(True, False), layers=_last_windowed)),
    "qwen3": _family(Kind("Qwen 3", qk_norm="head", layers=_last_windowed, head_width=128)),
    "smollm3": _family(Kind("SmolLM3", tied=True, theta=2_000_000.0, mlp_bias=True, layers=_some_unturned)),
    "olmo2": _family(Kind("OLMo 2", epsilon=1e-5, qk_norm="whole", place="after")),
    "gemma2": _family(_GEMMA, use_bidirectional_attention=(False, None)),
    "gemma3_text": _family(
        _GEMMA._replace(
            title="Gemma 3",
            theta=1_000_000.0,
            qk_norm="head",
            layers=partial(_some_windowed, every=6, theta=10_000.0),
            cap=None,
            last_cap=0.0,
        ),
        use_bidirectional_attention=(False, None),
    ),
}
