"""Which head a published checkpoint has: decided by `architectures`, `problem_type` and `num_labels` of its settings;
the names of its tensors only confirm it.

Source: Hugging Face transformers 5.24, `configuration_utils.py` (how labels are counted and named), `pipelines/
text_classification.py` (what is made of scores), `modeling_layers.py` (heads on decoders).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from transformer.checkpoints.families.table import Family, Row, linear
from transformer.config import ModelConfig, Task
from transformer.untrusted import shown

Settings = Mapping[str, Any]
WORDS, LINE, BODY = "MaskedLM", "CausalLM", ""  # kinds of heads, as an architecture's name ends
CLASSES, TOKENS = "SequenceClassification", "TokenClassification"
SPANS, FOLLOWS = "QuestionAnswering", "NextSentencePrediction"
REPLACED = "PreTraining"  # of ELECTRA; what other families are pretrained by has masked words in it
# What the others answer.
_OTHERS = {
    SPANS: "where an answer begins and ends",
    "MultipleChoice": "which of several texts fits",
    FOLLOWS: "whether one text follows another",
}
FOLLOWING = (
    "the second text follows",
    "it does not",
)  # classes of FOLLOWS (Devlin et al. 2018, section 3.1, task 2)
# Where no architecture is named: kinds of heads in the order in which tensors are looked for.
_ORDER = (CLASSES, TOKENS, SPANS, WORDS, REPLACED)
MOST_CLASSES = 100_000


class Head(NamedTuple):
    """A kind of head in a family: tensors that networks with it have, and what its task has otherwise."""

    markers: tuple[str, ...]
    task: Mapping[str, Any] = {}


def kind_of(config: Settings) -> str | None:
    """The kind of a checkpoint's head by the name of its architecture: "SequenceClassification", "" for a body alone,
    None where none is named."""
    named = config.get("architectures")
    name = named[0] if isinstance(named, list) and named else None
    if not isinstance(name, str):
        return None
    if found := re.search(r"For([A-Z][A-Za-z]*)$", name):
        return found[1]
    return LINE if name.endswith("LMHeadModel") else BODY if name.endswith("Model") else name


def task_of(config: Settings, names: Collection[str], heads: Mapping[str, Head], **body: Any) -> Task:
    """What a checkpoint of an encoder answers; arguments as of `task_for`, errors too."""
    kind = kind_of(config)
    if kind is None:
        kind = next((kind for kind in _ORDER if kind in heads and _there(heads[kind], names)), BODY)
    return task_for(kind, config, names, heads, **body)


def task_for(
    kind: str, config: Settings, names: Collection[str], heads: Mapping[str, Head], **body: Any
) -> Task:
    """What a checkpoint with this kind of head answers; its body alone where the family has no such head, or where the
    files hold none.

    Args:
        kind: of head, see `kind_of`.
        config: its settings.
        names: of its tensors; empty where nobody has looked yet.
        heads: of its family, by their kinds.
        body: what the task of a body alone has otherwise.

    Raises:
        ValueError: labels or a problem that cannot be.
    """
    if kind == BODY:
        return Task(kind="vectors", **body)
    if kind == REPLACED and kind not in heads:
        kind = WORDS
    head = heads.get(kind)
    if head is None:
        return Task(kind="vectors", left_out=_named(config, kind), **body)
    if names and not _there(head, names):
        return Task(kind="vectors", left_out=f"{_named(config, kind)}, which its files do not hold", **body)
    if kind == CLASSES:
        return Task(**_answers(config), **head.task)
    if kind == TOKENS:
        count, called = _labels(config)
        return Task(kind="token_classes", classes=count, names=called, **head.task)
    return Task(**head.task)


def _there(head: Head, names: Collection[str]) -> bool:
    return all(marker in names for marker in head.markers)


def _named(config: Settings, kind: str) -> str:
    """The head of an architecture and what it answers, for people."""
    named = config.get("architectures")
    name = str(named[0])[:80] if isinstance(named, list) and named else kind[:80]
    return f"{name} ({_OTHERS[kind]})" if kind in _OTHERS else name


def _answers(config: Settings) -> dict[str, Any]:
    """Of a whole text: one of several classes, any of several labels, or numbers as they are."""
    count, names = _labels(config)
    problem = config.get("problem_type")
    kinds = {
        "regression": "score",
        "multi_label_classification": "labels",
        "single_label_classification": "classes",
        None: "score" if count == 1 else "classes",
    }
    fits = isinstance(problem, str) or problem is None
    if not fits or problem not in kinds or (problem == "single_label_classification" and count == 1):
        raise ValueError(
            f"expected problem_type as one of {', '.join(k for k in kinds if k)}, with several labels for one of them, "
            f"received {shown(problem)} and {count}"
        )
    return {"kind": kinds[problem], "classes": count, "names": names}


def _labels(config: Settings) -> tuple[int, tuple[str, ...]]:
    """How many classes there are, and their names where the settings have some: without any the library writes none,
    and two are meant."""
    labels, count = config.get("id2label"), config.get("num_labels")
    if labels is None:
        count = 2 if count is None else count
        if type(count) is not int or not 1 <= count <= MOST_CLASSES:
            raise ValueError(f"expected num_labels from 1 to {MOST_CLASSES:,}, received {shown(count)}")
        return count, ()
    if not isinstance(labels, dict) or not labels or not all(str(i) in labels for i in range(len(labels))):
        raise ValueError("expected id2label in config.json with a name for each class, received another")
    return len(labels), tuple(str(labels[str(i)])[:200] for i in range(len(labels)))


def classifier(config: ModelConfig, theirs: str) -> list[Row]:
    """The layer that gives classes, labels or numbers."""
    return linear(theirs, "classifier", config.task.class_bias)


def beside_writing(family: Family, tokens: str) -> Family:
    """A family of decoders, which besides writing may read: with the heads that its library puts on it.

    Args:
        family: how it writes.
        tokens: what the layer for classes of tokens is called.
    """
    score = {"pooling": "last", "class_bias": False}
    # Without an architecture's name only a bias tells classes of tokens from those of a text.
    heads = {
        TOKENS: Head((f"{tokens}.weight", f"{tokens}.bias")),
        CLASSES: Head(("score.weight",), score),
        SPANS: Head(("qa_outputs.weight",), {"kind": "spans"}),
    }

    def settings(config: Settings, names: Collection[str]) -> ModelConfig:
        made, kind = family.settings(config, names), kind_of(config)
        writes = made.task.tied or _writes(family, made, names)
        if kind is None:
            found = next((k for k in heads if _there(heads[k], names)), BODY)
            kind = LINE if found == BODY and (writes or not names) else found
        if kind == LINE or (kind == BODY and writes):
            return made
        if made.target and made.target.width:
            raise ValueError(
                f"expected rows of tokens as wide as the network for {_named(config, kind)}, received narrower ones"
            )
        return replace(made, task=task_for(kind, config, names, heads))

    def rows(config: ModelConfig) -> list[Row]:
        if config.task.kind == "tokens":
            return family.rows(config)
        table = [row for row in family.rows(config) if not row.ours.startswith("output_projection/")]
        if config.output == "spans":
            return table + classifier(config, "qa_outputs")
        if config.output == "token_classes":
            return table + classifier(config, tokens)
        return table + (classifier(config, "score") if config.classes else [])

    return family._replace(settings=settings, rows=rows)


def _writes(family: Family, config: ModelConfig, names: Collection[str]) -> bool:
    """Whether the files hold a table to write with."""
    wanted = {row.theirs for row in family.rows(config) if row.ours == "output_projection/kernel"}
    return wanted <= set(names)


def prefix_of(name: str, prefix: str) -> str:
    """What stands before a tensor's name in the body: the family's `prefix`, or as it is called below answers to a
    question in several families that have another one; "" where neither does."""
    return next((start for start in (prefix, "transformer.") if start and name.startswith(start)), "")


def outside(headers: Mapping[str, Any], prefix: str) -> set[str]:
    """The tensors of a head: those that do not stand below the name of the body, where some do."""
    within = {plain for plain, header in headers.items() if prefix_of(header.name, prefix)}
    return set(headers) - within if within else set()
