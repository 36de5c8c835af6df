"""The tiny networks themselves: which switches of each family does a folder cover?

BERT, RoBERTa and DistilBERT; GPT-2; Marian; Whisper. `make.py` calls them with the fields that a variant changes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import sound
import torch
import transformers
import vocabularies
from recording import (
    Arrays,
    Tensors,
    asked,
    batch,
    decisive,
    edit_json,
    first_seed,
    made,
    padded,
    recorded,
    rename,
    reopened,
    write,
)
from transformers import GenerationConfig, WhisperFeatureExtractor

# ---- BERT, RoBERTa, DistilBERT


def bert(
    folder: Path, name: str, seed: int, *, pad: int = 0, shard: str | None = None, **fields: Any
) -> None:
    """One encoder with a batch padded on the right and one padded on the left."""
    options = {"add_pooling_layer": fields.pop("pooler")} if "pooler" in fields else {}
    kind = getattr(transformers, name)
    sizes = dict(
        vocab_size=80, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48
    )
    sizes |= dict(max_position_embeddings=34, pad_token_id=pad)
    if name.startswith("Distil"):
        sizes = dict(vocab_size=80, dim=36, n_layers=2, n_heads=3, hidden_dim=40, max_position_embeddings=32)
    config = kind.config_class(**(sizes | fields))
    network = made(kind, config, seed, **options)
    arrays: Arrays = {}
    for side in ("right", "left"):
        inputs = batch(config.vocab_size, (9, 6), 5, pad, left=side == "left", seed=seed)
        if getattr(config, "type_vocab_size", 1) > 1:
            inputs["token_type_ids"] = (torch.arange(9) > 4).long().repeat(2, 1) * inputs["attention_mask"]
        arrays |= asked(network, inputs, f"{side}/")
    write(folder, network, arrays, shard=shard)
    reopened(kind, folder, inputs, arrays.get("left/logits", arrays.get("left/last_hidden_state")), **options)


def bert_published(folder: Path) -> None:
    """The names of the first published files: gamma and beta, the other head beside, tied tensors stored twice."""
    ids = vocabularies.bert(folder, lower=False, whole=False)
    bert(folder, "BertForMaskedLM", 2, vocab_size=ids, hidden_act="gelu_new", layer_norm_eps=1e-6)

    def old(name: str) -> str:
        return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    def more(tensors: Tensors) -> Tensors:
        generator = torch.Generator().manual_seed(0)
        unused = {"bert.pooler.dense.weight": (32, 32), "bert.pooler.dense.bias": (32,)}
        unused |= {"cls.seq_relationship.weight": (2, 32), "cls.seq_relationship.bias": (2,)}
        return {name: torch.randn(shape, generator=generator) for name, shape in unused.items()} | {
            "bert.embeddings.position_ids": torch.arange(34)[None],
            "cls.predictions.decoder.weight": tensors["bert.embeddings.word_embeddings.weight"],
            "cls.predictions.decoder.bias": tensors["cls.predictions.bias"],
        }

    rename(folder, old, more)
    inputs, expected = recorded(folder, "right/")
    reopened(transformers.BertForMaskedLM, folder, inputs, expected)


# ---- GPT-2


def gpt2(folder: Path, *, end: int, **fields: Any) -> None:
    """One decoder: a batch padded on the right, one on the left with its position_ids, and what greedy search adds."""
    sizes = dict(vocab_size=end + 1, n_positions=32, n_embd=32, n_layer=2, n_head=4, n_inner=48)
    config = transformers.GPT2Config(**(sizes | dict(bos_token_id=end, eos_token_id=end) | fields))
    kept: dict[str, Any] = {}

    def good(seed: int) -> bool:
        network = made(transformers.GPT2LMHeadModel, config, seed)
        network.lm_head.weight.data[end] *= 2.5  # so that texts end now and then
        inputs = batch(end, (7, 4) * 20, 0, end, left=True, seed=seed)
        written = network.generate(
            **inputs, max_new_tokens=12, do_sample=False, num_beams=1, pad_token_id=end, return_dict_in_generate=True,
            output_logits=True,
        )  # fmt: skip
        rows = [until(row, end) for row in written.sequences[:, 7:].tolist()]
        logits, allowed = torch.stack(written.logits, 1), torch.ones(end + 1)
        kept.update(network=network, rows=rows)
        kept["chosen"] = both(
            [decisive(logits[i], row, lambda _: allowed, end) for i, row in enumerate(rows)]
        )
        kept["inputs"] = {name: tensor[kept["chosen"]] for name, tensor in inputs.items()}
        return -1 not in kept["chosen"]

    seed = first_seed(good)
    arrays = {"greedy_ids": padded([kept["rows"][i] for i in kept["chosen"]], end)}
    for side in ("right", "left"):
        inputs = kept["inputs"] if side == "left" else batch(end, (7, 4), 0, end, left=False, seed=seed)
        inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
        arrays |= asked(kept["network"], inputs, f"{side}/")
    write(folder, kept["network"], arrays)
    reopened(transformers.GPT2LMHeadModel, folder, inputs, arrays["left/logits"])


def gpt2_published(folder: Path) -> None:
    """The names of the first published file: no prefix, and the causal mask of each layer as a tensor."""
    gpt2(folder, end=vocabularies.gpt2(folder, whole=False) - 1, n_inner=None, n_embd=24, n_head=3)

    def more(tensors: Tensors) -> Tensors:
        return {f"h.{layer}.attn.bias": torch.ones(32, 32).tril()[None, None] for layer in range(2)}

    rename(folder, lambda name: name.removeprefix("transformer."), more)
    inputs, expected = recorded(folder, "left/")
    reopened(transformers.GPT2LMHeadModel, folder, inputs, expected)


def both(good: list[bool]) -> list[int]:
    """The first good row of the long ones, which stand at even places, and of the short ones."""
    return [next((row for row in range(first, len(good), 2) if good[row]), -1) for first in (0, 1)]


def until(row: list[int], end: int) -> list[int]:
    """The row up to its first end, the end included."""
    return row[: row.index(end) + 1] if end in row else row


# ---- Marian


def marian(folder: Path, *, separate: bool = False, published: bool = False, **fields: Any) -> None:
    """One translator: a padded batch, forced target ids, and greedy search, where padding is never written."""
    if published:
        size = target = 70
    else:
        size, target = vocabularies.marian(folder, separate=separate)
    pad = target - 1
    sizes: dict[str, Any] = dict(vocab_size=size, decoder_vocab_size=target, d_model=24)
    sizes |= dict(max_position_embeddings=40, encoder_layers=2, decoder_layers=2)
    sizes |= dict(encoder_attention_heads=4, decoder_attention_heads=4)
    sizes |= dict(encoder_ffn_dim=40, decoder_ffn_dim=40, share_encoder_decoder_embeddings=not separate)
    sizes |= dict(pad_token_id=pad, decoder_start_token_id=pad, eos_token_id=0, forced_eos_token_id=0)
    config = transformers.MarianConfig(**(sizes | fields))
    rules: dict[str, Any] = dict(bad_words_ids=[[pad]], eos_token_id=0, forced_eos_token_id=0)
    rules |= dict(pad_token_id=pad, decoder_start_token_id=pad, max_length=40, num_beams=4)
    kept: dict[str, Any] = {}

    def good(seed: int) -> bool:
        network = made(transformers.MarianMTModel, config, seed)
        network.generation_config = GenerationConfig(**rules)
        # Without the rule padding would be written sooner or later.
        network.final_logits_bias[0, pad] += 3.0
        network.final_logits_bias[0, 0] += 5.0
        inputs = batch(size - 1, (8, 5) * 20, 2, size - 1, left=False, seed=seed)
        inputs["input_ids"][torch.arange(40), torch.tensor([7, 4] * 20)] = 0
        rows = network.generate(**inputs, num_beams=1, do_sample=False, max_new_tokens=12)[:, 1:].tolist()
        rows = [until(row, 0) for row in rows]
        inputs["decoder_input_ids"] = torch.from_numpy(padded([[pad, *row[:-1]] for row in rows], pad))
        with torch.no_grad():
            logits = network(**inputs).logits
        allowed = torch.ones(target).index_fill(0, torch.tensor([pad]), 0)
        chosen = both([decisive(logits[i], row, lambda _: allowed, 0) for i, row in enumerate(rows)])
        kept.update(network=network, rows=[rows[i] for i in chosen])
        kept["inputs"] = {name: tensor[chosen] for name, tensor in inputs.items()}
        longest = max(len(rows[i]) for i in chosen)
        kept["inputs"]["decoder_input_ids"] = kept["inputs"]["decoder_input_ids"][:, :longest]
        pad_would_win = any((logits[i, : len(rows[i])].argmax(-1) == pad).any() for i in chosen)
        return -1 not in chosen and bool(pad_would_win)

    first_seed(good)
    arrays = asked(kept["network"], kept["inputs"]) | {"greedy_ids": padded(kept["rows"], pad)}
    write(folder, kept["network"], arrays)
    if published:
        publish_marian(folder, kept["network"], rules)
    reopened(transformers.MarianMTModel, folder, kept["inputs"], arrays["logits"])


def publish_marian(folder: Path, network: Any, rules: dict[str, Any]) -> None:
    """What the first published folders hold: rules in config.json alone, copies of tied tables, the fixed sinusoids."""

    def more(tensors: Tensors) -> Tensors:
        table = tensors["model.shared.weight"]
        copies = ("lm_head", "model.encoder.embed_tokens", "model.decoder.embed_tokens")
        rows = network.model.encoder.embed_positions.weight
        sinusoids = {f"model.{side}.embed_positions.weight": rows for side in ("encoder", "decoder")}
        return {f"{name}.weight": table for name in copies} | sinusoids

    rename(folder, lambda name: name, more)
    (folder / "generation_config.json").unlink()
    old: dict[str, Any] = dict(
        static_position_embeddings=True, normalize_before=False, normalize_embedding=False
    )
    old |= dict(add_bias_logits=False, add_final_layer_norm=False, extra_pos_embeddings=0)
    edit_json(folder / "config.json", **old, **rules, decoder_vocab_size=None, tie_word_embeddings=None)


# ---- Whisper

POSITIONS = 30  # so 60 frames, 0.6 s


def whisper(folder: Path, *, bins: int, multilingual: bool) -> None:
    """One listener: features of the synthetic sound, forced target ids, and greedy search under its rules."""
    if multilingual:
        size = vocabularies.whisper(folder, whole=True, timestamps=POSITIONS + 1)
        first = size - len(vocabularies.whisper_markers(True, POSITIONS + 1))
    else:
        first, size = 41, 41 + len(vocabularies.whisper_markers(False, POSITIONS + 1))
    markers = vocabularies.whisper_markers(multilingual, POSITIONS + 1)
    marked = {marker.strip("<|>"): first + place for place, marker in enumerate(markers)}
    end, start, silent = first - 1, marked["startoftranscript"], marked["notimestamps"]
    # As published: some signs are never written, nor is any marker; a space and the end do not come first.
    never = [3, 9, *range(start, silent)]
    never_first = [7, end]
    config = transformers.WhisperConfig(
        vocab_size=size, num_mel_bins=bins, d_model=24, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=32,
        decoder_ffn_dim=40, encoder_attention_heads=3, decoder_attention_heads=2, max_source_positions=POSITIONS,
        max_target_positions=24, pad_token_id=end, bos_token_id=end, eos_token_id=end, decoder_start_token_id=start,
    )  # fmt: skip
    rules: dict[str, Any] = dict(
        suppress_tokens=never, begin_suppress_tokens=never_first, alignment_heads=[[0, 1], [1, 0]], max_length=24,
        is_multilingual=multilingual, no_timestamps_token_id=silent, prev_sot_token_id=marked["startofprev"],
        max_initial_timestamp_index=10, return_timestamps=False, pad_token_id=end, bos_token_id=end,
        eos_token_id=end, decoder_start_token_id=start,
    )  # fmt: skip
    prefix, asking = [start, silent], dict[str, Any]()
    if multilingual:
        prefix = [start, marked["pt"], marked["transcribe"], silent]
        asking = {"language": "pt", "task": "transcribe"}
        rules["lang_to_id"] = {f"<|{code}|>": marked[code] for code in ("en", "pt", "zh")}
        rules["task_to_id"] = {task: marked[task] for task in ("transcribe", "translate")}
    extractor = WhisperFeatureExtractor(feature_size=bins, chunk_length=1)
    heard = sound.chirp(0.5)
    features = extractor(heard, sampling_rate=sound.RATE, max_length=POSITIONS * 320, return_tensors="pt")
    inputs: Tensors = {"input_features": features["input_features"]}
    kept: dict[str, Any] = {}

    def good(seed: int) -> bool:
        network = made(transformers.WhisperForConditionalGeneration, config, seed)
        network.proj_out.weight.data[end] *= 2.5
        # A timestamp would make the library go on elsewhere.
        network.proj_out.weight.data[silent + 1 :] *= 0.3
        network.generation_config = GenerationConfig(**rules)
        written = network.generate(**inputs, **asking, num_beams=1, do_sample=False, max_new_tokens=12)
        row = [*written[0].tolist(), end]  # the library leaves out the prefix and the end
        forced = inputs | {"decoder_input_ids": torch.tensor([[*prefix, *row[:-1]]])}
        with torch.no_grad():
            logits = network(**forced).logits[0, len(prefix) - 1 :]
        kept.update(network=network, inputs=forced, row=row)

        def allowed(step: int) -> torch.Tensor:
            return torch.ones(size).index_fill(0, torch.tensor(never + (never_first if step == 0 else [])), 0)

        ruled_out = int(logits[0].argmax()) in never_first or any(int(i) in never for i in logits.argmax(-1))
        return ruled_out and decisive(logits, row, allowed, end)

    first_seed(good)
    arrays = asked(kept["network"], kept["inputs"])
    arrays |= {"greedy_ids": np.array([kept["row"]]), "prefix_ids": np.array(prefix)}
    write(folder, kept["network"], arrays)
    extractor.save_pretrained(folder)
    forced_ids = [[1, None], [2, marked["transcribe"]]] if multilingual else [[1, silent]]
    edit_json(folder / "generation_config.json", forced_decoder_ids=forced_ids)
    reopened(transformers.WhisperForConditionalGeneration, folder, kept["inputs"], arrays["logits"])
