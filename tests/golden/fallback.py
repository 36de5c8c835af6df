"""Tiny tokenizers of decoders as they are published: byte fallback with and without a first blank,
byte-level tokens with a template, and files without one. The sentences are those of `vocabularies.py`."""

import json
from pathlib import Path
from typing import Any

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import GPT2Tokenizer, PreTrainedTokenizerFast
from vocabularies import CHINESE, ENGLISH, PORTUGUESE, TEXTS, _bytes, _json, _record

MORE = ("<0x0A>\n\ttab", "Olá, 世界!", "  two in front", "line\n\nline")


def fallback(folder: Path, names: dict[str, str], *, blank: bool) -> None:
    """SentencePiece's BPE in one tokenizer.json, a byte for what no token spells; with a blank before a text or not."""
    folder.mkdir(exist_ok=True)
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.Replace(" ", "▁")
    learner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    learner.train_from_iterator(
        (*ENGLISH, *PORTUGUESE), trainers.BpeTrainer(vocab_size=150, show_progress=False)
    )
    learnt = json.loads(learner.to_str())["model"]
    rows = [*names.values(), *(f"<0x{byte:02X}>" for byte in range(256))]
    rows += sorted(learnt["vocab"], key=learnt["vocab"].get)
    ids = {token: i for i, token in enumerate(dict.fromkeys(rows))}
    merges = [tuple(pair) for pair in learnt["merges"]]
    tokenizer = Tokenizer(
        models.BPE(ids, merges, unk_token=names["unk_token"], fuse_unk=True, byte_fallback=True)
    )
    parts: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if blank:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        parts.append(decoders.Strip(" ", 1, 0))
    else:
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(parts)
    _save(folder, tokenizer, names)


def byte_level(folder: Path, names: dict[str, str]) -> None:
    """Byte-level BPE cut by an expression of its own, behind a template, as Llama 3 is."""
    _bytes(folder, (*ENGLISH, *CHINESE), [], 290)
    ids = json.loads((folder / "vocab.json").read_text("utf-8"))
    lines = (folder / "merges.txt").read_text("utf-8").splitlines()[1:]
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    tokenizer = Tokenizer(models.BPE(ids, [tuple(line.split(" ")) for line in lines]))
    words = Regex(
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+"
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    _save(folder, tokenizer, names)


def _save(folder: Path, tokenizer: Tokenizer, names: dict[str, str]) -> None:
    tokenizer.add_special_tokens(list(dict.fromkeys(names.values())))
    first = names["bos_token"]
    around = processors.TemplateProcessing(
        single=f"{first} $A",
        pair=f"{first} $A {first}:1 $B:1",
        special_tokens=[(first, tokenizer.token_to_id(first))],
    )
    bytes_too = isinstance(tokenizer.decoder, decoders.ByteLevel)
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(), around]) if bytes_too else around
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    _record(folder, PreTrainedTokenizerFast.from_pretrained(folder), (*TEXTS, *MORE))


def without_template(folder: Path) -> None:
    """vocab.json and merges.txt, whose first token is said by a setting alone, as OPT's is."""
    _bytes(folder, ENGLISH, ["<s>", "<pad>", "</s>"], 290)
    names = dict(bos_token="</s>", eos_token="</s>", unk_token="</s>", pad_token="<pad>")
    _json(folder / "tokenizer_config.json", names | dict(add_bos_token=True, tokenizer_class="GPT2Tokenizer"))
    _record(folder, GPT2Tokenizer.from_pretrained(folder), (*TEXTS, *MORE))
