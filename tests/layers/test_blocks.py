"""Blocks: wiring, embeddings and logits, and the convolutional feed-forward, which must not see what it may not."""

import math

import numpy as np
import pytest

from tests import toy
from transformer.config import FeedForward as FeedForwardSpec
from transformer.layers.blocks import (
    DecoderBlock,
    EncoderBlock,
    FeedForward,
    Logits,
    TokenEmbedding,
    activation,
)

CONV = FeedForwardSpec(width=12, kind="conv_relu_conv", first_kernel=3)


def array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def scrambled(layer, prefix: str):
    """The layer with random weights, and those weights by the name they have inside a network."""
    layer.build((None, None, 8))
    layer.set_weights(
        [array(*w.shape, seed=i) * 0.5 + w.path.endswith("gamma") for i, w in enumerate(layer.weights)]
    )
    return layer, {f"{prefix}/{w.path.split('/', 1)[1]}": np.asarray(w) for w in layer.weights}


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("kind", ["relu", "gelu"])
def test_blocks_are_wired_as_in_their_papers(norm: str, kind: str) -> None:
    config = toy.config(norm=norm, activation=kind, norm_epsilon=1e-3)
    x, memory = array(1, 6, 8), array(1, 4, 8, seed=1)
    encoder, weights = scrambled(EncoderBlock(config, dtype="float32"), "e")
    vectors, own, _ = toy.Reference(config, weights).block(x[0].astype(np.float64), "e")
    result = encoder(x)
    np.testing.assert_allclose(np.asarray(result.vectors)[0], vectors, atol=2e-5)
    np.testing.assert_allclose(np.asarray(result.attention)[0], own, atol=1e-5)

    decoder, weights = scrambled(DecoderBlock(config, dtype="float32"), "d")
    vectors, own, cross = toy.Reference(config, weights).block(x[0].astype(np.float64), "d", memory[0])
    found = decoder(x, memory, self_mask=np.tri(6, dtype=bool)[None, None])
    np.testing.assert_allclose(np.asarray(found.vectors)[0], vectors, atol=2e-5)
    np.testing.assert_allclose(np.asarray(found.attention)[0], own, atol=1e-5)
    np.testing.assert_allclose(np.asarray(found.cross)[0], cross, atol=1e-5)
    assert found.cache.convolution == ()
    assert found.cache.self_attention.key.shape == (1, 2, 6, 4)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_post_norm_ends_normalised_and_pre_norm_leaves_the_residual_stream_alone(norm: str) -> None:
    block = EncoderBlock(toy.config(norm=norm), dtype="float32")
    block.build((None, None, 8))
    x = array(1, 6, 8) * 50
    out = np.asarray(block(x).vectors)
    if norm == "post":
        np.testing.assert_allclose(out.mean(-1), 0, atol=1e-5)
        np.testing.assert_allclose(out.std(-1), 1, atol=1e-4)
    else:
        assert np.abs(out - x).max() < 0.2 * np.abs(x).max()


@pytest.mark.parametrize(("causal", "reach"), [(True, (0, 2)), (False, (1, 1))])
def test_the_convolution_sees_its_neighbours_only(causal: bool, reach: tuple[int, int]) -> None:
    layer, _ = scrambled(FeedForward(8, CONV, causal=causal, dtype="float32"), "f")
    x = array(1, 9, 8)
    changed = x.copy()
    changed[:, 4] += 5
    moved = np.abs(np.asarray(layer(x)) - np.asarray(layer(changed))).max((0, 2)) > 0
    before, after = reach
    assert np.flatnonzero(moved).tolist() == list(range(4 - before, 4 + after + 1))


def test_the_convolution_of_an_encoder_does_not_see_padding() -> None:
    layer, _ = scrambled(FeedForward(8, CONV, causal=False, dtype="float32"), "f")
    x = array(1, 9, 8)
    real = np.arange(9)[None] < 6
    alone = np.asarray(layer(x[:, :6]))
    np.testing.assert_allclose(np.asarray(layer(x, real=real))[:, :6], alone, atol=1e-6)
    assert np.abs(np.asarray(layer(x))[:, :6] - alone).max() > 1e-3


def test_the_convolution_step_by_step_equals_all_at_once() -> None:
    layer, _ = scrambled(FeedForward(8, CONV, causal=True, dtype="float32"), "f")
    x = array(2, 7, 8)
    whole, state = np.asarray(layer(x)), np.zeros((2, 2, 8), np.float32)
    for t in range(7):
        one = np.asarray(layer(x[:, t : t + 1], state=state))
        # Sums of up to 11 in another order: float32 keeps them within a few times 1e-6.
        np.testing.assert_allclose(one[:, 0], whole[:, t], atol=5e-6)
        state = np.concatenate([state, x[:, t : t + 1]], 1)[:, 1:]


def test_an_embedding_is_a_row_times_the_root_of_the_width_plus_its_position() -> None:
    config = toy.config(positions="interleaved")
    layer = TokenEmbedding(config, "source", dtype="float32")
    layer.build()
    table, positions = np.asarray(layer.tokens.embeddings), layer.positions.table()
    ids = toy.ids((2, 5))
    np.testing.assert_allclose(np.asarray(layer(ids)), table[ids] * 8**0.5 + positions[:5], atol=1e-6)
    np.testing.assert_allclose(
        np.asarray(layer(ids, start=3)), table[ids] * 8**0.5 + positions[3:8], atol=1e-6
    )
    vectors, logits = array(2, 5, 8), Logits(config, layer.tokens, dtype="float32")
    np.testing.assert_allclose(np.asarray(logits(vectors)), vectors @ table.T, atol=1e-5)


def test_segments_are_added_before_an_embedding_is_normalised() -> None:
    config = toy.config(token_types=3, embedding_norm=True, positions="learned", norm_epsilon=1e-3)
    layer, weights = scrambled(TokenEmbedding(config, "source", dtype="float32"), "e")
    ids, types = toy.ids((2, 5)), np.array([[0, 1, 2, 2, 1], [0, 0, 0, 1, 1]])
    total = weights["e/tokens/embeddings"][ids] * 8**0.5 + weights["e/token_types/embeddings"][types]
    total = total + weights["e/positions/table"][:5]
    centred = total - total.mean(-1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3)
    expected = expected * weights["e/embedding_norm/gamma"] + weights["e/embedding_norm/beta"]
    np.testing.assert_allclose(np.asarray(layer(ids, types)), expected, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(layer(ids)), np.asarray(layer(ids, np.zeros((2, 5), np.int32))))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_logits_are_products_with_a_table_and_a_bias_where_configured(tied: bool, bias: bool) -> None:
    config = toy.config(tied_logits=tied, logits_bias=bias)
    tokens = TokenEmbedding(config, "source", dtype="float32")
    tokens.build()
    layer, weights = scrambled(Logits(config, tokens.tokens, dtype="float32"), "l")
    own = {name for name in weights if not name.endswith("embeddings")}
    assert own == {name for name, there in (("l/kernel", not tied), ("l/bias", bias)) if there}
    vectors = array(2, 5, 8, seed=3)
    # The table is that of the tokens, and its last random values count.
    table = np.asarray(tokens.tokens.embeddings).T if tied else weights["l/kernel"]
    expected = vectors @ table + (weights["l/bias"] if bias else 0)
    np.testing.assert_allclose(np.asarray(layer(vectors)), expected, atol=1e-5)


def test_activations_are_those_of_their_papers() -> None:
    x = np.linspace(-4, 4, 33)
    cubic = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)  # Hendrycks and Gimpel 2016
    expected = {
        "relu": np.maximum(x, 0),
        "gelu": x * [(1 + math.erf(v / math.sqrt(2))) / 2 for v in x],
        "gelu_tanh": x * (1 + np.tanh(cubic)) / 2,
        "silu": x / (1 + np.exp(-x)),
    }
    for name, values in expected.items():
        found = np.asarray(activation(name)(x.astype(np.float32)))
        np.testing.assert_allclose(found, values, atol=1e-6, err_msg=name)


def test_a_decoder_block_without_an_encoder_has_no_cross_attention() -> None:
    config = toy.decoder()
    block, weights = scrambled(DecoderBlock(config, dtype="float32"), "d")
    assert not [name for name in weights if "cross" in name]
    x = array(1, 6, 8)
    vectors, own, _ = toy.Reference(config, weights).block(x[0].astype(np.float64), "d", causal=True)
    found = block(x, self_mask=np.tri(6, dtype=bool)[None, None])
    np.testing.assert_allclose(np.asarray(found.vectors)[0], vectors, atol=2e-5)
    np.testing.assert_allclose(np.asarray(found.attention)[0], own, atol=1e-5)
    assert found.cross is None and found.cross_projections is None
    assert found.cache.cross_attention == ()
