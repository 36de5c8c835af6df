"""The recurrent translator: against the same sums in numpy, step by step against the whole, and as a model folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.config import PAD, START, ModelConfig, present
from transformer.models.altering import Alter, Gates
from transformer.models.assembly import assemble
from transformer.models.recurrent import RecurrentTranslator
from transformer.search.generate import EMPTY, beam, greedy

SCORES = ("additive", "dot", "general", "scaled")


def config(**changes: Any) -> ModelConfig:
    """A toy recurrent translator."""
    own: dict[str, Any] = dict(
        recurrence="gru", encoder_layers=1, decoder_layers=1, heads=1, positions="none"
    )
    return toy.config(**(own | changes))


class Reference:
    """The same network for one sentence, position by position, in float64; see `models/recurrent.py`."""

    def __init__(self, made: ModelConfig, weights: dict[str, np.ndarray]) -> None:
        self.config, self.kind = made, present(made.recurrent, "recurrent").score
        self.weights = {name: np.asarray(value, np.float64) for name, value in weights.items()}

    def dense(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self.weights[f"{name}/kernel"] + self.weights.get(f"{name}/bias", 0.0)

    def gru(self, given: np.ndarray, state: np.ndarray, name: str) -> np.ndarray:
        recurrent = state @ self.weights[f"{name}/recurrent_kernel"] + self.weights[f"{name}/recurrent_bias"]
        (z_x, r_x, n_x), (z_h, r_h, n_h) = np.split(given, 3), np.split(recurrent, 3)
        z, r = 1 / (1 + np.exp(-(z_x + z_h))), 1 / (1 + np.exp(-(r_x + r_h)))
        return z * state + (1 - z) * np.tanh(n_x + r * n_h)

    def read(self, words: np.ndarray, name: str) -> np.ndarray:
        state, states = np.zeros(self.config.width), []
        for word in words:
            state = self.gru(self.dense(word, f"{name}/input"), state, name)
            states.append(state)
        return np.stack(states)

    def score(self, state: np.ndarray, vector: np.ndarray) -> float:
        kind = self.kind
        if kind == "additive":
            both = np.tanh(self.dense(state, "alignment/query") + self.dense(vector, "alignment/key"))
            return float(both @ self.weights["alignment/vector"])
        if kind == "general":
            return float(state @ self.dense(vector, "alignment/key")) / self.config.width**0.5
        return float(state @ vector) * (float(self.weights["alignment/scale"]) if kind == "scaled" else 1)

    def forward(self, source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        table = self.weights["source_embedding/tokens/embeddings"]
        words, written = (table[ids] * self.config.width**0.5 for ids in (source, target))
        after, before = self.read(words, "forwards"), self.read(words[::-1], "backwards")[::-1]
        vectors = self.dense(np.concatenate([after, before], -1), "merge")
        state, logits, maps = np.tanh(self.dense(before[0], "first")), [], []
        for word in written:
            given = self.dense(word, "decoder/input")
            additive = self.kind == "additive"
            if not additive:
                state = self.gru(given, state, "decoder")
            weights = toy.softmax(np.array([self.score(state, vector) for vector in vectors]))
            seen = weights @ vectors
            if additive:
                state = self.gru(given + self.dense(seen, "context"), state, "decoder")
            parts = [state, seen, word] if additive else [state, seen]
            logits.append(np.tanh(self.dense(np.concatenate(parts), "readout")) @ table.T)
            maps.append(weights)
        return np.stack(logits), np.stack(maps)


@pytest.fixture(scope="module", params=SCORES)
def network(request: pytest.FixtureRequest) -> Any:
    return toy.shared(config(score=request.param))


@pytest.fixture(scope="module")
def source() -> np.ndarray:
    rows = toy.ids((3, 6), 1)
    rows[1, 4:] = PAD
    return rows


@pytest.fixture(scope="module")
def target() -> np.ndarray:
    rows = toy.ids((3, 5), 2)
    rows[:, 0] = START
    return rows


def test_equals_the_sums_in_numpy(network: Any, source: np.ndarray, target: np.ndarray) -> None:
    reference = Reference(network.config, folder.read_weights(network))
    result = network.forward(source, target)
    cross = np.asarray(result.cross)
    assert cross.shape == (3, 1, 1, 5, 6)
    for row, ids in enumerate(source):
        real = ids != PAD
        logits, weights = reference.forward(ids[real], target[row])
        np.testing.assert_allclose(np.asarray(result.logits)[row], logits, atol=1e-4)
        np.testing.assert_allclose(cross[row, 0, 0][:, real], weights, atol=1e-5)
        assert (cross[row, 0, 0][:, ~real] == 0).all()
    assert result.encoder is None
    assert result.decoder is None


def test_step_by_step_is_the_whole(network: Any, source: np.ndarray, target: np.ndarray) -> None:
    whole, state = np.asarray(network.forward(source, target).logits), network.start(source, 5)
    for t in range(5):
        logits, state = network.step(target[:, t], t, state)
        np.testing.assert_allclose(np.asarray(logits), whole[:, t], atol=1e-5)


def test_greedy_is_one_beam_and_follows_forward(network: Any, source: np.ndarray) -> None:
    one, other = greedy(network, source, 5), beam(network, source, 5, beams=1)
    ids = np.asarray(one.ids)
    np.testing.assert_array_equal(ids, np.asarray(other.ids))
    read = np.concatenate([np.full((3, 1), START), np.where(ids == EMPTY, PAD, ids)[:, :-1]], 1)
    logits = np.asarray(network.forward(source, read).logits).copy()
    logits[..., list(network.config.suppressed)] = -np.inf
    written = ids != EMPTY
    np.testing.assert_array_equal(logits.argmax(-1)[written], ids[written])


def test_a_gate_shuts_what_is_seen_out(network: Any, source: np.ndarray, target: np.ndarray) -> None:
    shut = network.forward(source[:1], target[:1], alter=Alter(Gates(cross=np.zeros((1, 1), np.float32))))
    on = network.forward(source[:1], target[:1], alter=Alter(Gates(cross=np.ones((1, 1), np.float32))))
    plain = network.forward(source[:1], target[:1])
    np.testing.assert_array_equal(np.asarray(on.logits), np.asarray(plain.logits))
    assert np.abs(np.asarray(shut.logits) - np.asarray(plain.logits)).max() > 0.01


def test_a_folder_holds_it(tmp_path: Path) -> None:
    made = config(score="scaled")
    folder.save_config(tmp_path, made)
    assert folder.load_config(tmp_path) == made
    assert made.family == "recurrent"
    assert isinstance(assemble(made, dtype="float32"), RecurrentTranslator)


@pytest.mark.parametrize(
    "changes", [dict(encoder_layers=2), dict(heads=2), dict(positions="interleaved"), dict(ctc=True)], ids=str
)
def test_what_a_recurrent_network_cannot_have_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected one layer and one head a side"):
        config(**changes)
