"""What networks say without each head, against passes that record; and slopes at gates, against differences."""

import numpy as np
import pytest

from tests.pipeline.test_altered import CLIP, FAMILIES, given, model
from tests.pipeline.test_cut import cuts
from transformer.analysis.importance import Against
from transformer.interventions import Head, Interventions
from transformer.models.altering import Alter, Gates
from transformer.runtime import effects as module
from transformer.trace import Label, Trace

CHANGE = Interventions(heads=(Head("encoder", 1, 0, 0.5),))


def changed(family: str) -> Interventions:
    """A change that a trace was made with, where the family has an encoder."""
    return CHANGE if "encoder" in model(family).config.attention_shapes() else Interventions()


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def trace(family: str) -> Trace:
    found: Trace = model(family).trace(given(family), interventions=changed(family))
    return found


def weights(labels: list[Label]) -> np.ndarray:
    return np.random.default_rng(3).normal(size=len(labels))


def again(family: str, trace: Trace, labels: list[Label], interventions: Interventions) -> np.ndarray:
    """Log-probabilities of what the trace says, by the pass that records."""
    made, ids = model(family), [label.id for label in labels]
    if family == "classes":
        found = made.trace(given(family), interventions=interventions)
        return np.log([found.options[f"probability of {label.text}"] for label in labels])
    if family == "encoder":
        found = made.trace(given(family), interventions=interventions)
    elif family == "decoder":
        first = [label.id for label in trace["decoder"].keys]
        alter = made._alter(interventions, 1.0)
        return np.asarray(made.runtime.record([*first, ids[-1]], alter).log_probability, np.float64)
    else:
        found = made.trace(given(family), target_ids=ids, interventions=interventions)
    return np.array([step.log_probability for step in found.steps])


def test_without_each_head_is_what_a_recording_with_it_off_says(family: str, trace: Trace) -> None:
    made = model(family)
    labels = made.sayings(trace)
    told: list[tuple[int, int]] = []
    measured = made.without_each(trace, weights(labels), progress=lambda *done: told.append(done))
    shapes = made.config.attention_shapes()
    assert {kind: values.shape for kind, values in measured.items()} == shapes
    base = changed(family)
    whole = again(family, trace, labels, base) @ weights(labels)
    for kind, (layers, heads) in shapes.items():
        layer, head = layers - 1, heads - 1
        off = Interventions(heads=(*base.heads, Head(kind, layer, head)))
        expected = whole - again(family, trace, labels, off) @ weights(labels)
        assert measured[kind][layer, head] == pytest.approx(expected, abs=2e-5)
        assert abs(expected) > 1e-4, "a head that changes nothing would prove nothing"
    assert told[-1] == (sum(a * b for a, b in shapes.values()),) * 2


def test_slopes_are_central_differences_at_the_gates(family: str, trace: Trace) -> None:
    made = model(family)
    labels = made.sayings(trace)
    slopes = made.slopes(trace, weights(labels))
    said, given_weights = made._weighed(trace, weights(labels), None)
    # So near that no unit of a feed-forward passes its kink between the two.
    shapes, small = made.config.attention_shapes(), 0.004
    base = {
        kind: np.array(changed(family).factors(kind, *shape), np.float32) for kind, shape in shapes.items()
    }
    for kind, (layers, _) in shapes.items():
        at, sums = (layers - 1, 0), []
        for step in (-small, small):
            gates = {name: gate.copy() for name, gate in base.items()}
            gates[kind][at] += step
            chances = made.runtime.effects.chances(said.inputs, said.places, said.ids, Alter(Gates(**gates)))
            sums.append(chances[0].astype(np.float64) @ given_weights)
        expected = (sums[1] - sums[0]) / (2 * small) * base[kind][at]
        assert slopes[kind][at] == pytest.approx(expected, abs=1e-3)


def test_rows_that_begin_at_their_layer_are_those_that_are_run_from_the_beginning(
    family: str, trace: Trace
) -> None:
    """In both stacks of one family with looks that are cut beside the head that is turned down."""
    made = model(family)
    edges = cuts(family).edges if family == "seq2seq" else ()
    interventions = Interventions(heads=changed(family).heads, edges=edges)
    said, _ = made._weighed(trace, weights(made.sayings(trace)), None)
    alter, effects = made._alter(interventions, 1.0), made.runtime.effects
    asked = said.inputs, said.places, said.ids
    (_, whole), *rest = effects.without_each(*asked, said.size, alter)
    np.testing.assert_allclose(whole, effects.chances(*asked, alter), atol=1e-5)
    shapes = made.config.attention_shapes()
    base = {kind: np.array(interventions.factors(kind, *shape), np.float32) for kind, shape in shapes.items()}
    places = [place for chosen, _ in rest for place in chosen]
    assert len(set(places)) == len(places) == sum(layers * heads for layers, heads in shapes.values())
    for chosen, found in rest:
        gates = {kind: np.repeat(gate[None], len(chosen), axis=0) for kind, gate in base.items()}
        for row, (kind, layer, head) in enumerate(chosen):
            gates[kind][row, layer, head] = 0
        expected = effects.chances(*asked, alter._replace(gates=Gates(**gates)))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_answer_against_another_is_the_difference_of_their_chances(family: str, trace: Trace) -> None:
    made = model(family)
    ids = [int(label.id if family != "classes" else i) for i, label in enumerate(made.sayings(trace))]
    place = 0 if family == "classes" else len(ids) - 1
    token, other = ids[place], 2 if family == "classes" else 7
    assert token != other
    pair, said = Against(place, token, other), made._sayings(trace)
    slopes, measured = made.slopes(trace, pair), made.without_each(trace, pair)

    def odds(**gates: np.ndarray) -> float:
        alter = Alter(Gates(**gates))
        one, two = made.runtime.effects.chances(said.inputs, [place] * 2, [token, other], alter)[0]
        return float(one) - float(two)

    base = {
        kind: np.array(changed(family).factors(kind, *shape), np.float32)
        for kind, shape in made.config.attention_shapes().items()
    }
    for kind, (layers, _) in made.config.attention_shapes().items():

        def turned(factor: float, kind: str = kind, layer: int = layers - 1) -> float:
            gates = {name: gate.copy() for name, gate in base.items()}
            gates[kind][layer, 0] *= factor
            return odds(**gates)

        small = 0.004
        rise = (turned(1 + small) - turned(1 - small)) / (2 * small)
        assert slopes[kind][-1, 0] == pytest.approx(rise, abs=2e-3)
        assert measured[kind][-1, 0] == pytest.approx(odds(**base) - turned(0), abs=2e-5)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [(Against(0, 0, 3), "an answer from 0 to 2, received 3"), (Against(0, -1, 1), "received -1")],
)
def test_answers_that_are_not_there_are_refused(wrong: Against, why: str) -> None:
    made = model("classes")
    with pytest.raises(ValueError, match=why):
        made.slopes(made.trace(given("classes")), wrong)
    with pytest.raises(ValueError, match="a place below"):
        model("encoder").slopes(model("encoder").trace(given("encoder")), Against(99, 1, 2))


def test_words_are_found_as_they_are_typed() -> None:
    made = model("decoder")
    label = made.tokenizer.label
    whole, part = made.token("cat"), made.token("a", goes_on=True)
    assert (label(whole).text, label(whole).joins) == ("cat", False)
    assert (label(part).text, label(part).joins) == ("a", True)
    for word, why in (
        ("catsat", "of one token, received “catsat”, which is "),
        ("日", "knows, received “日”"),
    ):
        with pytest.raises(ValueError, match=why):
            made.token(word)
    with pytest.raises(ValueError, match="nothing to read"):
        made.token(" ")


def test_heads_are_switched_off_in_batches_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    made = model("seq2seq")
    trace = made.trace(given("seq2seq"))
    some = weights(made.sayings(trace))
    whole = made.without_each(trace, some)
    monkeypatch.setattr(module, "TOGETHER", 1)
    for kind, values in made.without_each(trace, some).items():
        np.testing.assert_allclose(values, whole[kind], atol=1e-5)


def test_samples_stand_for_a_trace_that_has_lost_its_silence() -> None:
    made = model("speech")
    trace = made.trace(CLIP)
    some = weights(made.sayings(trace))
    for kind, values in made.slopes(trace, some, CLIP).items():
        np.testing.assert_allclose(values, made.slopes(trace, some)[kind], atol=1e-5)


@pytest.mark.parametrize("wrong", [np.ones(3), np.full((1, 4), 1.0), "x"])
def test_weights_that_do_not_fit_are_refused(wrong: object) -> None:
    made = model("classes")
    trace = made.trace(given("classes"))
    with pytest.raises(ValueError):
        made.slopes(trace, np.append(wrong, np.nan) if isinstance(wrong, np.ndarray) else wrong)
