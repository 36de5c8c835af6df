"""How published settings say which way positions turn queries and keys, and which layers see how far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from transformer.checkpoints.families.table import flag, need, number, optional
from transformer.config import Attention, Rotary
from transformer.untrusted import shown

SCALINGS = {"default": "none", "linear": "linear", "dynamic": "dynamic", "yarn": "yarn", "llama3": "llama3"}
SLIDING, FULL = "sliding_attention", "full_attention"
# Names of the rates of angles, which some checkpoints keep and this project computes.
INVERSE = ("rotary_emb.inv_freq", "layers.{}.self_attn.rotary_emb.inv_freq")


def rotary(
    config: Mapping[str, Any], *, theta: float = 10_000.0, share: float = 1.0, layers: str = ""
) -> Rotary:
    """The rotation of a network, or that of the layers of one kind.

    Settings stand in `rope_parameters`, or as older versions of the library wrote them: in `rope_scaling`, with
    `rope_theta` beside it.

    Args:
        theta: the base where the settings are silent.
        share: of a head that is turned, likewise.
        layers: the kind of layers whose settings are asked for, where kinds have settings of their own.

    Raises:
        ValueError: a setting that is missing, of another type, or not known.
    """
    found = config.get("rope_scaling") or config.get("rope_parameters") or {}
    nested = isinstance(found, Mapping) and isinstance(found.get(layers), Mapping)
    found = found[layers] if nested else found
    if not isinstance(found, Mapping):
        raise ValueError(f"expected rope_parameters as an object, received {shown(found)}")
    kind = found.get("rope_type") or found.get("type") or "default"
    if not isinstance(kind, str) or kind not in SCALINGS:
        raise ValueError(f"expected rope_type to be one of {', '.join(SCALINGS)}, received {shown(kind)}")
    longest = optional(config, "max_position_embeddings")
    base = number(found, "rope_theta", number(config, "rope_theta", theta) or theta)
    turned = number(found, "partial_rotary_factor", number(config, "partial_rotary_factor", share) or share)
    values: dict[str, Any] = dict(theta=base, share=turned, scaling=SCALINGS[kind])
    if kind != "default":
        values["factor"] = factor = number(found, "factor", 0.0)
    if kind == "dynamic":
        values["original"] = longest
    if kind in ("yarn", "llama3"):
        # Beside the other settings it counts first.
        own = found if nested or config.get("original_max_position_embeddings") is None else config
        values["original"] = optional(own, "original_max_position_embeddings") or longest
    if kind == "llama3":
        values |= dict(low=need(found, "low_freq_factor", float), high=need(found, "high_freq_factor", float))
    if kind == "yarn":
        values["factor"] = factor = factor or longest / max(values["original"], 1)
        values |= dict(
            low=number(found, "beta_slow", 1.0) or 1.0,
            high=number(found, "beta_fast", 32.0) or 32.0,
            # The library looks for it beside the kinds of layers, where it never stands.
            truncate=nested or flag(found, "truncate", True),
            attention_factor=_attention_factor(found, factor),
        )
    return Rotary(**values)


def _attention_factor(found: Mapping[str, Any], factor: float) -> float:
    """By how much YaRN makes turned queries and keys longer (Peng et al. 2023, section 3.4)."""

    def longer(by: float) -> float:
        return 0.1 * by * math.log(factor) + 1.0 if factor > 1 else 1.0

    given = number(found, "attention_factor", 0.0)
    above, below = number(found, "mscale", 0.0), number(found, "mscale_all_dim", 0.0)
    return given or (longer(above) / longer(below) if above and below else longer(1.0))


def longest(config: Mapping[str, Any], turns: Rotary) -> int:
    """How many positions there are: more than were trained on where angles are stretched for that."""
    trained = int(need(config, "max_position_embeddings"))
    if turns.scaling not in ("dynamic", "yarn"):
        return trained
    return max(trained, int(min(turns.factor * turns.original, 2**40)))


def kinds_of_layers(config: Mapping[str, Any], depth: int, default: Sequence[str]) -> list[str]:
    """Whether each layer sees all or through a window, by `layer_types`, else as the family has it.

    Raises:
        ValueError: kinds that are not known, or not one a layer.
    """
    kinds = config.get("layer_types")
    kinds = list(default) if kinds is None else kinds
    fine = isinstance(kinds, list) and len(kinds) == depth and all(k in (SLIDING, FULL) for k in kinds)
    if not fine:
        raise ValueError(f"expected layer_types as {depth} of {FULL} and {SLIDING}, received {shown(kinds)}")
    return kinds


def pattern(layers: Sequence[Attention]) -> dict[str, Any]:
    """Layers as `Stack` has them: those with a window are its local ones.

    Raises:
        ValueError: more than two kinds of layers.
    """
    kinds = sorted(dict.fromkeys(layers), key=lambda spec: spec.window)
    if len(kinds) > 2:
        raise ValueError(f"expected layers of at most two kinds, received {len(kinds)}")
    if len(kinds) == 1:
        return dict(attention=kinds[0])
    names = ("global" if spec == kinds[0] else "local" for spec in layers)
    return dict(attention=kinds[0], local=kinds[1], pattern=tuple(names))
