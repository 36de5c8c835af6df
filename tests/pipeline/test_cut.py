"""Looks that are cut: every family against the float64 reference, as it records and as it writes."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests import toy
from tests.pipeline.test_altered import CLIP, TEXT, given, ids_of, model
from transformer.analysis.check import check_layer, mask_of
from transformer.analysis.scores import cut_of
from transformer.checkpoints import folder
from transformer.config import END, START
from transformer.interventions import ALL, Edge, Interventions
from transformer.models.altering import Alter, edges_of
from transformer.runtime.common import alter_tensors
from transformer.search.generate import length_penalty
from transformer.trace import Trace

FAMILIES = ("seq2seq", "decoder", "encoder", "classes", "speech")
# In each map: one look of one head, one of a whole layer for everybody, and one of all layers that is dropped.
EDGES = {
    kind: (Edge(kind, 0, 1, 1, 0), Edge(kind, 1, ALL, ALL, 2), Edge(kind, ALL, ALL, 3, 1, "drop", last_key=3))
    for kind in ("encoder", "decoder", "cross")
}


def cuts(family: str) -> Interventions:
    shapes = model(family).config.attention_shapes()
    return Interventions(
        edges=tuple(edge for kind, edges in EDGES.items() if kind in shapes for edge in edges)
    )


@cache
def traced(family: str) -> Trace:
    """Its answer with these looks cut; a writer goes on."""
    more = {"tokens": 6} if family == "decoder" else {}
    return model(family).trace(given(family), interventions=cuts(family), **more)


@cache
def reference(family: str, cut: bool) -> toy.Reference:
    network = model(family).network
    weights = {name: np.asarray(value) for name, value in folder.variable_names(network).items()}
    return toy.Reference(network.config, weights, cuts(family).edges if cut else ())


def expected(family: str, trace: Trace, cut: bool = True) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What the reference says of a trace."""
    return of_trace(reference(family, cut), family, trace)


def of_trace(made: toy.Reference, family: str, trace: Trace) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Scores, and maps, of the ids that a trace holds."""
    ids = np.array([label.id for label in trace.source])
    if family == "decoder":
        logits, decoder = made.write(np.array([label.id for label in trace["decoder"].keys]))
        return logits, {"decoder": decoder}
    if family in ("encoder", "classes"):
        logits, encoder = made.read(ids)
        return logits, {"encoder": encoder}
    logits, *maps = made.forward(ids, np.array([START, *ids_of(trace)[:-1]]))
    return logits, dict(zip(("encoder", "decoder", "cross"), maps, strict=True))


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "speech"])
def test_every_weight_and_the_answer_are_those_of_the_reference(family: str) -> None:
    trace = traced(family)
    logits, maps = expected(family, trace)
    assert np.abs(logits - expected(family, trace, cut=False)[0]).max() > 0.01
    for kind, weights in maps.items():
        np.testing.assert_allclose(trace[kind].weights, weights, atol=2e-6)
        # A look that is dropped is shown as it was; one that is barred weighs nothing.
        assert not trace[kind].weights[1, :, 1, 2].any()
    p = np.log(toy.softmax(logits))
    if family == "classes":
        found = [value for name, value in trace.options.items() if name.startswith("probability of")]
        np.testing.assert_allclose(np.log(found), p, atol=1e-5)
    else:
        rows = p[:-1] if family == "decoder" else p
        own = [row[label.id] for row, label in zip(rows, trace.target, strict=True)]
        np.testing.assert_allclose([step.log_probability for step in trace.steps], own, atol=1e-5)


@pytest.mark.parametrize("family", ["seq2seq", "speech"])
def test_the_numbers_of_a_cut_head_can_be_checked(family: str, tmp_path: Path) -> None:
    made, cut, trace = model(family), cuts(family), traced(family)
    assert trace.options["interventions"] == cut.text() and "x:" in cut.text()
    trace.save(tmp_path / "x.npz")
    parts = made.projections(Trace.load(tmp_path / "x.npz"))
    for kind, shown in ((kind, trace[kind].weights) for kind in trace):
        for layer in range(len(shown)):
            barred = cut_of(cut.edges, kind, layer, shown.shape[1:])
            spec, mask = made.config.attention(kind, layer), mask_of(kind, *shown.shape[2:])
            given_ = (shown[layer], parts[kind].queries[layer], parts[kind].keys[layer], spec, mask)
            found = check_layer(*given_, barred=barred)
            assert all(one.passed for one in found), (kind, layer, [one.largest for one in found])
            assert any(not one.passed for one in check_layer(*given_))


def log_p(family: str, written: list[int]) -> np.ndarray:
    """Natural log-probabilities of what comes after written ids, by the reference; what is never written is barred."""
    made, cut = model(family), reference(family, True)
    if family == "decoder":
        logits = cut.write(np.array([*made.encode(TEXT), *written]))[0]
    else:
        logits = cut.forward(np.array(made.tokenizer.encode(TEXT).ids), np.array([START, *written]))[0]
    found = np.log(toy.softmax(logits[-1]))
    found[[*made.config.suppressed, *([END] if family == "decoder" else [])]] = -np.inf
    return np.asarray(found)


@pytest.mark.parametrize(("family", "beams"), [("seq2seq", 1), ("seq2seq", 3), ("decoder", 1)])
def test_what_is_written_is_what_the_cut_network_says(family: str, beams: int) -> None:
    made, limit, trace = model(family), 6 if family == "decoder" else 16, traced(family)
    if beams > 1:
        trace = made.trace(TEXT, interventions=cuts(family), beams=beams)
    alive: list[tuple[list[int], float]] = [([], 0.0)]

    def ranked(hypothesis: tuple[list[int], float]) -> float:
        return hypothesis[1] / float(length_penalty(len(hypothesis[0]), 0.6)) if beams > 1 else hypothesis[1]

    for _ in range(limit):
        longer = [one for one in alive if END in one[0]]
        for written, score in (one for one in alive if END not in one[0]):
            found = log_p(family, written)
            longer += [([*written, int(i)], score + found[i]) for i in np.argsort(-found)[:beams]]
        alive = sorted(longer, key=ranked, reverse=True)[:beams]
    written = ids_of(trace)[-limit:] if family == "decoder" else ids_of(trace)
    assert written == max(alive, key=ranked)[0]


def test_step_by_step_over_caches_the_same_is_cut_as_in_one_pass() -> None:
    """Of a listener, whose encoder is asked once for both."""
    made = model("speech")
    alter = alter_tensors(made.config, Alter(edges=edges_of(cuts("speech"))))
    encoded, real = made.network.encode(made.log_mel(CLIP)[0][None], alter=alter)
    ids = np.array([[START, 5, 9, 7, 6]], np.int32)
    whole = made.network.look(encoded.vectors, real, ids, alter=alter).logits
    state = made.network.begin(encoded.vectors, real, ids.shape[1], alter)
    for place, token in enumerate(ids.T):
        logits, state = made.network.step(token, place, state)
        np.testing.assert_allclose(logits, whole[:, place], atol=1e-5)
    assert np.abs(whole - made.network.look(encoded.vectors, real, ids).logits).max() > 1e-3


def test_a_row_that_would_see_nothing_is_spared_and_counted() -> None:
    made = model("decoder")
    everybody = Interventions(edges=(Edge("decoder", ALL, ALL, ALL, 0),))
    trace = made.trace(TEXT, interventions=everybody)
    weights = trace["decoder"].weights
    assert (weights[:, :, 0, 0] > 1 - 1e-6).all() and not weights[:, :, 1:, 0].any()
    assert trace.options["spared"] == 4  # the first row of two heads in two layers
    assert "spared" not in made.trace(TEXT, interventions="x:d1.1.2.1").options
    # After the softmax nothing has to be left.
    dropped = made.trace(TEXT, interventions="x:d*.*.*.1!")
    assert "spared" not in dropped.options and dropped.steps != trace.steps
    listener = model("speech")
    deaf = listener.trace(CLIP, interventions="x:x1.2.*.1-99999")
    assert deaf.options["spared"] == len(deaf.target)
    assert (deaf["cross"].weights == listener.trace(CLIP, target_ids=ids_of(deaf))["cross"].weights).all()


def test_without_a_cut_nothing_new_is_built() -> None:
    """And one graph serves however many looks are cut."""
    made = model("seq2seq")
    made.trace(TEXT, interventions="h:x1.1")
    graphs = (made.runtime._greedy.any, made.runtime._forced.any)
    before = [graph.usual.experimental_get_tracing_count() for graph in graphs]
    for text in ("x:x1.1.1.1", "x:x1.1.1.1,e1.*.2.3", "h:x1.2;x:x1.1.1.1,d*.*.2.1!,e1.1.1.1-3"):
        made.trace(TEXT, interventions=text)
    assert [graph.usual.experimental_get_tracing_count() for graph in graphs] == before
    assert [graph.cutting.experimental_get_tracing_count() for graph in graphs] == [1, 1]


def test_heads_are_ranked_with_the_cut() -> None:
    made, cut, trace = model("decoder"), cuts("decoder"), traced("decoder")
    weights = np.ones(len(made.sayings(trace)))
    weights[-1] = 0  # what comes next
    found = made.without_each(trace, weights)["decoder"]
    off = made.trace(TEXT, target_ids=ids_of(trace)[-6:], interventions=f"h:d1.2;{cut.text()}")
    whole, without = (sum(step.log_probability for step in one.steps) for one in (trace, off))
    assert found[0, 1] == pytest.approx(whole - without, abs=1e-4)
    slopes = made.slopes(trace, weights)["decoder"]
    # A head's slope is how fast the answer falls where its gate is 1: here by a difference.
    turned = made.trace(TEXT, target_ids=ids_of(trace)[-6:], interventions=f"h:d1.2=0.99;{cut.text()}")
    fall = whole - sum(step.log_probability for step in turned.steps)
    assert slopes[0, 1] == pytest.approx(fall / 0.01, rel=0.1, abs=1e-3)


@pytest.mark.parametrize("text", ["x:x3.1.1.1", "x:x1.3.1.1", "x:x0.1.1.1", "x:e1.1.1", "x:x1.1.2-1.1"])
def test_looks_that_the_network_does_not_have_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected [^\n]*, received [^\n]*$"):
        model("seq2seq").trace(TEXT, interventions=text)


def test_a_recurrent_network_says_that_it_takes_no_cuts() -> None:
    with pytest.raises(
        ValueError,
        match=r"^expected changes of heads alone of a recurrent network, received looks that are cut$",
    ):
        model("recurrent").trace(TEXT, interventions="x:x1.1.1.1")


@pytest.mark.parametrize(("key", "left"), [(0, "x:e*.*.*.1"), (1, ""), (2, "x:e*.*.*.2")])
def test_a_look_moves_up_with_its_token_where_a_word_is_left_out(key: int, left: str) -> None:
    """Leaving out the second word is reading the text without it, with the same tokens cut."""
    made, text = model("classes"), given("classes")
    trace = made.trace(text, interventions=f"x:e*.*.*.{key + 1}")
    assert [label.text for label in trace.source][:4] == text.split(), "a word is a token here"
    names = made.config.class_names

    def odds(found: Trace) -> float:
        p = [found.options[f"probability of {name}"] for name in names]
        return float(np.log(p[1]) - np.log(sum(p) - p[1]))

    first, _, *rest = text.split()
    without = made.trace(" ".join([first, *rest]), interventions=left)
    assert made.leave_one_out(trace, 1)[1] == pytest.approx(odds(trace) - odds(without), abs=1e-5)
