"""Attention: against Keras, against numpy, and what must hold exactly."""

import keras
import numpy as np
import pytest

from tests.toy import softmax
from transformer.analysis import by_hand
from transformer.config import Attention
from transformer.layers.attention import (
    Cuts,
    KeyValue,
    MultiHeadAttention,
    causal_mask,
    padding_mask,
    scaled_dot_product,
)
from transformer.pipeline import reference

B, T, S, H, D = 3, 5, 7, 4, 16
REAL = np.arange(S) < np.array([[7], [4], [1]])  # (B, S), false at padding
ALL = dict(query_bias=True, key_bias=True, value_bias=True, output_bias=True)
NONE = dict.fromkeys(ALL, False)


def array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def layer(**options: bool) -> MultiHeadAttention:
    """With random weights, biases included."""
    made = MultiHeadAttention(D, Attention.split(D, H, **options), dtype="float32")
    made.build((None, None, D))
    made.set_weights([array(*w.shape, seed=i) * 0.5 for i, w in enumerate(made.weights)])
    return made


def numbers(tensor: object) -> np.ndarray:
    return np.asarray(tensor)


def keras_twin(ours: MultiHeadAttention, use_bias: bool) -> keras.layers.MultiHeadAttention:
    twin = keras.layers.MultiHeadAttention(H, D // H, use_bias=use_bias, dtype="float32")
    twin.build((None, None, D), (None, None, D), (None, None, D))
    weights = []
    for part in (ours.query, ours.key, ours.value, ours.output_projection):
        last = part is ours.output_projection
        weights.append(numbers(part.kernel).reshape((H, D // H, D) if last else (D, H, D // H)))
        if use_bias:
            weights.append(numbers(part.bias).reshape((D,) if last else (H, D // H)))
    twin.set_weights(weights)
    return twin


def test_agrees_with_keras_where_heads_have_a_width_of_their_own() -> None:
    made = MultiHeadAttention(D, Attention(heads=H, head_width=3), dtype="float32")
    made.build((None, None, D))
    made.set_weights([array(*w.shape, seed=i) * 0.5 for i, w in enumerate(made.weights)])
    x = array(1, S, D, seed=20)
    mask = np.tri(S, dtype=bool)
    own = reference.by_this_project(made, x[0].astype(np.float64), mask)
    learned = reference.layer_weights(made)
    twin = reference.by_keras(learned, x[0].astype(np.float64), mask)
    np.testing.assert_allclose(own.output, twin.output, atol=1e-5)
    np.testing.assert_allclose(own.weights, twin.weights, atol=1e-6)
    np.testing.assert_allclose(own.output, by_hand.multi_head(x[0], learned, mask).output, atol=1e-5)
    scaled = learned._replace(spec=Attention(heads=H, head_width=3, scale=1.0))
    assert np.abs(by_hand.multi_head(x[0], scaled, mask).weights - own.weights).max() > 0.1
    with pytest.raises(ValueError, match=r"expected Attention\.scale 0\.0, received 1\.0: not implemented"):
        reference.by_keras(scaled, x[0].astype(np.float64), mask)


@pytest.mark.parametrize("biases", [ALL, NONE], ids=["biases", "no biases"])
@pytest.mark.parametrize("cross", [False, True], ids=["self", "cross"])
@pytest.mark.parametrize("mask", ["none", "padding", "causal"])
def test_agrees_with_keras(biases: dict, cross: bool, mask: str) -> None:
    if cross and mask == "causal":
        mask = "both"
    ours = layer(**biases)
    x = array(B, S, D, seed=20)
    queries = array(B, T, D, seed=21) if cross else x
    allowed = {
        "none": None,
        "padding": padding_mask(REAL),
        "causal": causal_mask(S),
        "both": numbers(padding_mask(REAL)) & numbers(causal_mask(S))[:, :, :T],
    }[mask]
    result = ours(queries, x if cross else None, attention_mask=allowed)
    theirs = None if allowed is None else np.broadcast_to(numbers(allowed), (B, H, queries.shape[1], S))
    output, scores = keras_twin(ours, biases["query_bias"])(
        queries, x, attention_mask=None if theirs is None else theirs[:, 0], return_attention_scores=True
    )
    np.testing.assert_allclose(numbers(result.output), numbers(output), atol=1e-5)
    np.testing.assert_allclose(numbers(result.weights), numbers(scores), atol=1e-5)


def test_agrees_with_sums_written_out_in_float64() -> None:
    ours, x, source = layer(**ALL), array(B, T, D, seed=1), array(B, S, D, seed=2)
    result = ours(x, source, attention_mask=padding_mask(REAL))
    weights = [numbers(w).astype(np.float64) for w in ours.weights]
    (qk, qb), (kk, kb), (vk, vb), (ok, ob) = (weights[i : i + 2] for i in range(0, 8, 2))
    for b in range(B):
        count = REAL[b].sum()
        q, k, v = x[b] @ qk + qb, source[b, :count] @ kk + kb, source[b, :count] @ vk + vb
        mixed = np.zeros((T, D))
        for h in range(H):
            own = slice(h * D // H, (h + 1) * D // H)
            expected = softmax(q[:, own] @ k[:, own].T / np.sqrt(D / H))
            mixed[:, own] = expected @ v[:, own]
            np.testing.assert_allclose(numbers(result.weights)[b, h, :, :count], expected, atol=1e-6)
        np.testing.assert_allclose(numbers(result.output)[b], mixed @ ok + ob, atol=1e-5)


def test_rows_sum_to_one_and_forbidden_positions_weigh_exactly_zero() -> None:
    x = array(B, S, D) * 30  # large scores
    padded = numbers(layer(**ALL)(x, attention_mask=padding_mask(REAL)).weights)
    causal = numbers(layer(**ALL)(x, attention_mask=causal_mask(S)).weights)
    for weights in (padded, causal):
        assert weights.dtype == np.float32
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert (padded[np.broadcast_to(~REAL[:, None, None], padded.shape)] == 0).all()
    assert (causal[:, :, *np.triu_indices(S, 1)] == 0).all()
    # One rounding of float32: TensorFlow's softmax with oneDNN gives 1 there, without it the number before.
    np.testing.assert_allclose(causal[:, :, 0, 0], 1, rtol=np.finfo(np.float32).eps)


def test_forbidden_positions_weigh_exactly_zero_in_bfloat16_too() -> None:
    made = MultiHeadAttention(D, Attention.split(D, H), dtype="mixed_bfloat16")
    result = made(array(B, S, D), attention_mask=padding_mask(REAL))
    weights = numbers(result.weights)
    assert weights.dtype == np.float32
    assert (weights[np.broadcast_to(~REAL[:, None, None], weights.shape)] == 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)


def test_the_future_does_not_reach_the_output() -> None:
    ours, x = layer(**ALL), array(1, S, D)
    changed = x.copy()
    changed[:, 4:] += 100
    before, after = (numbers(ours(y, attention_mask=causal_mask(S)).output) for y in (x, changed))
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4:] - after[:, 4:]).max() > 1


def test_an_open_gate_changes_nothing() -> None:
    ours, x = layer(**ALL), array(B, S, D)
    plain = numbers(ours(x).output)
    for gate in (np.ones(H, np.float32), np.ones((B, H), np.float32)):
        np.testing.assert_array_equal(numbers(ours(x, gate=gate).output), plain)


@pytest.mark.parametrize("per_row", [False, True], ids=["(H,)", "(B, H)"])
def test_a_gate_scales_what_each_head_gives_to_the_output_projection(per_row: bool) -> None:
    ours, x = layer(**ALL), array(B, S, D)
    gate = np.array([1, 0, 0.5, 1], np.float32)
    if per_row:
        gate = np.stack([gate, np.zeros(H, np.float32), gate[::-1]])
    result = ours(x, gate=gate)
    values = numbers(result.cache.value)  # (B, H, S, K)
    mixed = numbers(result.weights) @ values * np.broadcast_to(gate, (B, H))[:, :, None, None]
    mixed = np.concatenate(list(mixed.transpose(1, 0, 2, 3)), -1)  # heads side by side: (B, S, D)
    kernel, bias = (numbers(w) for w in ours.output_projection.weights)
    np.testing.assert_allclose(numbers(result.output), mixed @ kernel + bias, atol=1e-5)
    # What a head looked at stays on show while it is switched off.
    np.testing.assert_array_equal(numbers(result.weights), numbers(ours(x).weights))


def test_step_by_step_over_a_cache_equals_all_at_once() -> None:
    ours, x = layer(**ALL), array(B, S, D)
    whole = ours(x, attention_mask=causal_mask(S))
    empty = np.zeros((B, H, S, D // H), np.float32)
    cache = KeyValue(empty, empty)
    for t in range(S):
        seen = (np.arange(S) <= t)[None, None, None]
        result = ours(x[:, t : t + 1], attention_mask=seen, cache=cache, index=t)
        cache = result.cache
        np.testing.assert_allclose(numbers(result.output)[:, 0], numbers(whole.output)[:, t], atol=1e-5)
        np.testing.assert_allclose(
            numbers(result.weights)[:, :, 0], numbers(whole.weights)[:, :, t], atol=1e-6
        )
    np.testing.assert_allclose(numbers(cache.key), numbers(whole.cache.key), atol=1e-5)
    np.testing.assert_allclose(numbers(cache.value), numbers(whole.cache.value), atol=1e-5)
    assert not empty.any()  # the cache that went in is untouched


def test_ready_keys_and_values_equal_their_source() -> None:
    ours, x, source = layer(**ALL), array(B, T, D), array(B, S, D, seed=3)
    direct = ours(x, source, attention_mask=padding_mask(REAL))
    ready = ours(x, cache=ours.project(source), attention_mask=padding_mask(REAL))
    for one, other in zip((direct.output, direct.weights), (ready.output, ready.weights), strict=True):
        np.testing.assert_array_equal(numbers(one), numbers(other))


def test_dropout_acts_in_training_only_and_not_on_the_weights_that_are_returned() -> None:
    made, x = MultiHeadAttention(D, Attention.split(D, H, dropout=0.5), dtype="float32"), array(B, S, D)
    quiet, noisy = made(x, training=False), made(x, training=True)
    np.testing.assert_array_equal(numbers(quiet.weights), numbers(noisy.weights))
    np.testing.assert_array_equal(numbers(quiet.output), numbers(made(x).output))
    assert np.abs(numbers(quiet.output) - numbers(noisy.output)).max() > 1e-3


def test_uniform_scores_give_uniform_weights() -> None:
    zero, value = np.zeros((1, 1, 4, 2), np.float32), array(1, 1, 4, 2)
    context, weights = scaled_dot_product(zero, zero, value)
    np.testing.assert_allclose(numbers(weights), 0.25)
    np.testing.assert_allclose(numbers(context)[0, 0, 0], value[0, 0].mean(0), atol=1e-6)


def test_a_single_key_weighs_one() -> None:
    query, key, value = array(2, 1, 3, 4), array(2, 1, 1, 4, seed=1) * 1e4, array(2, 1, 1, 4, seed=2)
    context, weights = scaled_dot_product(query, key, value)
    assert (numbers(weights) == 1).all()
    np.testing.assert_array_equal(numbers(context), np.broadcast_to(value, (2, 1, 3, 4)))


@pytest.mark.parametrize(("width", "heads"), [(10, 4), (8, 0), (0, 2)])
def test_a_width_that_the_heads_cannot_share_is_refused(width: int, heads: int) -> None:
    with pytest.raises(ValueError, match=f"expected a width divisible by the heads, received {width}"):
        Attention.split(width, heads)


def test_an_index_without_a_cache_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a cache"):
        layer(**ALL)(array(1, 1, D), index=0)


@pytest.mark.parametrize("shape", [(2 * H,), (B, H + 1), (1,), (), (1, B, H)])
def test_a_gate_of_another_number_of_heads_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a gate"):
        layer(**ALL)(array(B, S, D), gate=np.ones(shape, np.float32))


def cut(*cells: tuple[int, int], how: str = "bar", heads: tuple[int, ...] = (1,)) -> Cuts:
    """These (query, key) cells of a batch of self-attention over S positions, in these heads."""
    found = {name: np.zeros((B, H, S, S), bool) for name in ("bar", "drop")}
    for query, key in cells:
        found[how][:, heads, query, key] = True
    return Cuts(**found)


@pytest.mark.parametrize("causal", [False, True])
def test_a_row_without_a_look_is_what_is_left_of_it_shared_anew(causal: bool) -> None:
    """The closed form: without key j the weights of a softmax are w / (1 - w_j)."""
    made, x = layer(), array(B, S, D, seed=3)
    mask = causal_mask(S) if causal else None
    whole = numbers(made(x, attention_mask=mask).weights)
    weights = numbers(made(x, attention_mask=mask, cuts=cut((5, 2), (5, 0), (6, 6))).weights)
    expected = whole.copy()
    for query, keys in ((5, [2, 0]), (6, [6])):
        expected[:, 1, query, keys] = 0
        expected[:, 1, query] /= expected[:, 1, query].sum(-1, keepdims=True)
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    assert (weights[:, 1, 5, [2, 0]] == 0).all() and (weights[:, 1, 6, 6] == 0).all()
    assert (np.delete(weights, 1, axis=1) == np.delete(whole, 1, axis=1)).all()


def test_the_last_visible_key_of_a_row_is_not_cut() -> None:
    """Masked keys are no way out: a row without any key left would look at padding and at the future."""
    made, x = layer(), array(B, S, D, seed=3)
    everybody = cut(*((query, 0) for query in range(S)), heads=(0, 1, 2, 3))
    causal = numbers(made(x, attention_mask=causal_mask(S), cuts=everybody).weights)
    assert (causal[:, :, 0, 0] > 1 - 1e-6).all() and (causal[:, :, 1:, 0] == 0).all()
    assert not causal[..., *np.triu_indices(S, 1)].any()
    whole = numbers(made(x, attention_mask=padding_mask(REAL)).weights)
    first = cut(*((query, key) for query in range(S) for key in range(4)), heads=(0, 1, 2, 3))
    padded = numbers(made(x, attention_mask=padding_mask(REAL), cuts=first).weights)
    # Of seven real keys three are left; of four, and of one, none would be.
    assert (padded[0, :, :, :4] == 0).all() and (padded[1:] == whole[1:]).all()
    alone = numbers(made(x[:1], cuts=Cuts(first.bar[:1], first.drop[:1])).weights)
    np.testing.assert_allclose(padded[:1], alone, atol=1e-6)


def test_what_is_dropped_is_missing_from_the_sum_and_from_nothing_else() -> None:
    query, key, value = (array(B, H, S, D // H, seed=i) for i in range(3))
    whole, weights = (numbers(part) for part in scaled_dot_product(query, key, value))
    found, shown = scaled_dot_product(query, key, value, cuts=cut((5, 2), how="drop"))
    expected = whole.copy()
    expected[:, 1, 5] -= weights[:, 1, 5, 2, None] * value[:, 1, 2]
    np.testing.assert_allclose(numbers(found), expected, atol=1e-6)
    assert (numbers(shown) == weights).all()
    nothing = cut(*((5, j) for j in range(S)), how="drop")
    assert not numbers(scaled_dot_product(query, key, value, cuts=nothing)[0])[:, 1, 5].any()
