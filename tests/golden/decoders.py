"""Tiny decoders of today: which switches of each family does a folder cover?

Widths that heads do not divide where a family allows it, heads of another width, windows shorter than the texts, tied
and untied tables. `make.py` calls `decoder` with the fields that a variant changes.
"""

from pathlib import Path
from typing import Any

import torch
import transformers
from networks import both, until
from recording import Tensors, asked, batch, decisive, edit_json, first_seed, made, padded, reopened, write

SIZES: dict[str, Any] = dict(vocab_size=60, hidden_size=20, intermediate_size=28, num_hidden_layers=2)
SIZES |= dict(num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, head_dim=6)
BARE = {name: value for name, value in SIZES.items() if name != "head_dim"}
GPT: dict[str, Any] = dict(vocab_size=60, hidden_size=24)
LAYERS = ["sliding_attention", "full_attention", "sliding_attention"]


def decoder(
    folder: Path,
    name: str,
    *,
    old: dict[str, Any] | None = None,
    lengths: tuple[int, int] = (7, 4),
    **fields: Any,
) -> None:
    """One decoder: a batch padded on the right, one on the left, and what greedy search adds.

    Args:
        name: of the library's class.
        old: fields of config.json as older versions of the library wrote them, None for those they lacked; the
            folder is opened again with them.
        lengths: of the texts that are gone on from. Where a base grows with the text, the library takes the longest of
            a batch for all.
    """
    kind = getattr(transformers, name)
    end = fields.get("vocab_size", 60) - 1
    config = kind.config_class(**fields, bos_token_id=1, eos_token_id=end, pad_token_id=0)
    kept: dict[str, Any] = {}

    def given(ids: Tensors) -> Tensors:
        # Linear biases are told where a text begins by the mask alone.
        if config.model_type != "bloom":
            ids["position_ids"] = (ids["attention_mask"].cumsum(1) - 1).clamp(min=0)
        return ids

    def fresh(seed: int) -> Any:
        # The library keeps the base of the longest text that a network has read.
        network = made(kind, config, seed)
        network.get_output_embeddings().weight.data[end] *= 2.5  # so that texts end now and then
        return network

    def good(seed: int) -> bool:
        network = fresh(seed)
        inputs = batch(end, lengths * 20, 2, 0, left=True, seed=seed)
        written = network.generate(
            **inputs, max_new_tokens=12, do_sample=False, num_beams=1, pad_token_id=0, return_dict_in_generate=True,
            output_logits=True,
        )  # fmt: skip
        rows = [until(row, end) for row in written.sequences[:, 7:].tolist()]
        logits, allowed = torch.stack(written.logits, 1), torch.ones(end + 1)
        kept["chosen"] = both(
            [decisive(logits[i], row, lambda _: allowed, end) for i, row in enumerate(rows)]
        )
        kept.update(rows=rows)
        kept["inputs"] = {name: tensor[kept["chosen"]] for name, tensor in inputs.items()}
        return -1 not in kept["chosen"]

    seed = first_seed(good)
    arrays = {"greedy_ids": padded([kept["rows"][i] for i in kept["chosen"]], end)}
    for side in ("right", "left"):
        inputs = kept["inputs"] if side == "left" else batch(end, (9, 5), 2, 0, left=False, seed=seed)
        arrays |= asked(fresh(seed), given(dict(inputs)), f"{side}/")
    write(folder, fresh(seed), arrays)
    if old:
        edit_json(folder / "config.json", **old)
    reopened(kind, folder, given(dict(inputs)), arrays["left/logits"])


def rope(kind: str, **more: Any) -> dict[str, Any]:
    """Fields of a rotation in the library's present form."""
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=100.0) | more)


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama-tied": (
        "LlamaForCausalLM",
        SIZES
        | rope(
            "llama3",
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=8,
        )
        | dict(tie_word_embeddings=True),
    ),
    "llama-untied": (
        "LlamaForCausalLM",
        SIZES | dict(num_key_value_heads=4, head_dim=6, attention_bias=True, mlp_bias=True),
    ),
    "llama-linear": (
        "LlamaForCausalLM",
        BARE
        | rope("linear", factor=4.0)
        | dict(
            num_key_value_heads=1,
            hidden_size=24,
            tie_word_embeddings=True,
            old=dict(
                rope_parameters=None,
                rope_theta=100.0,
                rope_scaling=dict(type="linear", factor=4.0),
                head_dim=None,
            ),
        ),
    ),
    "llama-dynamic": (
        "LlamaForCausalLM",
        SIZES | rope("dynamic", factor=4.0) | dict(max_position_embeddings=6, lengths=(7, 7)),
    ),
    "llama-yarn": (
        "LlamaForCausalLM",
        SIZES
        | rope("yarn", factor=4.0, beta_fast=4.0, beta_slow=0.5, original_max_position_embeddings=16)
        | dict(hidden_act="gelu"),
    ),
    "mistral-window": (
        "MistralForCausalLM",
        SIZES | dict(num_attention_heads=3, num_key_value_heads=1, sliding_window=4),
    ),
    "qwen2-plain": ("Qwen2ForCausalLM", BARE | dict(hidden_size=24, num_key_value_heads=4)),
    "qwen2-window": (
        "Qwen2ForCausalLM",
        BARE
        | dict(
            hidden_size=24,
            num_hidden_layers=3,
            use_sliding_window=True,
            sliding_window=3,
            max_window_layers=1,
            tie_word_embeddings=True,
        ),
    ),
    "qwen3-tied": (
        "Qwen3ForCausalLM",
        SIZES | dict(num_attention_heads=6, head_dim=10, hidden_size=16, tie_word_embeddings=True),
    ),
    "qwen3-yarn": (
        "Qwen3ForCausalLM",
        SIZES
        | rope("yarn", factor=2.0, original_max_position_embeddings=8, attention_factor=1.1, truncate=False)
        | dict(attention_bias=True, use_sliding_window=True, sliding_window=4, max_window_layers=1),
    ),
    "smollm3-plain": (
        "SmolLM3ForCausalLM",
        BARE | dict(hidden_size=24, num_hidden_layers=3, no_rope_layer_interval=2),
    ),
    "smollm3-window": (
        "SmolLM3ForCausalLM",
        BARE
        | dict(
            hidden_size=24,
            num_hidden_layers=3,
            no_rope_layers=[0, 1, 0],
            use_sliding_window=True,
            sliding_window=3,
            tie_word_embeddings=False,
            attention_bias=True,
        ),
    ),
    "olmo2-untied": ("Olmo2ForCausalLM", BARE | dict(hidden_size=24)),
    "gemma2-capped": (
        "Gemma2ForCausalLM",
        SIZES
        | dict(
            num_hidden_layers=3,
            query_pre_attn_scalar=9,
            sliding_window=4,
            attn_logit_softcapping=3.0,
            final_logit_softcapping=20.0,
        ),
    ),
    "gemma2-uncapped": (
        "Gemma2ForCausalLM",
        SIZES
        | dict(
            attn_logit_softcapping=None,
            final_logit_softcapping=None,
            tie_word_embeddings=False,
            attention_bias=True,
            layer_types=["full_attention"] * 2,
        ),
    ),
    "gemma3-local": (
        "Gemma3ForCausalLM",
        SIZES | dict(num_hidden_layers=3, query_pre_attn_scalar=7, sliding_window=3, layer_types=LAYERS),
    ),
    "gemma3-published": (
        "Gemma3ForCausalLM",
        SIZES
        | dict(
            num_hidden_layers=3,
            sliding_window=4,
            layer_types=LAYERS,
            rope_parameters=dict(
                sliding_attention=dict(rope_type="default", rope_theta=50.0),
                full_attention=dict(rope_type="linear", factor=8.0, rope_theta=200.0),
            ),
            old=dict(
                rope_parameters=None,
                layer_types=None,
                rope_theta=200.0,
                rope_local_base_freq=50.0,
                rope_scaling=dict(rope_type="linear", factor=8.0),
                sliding_window_pattern=2,
            ),
        ),
    ),
    "neox-parallel": (
        "GPTNeoXForCausalLM",
        GPT
        | dict(num_hidden_layers=2, num_attention_heads=3, intermediate_size=28, max_position_embeddings=64),
    ),
    "neox-serial": (
        "GPTNeoXForCausalLM",
        GPT
        | dict(
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=28,
            max_position_embeddings=64,
            use_parallel_residual=False,
            attention_bias=False,
            hidden_act="relu",
            tie_word_embeddings=True,
            rope_parameters=dict(rope_type="default", rope_theta=50.0, partial_rotary_factor=0.5),
            old=dict(rope_parameters=None, rotary_emb_base=50, rotary_pct=0.5),
        ),
    ),
    "phi-plain": (
        "PhiForCausalLM",
        GPT
        | dict(num_hidden_layers=2, num_attention_heads=3, intermediate_size=28, max_position_embeddings=64),
    ),
    "phi-norms": (
        "PhiForCausalLM",
        GPT
        | dict(
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=28,
            max_position_embeddings=64,
            qk_layernorm=True,
            partial_rotary_factor=0.7,
        ),
    ),
    "opt-pre": (
        "OPTForCausalLM",
        GPT | dict(num_hidden_layers=2, num_attention_heads=3, ffn_dim=28, max_position_embeddings=32),
    ),
    "opt-post": (
        "OPTForCausalLM",
        GPT
        | dict(
            num_hidden_layers=2,
            num_attention_heads=3,
            ffn_dim=28,
            max_position_embeddings=32,
            do_layer_norm_before=False,
            word_embed_proj_dim=14,
            enable_bias=False,
            activation_function="gelu",
        ),
    ),
    "gptneo-local": (
        "GPTNeoForCausalLM",
        GPT
        | dict(
            num_layers=3,
            num_heads=3,
            intermediate_size=28,
            attention_types=[[["global", "local"], 1], [["local"], 1]],
            window_size=3,
            max_position_embeddings=32,
        ),
    ),
    "bloom-heads": ("BloomForCausalLM", GPT | dict(hidden_size=18, n_layer=2, n_head=3)),
    "bloom-untied": (
        "BloomForCausalLM",
        GPT | dict(hidden_size=16, n_layer=2, n_head=4, tie_word_embeddings=False),
    ),
}
