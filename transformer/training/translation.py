"""Learning to translate: sentence pairs, cross-entropy against smoothed labels, BLEU on validation pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from transformer.corpus.files import read_pairs
from transformer.search.generate import greedy
from transformer.text.tokenizer import SubwordTokenizer
from transformer.training.data import Example, make_batch, one_pass
from transformer.training.job import Job
from transformer.training.schedule import SmoothedCrossEntropy
from transformer.training.snapshots import Snapshots
from transformer.training.vocabulary import tokenizer_of

PROBES = (
    ("O trem saiu da estação na hora.", "The train left the station on time."),
    ("Este é um problema que temos que resolver.", "This is a problem that we have to solve."),
    ("Ela não gosta de café, mas eu gosto.", "She does not like coffee, but I do."),
    ("Onde fica o banco mais próximo?", "Where is the nearest bank?"),
    ("O gato preto dorme na cadeira azul.", "The black cat is sleeping on the blue chair."),
    ("Se chover amanhã, ficaremos em casa.", "If it rains tomorrow, we will stay at home."),
    ("Meu irmão mais novo quer ser médico.", "My younger brother wants to be a doctor."),
    ("¿Puedes ayudarme a abrir la puerta?", "Can you help me open the door?"),
)


class Translation:
    """The `Task` of an encoder-decoder over text, with attention alone or recurrent.

    Raises:
        ValueError: no usable pairs.
    """

    figures: tuple[str, ...] = ("valid_bleu",)

    def __init__(self, job: Job) -> None:
        self.job = job
        self.tokenizer = tokenizer_of(
            job,
            lambda: [
                text
                for s in job.data
                for pair in read_pairs(s.path) * max(1, round(s.weight))
                for text in pair
            ],
        )
        config = job.preset.model
        longest = min(config.max_source, config.max_target)
        self.sources = [(_encode(self.tokenizer, read_pairs(s.path), longest)[1], s.weight) for s in job.data]
        pairs = [pair for s in job.valid for pair in read_pairs(s.path)]
        self.valid_pairs, self.valid = _encode(self.tokenizer, pairs, longest)
        if not self.valid or not any(examples for examples, _ in self.sources):
            raise ValueError(
                f"expected training and validation pairs of at most {longest} tokens, received none"
            )
        self.received = f"pairs for batches of {job.preset.training.batch_tokens} tokens"

    def one_pass(self, rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], Any]]:
        """Batches of one pass."""
        for batch in one_pass(self.sources, self.job.preset.training.batch_tokens, rng):
            yield {"source": batch.source, "target": batch.target}, batch.labels

    def loss(self) -> Callable[[Any, Any], Any]:
        """Cross-entropy against smoothed labels."""
        return SmoothedCrossEntropy(self.job.preset.training.label_smoothing)

    def loss_weights(self) -> None:
        """One loss alone."""

    def validate(self, network: Any) -> dict[str, float]:
        """Loss over all pairs, BLEU over the first."""
        pairs = self.valid_pairs[: self.job.bleu_sentences]
        return {
            "valid_loss": evaluate_loss(network, self.valid),
            "valid_bleu": quick_bleu(network, self.tokenizer, pairs, self.valid),
        }

    def snapshots(self, step: int) -> Snapshots:
        """Of the pairs in `PROBES`; `{i}/source` and `{i}/target` are their ids, the target as the decoder reads it."""
        examples = [Example(*self.tokenizer.encode_all(pair)) for pair in PROBES]
        batch = make_batch(examples)

        def record(network: Any) -> dict[str, np.ndarray]:
            result, maps = network.forward(batch.source, batch.target), {}
            for kind in ("encoder", "decoder", "cross"):
                if getattr(result, kind) is None:
                    continue  # a recurrent network has no self-attention
                weights = np.asarray(keras.ops.convert_to_numpy(getattr(result, kind)), np.float32)
                for i, example in enumerate(examples):
                    queries = len(example.source if kind == "encoder" else example.target)
                    keys = len(example.target if kind == "decoder" else example.source)
                    maps[f"{i}/{kind}"] = weights[i, :, :, :queries, :keys]
            return maps

        fixed = {f"{i}/source": np.array(example.source, np.int32) for i, example in enumerate(examples)}
        fixed |= {f"{i}/target": batch.target[i, : len(e.target)] for i, e in enumerate(examples)}
        steps = self.job.preset.training.steps
        return Snapshots(self.job.out / "snapshots.npz", steps, step, record, fixed)


def evaluate_loss(network: Any, examples: Sequence[Example], size: int = 64) -> float:
    """Cross-entropy per token without smoothing, in nats, over all examples."""
    measure = SmoothedCrossEntropy(0.0)
    total, tokens = 0.0, 0
    ordered = sorted(examples, key=lambda e: len(e.target))
    for i in range(0, len(ordered), size):
        batch = make_batch(ordered[i : i + size])
        logits = network.predict_on_batch({"source": batch.source, "target": batch.target})
        count = int((batch.labels != 0).sum())
        total += float(measure(batch.labels, logits)) * count
        tokens += count
    return total / max(tokens, 1)


def quick_bleu(
    network: Any,
    tokenizer: SubwordTokenizer,
    pairs: Sequence[tuple[str, str]],
    examples: Sequence[Example],
) -> float:
    """Greedy BLEU of the raw weights on a few validation pairs: for the curve, not for the model card."""
    import sacrebleu

    batch = make_batch(examples[: len(pairs)])
    limit = min(48, network.config.max_target)
    ids = np.asarray(keras.ops.convert_to_numpy(greedy(network, batch.source, limit).ids))
    guesses = [tokenizer.decode([i for i in row if i > 0]) for row in ids]
    return float(sacrebleu.corpus_bleu(guesses, [[target for _, target in pairs]]).score)


def _encode(
    tokenizer: SubwordTokenizer, pairs: Sequence[tuple[str, str]], longest: int
) -> tuple[list[tuple[str, str]], list[Example]]:
    """The pairs of at most `longest` tokens a side, and their ids, in the same order."""
    sources = tokenizer.encode_all([source for source, _ in pairs])
    targets = tokenizer.encode_all([target for _, target in pairs])
    fitting = [i for i in range(len(pairs)) if max(len(sources[i]), len(targets[i])) <= longest]
    return [pairs[i] for i in fitting], [Example(sources[i], targets[i]) for i in fitting]
