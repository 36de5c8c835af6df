"""Tiny networks with the heads of tasks, on readers of every family and on decoders, and what the reference library
answers with them.

Beside logits, maps and states, a folder with a tokenizer holds what the library's own pipelines say of two texts, in
`expected_answers.json`: "text-classification" (every label), "token-classification" (each token, and entities
grouped by the strategy "simple").
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
import vocabularies
from recording import Arrays, asked, batch, made, reopened, write

TEXTS = ("The cat sat on the mat and the dog sat on the log.", "He has read the letter, hasn't he?")
PAIR = ("The cat sat on the mat", "The cat lay on the rug")
HERE = Path(__file__).resolve().parent
BERT = dict(
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=20,
    max_position_embeddings=48,
)
DISTIL = dict(dim=24, n_layers=2, n_heads=3, hidden_dim=20, max_position_embeddings=48)
GPT2 = dict(n_embd=24, n_layer=2, n_head=3, n_inner=20, n_positions=48)
LLAMA = dict(BERT, num_attention_heads=4, num_key_value_heads=2, intermediate_size=28)
NAMES = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}


def head(
    folder: Path,
    seed: int,
    kind: str,
    *,
    words: bool = False,
    sides: tuple[str, ...] = ("right",),
    pad: int = 0,
    **fields: Any,
) -> None:
    """One network with its answers to a padded batch, and with `words` a tokenizer and its answers to texts."""
    of = getattr(transformers, kind)
    folder.mkdir(exist_ok=True)
    written = vocabularies.gpt2 if "GPT2" in kind else partial(vocabularies.bert, lower=True)
    size = written(folder, whole=True) if words else 60
    (folder / "expected_tokens.json").unlink(missing_ok=True)  # other folders hold those
    config = of.config_class(**(dict(vocab_size=size, pad_token_id=pad) | fields))
    network = made(of, config, seed)
    arrays: Arrays = {}
    for side in sides:
        inputs = batch(config.vocab_size, (9, 6), 5, pad, left=side == "left", seed=seed)
        if getattr(config, "type_vocab_size", 1) > 1:
            inputs["token_type_ids"] = (torch.arange(9) > 4).long().repeat(2, 1) * inputs["attention_mask"]
        if "GPT2" in kind and side == "left":  # it counts over all tokens otherwise
            inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
        arrays |= asked(network, inputs, f"{side}/")
        if "QuestionAnswering" in kind:
            with torch.no_grad():
                said = network(**inputs)
            arrays |= {f"{side}/logits": torch.stack([said.start_logits, said.end_logits], -1).numpy()}
    if "MPNetForMasked" in kind:  # which row of its table a distance takes
        apart = torch.arange(-511, 512)
        arrays |= {
            "distances": apart.numpy(),
            "buckets": network.mpnet.encoder.relative_position_bucket(apart).numpy(),
        }
    write(folder, network, arrays)
    if "QuestionAnswering" not in kind:
        reopened(of, folder, inputs, arrays[f"{sides[-1]}/logits"])
    if words and "QuestionAnswering" not in kind:
        answers(folder, network, kind)


def answers(folder: Path, network: Any, kind: str) -> None:
    """What the library's pipelines make of texts."""
    marks = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "pad", "cls", "sep", "mask")}
    marks = {"eos_token": "<|endoftext|>"} if "GPT2" in kind else marks
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **marks)
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    found: dict[str, Any] = {"versions": vocabularies.versions(), "texts": []}
    for text in TEXTS:
        row: dict[str, Any] = {"text": text, "ids": tokenizer(text)["input_ids"]}
        if "TokenClassification" in kind:
            ask = transformers.pipeline(
                "token-classification", model=network, tokenizer=tokenizer, ignore_labels=[]
            )
            row["tokens"] = plain(ask(text))
            row["entities"] = plain(ask(text, aggregation_strategy="simple"))
        else:
            ask = transformers.pipeline("text-classification", model=network, tokenizer=tokenizer, top_k=None)
            row["labels"] = plain(ask([text]))[0]
        found["texts"].append(row)
    (folder / "expected_answers.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def pairs(folder: Path) -> None:
    """Two texts as the tokenizers of other folders join them, and what a network for pairs makes of them."""
    folder.mkdir(exist_ok=True)
    found: dict[str, Any] = {"versions": vocabularies.versions(), "texts": PAIR}
    for name in (
        "heads-bert-score",
        "heads-bert-classes",
        "tokens-roberta",
        "tokens-unigram",
        "tokens-llama3",
    ):
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(HERE / name / "tokenizer.json"))
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.backend_tokenizer.no_truncation()
        encoded = tokenizer.backend_tokenizer.encode(*PAIR)
        found[name] = {"ids": encoded.ids, "types": encoded.type_ids}
        if name.startswith("heads"):
            network = transformers.BertForSequenceClassification.from_pretrained(HERE / name).eval()
            with torch.no_grad():
                said = network(torch.tensor([encoded.ids]), token_type_ids=torch.tensor([encoded.type_ids]))
            found[name]["logits"] = said.logits[0].tolist()
    (folder / "expected_pairs.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def plain(rows: Any) -> Any:
    """Numbers of numpy as Python's."""
    return json.loads(json.dumps(rows, default=float))


BOTH = ("right", "left")
ROBERTA = dict(BERT, layer_norm_eps=1e-5, type_vocab_size=1)
MODERN = dict(BERT, num_hidden_layers=4, local_attention=6, max_position_embeddings=64)
NARROW = dict(BERT, embedding_size=14)
VARIANTS: dict[str, Any] = {
    "heads-pairs": pairs,
    "heads-bert-classes": partial(head, seed=1, kind="BertForSequenceClassification", words=True, **BERT),
    "heads-bert-labels": partial(
        head, seed=2, kind="BertForSequenceClassification", words=True, num_labels=3,
        problem_type="multi_label_classification", **BERT,
    ),
    "heads-bert-score": partial(
        head, seed=3, kind="BertForSequenceClassification", words=True, num_labels=1, problem_type="regression", **BERT
    ),
    "heads-bert-tokens": partial(
        head, seed=4, kind="BertForTokenClassification", words=True, id2label=NAMES, **BERT
    ),
    "heads-bert-spans": partial(head, seed=5, kind="BertForQuestionAnswering", words=True, **BERT),
    "heads-bert-next": partial(head, seed=6, kind="BertForNextSentencePrediction", **BERT),
    "heads-roberta-labels": partial(
        head, seed=7, kind="RobertaForSequenceClassification", pad=1, num_labels=3,
        problem_type="multi_label_classification", layer_norm_eps=1e-5, type_vocab_size=1, **BERT,
    ),
    "heads-roberta-tokens": partial(
        head, seed=8, kind="RobertaForTokenClassification", pad=1, num_labels=3, layer_norm_eps=1e-5,
        type_vocab_size=1, **BERT,
    ),
    "heads-distilbert-classes": partial(
        head, seed=9, kind="DistilBertForSequenceClassification", num_labels=3, **DISTIL
    ),
    "heads-distilbert-tokens": partial(head, seed=10, kind="DistilBertForTokenClassification", **DISTIL),
    "heads-gpt2-classes": partial(
        head, seed=11, kind="GPT2ForSequenceClassification", words=True, sides=BOTH, num_labels=3, **GPT2
    ),
    "heads-gpt2-tokens": partial(head, seed=12, kind="GPT2ForTokenClassification", sides=BOTH, num_labels=3, **GPT2),
    "heads-llama-score": partial(
        head, seed=13, kind="LlamaForSequenceClassification", sides=BOTH, num_labels=1, rms_norm_eps=1e-5, **LLAMA
    ),
    "heads-llama-tokens": partial(head, seed=14, kind="LlamaForTokenClassification", sides=BOTH, num_labels=3, **LLAMA),
    "heads-qwen2-labels": partial(
        head, seed=15, kind="Qwen2ForSequenceClassification", sides=BOTH, num_labels=3,
        problem_type="multi_label_classification", **LLAMA,
    ),
    "heads-xlmr-words": partial(head, seed=16, kind="XLMRobertaForMaskedLM", pad=1, **ROBERTA),
    "heads-xlmr-score": partial(
        head, seed=17, kind="XLMRobertaForSequenceClassification", pad=1, num_labels=1, **ROBERTA
    ),
    "heads-camembert-tokens": partial(
        head, seed=18, kind="CamembertForTokenClassification", pad=1, num_labels=3, **ROBERTA
    ),
    "heads-electra-words": partial(head, seed=19, kind="ElectraForMaskedLM", **NARROW),
    "heads-electra-replaced": partial(head, seed=20, kind="ElectraForPreTraining", **NARROW),
    "heads-electra-labels": partial(
        head, seed=21, kind="ElectraForSequenceClassification", num_labels=3,
        problem_type="multi_label_classification", **BERT, embedding_size=24,
    ),
    "heads-albert-words": partial(head, seed=22, kind="AlbertForMaskedLM", **dict(NARROW, num_hidden_layers=3)),
    "heads-albert-classes": partial(
        head, seed=23, kind="AlbertForSequenceClassification", num_labels=3, hidden_act="relu", **BERT,
        embedding_size=24,
    ),
    "heads-modern-words": partial(head, seed=26, kind="ModernBertForMaskedLM", **MODERN),
    "heads-modern-classes": partial(
        head, seed=27, kind="ModernBertForSequenceClassification", num_labels=3, classifier_pooling="mean", **MODERN
    ),
    "heads-modern-tokens": partial(
        head, seed=28, kind="ModernBertForTokenClassification", num_labels=3, norm_bias=True, attention_bias=True,
        mlp_bias=True, classifier_bias=True, **MODERN,
    ),
    "heads-roberta-spans": partial(head, seed=29, kind="RobertaForQuestionAnswering", pad=1, **ROBERTA),
    "heads-modern-spans": partial(head, seed=30, kind="ModernBertForQuestionAnswering", **MODERN),
    "heads-gpt2-spans": partial(head, seed=31, kind="GPT2ForQuestionAnswering", sides=BOTH, **GPT2),
    "heads-llama-spans": partial(head, seed=32, kind="LlamaForQuestionAnswering", sides=BOTH, **LLAMA),
    "heads-mpnet-words": partial(head, seed=24, kind="MPNetForMaskedLM", pad=1, **BERT),
    "heads-mpnet-classes": partial(
        head, seed=25, kind="MPNetForSequenceClassification", pad=1, num_labels=3, **BERT
    ),
}  # fmt: skip
