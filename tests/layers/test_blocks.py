"""Blocks: wiring, and the convolutional feed-forward, which must not see what it may not."""

import numpy as np
import pytest

from tests import toy
from transformer.layers.blocks import DecoderBlock, EncoderBlock, FeedForward, Logits, TokenEmbedding

CONV = dict(feed_forward_kind="conv_relu_conv", first_kernel=3)


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
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_blocks_are_wired_as_in_their_papers(norm: str, activation: str) -> None:
    config = toy.config(norm=norm, activation=activation, norm_epsilon=1e-3)
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
    layer, _ = scrambled(FeedForward(toy.config(**CONV), causal=causal, dtype="float32"), "f")
    x = array(1, 9, 8)
    changed = x.copy()
    changed[:, 4] += 5
    moved = np.abs(np.asarray(layer(x)) - np.asarray(layer(changed))).max((0, 2)) > 0
    before, after = reach
    assert np.flatnonzero(moved).tolist() == list(range(4 - before, 4 + after + 1))


def test_the_convolution_of_an_encoder_does_not_see_padding() -> None:
    layer, _ = scrambled(FeedForward(toy.config(**CONV), causal=False, dtype="float32"), "f")
    x = array(1, 9, 8)
    real = np.arange(9)[None] < 6
    alone = np.asarray(layer(x[:, :6]))
    np.testing.assert_allclose(np.asarray(layer(x, real=real))[:, :6], alone, atol=1e-6)
    assert np.abs(np.asarray(layer(x))[:, :6] - alone).max() > 1e-3


def test_the_convolution_step_by_step_equals_all_at_once() -> None:
    layer, _ = scrambled(FeedForward(toy.config(**CONV), causal=True, dtype="float32"), "f")
    x = array(2, 7, 8)
    whole, state = np.asarray(layer(x)), np.zeros((2, 2, 8), np.float32)
    for t in range(7):
        one = np.asarray(layer(x[:, t : t + 1], state=state))
        np.testing.assert_allclose(one[:, 0], whole[:, t], atol=1e-6)
        state = np.concatenate([state, x[:, t : t + 1]], 1)[:, 1:]


def test_an_embedding_is_a_row_times_the_root_of_the_width_plus_its_position() -> None:
    config = toy.config(positions="interleaved")
    layer = TokenEmbedding(config, 16, dtype="float32")
    layer.build()
    table, positions = np.asarray(layer.tokens.embeddings), layer.positions.table()
    ids = toy.ids((2, 5))
    np.testing.assert_allclose(np.asarray(layer(ids)), table[ids] * 8**0.5 + positions[:5], atol=1e-6)
    np.testing.assert_allclose(
        np.asarray(layer(ids, start=3)), table[ids] * 8**0.5 + positions[3:8], atol=1e-6
    )
    vectors, logits = array(2, 5, 8), Logits(config, layer.tokens, dtype="float32")
    np.testing.assert_allclose(np.asarray(logits(vectors)), vectors @ table.T, atol=1e-5)
