"""Compiled inference of an encoder alone: against the network called plainly, whatever the padding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.models.altering import Alter, Gates
from transformer.pipeline import load
from transformer.runtime import ALTERNATIVES, ReaderRuntime, reader

LONGEST = 20
BERT = dict(norm="post", positions="learned", token_types=2, embedding_norm=True, max_source=LONGEST)
CLASSES = dict(output="classes", classes=3, pooler=True)
GOLDEN = Path(__file__).parents[1] / "golden"


def runtime(**changes: Any) -> ReaderRuntime:
    return ReaderRuntime(toy.shared(toy.encoder(**(BERT | changes))))


@pytest.fixture(scope="module")
def guesser() -> ReaderRuntime:
    return runtime(output="masked_tokens", logits_bias=True)


@pytest.fixture(scope="module")
def classifier() -> ReaderRuntime:
    return runtime(**CLASSES)


def text(length: int, seed: int = 1) -> list[int]:
    return toy.ids((1, length), seed)[0].tolist()


@pytest.mark.parametrize("length", [1, 16, LONGEST])
def test_what_is_recorded_is_what_the_logits_say(guesser: ReaderRuntime, length: int) -> None:
    ids, types = text(length), [i % 2 for i in range(length)]
    found, result = (
        guesser.record(ids, types),
        guesser.network.forward(np.array([ids]), types=np.array([types])),
    )
    log_p = np.log(toy.softmax(np.asarray(result.logits)[0].astype(np.float64)))
    np.testing.assert_allclose(found.maps, np.asarray(result.encoder)[0], atol=1e-5)
    np.testing.assert_allclose(found.log_probability, log_p[np.arange(length), ids], atol=1e-5)
    np.testing.assert_allclose(found.entropy, -(np.exp(log_p) * log_p / np.log(2)).sum(-1), atol=1e-5)
    log_p[:, [0, 1, 3]] = -np.inf  # padding, start and unknown are no guesses
    best = np.argsort(-log_p, axis=-1)[:, :ALTERNATIVES]
    np.testing.assert_array_equal(found.alternatives, best)
    np.testing.assert_allclose(found.probabilities, np.exp(np.take_along_axis(log_p, best, -1)), atol=1e-5)
    assert found.classes is None


def test_segments_may_come_as_an_array_and_count(guesser: ReaderRuntime) -> None:
    ids = text(6)
    listed = guesser.record(ids, [0, 0, 0, 1, 1, 1]).log_probability
    array: Any = np.array([0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(guesser.record(ids, array).log_probability, listed)
    assert np.abs(guesser.record(ids).log_probability - listed).max() > 1e-3


def test_a_class_has_a_probability(classifier: ReaderRuntime) -> None:
    ids = text(7)
    found, result = classifier.record(ids), classifier.network.forward(np.array([ids]))
    np.testing.assert_allclose(found.classes, toy.softmax(np.asarray(result.logits)[0]), atol=1e-6)
    assert found.log_probability is None and found.alternatives is None


def test_vectors_alone_have_a_map_alone() -> None:
    made = runtime()
    found = made.record(text(7))
    assert found.maps.shape == (2, 2, 7, 7)
    assert found[1:] == (None,) * 6


def test_without_an_id_for_padding_nothing_is_padded() -> None:
    made = runtime(pad_id=-1)
    ids = [0, 5, 0]  # 0 is a token like any other
    expected = made.network.forward(np.array([ids]))
    np.testing.assert_allclose(made.record(ids).maps, np.asarray(expected.encoder)[0], atol=1e-5)


def test_gates_switch_heads_off(classifier: ReaderRuntime) -> None:
    ids, gate = text(7), np.array([[1, 0], [1, 1]], np.float32)
    found = classifier.record(ids, alter=Alter(Gates(gate)))
    expected = classifier.network.forward(np.array([ids]), alter=Alter(Gates(gate)))
    np.testing.assert_allclose(found.classes, toy.softmax(np.asarray(expected.logits)[0]), atol=1e-6)
    assert np.abs(found.classes - classifier.record(ids).classes).max() > 1e-3
    with pytest.raises(ValueError, match="expected gates"):
        classifier.record(ids, alter=Alter(Gates(np.ones((2, 3)))))


def test_queries_and_keys_explain_the_map(guesser: ReaderRuntime) -> None:
    ids, types = text(6), [0, 0, 1, 1, 1, 0]
    parts = guesser.projections(ids, types)
    assert list(parts) == ["encoder"]
    scores = parts["encoder"].queries @ parts["encoder"].keys.swapaxes(-1, -2) / 2.0  # heads are 4 wide
    np.testing.assert_allclose(toy.softmax(scores), guesser.record(ids, types).maps, atol=1e-5)


# Many at once


def test_many_at_once_equal_one_by_one(classifier: ReaderRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [text(1 + seed % LONGEST, seed) for seed in range(25)]
    alone = np.stack([classifier.record(row).classes for row in rows])
    for together in (1, 30, 8192):
        monkeypatch.setattr(reader, "TOGETHER", together)
        np.testing.assert_allclose(classifier.classify(rows), alone, atol=1e-6)
    assert classifier.classify([]).shape == (0, 3)
    assert classifier._classes.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("pooling", ["first", "max"])
def test_padding_of_a_batch_is_no_text(pooling: str) -> None:
    """Where no id stands for padding, or one that is a token of the text too."""
    for pad in (-1, 0):
        made = runtime(pooling=pooling, pad_id=pad, **CLASSES)
        rows = [[5, 9, 7], text(12)]
        expected = [toy.softmax(np.asarray(made.network.forward(np.array([row])).logits)[0]) for row in rows]
        np.testing.assert_allclose(made.classify(rows), expected, atol=1e-6)


def test_a_published_classifier_says_what_its_own_library_says() -> None:
    model = load(str(GOLDEN / "bert-classifier"))
    with np.load(GOLDEN / "bert-classifier" / "expected.npz") as recorded:
        given = {name: recorded[f"right/{name}"] for name in ("input_ids", "attention_mask", "logits")}
        types = recorded["right/token_type_ids"]
    rows = [ids[mask > 0] for ids, mask in zip(given["input_ids"], given["attention_mask"], strict=True)]
    for row, kinds, logits in zip(rows, types, given["logits"], strict=True):
        found = model.runtime.record(row, kinds[: len(row)])
        np.testing.assert_allclose(found.classes, toy.softmax(logits), atol=1e-5)
    same = [model.runtime.record(row).classes for row in rows]
    np.testing.assert_allclose(model.runtime.classify(rows), same, atol=1e-6)


# What speaks for a class


@pytest.mark.parametrize(
    "changes", [{}, dict(pooler=False, pooling="max", embedding_norm=False), dict(classes=2)]
)
def test_gradient_times_input_is_what_a_longer_token_would_change(changes: dict[str, Any]) -> None:
    """By central differences of the second opinion in float64: each row of the table made a little longer alone."""
    made = runtime(**(CLASSES | changes))
    config, ids = made.network.config, [5, 9, 7, 4, 11, 20, 13]
    weights = folder.read_weights(made.network)
    reference = toy.Reference(config, weights)

    def odds(token: int, factor: float, chosen: int) -> float:
        table = reference.weights["embedding/tokens/embeddings"]
        before = table[token].copy()
        table[token] *= factor
        p = toy.softmax(reference.read(np.array(ids))[0])[chosen]
        table[token] = before
        return float(np.log(p / (1 - p)))

    step = 1e-5
    for chosen in range(config.classes):
        expected = [(odds(i, 1 + step, chosen) - odds(i, 1 - step, chosen)) / (2 * step) for i in ids]
        found = made.gradient_times_input(ids, chosen)
        assert found.shape == (len(ids),) and np.abs(found).max() > 0.01
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-3)


def test_scores_are_those_before_the_softmax_and_progress_is_told(classifier: ReaderRuntime) -> None:
    rows, told = [text(4), text(9), text(2)], list[tuple[int, int]]()
    found = classifier.scores(rows, lambda done, of: told.append((done, of)))
    expected = [np.asarray(classifier.network.forward(np.array([row])).logits)[0] for row in rows]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert told[-1] == (3, 3)


def test_a_class_that_is_not_there_has_no_gradient(classifier: ReaderRuntime, guesser: ReaderRuntime) -> None:
    for wrong in (-1, 3):
        with pytest.raises(ValueError, match=f"expected a class below 3, received {wrong}"):
            classifier.gradient_times_input([5], wrong)
    with pytest.raises(ValueError, match="expected a network that answers with classes, labels or a score"):
        guesser.gradient_times_input([5], 0)


def test_what_cannot_be_read_is_refused(classifier: ReaderRuntime, guesser: ReaderRuntime) -> None:
    for wrong in ([], [5] * (LONGEST + 1)):
        message = f"expected from 1 to {LONGEST} tokens, received {len(wrong)}"
        for act in (classifier.record, classifier.projections, lambda ids: classifier.classify([[5], ids])):
            with pytest.raises(ValueError, match=message):
                act(wrong)
    with pytest.raises(
        ValueError, match=r"expected a network that answers with .*, received one for masked_tokens"
    ):
        guesser.classify([[5]])
