"""What another run had, put into a network: every site of every family against the float64 reference."""

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy
from tests.pipeline.test_altered import CLIP, TEXT, config, ids_of, model, opened
from tests.pipeline.test_cut import of_trace
from transformer.analysis.check import check_layer, mask_of
from transformer.checkpoints import folder
from transformer.interventions import ALL, Head, Interventions, Patch
from transformer.trace import Trace

FAMILIES = ("seq2seq", "decoder", "encoder", "classes")
OTHER = "the dog sat on"
# In each map: a stream, what one head and what all heads hand over, and a feed-forward; at a place from the same one,
# from another one, and everywhere.
PATCHES = {
    "stream": (Patch("stream", "encoder", 0, 1), Patch("stream", "decoder", 0, 1, origin=2)),
    "head": (
        Patch("head", "encoder", 0, 2, 1),
        Patch("head", "decoder", 0, 0, 1, origin=1),
        Patch("head", "cross", 1, ALL, 0),
        Patch("head", "cross", 0, 1),
    ),
    "feed_forward": (Patch("feed_forward", "encoder", 1, ALL), Patch("feed_forward", "decoder", 1, 1)),
}


def patches(family: str, *sites: str) -> Interventions:
    shapes = model(family).config.attention_shapes()
    found = [patch for site in sites or PATCHES for patch in PATCHES[site] if patch.kind in shapes]
    return Interventions(patches=tuple(found), other=OTHER)


@cache
def traced(family: str, *sites: str) -> Trace:
    return model(family).trace(TEXT, interventions=patches(family, *sites), **more(family))  # type: ignore[no-any-return]


def more(family: str) -> dict[str, Any]:
    """A writer goes on."""
    return {"tokens": 5} if family == "decoder" else {}


def expected(family: str, trace: Trace, *sites: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    network = model(family).network
    weights = {name: np.asarray(value) for name, value in folder.variable_names(network).items()}
    other = toy.Reference(network.config, weights)
    of_trace(other, family, model(family).trace(OTHER))
    made = toy.Reference(network.config, weights, (), patches(family, *sites).patches, other)
    return of_trace(made, family, trace)


@pytest.mark.parametrize(
    ("family", "site"), [*((family, "") for family in FAMILIES), *(("seq2seq", site) for site in PATCHES)]
)
def test_every_weight_and_the_answer_are_those_of_the_reference(family: str, site: str) -> None:
    sites = (site,) if site else ()
    trace = traced(family, *sites)
    logits, maps = expected(family, trace, *sites)
    for kind, weights in maps.items():
        np.testing.assert_allclose(trace[kind].weights, weights, atol=2e-6)
    p = np.log(toy.softmax(logits))
    if family == "classes":
        np.testing.assert_allclose(np.log([answer.probability for answer in trace.answers]), p, atol=1e-5)
        changed = [answer.probability for answer in model(family).trace(TEXT).answers]
        assert np.abs(changed - np.exp(p)).max() > 1e-4
        return
    rows = p[:-1] if family == "decoder" else p
    own = [row[label.id] for row, label in zip(rows, trace.target, strict=True)]
    np.testing.assert_allclose([step.log_probability for step in trace.steps], own, atol=1e-5)
    as_it_is = model(family).trace(TEXT, **more(family))
    assert [step.log_probability for step in as_it_is.steps] != pytest.approx(own, abs=1e-3)
    if family in ("seq2seq", "decoder"):  # while it writes, too
        barred = [
            *model(family).config.suppressed,
            *([model(family).config.end_id] if family == "decoder" else []),
        ]
        rows[:, barred] = -np.inf
        written = slice(len(trace.source) - 1, None) if family == "decoder" else slice(None)
        assert rows.argmax(-1)[written].tolist() == ids_of(trace)[written]


@pytest.mark.parametrize("family", FAMILIES)
def test_all_of_the_other_run_is_the_other_answer(family: str) -> None:
    made, kind = model(family), "decoder" if family == "decoder" else "encoder"
    last = made.config.attention_shapes()[kind][0] - 1
    other = made.trace(OTHER)
    assert len(other.source) == len(made.trace(TEXT).source)
    everything = Interventions(patches=(Patch("stream", kind, last, ALL),), other=OTHER)
    found = made.trace(TEXT, interventions=everything)
    assert made.trace(TEXT).output != other.output or family in ("encoder", "classes")
    if family == "seq2seq":
        assert found.output == other.output
        np.testing.assert_allclose(found["cross"].weights, other["cross"].weights, atol=1e-6)
    if family == "classes":
        chances = [[answer.probability for answer in trace.answers] for trace in (found, other)]
        np.testing.assert_allclose(*chances, atol=1e-6)
    else:
        guessed = [[step.alternatives[0].id for step in trace.steps] for trace in (found, other)]
        assert guessed[0] == guessed[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_says_it_and_the_numbers_can_be_checked(family: str, tmp_path: Path) -> None:
    made, trace = model(family), traced(family)
    assert trace.options["interventions"] == patches(family).text()
    trace.save(tmp_path / "x.npz")
    again = Trace.load(tmp_path / "x.npz")
    parts = made.projections(again)
    for kind, shown in ((kind, trace[kind].weights) for kind in trace):
        for layer in range(len(shown)):
            spec, mask = made.config.attention(kind, layer), mask_of(kind, *shown.shape[2:])
            given = (shown[layer], parts[kind].queries[layer], parts[kind].keys[layer], spec, mask)
            assert all(one.passed for one in check_layer(*given)), (kind, layer)
    with pytest.raises(ValueError, match="a stream that adds up"):
        made.shares(again)


@pytest.mark.parametrize("family", FAMILIES)
def test_shares_of_what_heads_and_feed_forwards_were_given_add_up(family: str) -> None:
    found = model(family).shares(traced(family, "head", "feed_forward"), 1)
    assert found.difference < 1e-4


def test_a_word_is_left_out_and_what_is_put_in_stays_with_its_token() -> None:
    made, trace = model("classes"), traced("classes")
    found = made.leave_one_out(trace, 0)
    moved = [(0, 0), (1, 1), (2, 3), (3, 4)]  # "sat" is gone
    left = Interventions(
        patches=(
            Patch("stream", "encoder", 0, 1),
            *(Patch("feed_forward", "encoder", 1, place, origin=origin) for place, origin in moved),
        ),
        other=OTHER,
    )

    def odds(trace: Trace) -> float:
        p = trace.answers[0].probability or 0.0
        return float(np.log(p / (1 - p)))

    assert found[2] == pytest.approx(
        odds(trace) - odds(made.trace("the cat on", interventions=left)), abs=1e-5
    )


def test_what_is_put_in_comes_from_the_network_as_it_is() -> None:
    made, cross = model("seq2seq"), "h:x1.1,d2.2=0.5"
    everything = f"{cross};p:se2.*;o:{OTHER.replace(' ', '%20')}"
    found, other = made.trace(TEXT, interventions=everything), made.trace(OTHER, interventions=cross)
    assert ids_of(found) == ids_of(other)
    np.testing.assert_allclose(found["cross"].weights, other["cross"].weights, atol=1e-6)
    with pytest.raises(ValueError, match="of the network as it is"):
        made.two_runs(found, OTHER)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"other": None}, "the ids of its other run"),
        ({"other": "1 2|x"}, "the ids of its other run"),
        ({"other": "1 2"}, "rows of ids"),
        ({"other": "1 99999|3 3"}, "rows of ids"),
    ],
)
def test_a_forged_other_run_is_refused_in_one_line(options: dict[str, Any], said: str) -> None:
    trace = traced("seq2seq")
    changed = {key: value for key, value in {**trace.options, **options}.items() if value is not None}
    with pytest.raises(ValueError, match=said) as caught:
        model("seq2seq").projections(dataclasses.replace(trace, options=changed))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: model("decoder").trace(TEXT, interventions="p:sd1.1"), "expected the other text"),
        (lambda: model("decoder").trace(TEXT, interventions="p:sd9.1;o:a"), "expected a layer up to 2"),
        (lambda: model("decoder").trace(TEXT, interventions="p:se1.1;o:a"), "expected changes in decoder"),
        (
            lambda: model("decoder").trace(TEXT, interventions="p:sd1.1<99;o:a"),
            "a token of the other text from 1 to",
        ),
        (lambda: model("recurrent").trace(TEXT, interventions="p:hx1.1;o:a"), "recurrent network"),
        (lambda: model("speech").trace(CLIP, interventions="p:hx1.1;o:a"), "heads and looks alone"),
    ],
)
def test_what_cannot_be_put_in_is_refused_in_one_line(ask: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ask()


def test_a_place_behind_the_end_is_about_nothing() -> None:
    made = model("encoder")
    found = made.trace(TEXT, interventions="p:se1.900<1;o:a")
    np.testing.assert_array_equal(found["encoder"].weights, made.trace(TEXT)["encoder"].weights)


@cache
def masking() -> Any:
    """The network that guesses, with an id that hides words."""
    return opened("encoder", toy.network(toy.changed(config("encoder"), special__mask=5)), "off")


@pytest.mark.parametrize("noising", [False, True])
@pytest.mark.parametrize(
    ("family", "site", "kind"),
    [
        ("seq2seq", "stream", "encoder"),
        ("seq2seq", "head", "cross"),
        ("decoder", "feed_forward", "decoder"),
        ("encoder", "head", "encoder"),
        ("classes", "stream", "encoder"),
    ],
)
def test_every_cell_is_a_run_with_that_part_put_in(family: str, site: Any, kind: Any, noising: bool) -> None:
    made = masking() if family == "encoder" else model(family)
    masked = {"masked": [0]} if family == "encoder" else {}
    texts = TEXT, OTHER
    trace = made.trace(texts[0], **masked)
    runs = made.two_runs(trace, texts[1])
    found = made.patched(runs, site, kind, noising=noising)
    assert found.chances.shape[:2] == (2, 2 if site == "head" else len(runs.compared.labels[kind]))
    run, giver = texts[::-1] if noising else texts
    asked = runs.asked
    for layer, column in [(0, 1), (1, 0)]:
        change = found.change(layer, column, giver)
        if family == "seq2seq":
            prefix = runs.compared.rows[int(noising)][1][:-1]
            own = [
                made.trace(run, target_ids=[*prefix, i], interventions=change).steps[-1].log_probability
                for i in (asked.answer, asked.against)
            ]
        elif family == "decoder":
            own = [
                made.trace(run, target_ids=[i], interventions=change).steps[-1].log_probability
                for i in (asked.answer, asked.against)
            ]
        else:
            again = made.trace(run, interventions=change, **masked)
            scores = made.scores_again(made.insides(again), asked.place)[-1]
            p = np.log(toy.softmax(scores))
            own = [p[asked.answer], p[asked.against]]
        np.testing.assert_allclose(found.chances[layer, column], own, atol=1e-5)
    # The stream behind the last layer at the place that answers is all there is.
    if site == "stream" and family == "seq2seq":
        assert np.abs(found.moved).max() > 0.01


@pytest.mark.parametrize(
    ("family", "text", "other", "said"),
    [
        ("seq2seq", TEXT, "the cat", "equally many tokens, received 5 and 3|translated differently"),
        ("seq2seq", TEXT, TEXT, "translated differently"),
        ("decoder", TEXT, "the cat", "equally many tokens, received 5 and 3"),
        ("decoder", TEXT, TEXT, "answered differently"),
        ("encoder", TEXT, OTHER, "a hidden word"),
        ("recurrent", TEXT, OTHER, "a recurrent network"),
    ],
)
def test_texts_that_cannot_be_compared_are_refused_in_one_line(
    family: str, text: str, other: str, said: str
) -> None:
    made = model(family)
    with pytest.raises(ValueError, match=said):
        made.two_runs(made.trace(text), other)


@pytest.mark.parametrize(
    ("family", "kind"), [("seq2seq", "encoder"), ("seq2seq", "cross"), ("decoder", "decoder")]
)
def test_heads_are_ranked_with_what_is_put_in(family: str, kind: Any) -> None:
    made, trace = model(family), traced(family)
    weights = np.zeros(len(made.sayings(trace)))
    weights[1] = 1.0
    found = made.without_each(trace, weights)
    off = dataclasses.replace(patches(family), heads=(Head(kind, 1, 1),))
    first = len(trace.source) if family == "decoder" else 0
    again = made.trace(TEXT, target_ids=ids_of(trace)[max(first - 1, 0) :], interventions=off)
    lost = trace.steps[1].log_probability - again.steps[1].log_probability
    assert found[kind][1, 1] == pytest.approx(lost, abs=1e-5)
