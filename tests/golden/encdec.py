"""Tiny encoder-decoders: which switches of each family does a folder cover?

Heads of another width than the width shared among them, stacks of different depth, tied and untied tables. `make.py`
calls `encdec` with the fields that a variant changes.
"""

from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
import vocabularies
from networks import both, until
from recording import asked, batch, decisive, edit_json, first_seed, made, padded, reopened, write
from transformers import GenerationConfig

T5: dict[str, Any] = dict(vocab_size=60, d_model=20, d_kv=6, d_ff=28, num_layers=2, num_decoder_layers=1)
T5 |= dict(num_heads=3, relative_attention_num_buckets=8, relative_attention_max_distance=12)
T5 |= dict(decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)
BART: dict[str, Any] = dict(vocab_size=60, d_model=24, max_position_embeddings=40, encoder_layers=2)
BART |= dict(decoder_layers=1, encoder_attention_heads=3, decoder_attention_heads=2, encoder_ffn_dim=28)
BART |= dict(decoder_ffn_dim=20, pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=2)

TASKS = {
    "summarization": {"prefix": "summarize: ", "num_beams": 4},
    "translation_en_to_de": {"prefix": "translate English to German: "},
}


def encdec(
    folder: Path,
    name: str,
    *,
    words: str = "",
    own_table: bool = False,
    old: dict[str, Any] | None = None,
    rules: dict[str, Any] | None = None,
    lengths: tuple[int, int] = (11, 6),
    **fields: Any,
) -> None:
    """One encoder-decoder: a batch padded on the right, forced target ids, and what greedy search writes.

    Args:
        name: of the library's class.
        words: with this tokenizer of `vocabularies`.
        own_table: another table of the output than that of tokens, though settings of T5 call them one.
        old: fields of config.json as it is published; the folder is opened again with them.
        rules: of its generation_config.json.
        lengths: of the texts that are read.
    """
    kind = getattr(transformers, name)
    folder.mkdir(exist_ok=True)
    if words:
        written = {
            "gaps": vocabularies.gaps,
            "bart": partial(vocabularies.roberta, whole=True),
            "mbart50": partial(vocabularies.languages, kind="mbart50"),
            "nllb": partial(vocabularies.languages, kind="nllb"),
        }[words]
        fields |= dict(vocab_size=written(folder))
    config = kind.config_class(**fields)
    pad, end, start = config.pad_token_id, config.eos_token_id, config.decoder_start_token_id
    size, kept = config.vocab_size, dict[str, Any]()
    forced = [i for i in [(rules or {}).get("forced_bos_token_id")] if i is not None]

    def good(seed: int) -> bool:
        network = made(kind, config, seed)
        sharpen(network, seed)
        if own_table:
            generator = torch.Generator().manual_seed(seed)
            table = torch.randn(size, config.d_model, generator=generator)
            network.lm_head.weight = torch.nn.Parameter(1.2 * config.d_model**-0.5 * table)
        if hasattr(network, "final_logits_bias"):
            network.final_logits_bias[0, end] += 2.0
        else:
            network.lm_head.weight.data[end] *= 1.5  # so that texts end now and then
        network.generation_config = GenerationConfig(
            pad_token_id=pad, eos_token_id=end, decoder_start_token_id=start, **(rules or {})
        )
        inputs = batch(size, lengths * 20, 4, pad, left=False, seed=seed)
        ends = torch.tensor([length - 1 for length in lengths * 20])
        inputs["input_ids"][torch.arange(40), ends] = end
        # The library's cache has room for as many layers as the encoder has.
        written = network.generate(**inputs, num_beams=1, do_sample=False, max_new_tokens=12, use_cache=False)
        rows = [until(row, end) for row in written[:, 1:].tolist()]
        inputs["decoder_input_ids"] = torch.from_numpy(padded([[start, *row[:-1]] for row in rows], pad))
        with torch.no_grad():
            logits = network(**inputs).logits
        first = len(forced)
        allowed = torch.ones(size)
        fine = [
            decisive(logits[i, first:], row[first:], lambda _: allowed, end) for i, row in enumerate(rows)
        ]
        chosen = both(fine)
        kept.update(network=network, rows=[rows[i] for i in chosen])
        kept["inputs"] = {name: tensor[chosen] for name, tensor in inputs.items()}
        longest = max(len(rows[i]) for i in chosen)
        kept["inputs"]["decoder_input_ids"] = kept["inputs"]["decoder_input_ids"][:, :longest]
        return -1 not in chosen

    first_seed(good)
    arrays = asked(kept["network"], kept["inputs"]) | {"greedy_ids": padded(kept["rows"], pad)}
    network = kept["network"]
    beams = network.generate(
        **{name: tensor for name, tensor in kept["inputs"].items() if not name.startswith("decoder")},
        num_beams=3, do_sample=False, max_new_tokens=12, length_penalty=0.0, use_cache=False,
    )  # fmt: skip
    arrays |= {"beam_ids": beams[:, 1:].numpy()}
    if hasattr(network, "shared") and hasattr(network.encoder, "block"):
        table = network.decoder.block[0].layer[0].SelfAttention.relative_attention_bias
        arrays |= {"relative": table.weight.detach().numpy()}
    write(folder, network, arrays)
    if old:
        edit_json(folder / "config.json", **old)
    reopened(kind, folder, kept["inputs"], arrays["logits"])


def sharpen(network: Any, seed: int) -> None:
    """Tables of distances as large as scores are, and scores that are not scaled no larger than those that are."""
    generator = torch.Generator().manual_seed(seed + 1)
    for name, weight in network.named_parameters():
        if "relative_attention_bias" in name:
            weight.data.copy_(1.5 * torch.randn(weight.shape, generator=generator))
        elif name.endswith((".q.weight", "wo.weight", ".o.weight")):
            weight.data *= 0.6


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    # As published: version 1.0, and version 1.1 with FLAN, whose settings say of the tables what its files do not.
    "t5-relu": (
        "T5ForConditionalGeneration",
        T5
        | dict(words="gaps", feed_forward_proj="relu", n_positions=200)
        | dict(old=dict(task_specific_params=TASKS)),
    ),
    "t5-gated": (
        "T5ForConditionalGeneration",
        T5
        | dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False, own_table=True)
        | dict(num_layers=1, num_decoder_layers=2, relative_attention_num_buckets=32)
        | dict(relative_attention_max_distance=128, lengths=(40, 21))
        | dict(old=dict(tie_word_embeddings=False, scale_decoder_outputs=None, dense_act_fn=None)),
    ),
    # Forced to begin with <s>; post-normalised; 2 and 1 layers of 3 and 2 heads.
    "bart-tied": (
        "BartForConditionalGeneration",
        BART | dict(words="bart", activation_function="gelu", rules=dict(forced_bos_token_id=0)),
    ),
    "bart-untied": (
        "BartForConditionalGeneration",
        BART | dict(tie_word_embeddings=False, activation_function="relu", scale_embedding=True),
    ),
    # As mBART-50 and NLLB: told by its first token which language to write.
    "mbart-forced": (
        "MBartForConditionalGeneration",
        BART | dict(words="mbart50", rules=dict(forced_bos_token_id=54)),
    ),
    "m2m-scaled": (
        "M2M100ForConditionalGeneration",
        BART
        | dict(words="nllb", activation_function="relu", scale_embedding=True)
        | dict(rules=dict(forced_bos_token_id=50)),
    ),
    "pegasus-scaled": (
        "PegasusForConditionalGeneration",
        BART
        | dict(pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, scale_embedding=True)
        | dict(activation_function="relu"),
    ),
    "mt5-tied": ("MT5ForConditionalGeneration", T5 | dict(feed_forward_proj="gated-silu", num_decoder_layers=2)),
}  # fmt: skip
