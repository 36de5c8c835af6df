"""Networks of characters as models: scores against a plain loop, the reach against finite differences, writing on."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.config import ModelConfig
from transformer.evaluation.measure import measure
from transformer.formulas.bits import carried_bits
from transformer.layers.lstm import Carried
from transformer.pipeline import CharacterRecurrent, CharacterWriter, load
from transformer.runtime.characters import reach
from transformer.text.characters import CharacterTokenizer

TEXT = "the cat\nsat on a mat.\n"
COMMON: dict[str, Any] = dict(
    tokens="characters",
    vocabulary=len(set(TEXT)) + 2,
    encoder_layers=0,
    pad_id=0,
    unknown_id=1,
    start_id=2,
    end_id=2,
    suppressed=(0, 1),
    max_target=12,
    dropout=0.0,
)
LSTM = ModelConfig.from_dict(
    COMMON
    | dict(
        recurrence="lstm",
        decoder_layers=1,
        embedding_width=5,
        width=7,
        heads=1,
        feed_forward=1,
        positions="none",
    )
)
DECODER = ModelConfig.from_dict(
    COMMON | dict(decoder_layers=2, width=8, heads=2, feed_forward=12, norm="pre")
)


def model(config: ModelConfig) -> Any:
    kind = CharacterRecurrent if config is LSTM else CharacterWriter
    return kind("toy", toy.shared(config), CharacterTokenizer.train(TEXT))


def test_families() -> None:
    assert (LSTM.family, DECODER.family) == ("recurrent_decoder", "decoder")
    for wrong in (dict(recurrence="lstm"), dict(embedding_width=3)):
        with pytest.raises(ValueError, match="expected an embedding_width with recurrence lstm"):
            ModelConfig.from_dict(COMMON | dict(decoder_layers=1) | wrong)
    with pytest.raises(ValueError, match="expected one decoder layer alone"):
        ModelConfig.from_dict(COMMON | dict(recurrence="lstm", embedding_width=3, decoder_layers=2))


@pytest.mark.parametrize("config", [LSTM, DECODER], ids=["lstm", "decoder"])
def test_a_folder_is_opened_as_what_it_is_and_measured(config: ModelConfig, tmp_path: Path) -> None:
    network = toy.shared(config)
    folder.save_config(tmp_path, config)
    folder.save_weights(tmp_path / folder.WEIGHTS, folder.read_weights(network))
    CharacterTokenizer.train(TEXT).save(tmp_path / folder.TOKENIZER)
    opened = load(str(tmp_path))
    assert type(opened) is type(model(config)) and opened.config == config
    (tmp_path / "text.txt").write_text(TEXT)
    found = measure(opened, tmp_path / "text.txt")
    assert found["count"] == len(TEXT)
    # One character after the other, each from the beginning of the text: what no window or state can get wrong.
    ids, total = [2, *opened.tokenizer.ids(TEXT)], 0.0
    for t in range(1, len(ids)):
        read = ids[:t] if config is LSTM else ids[_first(t, config.max_target) : t]
        logits = np.asarray(network({"ids": np.array([read])}), np.float64)[0, -1]
        total -= math.log(toy.softmax(logits)[ids[t]])
    assert found["bits_per_character"] == pytest.approx(total / len(TEXT) / math.log(2), abs=2e-3)


def _first(t: int, length: int) -> int:
    """Where the window begins in which character t of a stream is scored: windows overlap by half."""
    return 0 if t <= length else (t - 1 - length // 2) // (length // 2) * (length // 2)


def test_rows_side_by_side_carry_their_state() -> None:
    opened = model(LSTM)
    ids = np.random.default_rng(0).integers(2, LSTM.vocabulary, 700).astype(np.int32)
    found = carried_bits(opened.runtime.score, ids, rows=2)
    stream, total = np.concatenate([[2], ids]), 0.0
    for row in (range(350), range(350, 700)):
        logits = np.asarray(toy.shared(LSTM)({"ids": stream[None, row]}), np.float64)[0]
        total -= sum(math.log(toy.softmax(logits[i])[stream[t + 1]]) for i, t in enumerate(row))
    assert found == pytest.approx(total / 700 / math.log(2), rel=1e-4)


@pytest.mark.parametrize("config", [LSTM, DECODER], ids=["lstm", "decoder"])
def test_the_reach_is_that_of_finite_differences(config: ModelConfig) -> None:
    network = toy.shared(config)
    ids = np.random.default_rng(3).integers(2, config.vocabulary, (2, 9)).astype(np.int32)
    vectors = np.asarray(network.embedding(ids[:, :-1]), np.float64)

    def said(x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float32)
        logits = (
            network.read(x)[0] if config is LSTM else network.output_projection(network.decoder(x).vectors)
        )
        scores = np.asarray(logits, np.float64)[:, -1]
        return np.log(toy.softmax(scores)[np.arange(len(scores)), np.resize(ids[:, -1], len(scores))])

    # Each number moved a little up and a little down, all of it read at once: (moves, rows, T, D).
    step, count = 1e-2, vectors[0].size
    moves = step * np.eye(count).reshape(count, 1, *vectors.shape[1:])
    up, down = (said((vectors + side).reshape(-1, *vectors.shape[1:])) for side in (moves, -moves))
    slopes = ((up - down) / (2 * step)).reshape(*vectors.shape[1:], len(vectors)).transpose(2, 0, 1)
    np.testing.assert_allclose(
        reach(network, ids), np.linalg.norm(slopes, axis=-1)[:, ::-1], rtol=2e-2, atol=1e-4
    )


@pytest.mark.parametrize("config", [LSTM, DECODER], ids=["lstm", "decoder"])
def test_writing_on_by_the_likeliest_is_the_likeliest(config: ModelConfig) -> None:
    opened = model(config)
    written = opened.go_on("the", 8, top_k=1)
    ids = [2, *opened.tokenizer.ids("the")]
    for _ in range(8):
        logits = np.asarray(toy.shared(config)({"ids": np.array([ids])}), np.float64)[0, -1]
        logits[:2] = -np.inf
        ids.append(int(logits.argmax()))
    assert written == opened.tokenizer.decode(ids[1:])


@pytest.mark.parametrize("config", [LSTM, DECODER], ids=["lstm", "decoder"])
def test_a_seed_gives_the_same_text_again_and_texts_longer_than_the_network_reads(
    config: ModelConfig,
) -> None:
    opened = model(config)
    first = opened.go_on("a\nmat", 40, temperature=1.3, seed=4)
    assert first.startswith("a\nmat") and len(first) == 45
    assert first == opened.go_on("a\nmat", 40, temperature=1.3, seed=4)
    assert first != opened.go_on("a\nmat", 40, temperature=1.3, seed=5)
    assert len(opened.go_on("", 3)) == 3
    for wrong in (dict(count=0), dict(temperature=0.0)):
        with pytest.raises(ValueError, match="expected"):
            opened.go_on("a", **wrong)


def test_windows_of_the_reach_and_a_text_too_short() -> None:
    opened = model(LSTM)
    assert opened.reach(TEXT, 4, 10).shape == (4, 10)
    with pytest.raises(ValueError, match="expected windows of at most 12 characters, received 13"):
        opened.reach(TEXT, 4, 13)


def test_an_lstm_has_no_attention_to_trace() -> None:
    with pytest.raises(ValueError, match="expected a network with attention"):
        model(LSTM).trace("the cat")


def test_a_state_is_carried_by_value() -> None:
    opened = model(LSTM)
    ids = np.array([opened.tokenizer.ids("the cat")])
    whole, _ = opened.runtime.read(ids)
    _, state = opened.runtime.read(ids[:, :4])
    rest, after = opened.runtime.read(ids[:, 4:], state)
    assert isinstance(after, Carried)
    np.testing.assert_allclose(rest, whole[:, 4:], atol=1e-5)
