"""The subword vocabulary of a training run: made once, then kept beside its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from transformer.checkpoints import folder
from transformer.text.tokenizer import SubwordTokenizer
from transformer.training.job import Job


def tokenizer_of(job: Job, texts: Callable[[], Iterable[str]]) -> SubwordTokenizer:
    """The run's own, that of the model named for it or that it starts from, or one trained on `texts`."""
    path = job.out / folder.TOKENIZER
    if job.resume and path.exists():
        return SubwordTokenizer.load(path)
    if given := job.tokenizer or job.initial:
        tokenizer = SubwordTokenizer.load(given / folder.TOKENIZER)
    else:
        tokenizer = SubwordTokenizer.train(texts(), job.preset.model.vocabulary)
    if tokenizer.size != job.preset.model.vocabulary:
        raise ValueError(
            f"expected a vocabulary of {job.preset.model.vocabulary} subwords, received {tokenizer.size}: "
            "too little text for so many"
        )
    tokenizer.save(path)
    return tokenizer
