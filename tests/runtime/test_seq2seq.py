"""Compiled inference against the network called plainly: same ids, same numbers, whatever the padding."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.config import END, START
from transformer.models.altering import Alter, Gates
from transformer.runtime import ALTERNATIVES, Runtime
from transformer.search.generate import EMPTY, beam, greedy

LONGEST = 32


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    """Of a toy network that likes to end, so that outputs differ in length; padded to 16 or 32."""
    return Runtime(toy.brief(max_source=LONGEST, max_target=LONGEST))


def source(length: int, seed: int = 1) -> list[int]:
    return [*toy.ids((1, length - 1), seed)[0].tolist(), END]


def trimmed(ids: Any) -> list[int]:
    return [i for i in np.asarray(ids)[0].tolist() if i != EMPTY]


def plain(runtime: Runtime, ids: list[int], target: list[int]) -> Any:
    return runtime.network.forward(np.array([ids]), np.array([[START, *target[:-1]]]))


@pytest.mark.parametrize("seed", range(1, 7))
def test_greedy_equals_the_plain_search(runtime: Runtime, seed: int) -> None:
    ids = source(4 + seed % 3, seed)
    assert runtime.decode(ids) == trimmed(greedy(runtime.network, np.array([ids]), LONGEST).ids)


@pytest.mark.parametrize("seed", range(1, 4))
def test_beam_search_equals_the_plain_search(runtime: Runtime, seed: int) -> None:
    ids = source(5, seed)
    found = runtime.decode(ids, beams=3, alpha=0.8)
    assert found == trimmed(beam(runtime.network, np.array([ids]), LONGEST, 3, 0.8).ids)


def test_an_output_goes_on_from_its_prefix(runtime: Runtime) -> None:
    found = runtime.decode(source(5), prefix=[9, 8, 7])
    assert found[:3] == [9, 8, 7]
    wanted = np.full((1, LONGEST), EMPTY, np.int32)
    wanted[0, :3] = [9, 8, 7]
    assert found == trimmed(greedy(runtime.network, np.array([source(5)]), LONGEST, wanted).ids)


def test_an_output_that_never_ends_stops_at_the_last_position(runtime: Runtime) -> None:
    network = runtime.network
    bias = np.asarray(network.output_projection.bias)
    try:
        network.output_projection.bias.assign(np.eye(23, dtype=np.float32)[END] * -50)
        assert len(runtime.decode(source(5))) == LONGEST
    finally:
        network.output_projection.bias.assign(bias)


def test_what_is_recorded_is_what_the_logits_say(runtime: Runtime) -> None:
    ids, target = source(7), source(5, seed=2)
    found, result = runtime.record(ids, target), plain(runtime, ids, target)
    log_p = np.log(toy.softmax(np.asarray(result.logits)[0].astype(np.float64)))
    np.testing.assert_allclose(found.log_probability, log_p[np.arange(5), target], atol=1e-5)
    np.testing.assert_allclose(found.entropy, -(np.exp(log_p) * log_p / np.log(2)).sum(-1), atol=1e-5)
    written = log_p.copy()
    written[:, [0, 1, 3]] = -np.inf  # padding, start and unknown never are
    best = np.argsort(-written, axis=-1)[:, :ALTERNATIVES]
    np.testing.assert_array_equal(found.alternatives, best)
    np.testing.assert_allclose(found.probabilities, np.exp(np.take_along_axis(log_p, best, -1)), atol=1e-5)
    for kind, shape in (("encoder", (1, 2, 7, 7)), ("decoder", (1, 2, 5, 5)), ("cross", (1, 2, 5, 7))):
        weights = getattr(found, kind)
        assert weights.shape == shape
        assert weights.dtype == np.float32
        np.testing.assert_allclose(weights, np.asarray(getattr(result, kind))[0], atol=1e-5)


def test_the_padded_length_changes_nothing(runtime: Runtime) -> None:
    """The same source and the same beginning of a target, once padded to 16 and once to 32."""
    ids, short = source(7), source(9, seed=2)
    long = [*short[:-1], *source(12, seed=3)]
    one, other = runtime.record(ids, short), runtime.record(ids, long)
    np.testing.assert_allclose(one.encoder, other.encoder, atol=1e-5)
    np.testing.assert_allclose(one.decoder, other.decoder[..., :9, :9], atol=1e-5)
    np.testing.assert_allclose(one.cross, other.cross[..., :9, :], atol=1e-5)
    np.testing.assert_allclose(one.log_probability[:8], other.log_probability[:8], atol=1e-5)
    np.testing.assert_allclose(one.entropy, other.entropy[:9], atol=1e-5)
    np.testing.assert_array_equal(one.alternatives, other.alternatives[:9])


@pytest.mark.parametrize("length", [1, 16, 17, LONGEST])
def test_lengths_at_the_edges_of_the_padding_are_whole(runtime: Runtime, length: int) -> None:
    ids, target = source(length), source(max(1, length - 3), seed=2)
    found, result = runtime.record(ids, target), plain(runtime, ids, target)
    np.testing.assert_allclose(found.cross, np.asarray(result.cross)[0], atol=1e-5)
    np.testing.assert_allclose(found.cross.sum(-1), 1, atol=1e-5)


def test_gates_switch_heads_off_in_the_recording_pass(runtime: Runtime) -> None:
    ids, target = source(7), source(5, seed=2)
    gate = np.array([[1, 0]], np.float32)
    found = runtime.record(ids, target, Alter(Gates(encoder=gate)))
    result = runtime.network.forward(
        np.array([ids]), np.array([[START, *target[:-1]]]), alter=Alter(Gates(encoder=gate))
    )
    np.testing.assert_allclose(found.cross, np.asarray(result.cross)[0], atol=1e-5)
    usual = runtime.record(ids, target)
    assert np.abs(found.log_probability - usual.log_probability).max() > 1e-3
    open_gates = Gates(*(np.ones((1, 2), np.float32) for _ in range(3)))
    np.testing.assert_array_equal(
        runtime.record(ids, target, Alter(open_gates)).log_probability, usual.log_probability
    )


def test_two_threads_at_once_give_the_same_as_one(runtime: Runtime) -> None:
    def work(seed: int) -> tuple[Any, ...]:
        ids = source(4 + seed % 9, seed)
        written = runtime.decode(ids)
        return written, *runtime.record(ids, written)

    alone = [work(seed) for seed in range(12)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(work, range(12)))
    for one, other in zip(alone, together, strict=True):
        assert one[0] == other[0]
        for a, b in zip(one[1:], other[1:], strict=True):
            np.testing.assert_array_equal(a, b)


def test_many_at_once_equal_one_by_one(runtime: Runtime) -> None:
    sources = [source(4 + seed % 5, seed) for seed in range(5)]
    found = runtime.decode_all(sources, 1, 0.6, 2)
    for ids, row in zip(sources, found, strict=True):
        alone = runtime.decode(ids)
        assert row == alone[: len(row)]
        assert row[-1] == END or len(row) >= 16


@pytest.mark.parametrize(
    ("ids", "options", "message"),
    [
        ([], {}, "expected from 1 to 32 tokens, received 0"),
        ([5] * 33, {}, "expected from 1 to 32 tokens, received 33"),
        ([5, END], dict(prefix=[7], beams=2), "expected greedy decoding after a prefix, received 2 beams"),
        ([5, END], dict(prefix=[7] * LONGEST), "expected a prefix below 32 tokens, received 32"),
    ],
)
def test_what_cannot_be_decoded_is_refused(runtime: Runtime, ids: list, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        runtime.decode(ids, **options)


@pytest.mark.parametrize(("ids", "target"), [([], [5]), ([5], []), ([5] * 33, [5] * 33)])
def test_what_cannot_be_recorded_is_refused(runtime: Runtime, ids: list, target: list) -> None:
    with pytest.raises(ValueError, match="expected from 1 to 32 tokens, received"):
        runtime.record(ids, target)


def test_source_and_target_may_have_different_longest_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the padded source is longer than any output may be, and the other way round."""
    monkeypatch.setenv("HEADLIGHT_XLA", "off")  # a question of shapes, which are the same under XLA
    for longest in ({"max_source": 40, "max_target": 20}, {"max_source": 20, "max_target": 40}):
        narrow = Runtime(toy.network(toy.config(encoder_layers=1, decoder_layers=1, **longest)))
        ids = source(19)
        written = narrow.decode(ids)
        assert written == trimmed(
            greedy(narrow.network, np.array([ids]), longest["max_target"]).ids[:, : len(written)]
        )
        recorded = narrow.record(ids, written)
        assert recorded.cross.shape[2:] == (len(written), 19)
        with pytest.raises(ValueError, match=f"from 1 to {longest['max_target']} tokens"):
            narrow.record([5], [5] * (longest["max_target"] + 1))


def test_alternatives_are_tokens_that_could_be_written(runtime: Runtime) -> None:
    found = runtime.record(source(6), source(8)).alternatives
    assert not set(found.ravel().tolist()) & {0, 1, 3}


def test_gates_of_another_shape_are_refused(runtime: Runtime) -> None:
    heads = runtime.network.config.attention("encoder").heads
    with pytest.raises(ValueError, match="expected gates"):
        runtime.record(source(4), source(4), Alter(Gates(encoder=np.ones((9, heads)))))
