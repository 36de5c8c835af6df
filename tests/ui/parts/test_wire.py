"""What of the weights travels to the browser."""

import numpy as np
import pytest

from transformer.trace import AttentionMap
from transformer.ui.parts import wire
from transformer.ui.parts.wire import quantise


def test_quantise_rounds_to_one_byte_per_weight() -> None:
    values = np.array([[0, 1, 0.5], [0.2 / 255, 0.6 / 255, 254.4 / 255]], np.float32)
    assert list(quantise(values)) == [0, 255, 128, 0, 1, 254]
    assert quantise(np.array([1 + 1e-4, -1e-5], np.float32)) == bytes([255, 0])
    assert quantise(np.zeros((0, 3), np.float32)) == b""
    random = np.random.default_rng(0).random((2, 3, 5, 7), np.float32)
    assert len(quantise(random)) == random.size
    back = np.frombuffer(quantise(random), np.uint8).reshape(random.shape) / 255
    assert np.abs(back - random).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("bad", [1.1, -0.1, np.nan, np.inf])
def test_quantise_refuses_what_is_no_weight(bad: float) -> None:
    with pytest.raises(ValueError, match="expected weights from 0 to 1, received"):
        quantise(np.array([0.5, bad]))


@pytest.mark.parametrize(
    ("shape", "side"),
    [((12, 12, 170, 170), 1), ((12, 12, 512, 512), 4), ((12, 12, 509, 509), 3), ((6, 8, 1500, 1500), 6)],
)
def test_blocks_are_no_larger_than_they_have_to_be(shape: tuple[int, int, int, int], side: int) -> None:
    assert wire._side(shape) == side


def test_of_a_long_text_the_strongest_of_each_block_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST", 2 * 3 * 6 * 6)
    scores = np.random.default_rng(1).random((2, 3, 11, 11)) ** 4
    weights = scores / scores.sum(-1, keepdims=True)
    words = [str(i) for i in range(11)]
    attention = AttentionMap("encoder", weights, words, words)
    sent = wire.packed(attention)
    assert sent.side == 2 and wire.packed(attention) is sent
    plain = np.array(
        [[[[w[q : q + 2, k : k + 2].max() for k in range(0, 11, 2)] for q in range(0, 11, 2)] for w in row]
         for row in attention.weights]
    )  # fmt: skip
    assert sent.weights == quantise(plain)


def test_the_strongest_weight_is_known_and_never_nothing() -> None:
    words = ["a", "b"]
    faint = AttentionMap("encoder", np.full((1, 1, 2, 2), 0.5, np.float32), words, words)
    assert wire.packed(faint).strongest == pytest.approx(0.5, abs=0.5 / 255)
    many = [str(i) for i in range(600)]
    even = AttentionMap("cross", np.full((1, 1, 2, 600), 1 / 600, np.float32), words, many)
    assert wire.packed(even).strongest == 1 / 255
