"""Positions: each convention against the formula of its source, written out one number at a time."""

import math

import keras
import numpy as np
import pytest

from transformer.layers.positions import SINUSOIDS, PositionTable, sinusoids

LENGTH, WIDTH = 40, 12


def paper(position: int, column: int) -> float:
    """Vaswani et al. 2017, section 3.5: PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos(the same)."""
    i = column // 2
    angle = position / 10000 ** (2 * i / WIDTH)
    return math.cos(angle) if column % 2 else math.sin(angle)


def tutorial(position: int, column: int) -> float:
    """TF tutorial `positional_encoding`: angle_rates = 1 / (10000**depths), depths = arange(d/2) / (d/2)."""
    half = WIDTH // 2
    angle_rate = 1 / 10000 ** ((column % half) / half)
    return math.sin(position * angle_rate) if column < half else math.cos(position * angle_rate)


def tensor2tensor(position: int, column: int) -> float:
    """T2T `get_timing_signal_1d`: inv_timescales = exp(-i * log(max / min) / (num_timescales - 1))."""
    half = WIDTH // 2
    scale = math.exp((column % half) * -math.log(1.0e4 / 1.0) / (half - 1))
    return math.sin(position * scale) if column < half else math.cos(position * scale)


@pytest.mark.parametrize(
    ("kind", "formula"),
    [("interleaved", paper), ("halves", tutorial), ("halves_minus_one", tensor2tensor)],
)
def test_a_table_holds_the_numbers_of_its_formula(kind: str, formula) -> None:
    expected = [[formula(p, c) for c in range(WIDTH)] for p in range(LENGTH)]
    table = sinusoids(LENGTH, WIDTH, kind)
    assert table.dtype == np.float32
    np.testing.assert_allclose(table, expected, atol=1e-6)


def test_known_values() -> None:
    # Position 1, width 4: rates are 1 and 1/100.
    expected = [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)]
    np.testing.assert_allclose(sinusoids(2, 4)[1], expected, atol=1e-7)
    np.testing.assert_allclose(sinusoids(2, 4, "halves")[1], np.array(expected)[[0, 2, 1, 3]], atol=1e-7)
    slow = [math.sin(1), math.sin(1e-4), math.cos(1), math.cos(1e-4)]
    np.testing.assert_allclose(sinusoids(2, 4, "halves_minus_one")[1], slow, atol=1e-7)
    np.testing.assert_array_equal(sinusoids(1, 4)[0], [0, 1, 0, 1])


@pytest.mark.parametrize("kind", SINUSOIDS)
def test_a_shift_is_a_rotation_whatever_the_position(kind: str) -> None:
    """The paper's reason for sinusoids: PE(p + k) is a linear function of PE(p)."""
    table, shift = sinusoids(LENGTH, WIDTH, kind).astype(np.float64), 7
    half, pairs = WIDTH // 2, kind == "interleaved"
    sine, cosine = (slice(0, None, 2), slice(1, None, 2)) if pairs else (slice(half), slice(half, None))
    steps = WIDTH // 2 - (kind == "halves_minus_one")
    angle = shift / 10000 ** (np.arange(WIDTH // 2) / steps)
    s, c = table[:-shift, sine], table[:-shift, cosine]
    np.testing.assert_allclose(table[shift:, sine], s * np.cos(angle) + c * np.sin(angle), atol=1e-6)
    np.testing.assert_allclose(table[shift:, cosine], c * np.cos(angle) - s * np.sin(angle), atol=1e-6)


def test_a_width_of_two_has_one_frequency_in_every_convention() -> None:
    for kind in SINUSOIDS:
        np.testing.assert_allclose(sinusoids(3, 2, kind)[2], [math.sin(2), math.cos(2)], atol=1e-6)


def layer(kind: str, offset: int = 0) -> PositionTable:
    made = PositionTable(LENGTH, WIDTH, kind, offset=offset, dtype="float32")
    made.build(None)
    return made


@pytest.mark.parametrize("kind", [*SINUSOIDS, "learned"])
def test_the_layer_adds_the_rows_from_its_start(kind: str) -> None:
    made, x = layer(kind), np.random.default_rng(0).normal(size=(2, 5, WIDTH)).astype(np.float32)
    table = made.table()
    assert table is not None
    assert table.shape == (LENGTH, WIDTH)
    np.testing.assert_allclose(np.asarray(made(x)), x + table[:5], atol=1e-6)
    np.testing.assert_allclose(np.asarray(made(x, start=11)), x + table[11:16], atol=1e-6)
    one = made(x[:, :1], start=keras.ops.convert_to_tensor(39))
    np.testing.assert_allclose(np.asarray(one), x[:, :1] + table[39:], atol=1e-6)


@pytest.mark.parametrize("kind", [*SINUSOIDS, "learned"])
def test_the_layer_adds_the_rows_of_its_places(kind: str) -> None:
    made, x = layer(kind), np.random.default_rng(0).normal(size=(2, 4, WIDTH)).astype(np.float32)
    places = np.array([[0, 0, 1, 2], [39, 5, 5, 0]])
    table = made.table()
    assert table is not None
    np.testing.assert_allclose(np.asarray(made(x, places=places)), x + table[places], atol=1e-6)
    np.testing.assert_allclose(
        np.asarray(made(x, places=places, scale=0.5)), x + table[places] / 2, atol=1e-6
    )


def test_with_an_offset_the_first_position_takes_a_later_row() -> None:
    made, x = layer("learned", offset=2), np.zeros((1, 3, WIDTH), np.float32)
    rows = np.asarray(made.learned)
    assert rows.shape == (LENGTH + 2, WIDTH)
    np.testing.assert_array_equal(made.table(), rows[2:])
    for found, expected in (
        (made(x), rows[2:5]),
        (made(x, start=4), rows[6:9]),
        (made(x, places=np.array([[7, 0, LENGTH - 1]])), rows[[9, 2, LENGTH + 1]]),
    ):
        np.testing.assert_array_equal(np.asarray(found)[0], expected)


def test_a_learned_table_is_a_weight_and_the_others_are_none() -> None:
    assert [w.path.split("/")[-1] for w in layer("learned").trainable_weights] == ["table"]
    for kind in (*SINUSOIDS, "none"):
        assert layer(kind).weights == []


def test_none_adds_nothing() -> None:
    made, x = layer("none"), np.ones((1, 3, WIDTH), np.float32)
    assert made.table() is None
    np.testing.assert_array_equal(np.asarray(made(x, start=5)), x)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected one of interleaved, .* received 'rotary'"):
        sinusoids(4, 4, "rotary")
    with pytest.raises(ValueError, match="even width, received 4 and 5"):
        sinusoids(4, 5)
    with pytest.raises(ValueError, match="length of at least 1"):
        sinusoids(0, 4)
    with pytest.raises(ValueError, match="learned or none, received 'rotary'"):
        PositionTable(4, 4, "rotary")
    with pytest.raises(ValueError, match=f"expected at most {LENGTH} positions, received {LENGTH + 1}"):
        layer("halves")(np.zeros((1, LENGTH + 1, WIDTH), np.float32))
