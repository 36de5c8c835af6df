"""Tiny random checkpoints and what the reference library makes of them: what must our own layers answer?

    python -m venv golden && golden/bin/pip install torch==2.13.0 transformers==5.23.0 sentencepiece==0.2.3
    golden/bin/python tests/golden/make.py [NAME ...]

writes the folders beside this file (README.md lists them). The reference is transformers 5.23.0 on PyTorch 2.13.0 with
tokenizers 0.23.3, sentencepiece 0.2.3, safetensors 0.8.0 and numpy 2.4.6, on a processor, in float32, with attention
computed step by step ("eager").
"""

import json
import shutil
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import decoders
import encdec
import fallback
import heads
import numpy as np
import recording
import sound
import torch
import transformers
import vocabularies
from networks import POSITIONS, bert, bert_published, gpt2, gpt2_published, marian, whisper

HERE = Path(__file__).resolve().parent


def features(folder: Path, bins: int) -> None:
    """WhisperFeatureExtractor on the synthetic sound: shorter than the window (padded with zeros), and longer (cut)."""
    folder.mkdir(exist_ok=True)
    extractor = transformers.WhisperFeatureExtractor(feature_size=bins, chunk_length=1)
    arrays: dict[str, Any] = {"versions": recording.versions()}
    for name, seconds in (("short", 0.7), ("long", 1.3)):
        samples = sound.chirp(seconds)
        heard = extractor(samples, sampling_rate=sound.RATE, return_tensors="np")
        arrays |= {f"{name}/features": heard["input_features"][0].astype(np.float32)}
        arrays |= {f"{name}/seconds": np.array(seconds), f"{name}/samples_head": samples[:8]}
        arrays |= {f"{name}/samples_sum": samples.astype(np.float64).sum()}
    np.savez_compressed(folder / "expected.npz", **arrays)
    extractor.save_pretrained(folder)


def unsupported(folder: Path, like: str, **changes: Any) -> None:
    """The config.json of another folder with these changes; there is nothing else in the folder."""
    folder.mkdir(exist_ok=True)
    shutil.copy(HERE / like / "config.json", folder / "config.json")
    recording.edit_json(folder / "config.json", **changes)


VARIANTS: dict[str, Callable[[Path], object]] = {
    "bert-masked": lambda f: bert(f, "BertForMaskedLM", 1, vocab_size=vocabularies.bert(f, lower=True, whole=True)),
    "bert-published": bert_published,
    "bert-sharded": lambda f: bert(f, "BertForMaskedLM", 3, hidden_act="relu", shard="16KB"),
    "bert-alone": lambda f: bert(f, "BertModel", 4, pooler=False),
    "bert-pooled": lambda f: bert(f, "BertModel", 5, pooler=True, hidden_act="gelu_new"),
    "bert-classifier": lambda f: bert(f, "BertForSequenceClassification", 6, num_labels=3),
    "bert-roberta": lambda f: bert(
        f, "RobertaForMaskedLM", 7, vocab_size=vocabularies.roberta(f, whole=False), hidden_size=24, pad=1,
        type_vocab_size=1, layer_norm_eps=1e-5,
    ),
    "bert-distilbert": lambda f: bert(f, "DistilBertForMaskedLM", 8),
    "gpt2-tied": lambda f: gpt2(f, end=vocabularies.gpt2(f, whole=True) - 1, n_embd=24, n_head=2),
    "gpt2-untied": lambda f: gpt2(f, end=79, tie_word_embeddings=False, activation_function="relu", n_inner=40),
    "gpt2-published": gpt2_published,
    "marian-swish": lambda f: marian(f, activation_function="swish", scale_embedding=True),
    "marian-published": lambda f: marian(
        f, published=True, activation_function="relu", decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=36
    ),
    "marian-separate": lambda f: marian(f, separate=True, activation_function="gelu", scale_embedding=True),
    "whisper-english": lambda f: whisper(f, bins=80, multilingual=False),
    "whisper-multilingual": lambda f: whisper(f, bins=128, multilingual=True),
    "whisper-features-80": lambda f: features(f, 80),
    "whisper-features-128": lambda f: features(f, 128),
    "tokens-roberta": lambda f: vocabularies.roberta(f, whole=True),
    "tokens-unigram": vocabularies.unigram,
    "tokens-llama": lambda f: fallback.fallback(
        f, dict(unk_token="<unk>", bos_token="<s>", eos_token="</s>"), blank=True
    ),
    "tokens-gemma": lambda f: fallback.fallback(
        f, dict(pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>"), blank=False
    ),
    "tokens-llama3": lambda f: fallback.byte_level(
        f, dict(bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>")
    ),
    "tokens-opt": fallback.without_template,
    "tokens-t5": lambda f: vocabularies.sole_pieces(f, transformers.T5Tokenizer),
    "tokens-pegasus": lambda f: vocabularies.sole_pieces(f, transformers.PegasusTokenizer),
    "tokens-mbart": lambda f: vocabularies.sole_pieces(f, transformers.MBart50Tokenizer),
    "tokens-m2m": lambda f: vocabularies.sole_pieces(f, transformers.M2M100Tokenizer),
    "tokens-whisper": lambda f: vocabularies.whisper(f, whole=False, timestamps=POSITIONS + 1),
    "unsupported-inverse-layer": lambda f: unsupported(f, "gpt2-untied", scale_attn_by_inverse_layer_idx=True),
    "unsupported-relative-key": lambda f: unsupported(f, "bert-masked", position_embedding_type="relative_key"),
    "unsupported-decoder": lambda f: unsupported(f, "bert-masked", is_decoder=True),
    "unsupported-activation": lambda f: unsupported(f, "bert-masked", hidden_act="mish"),
    "unsupported-family": lambda f: unsupported(f, "bert-masked", model_type="reformer"),
}  # fmt: skip
VARIANTS |= {
    name: partial(decoders.decoder, name=kind, **fields) for name, (kind, fields) in decoders.VARIANTS.items()
} | heads.VARIANTS
VARIANTS |= {
    name: partial(encdec.encdec, name=kind, **fields) for name, (kind, fields) in encdec.VARIANTS.items()
}


def main() -> None:
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    for name in sys.argv[1:] or VARIANTS:
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        VARIANTS[name](folder)
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(f"{name:28}{size / 1000:7.0f} kB", json.dumps(sorted(path.name for path in folder.iterdir())))


if __name__ == "__main__":
    main()
