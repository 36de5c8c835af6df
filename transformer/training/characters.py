"""Learning to go on with a text character by character: samples, cross-entropy, bits per character with context.

One task for both networks, so that they read the same: samples of running text from a random place on, in random order.
The vocabulary goes through Keras's lookup layer; `transformer.text.characters` gives the same ids where they are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from transformer.checkpoints import folder
from transformer.corpus.files import read_text
from transformer.formulas.bits import bits, carried_bits, characters, windows
from transformer.layers.lstm import Carried
from transformer.text.characters import FIRST, CharacterTokenizer
from transformer.training.job import Job
from transformer.training.schedule import SmoothedCrossEntropy
from transformer.training.snapshots import Snapshots

PROBE = "ROMEO:\nWhat light is this that breaks"
ROWS, CHUNK = 16, 256  # of the validation text: rows that an LSTM reads side by side, and characters at once


def lookup(tokenizer: CharacterTokenizer) -> keras.layers.StringLookup:
    """The layer that turns single characters into ids: padding 0, unknown 1, then the vocabulary."""
    return keras.layers.StringLookup(vocabulary=tokenizer.characters, mask_token="", num_oov_indices=1)


def lookup_ids(tokenizer: CharacterTokenizer, text: str) -> np.ndarray:
    """The ids of a text (N,), by `lookup`."""
    found = lookup(tokenizer)(np.array(list(text)))
    return np.asarray(ops.convert_to_numpy(found), np.int32)


class Characters:
    """The `Task` of a network of characters, recurrent or a decoder alone.

    Raises:
        ValueError: too little text, or other characters than the configuration has room for.
    """

    figures: tuple[str, ...] = ("valid_bits_per_character", "characters")

    def __init__(self, job: Job) -> None:
        self.job, config = job, job.preset.model
        text = "".join(read_text(source.path) for source in job.data)
        valid = "".join(read_text(source.path) for source in job.valid)
        path = job.out / folder.TOKENIZER
        # The validation text lends its characters, not its text: what is in neither is unknown.
        self.tokenizer = (
            CharacterTokenizer.load(path)
            if job.resume and path.exists()
            else CharacterTokenizer.train(text + valid)
        )
        if self.tokenizer.size != config.vocabulary:
            raise ValueError(
                f"expected text of {config.vocabulary - FIRST} different characters, received "
                f"{self.tokenizer.size - FIRST}"
            )
        self.tokenizer.save(path)
        self.ids, self.valid = (lookup_ids(self.tokenizer, part) for part in (text, valid))
        self.length = config.max_target
        if min(len(self.ids), len(self.valid)) <= self.length:
            raise ValueError(f"expected texts of more than {self.length} characters, received shorter ones")
        self.rows = max(1, job.preset.training.batch_tokens // self.length)
        self._scorer: Callable[..., tuple[np.ndarray, Any]] | None = None
        self.received = f"text for {self.rows} samples of {self.length} characters"

    def one_pass(self, rng: np.random.Generator) -> Iterator[tuple[dict[str, Any], Any]]:
        """Samples that begin elsewhere in each pass, in random order."""
        x, y = windows(self.ids, self.length, int(rng.integers(self.length)))
        order = rng.permutation(len(x))
        for begin in range(0, len(order) - self.rows + 1, self.rows):
            chosen = order[begin : begin + self.rows]
            yield {"ids": x[chosen]}, y[chosen]

    def loss(self) -> Callable[[Any, Any], Any]:
        """Cross-entropy of the next character."""
        return SmoothedCrossEntropy(self.job.preset.training.label_smoothing)

    def loss_weights(self) -> None:
        """One loss alone."""

    def validate(self, network: Any) -> dict[str, float]:
        """The whole validation text, with context: an LSTM's state is carried, windows overlap by half."""
        found = (
            carried_bits(self._score(network), self.valid)
            if network.config.recurrent
            else bits(
                lambda x, y: _picked(network.predict_on_batch({"ids": x}), y),
                characters(self.valid),
                self.length,
                start=FIRST,
                rows=8,
            )["bits_per_byte"]
        )
        read = int(np.asarray(network.optimizer.iterations, np.int64)) * self.rows * self.length
        return {
            "valid_loss": found * math.log(2),
            "valid_bits_per_character": found,
            "characters": read,
        }

    def _score(self, network: Any) -> Callable[..., tuple[np.ndarray, Any]]:
        if self._scorer is None:
            self._scorer = scorer(network)
        return self._scorer

    def snapshots(self, step: int) -> Snapshots:
        """Attention over `PROBE`; of an LSTM nothing."""
        row = [FIRST, *self.tokenizer.ids(PROBE)][: self.length]
        attends = self.job.preset.model.recurrent is None

        def record(network: Any) -> dict[str, np.ndarray]:
            if not attends:
                return {}
            result = network.forward(np.array([row], np.int32)).decoder
            return {"0/decoder": np.asarray(ops.convert_to_numpy(result), np.float32)[0]}

        fixed = {"0/target": np.array(row, np.int32)}
        return Snapshots(self.job.out / "snapshots.npz", self.job.preset.training.steps, step, record, fixed)


class _Reading(keras.Model):
    """A character LSTM as a graph from ids and state to logits and state."""

    def __init__(self, network: Any) -> None:
        super().__init__(name="reading")
        self.network = network
        self.compile(jit_compile=False)

    def call(self, inputs: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        ids, output, cell = inputs
        logits, after = self.network.read(self.network.embedding(ids), Carried(output, cell))
        return logits, after.output, after.cell


def scorer(network: Any) -> Callable[..., tuple[np.ndarray, Any]]:
    """What `carried_bits` asks of an LSTM; make it once, for it is compiled."""
    reading = _Reading(network)

    def score(inputs: np.ndarray, labels: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        nothing = np.zeros((len(inputs), network.config.width), np.float32)
        logits, *state = reading.predict_on_batch((inputs, *(state or (nothing, nothing))))
        return _picked(logits, labels), state

    return score


def _picked(logits: Any, labels: np.ndarray) -> np.ndarray:
    """Natural log-probabilities (B, T) of labels under logits (B, T, V)."""
    scores = np.asarray(logits, np.float32)
    scores = scores - scores.max(-1, keepdims=True)
    chosen: np.ndarray = np.take_along_axis(scores, labels[..., None], -1)[..., 0]
    return chosen - np.log(np.exp(scores).sum(-1))
