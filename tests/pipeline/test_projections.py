"""Queries and keys that the network hands out, the way back from a trace to its ids, and a second opinion."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests import toy
from tests.heads import check
from transformer.analysis import by_hand
from transformer.analysis.check import mask_of
from transformer.config import END
from transformer.pipeline import Translator
from transformer.text.tokenizer import SubwordTokenizer
from transformer.trace import KINDS, AttentionMap, Trace

SENTENCES = ["O trem saiu da estação.", "The train left the station on time.", "the the train left on"] * 3


@pytest.fixture(scope="module")
def tokenizer() -> SubwordTokenizer:
    return SubwordTokenizer.train(SENTENCES, 90)


@pytest.fixture(scope="module", params=["pre", "post"])
def translator(request: Any, tokenizer: SubwordTokenizer) -> Translator:
    config = toy.config(vocabulary=tokenizer.size, norm=request.param, max_source=40, max_target=40)
    return Translator("toy", toy.network(config), tokenizer)


@pytest.fixture(scope="module")
def trace(translator: Translator) -> Trace:
    return translator.trace("O trem saiu", target="The train left")


def test_they_explain_every_weight_on_screen(translator: Translator, trace: Trace) -> None:
    parts = translator.projections(trace)
    assert tuple(parts) == KINDS
    for kind, part in parts.items():
        shown = trace[kind].weights
        layers, heads, queries, keys = shown.shape
        assert part.inputs.shape == (layers, queries, 8)
        assert part.queries.shape == (layers, heads, queries, 4) and part.keys.shape == (
            layers,
            heads,
            keys,
            4,
        )
        mask = mask_of(kind, queries, keys)
        for layer in range(layers):
            for head in range(heads):
                found = check(shown[layer, head], part.queries[layer, head], part.keys[layer, head], mask)
                assert found.passed, (kind, layer, head, found.largest)
                # The next head's queries are no explanation of this one's weights.
                other = (head + 1) % heads
                assert not check(
                    shown[layer, head], part.queries[layer, other], part.keys[layer, head], mask
                ).passed


def test_scaled_positions_are_checked_as_such(translator: Translator) -> None:
    scaled = translator.trace("O trem saiu", target="The train left", position_scale=0.0)
    part = translator.projections(scaled)["encoder"]
    shown, count = scaled["encoder"].weights[0, 0], len(scaled.source)
    assert check(shown, part.queries[0, 0], part.keys[0, 0], mask_of("encoder", count, count)).passed


def test_one_graph_serves_every_length(translator: Translator) -> None:
    for length in (1, 3, 17):
        parts = translator.runtime.projections([END] * length, [END] * (length + 1))
        assert parts["cross"].queries.shape[2] == length + 1 and parts["cross"].keys.shape[2] == length
    assert translator.runtime._projections.experimental_get_tracing_count() == 1


def test_lengths_are_checked(translator: Translator) -> None:
    for source, target in (([], [END]), ([END], []), ([END] * 41, [END]), ([END], [END] * 41)):
        with pytest.raises(ValueError, match="expected from 1 to 40 tokens"):
            translator.runtime.projections(source, target)


def test_a_trace_of_another_model_is_refused(translator: Translator, trace: Trace) -> None:
    with pytest.raises(ValueError, match="expected a trace of toy, received one of no model"):
        translator.projections(Trace([trace["encoder"]], "", source=trace.source, target=trace.target))


def test_a_trace_without_ids_is_refused(translator: Translator, trace: Trace) -> None:
    labels = [replace(label, id=None) for label in trace.source]
    bare = Trace([trace["encoder"]], "", source=labels, target=trace.target, model=translator.name)
    with pytest.raises(ValueError, match="expected a trace whose labels hold the network's ids"):
        translator.projections(bare)


def test_ids_that_the_vocabulary_lacks_are_refused(translator: Translator, trace: Trace) -> None:
    """As a file from somebody else may hold them."""
    labels = [replace(label, id=90) for label in trace.source]
    other = Trace(
        [AttentionMap("encoder", trace["encoder"].weights, labels, labels)],
        "",
        source=labels,
        target=trace.target,
        model=translator.name,
    )
    with pytest.raises(ValueError, match=f"expected ids below {translator.config.vocabulary}, received 90"):
        translator.projections(other)


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
@pytest.mark.parametrize("causal", [False, True])
def test_three_libraries_agree(translator: Translator, kind: str, causal: bool) -> None:
    inputs = np.random.default_rng(1).normal(size=(6, 8))
    mask = by_hand.causal_mask(6) if causal else by_hand.no_mask(6, 6)
    weights = translator.layer_weights(kind, 1)
    assert weights.parameters == 4 * (8 * 8 + 8)
    ours = by_hand.multi_head(inputs, weights, mask)
    opinions = translator.opinions(kind, 1, inputs, mask)
    assert len(opinions) == 2
    for opinion in opinions.values():
        np.testing.assert_allclose(opinion.weights, ours.weights, atol=1e-5)
        np.testing.assert_allclose(opinion.output, ours.output, atol=1e-5)
    wrong = translator.opinions(kind, 0, inputs, mask)
    assert all(np.abs(opinion.output - ours.output).max() > 0.01 for opinion in wrong.values())


def test_a_layer_of_the_network_is_its_own_by_hand(translator: Translator, trace: Trace) -> None:
    for kind in ("encoder", "decoder"):
        inputs = translator.projections(trace)[kind].inputs
        for layer in range(len(inputs)):
            count = inputs.shape[1]
            found = by_hand.multi_head(
                inputs[layer], translator.layer_weights(kind, layer), mask_of(kind, count, count)
            )
            np.testing.assert_allclose(found.weights, trace[kind].weights[layer], atol=1e-5)


def test_biases_that_are_not_there_count_as_zero() -> None:
    none = dict.fromkeys(("query_bias", "key_bias", "value_bias", "output_bias"), False)
    tokenizer = SubwordTokenizer.train(SENTENCES, 60)
    made = Translator("t", toy.network(toy.config(vocabulary=tokenizer.size, **none)), tokenizer)
    weights = made.layer_weights("cross", 0)
    assert not weights.query.bias.any() and weights.query.kernel.any()


@pytest.mark.parametrize(("kind", "layer"), [("encoder", 2), ("decoder", -1), ("sound", 0)])
def test_a_layer_that_is_not_there_is_refused(translator: Translator, kind: str, layer: int) -> None:
    with pytest.raises(ValueError, match="expected encoder, decoder, cross and a layer"):
        translator.layer_weights(kind, layer)
