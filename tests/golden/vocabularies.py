"""Tiny vocabularies of every kind that published folders hold, and what the reference library makes of texts.

`make.py` calls `write_all`. The sentences are our own.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    BertTokenizer,
    GPT2Tokenizer,
    M2M100Tokenizer,
    MarianTokenizer,
    MBart50Tokenizer,
    NllbTokenizer,
    PegasusTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    T5Tokenizer,
    WhisperTokenizer,
)

ENGLISH = (
    "The cat sat on the mat and the dog sat on the log.",
    "She said that they would not come, but they came all the same.",
    "A small bird sang in the old tree near the water.",
    "He has read the letter, hasn't he? I'm sure that he's read it.",
    "In 2024 the train was late 31 times; in 2025 it was late 6 times.",
    "What a café! Was the naïve waiter there? No: the other one.",
    "Hello world, hello again, and hello to you all!",
    "The mats and logs and trees and birds are in the letters.",
)
PORTUGUESE = (
    "O gato sentou no tapete e o cão sentou no tronco.",
    "Ela disse que não viriam, mas vieram mesmo assim.",
    "Um pássaro pequeno cantava na velha árvore perto da água.",
    "Ele leu a carta, não leu? Tenho certeza de que leu.",
    "Em 2024 o trem atrasou 31 vezes; em 2025 atrasou 6 vezes.",
    "Olá mundo, olá de novo, e olá a todos vocês!",
    "Que café! O garçom ingênuo estava lá? Não: o outro.",
    "Os gatos e os cães e as árvores estão nas cartas.",
)
CHINESE = ("你好，世界。", "世界你好")

TEXTS = (
    "The cat sat on the mat.",
    "O gato sentou no tapete, não sentou?",
    "HELLO World, HeLLo!",
    "Ünïcödé: CAFÉ naïve Ångström cafe\u0301",
    "I'm sure they'll say \"no\" -- won't they?",
    "🙂 a family 👩‍👧 and 🇧🇷!",
    "",
    " ",
    "   ",
    "two  spaces   and\ttabs\nand lines\r\n ",
    " a space in front",
    "你好世界 hello 世界，and all.",
    "x",
    "1,234.56 € in 2024",
    "supercalifragilistic unbirdlike",
    "ﬁne Ⅷ ﬀ ½ \u200bzero\u00a0width \u0007bell\x00",
    "a_b/c@d.example #1 & more*",
    "a" * 120 + " sat",
    "Привет, мир",
)
# What marks something in one vocabulary or another; typed, it is plain text (split_special_tokens).
TYPED = (
    "a [CLS] b [SEP][PAD] c",
    "the <s> cat </s><pad> sat <unk>",
    "the cat<|endoftext|> sat <|startoftranscript|>",
)


def versions() -> dict[str, str]:
    """The versions of what recorded these files."""
    import numpy
    import safetensors
    import tokenizers
    import torch
    import transformers

    used = (transformers, torch, tokenizers, sentencepiece, safetensors, numpy)
    return {module.__name__: module.__version__.split("+")[0] for module in used}


def _json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _record(
    folder: Path,
    tokenizer: Any,
    texts: tuple[str, ...],
    *,
    special: bool = True,
    typed: tuple[str, ...] = TYPED,
) -> None:
    """Write expected_tokens.json: for each text its ids and what they decode to."""

    def rows(texts: tuple[str, ...], side: str = "text", **options: Any) -> list[dict[str, Any]]:
        made = []
        for text in texts:
            ids = tokenizer(**{side: text}, add_special_tokens=special, **options)["input_ids"]
            row = {"text": text, "ids": ids}
            # With two vocabularies the library decodes the target's ids alone.
            if side == "text_target" or not getattr(tokenizer, "separate_vocabs", False):
                row["decoded"] = tokenizer.decode(ids, skip_special_tokens=True, **options_of_decode)
            made.append(row)
        return made

    # Marian decodes by the source's file unless told otherwise.
    options_of_decode = {"use_source_tokenizer": False} if isinstance(tokenizer, MarianTokenizer) else {}
    recorded = {"versions": versions(), "class": type(tokenizer).__name__, "source": rows(texts)}
    recorded["typed_markers"] = rows(typed, split_special_tokens=True)
    if isinstance(tokenizer, MarianTokenizer):
        recorded["target"] = rows(TEXTS, "text_target")
    _json(folder / "expected_tokens.json", recorded)


# ---- WordPiece


def _wordpiece(lower: bool) -> list[str]:
    """Markers, the commonest characters, whole words and word endings: a trainer would break ties at random."""
    text = "".join([*ENGLISH, *CHINESE * 9])
    cleaned = normalizers.BertNormalizer(lowercase=lower).normalize_str(text)
    words = [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(cleaned)]
    first = _commonest((word[0] for word in words), 36)
    inside = _commonest((f"##{letter}" for word in words for letter in word[1:]), 24)
    whole = _commonest((word for word in words if len(word) > 1), 50)
    endings = _commonest((f"##{word[-n:]}" for word in words for n in (2, 3) if len(word) > n), 30)
    return list(
        dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *first, *inside, *whole, *endings])
    )


def _commonest(items: Iterable[str], count: int) -> list[str]:
    counted = Counter(items)
    return sorted(counted, key=lambda item: (-counted[item], item))[:count]


def bert(folder: Path, *, lower: bool, whole: bool) -> int:
    """WordPiece: vocab.txt, and tokenizer.json too where it is whole. Returns the number of ids."""
    folder.mkdir(exist_ok=True)
    words = _wordpiece(lower)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    _json(folder / "tokenizer_config.json", {"do_lower_case": lower, "model_max_length": 40})
    tokenizer = BertTokenizer.from_pretrained(folder)
    if whole:
        # As sentence-transformers publish it: cut and padded, which is for batches and not for us.
        tokenizer.backend_tokenizer.enable_truncation(8)
        tokenizer.backend_tokenizer.enable_padding(length=8)
        tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "vocab.txt").unlink()
        tokenizer = BertTokenizer.from_pretrained(folder)
    _record(folder, tokenizer, (*TEXTS, "The [MASK] sat.", "un[MASK]able [MASK]"))
    return len(words)


# ---- byte-level BPE


def _bytes(folder: Path, texts: tuple[str, ...], first: list[str], size: int) -> None:
    """vocab.json and merges.txt of a byte-level BPE, `first` at the lowest ids."""
    folder.mkdir(exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=first,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.model.save(str(folder))


def gpt2(folder: Path, *, whole: bool) -> int:
    """vocab.json and merges.txt, or tokenizer.json where it is whole; the end is the last id, as published."""
    _bytes(folder, ENGLISH, [], 299)
    vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
    vocabulary["<|endoftext|>"] = len(vocabulary)
    _json(folder / "vocab.json", vocabulary)
    tokenizer = GPT2Tokenizer.from_pretrained(folder)
    if whole:
        tokenizer.save_pretrained(folder)
        for name in ("vocab.json", "merges.txt"):
            (folder / name).unlink()
        tokenizer = GPT2Tokenizer.from_pretrained(folder)
    _record(folder, tokenizer, TEXTS)
    return len(vocabulary)


def roberta(folder: Path, *, whole: bool) -> int:
    """vocab.json and merges.txt, or tokenizer.json where it is whole; the markers stand where RoBERTa has them."""
    _bytes(folder, ENGLISH, ["<s>", "<pad>", "</s>", "<unk>"], 299)
    vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
    vocabulary["<mask>"] = len(vocabulary)
    _json(folder / "vocab.json", vocabulary)
    mask = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False}
    mask |= {"normalized": False, "single_word": False, "special": True}
    _json(folder / "tokenizer_config.json", {"mask_token": mask})
    tokenizer = RobertaTokenizer.from_pretrained(folder)
    if whole:
        tokenizer.save_pretrained(folder)
        for name in ("vocab.json", "merges.txt"):
            (folder / name).unlink()
        tokenizer = RobertaTokenizer.from_pretrained(folder)
    _record(folder, tokenizer, (*TEXTS, "The <mask> sat.", "un<mask>able"))
    return len(vocabulary)


# ---- Whisper: byte-level BPE and markers above it


def whisper_markers(multilingual: bool, timestamps: int) -> list[str]:
    """The markers after <|endoftext|> in the order of the published vocabularies, with few languages."""
    languages = ("en", "pt", "zh")
    names = ["startoftranscript", *languages, "translate", "transcribe", "startoflm", "startofprev"]
    names += ["nospeech" if multilingual else "nocaptions", "notimestamps"]
    names += [f"{0.02 * step:.2f}" for step in range(timestamps)]
    return [f"<|{name}|>" for name in names]


def whisper(folder: Path, *, whole: bool, timestamps: int) -> int:
    """vocab.json, merges.txt and the markers; tokenizer.json instead of the first two where it is whole."""
    _bytes(folder, (*ENGLISH, *PORTUGUESE), [], 290)
    vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
    vocabulary["<|endoftext|>"] = len(vocabulary)
    _json(folder / "vocab.json", vocabulary)
    markers = whisper_markers(True, timestamps)
    added = {
        str(len(vocabulary) + place): {
            "content": marker,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "single_word": False,
            "special": not marker[2].isdigit(),
        }
        for place, marker in enumerate(markers)
    }
    _json(folder / "tokenizer_config.json", {"added_tokens_decoder": added, "pad_token": "<|endoftext|>"})
    tokenizer = WhisperTokenizer.from_pretrained(folder)
    if whole:
        tokenizer.save_pretrained(folder)
        for name in ("vocab.json", "merges.txt"):
            (folder / name).unlink()
        tokenizer = WhisperTokenizer.from_pretrained(folder)
    else:  # older folders name the markers here alone
        _json(folder / "added_tokens.json", {row["content"]: int(index) for index, row in added.items()})
    _record(folder, tokenizer, TEXTS, special=False)
    return len(vocabulary) + len(markers)


# ---- Marian: two SentencePiece files and one vocabulary (or two)

# A few lines of the rules that the published files hold 240 kB of.
RULES = {"ﬁ": "fi", "ﬀ": "ff", "½": "1/2", "\u00a0": " ", "\t": " ", "\n": " ", "\r": " ", "\u200b": " "}


def _sentencepiece(path: Path, texts: tuple[str, ...], size: int, **ids: int) -> list[str]:
    rules = path.with_suffix(".tsv")
    rules.write_text(
        "".join(
            " ".join(f"{ord(c):X}" for c in old) + "\t" + " ".join(f"{ord(c):X}" for c in new) + "\n"
            for old, new in RULES.items()
        )
    )
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts * 2),
        model_writer=model,
        vocab_size=size,
        model_type="unigram",
        hard_vocab_limit=False,
        normalization_rule_tsv=str(rules),
        minloglevel=2,
        num_threads=1,
        **ids,
    )
    rules.unlink()
    path.write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [processor.id_to_piece(i) for i in range(processor.get_piece_size())]


def marian(folder: Path, *, separate: bool) -> tuple[int, int]:
    """source.spm, target.spm and vocab.json (target_vocab.json too where separate). Returns both sizes."""
    folder.mkdir(exist_ok=True)
    source = _sentencepiece(folder / "source.spm", ENGLISH, 90)
    target = _sentencepiece(folder / "target.spm", PORTUGUESE, 80)

    def vocabulary(pieces: list[str]) -> dict[str, int]:
        plain = dict.fromkeys(piece for piece in pieces if piece not in ("<unk>", "<s>", "</s>"))
        return {token: i for i, token in enumerate(["</s>", "<unk>", *plain, "<pad>"])}

    config: dict[str, Any] = {"source_lang": "eng", "target_lang": "por", "separate_vocabs": separate}
    if separate:
        ours, theirs = vocabulary(source), vocabulary(target)
        _json(folder / "target_vocab.json", theirs)
        files = {"target_vocab_file": str(folder / "target_vocab.json")}
    else:
        # Two pieces of the source are left out of vocab.json, so that they are unknown, and there are two languages.
        ours = theirs = vocabulary(
            [">>por<<", ">>spa<<", *(p for p in source if p not in ("▁a", "w")), *target]
        )
        files = {}
    _json(folder / "vocab.json", ours)
    _json(folder / "tokenizer_config.json", config)
    tokenizer = MarianTokenizer(
        str(folder / "source.spm"), str(folder / "target.spm"), str(folder / "vocab.json"), **files, **config
    )
    codes = (">>por<< The cat sat.", ">>xyz<<The cat sat.", "The >>por<< cat >>")
    _record(folder, tokenizer, TEXTS if separate else (*TEXTS, *codes))
    return len(ours), len(theirs)


def gaps(folder: Path) -> int:
    """The tokenizer of a T5 with three gaps, as its library makes it of a SentencePiece model."""
    folder.mkdir(exist_ok=True)
    spm = folder / "trained.spm"
    pieces = _sentencepiece(spm, (*ENGLISH, *PORTUGUESE), 100)
    scores = sentencepiece.SentencePieceProcessor(model_file=str(spm)).get_score
    spm.unlink()
    special = ["<pad>", "</s>", "<unk>"]
    ranked = [(piece, scores(index)) for index, piece in enumerate(pieces) if piece not in (*special, "<s>")]
    rows = [
        *((name, 0.0) for name in special),
        *ranked,
        *((f"<extra_id_{i}>", 0.0) for i in (2, 1, 0)),
    ]
    whole = T5Tokenizer(vocab=rows, extra_ids=3)
    whole.save_pretrained(folder)
    _record(folder, whole, (*TEXTS, "The <extra_id_0> sat on <extra_id_1> mat."), typed=())
    return len(whole)


def sole_pieces(folder: Path, kind: Any) -> None:
    """The SentencePiece file of a T5, PEGASUS, mBART or M2M-100 alone, as they were first published."""
    folder.mkdir(exist_ok=True)
    ours = kind in (T5Tokenizer, PegasusTokenizer)
    spm = folder / ("spiece.model" if ours else "sentencepiece.bpe.model")
    ids = dict(pad_id=0, eos_id=1, unk_id=2, bos_id=-1) if ours else {}
    pieces = _sentencepiece(spm, (*ENGLISH, *PORTUGUESE), 100, **ids)
    settings: dict[str, Any] = {"tokenizer_class": kind.__name__}
    if kind is T5Tokenizer:
        settings["extra_ids"] = 3
    if kind is M2M100Tokenizer:
        settings |= {"language_codes": "wmt21", "src_lang": "de"}
        special = ["<s>", "<pad>", "</s>", "<unk>"]
        known = [*special, *(piece for piece in pieces if piece not in special)]
        _json(folder / "vocab.json", {piece: i for i, piece in enumerate(known)})
    _json(folder / "tokenizer_config.json", settings)
    whole = kind.from_pretrained(folder)
    texts = (*TEXTS, "The <extra_id_0> sat on <extra_id_1> mat.") if kind is T5Tokenizer else TEXTS
    _record(folder, whole, texts, typed=())


def languages(folder: Path, kind: str) -> int:
    """A tokenizer that is told languages: of mBART-50, by pieces, or of NLLB, by letters and with three of them."""
    folder.mkdir(exist_ok=True)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    if kind == "mbart50":
        spm = folder / "trained.spm"
        pieces = _sentencepiece(spm, ENGLISH[:3], 60)
        scores = sentencepiece.SentencePieceProcessor(model_file=str(spm)).get_score
        spm.unlink()
        ranked = [(piece, scores(index)) for index, piece in enumerate(pieces) if piece not in special]
        whole: Any = MBart50Tokenizer(vocab=[*((name, 0.0) for name in special), *ranked])
        codes = ("en_XX", "pt_XX", "fr_XX")
    else:
        letters = sorted({letter for text in ENGLISH for letter in text if letter != " "})
        codes = ("eng_Latn", "por_Latn", "zho_Hans")
        vocabulary = {token: i for i, token in enumerate([*special, "▁", *letters])}
        whole = NllbTokenizer(vocab=vocabulary, merges=[], extra_special_tokens=list(codes))
    whole.save_pretrained(folder)
    texts = []
    for code in codes:
        whole.src_lang = code
        texts += [
            {"text": text, "language": code, "ids": whole(text)["input_ids"]} for text in (*TEXTS[:4], "x")
        ]
    known = {code: whole.convert_tokens_to_ids(code) for code in codes}
    _json(folder / "expected_languages.json", {"versions": versions(), "codes": known, "texts": texts})
    return len(whole)


def unigram(folder: Path) -> int:
    """A tokenizer.json of the XLM-RoBERTa kind, which several sentence encoders of the BERT family come with."""
    folder.mkdir(exist_ok=True)
    spm = folder / "trained.spm"
    pieces = _sentencepiece(spm, (*ENGLISH, *PORTUGUESE), 110)
    scores = sentencepiece.SentencePieceProcessor(model_file=str(spm)).get_score
    spm.unlink()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    ranked = [(piece, scores(index)) for index, piece in enumerate(pieces) if piece not in special]
    rows = [*((name, 0.0) for name in special), *ranked, ("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(rows, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos": "<s>", "cls": "<s>", "pad": "<pad>", "eos": "</s>", "sep": "</s>", "unk": "<unk>"}
    whole = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        mask_token=AddedToken("<mask>", lstrip=True, special=True, normalized=False),
        **{f"{role}_token": name for role, name in names.items()},
    )
    whole.save_pretrained(folder)
    _record(folder, whole, (*TEXTS, "The <mask> sat."))
    return len(whole)
