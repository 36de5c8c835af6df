"""What a network computed on the way: the lens against its real answers, and shares that add up to them."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests import toy
from tests.pipeline.test_altered import FAMILIES, OFF, config, given, model, opened
from transformer.analysis.insides import Insides
from transformer.interventions import NONE
from transformer.pipeline.checkpoint import open_checkpoint
from transformer.runtime.common import ids_row
from transformer.trace import KINDS, Label, Trace

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
INSIDE = [family for family in FAMILIES if family != "recurrent"]
# One folder for each way of its own to normalise, to add, or to answer.
PUBLISHED = ("bert-classifier", "bert-masked", "gemma2-capped", "olmo2-untied", "opt-post", "phi-norms")


@cache
def traced(family: str, altered: bool = False) -> Trace:
    target = {"target": "a dog"} if family in ("seq2seq", "speech") else {}  # nothing is to be searched for
    found: Trace = model(family).trace(
        given(family), interventions=OFF[family] if altered else NONE, **target
    )
    return found


@cache
def inside(family: str, altered: bool = False) -> Insides:
    found: Insides = model(family).insides(
        traced(family, altered), given(family) if family == "speech" else None
    )
    return found


@pytest.mark.parametrize("altered", [False, True], ids=["as it is", "heads off"])
@pytest.mark.parametrize("family", INSIDE)
def test_the_last_row_of_the_lens_is_the_real_answer(family: str, altered: bool) -> None:
    made, trace = model(family), traced(family, altered)
    lens = made.lens(inside(family, altered))
    count = 1 if family == "classes" else len(trace.target) + (family == "decoder")
    guesses = min(5, made.config.classes or 5)
    assert lens.ids.shape == lens.probabilities.shape == (lens.layers + 1, count, guesses)
    assert lens.layers == (made.config.decoder or made.config.encoder).layers
    assert lens.log_probability.shape == (lens.layers + 1, count) and len(lens.labels) == count
    assert np.abs(lens.probabilities[:-1] - lens.probabilities[-1]).max() > 0.01, "layers differ"
    if family == "classes":
        said = [trace.options[f"probability of {lens.names[int(i)].text}"] for i in lens.ids[-1, 0]]
        np.testing.assert_allclose(lens.probabilities[-1, 0], said, atol=1e-6)
        assert lens.labels[0].text == trace.output
        return
    for t, step in enumerate(trace.steps):
        assert [lens.names[int(i)].id for i in lens.ids[-1, t]] == [other.id for other in step.alternatives]
        said = [other.probability for other in step.alternatives]
        np.testing.assert_allclose(lens.probabilities[-1, t], said, atol=1e-5)
        if lens.targets[t] == trace.target[t].id:  # else a mask, whose guess it is
            assert lens.log_probability[-1, t] == pytest.approx(step.log_probability, abs=1e-4)
    best = lens.ids[:, :, 0]
    for t, row in enumerate(lens.settled()):
        assert (best[row:, t] == best[-1, t]).all() and (row == 0 or best[row - 1, t] != best[-1, t])


def test_what_a_decoder_foretells_next_is_the_last_column() -> None:
    made, lens = model("decoder"), model("decoder").lens(inside("decoder"))
    labels = made.sayings(traced("decoder"))
    assert lens.labels[-1].id == labels[-1].id == lens.ids[-1, -1, 0]
    assert lens.log_probability[-1, -1] == pytest.approx(np.log(lens.probabilities[-1, -1, 0]), abs=1e-6)


def test_a_layer_that_is_the_last_answers_what_the_lens_says_of_it() -> None:
    """The same network without its last layer."""
    made = model("decoder")
    short = toy.changed(config("decoder"), decoder__layers=1)
    network = toy.network(short)
    for variable in network.variables:
        twin = next(
            v for v in made.network.variables if v.path.split("/", 1)[1] == variable.path.split("/", 1)[1]
        )
        variable.assign(twin)
    other = opened("decoder", network, "off")
    ids = [label.id for label in traced("decoder")["decoder"].keys]
    said = other.trace_ids(ids)
    lens = made.lens(inside("decoder"))
    for t, step in enumerate(said.steps):
        np.testing.assert_allclose(
            lens.probabilities[1, t],
            [alternative.probability for alternative in step.alternatives],
            atol=1e-5,
        )


@pytest.mark.parametrize("altered", [False, True], ids=["as it is", "heads off"])
@pytest.mark.parametrize("family", INSIDE)
def test_shares_add_up_to_the_score(family: str, altered: bool) -> None:
    made, found = model(family), inside(family, altered)
    count = len(found.targets)
    for place in {0, count // 2, count - 1}:
        whole = made.shares(found, place)
        assert whole.passed and whole.difference < 1e-4
        pair = made.shares(found, place, against=1)
        assert pair.difference < 1e-4
        other = made.shares(found, place, token=1)
        assert pair.total == pytest.approx(whole.total - other.total, abs=1e-6)
        for kind, heads in whole.heads.items():
            assert heads.shape == made.config.attention_shapes()[kind]
            off = np.array(OFF[family].factors(kind, *heads.shape)) == 0
            assert not altered or (heads[off] == 0).all()
            assert (heads[~off] != 0).all()
            np.testing.assert_allclose(pair.heads[kind], heads - other.heads[kind], atol=1e-9)


def test_shares_of_a_class_come_from_every_position_that_the_largest_are_taken_of() -> None:
    network = toy.network(toy.changed(config("classes"), task__pooling="max", task__pooler=True))
    made, ids = opened("classes", network, "off"), [5, 9, 4, 17]
    rows = [ids_row(row, 4, 0) for row in (ids, [0] * 4, ids)]
    found = Insides(tuple(map(Label, "abc")), tuple(ids), made.runtime.insides.record(rows), True)
    assert made.shares(found, token=0, against=2).difference < 1e-4
    alone = found._replace(recording=found.recording._replace(streams=found.recording.streams[:, :1]))
    assert (
        abs(made.shares(alone, token=0, against=2).score - made.shares(found, token=0, against=2).score)
        > 0.01
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_shares_of_published_families_add_up(name: str) -> None:
    made = open_checkpoint(GOLDEN / name)
    with np.load(GOLDEN / name / "expected.npz") as arrays:
        real = arrays["right/attention_mask"][0] > 0
        ids = arrays["right/input_ids"][0][real].tolist()
        logits = arrays["right/logits"][0]
        types = arrays["right/token_type_ids"][0][real].tolist() if name.startswith("bert") else []
    rows = (ids, types, ids) if types else ([*ids, 0],)  # a decoder does not read the last
    recording = made.runtime.insides.record([ids_row(row, len(row), 0) for row in rows])
    classes = made.config.task.kind == "classes"
    labels = tuple(Label(str(i)) for i in range(made.config.classes)) if classes else ()
    found = Insides(labels, tuple(ids), recording, classes)
    for place in (0, len(ids) // 2) if not found.classes else (0,):
        for against in (None, 2):
            token = 1 if found.classes else found.targets[place]
            shares = made.shares(found, place, token, against)
            row = logits if found.classes else logits[place]
            wanted = row[token] - (0 if against is None else row[against])
            assert shares.score == pytest.approx(float(wanted), abs=1e-4), "what the reference says"
            assert shares.difference < 1e-4


def test_a_heads_share_is_its_value_through_the_output_scaled_by_the_last_norm() -> None:
    """In closed form, norms standing before sublayers: A V W_O, centred, over the spread of the stream, times scale and
    the token's row."""
    made, found = model("decoder"), inside("decoder")
    weights = {k: np.asarray(v, np.float64) for k, v in toy.tensors(made.network).items()}
    place, layer, head, size = 2, 1, 1, 4
    stream = found.recording.streams.astype(np.float64)
    name = f"decoder/block_{layer}"
    norm = lambda x, at: (  # noqa: E731
        (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * weights[f"{at}/gamma"]
        + weights[f"{at}/beta"]
    )
    read = norm(stream[layer], f"{name}/self_attention_norm")
    one = slice(head * size, (head + 1) * size)
    values = read @ weights[f"{name}/self_attention/value/kernel"][:, one]
    values += weights[f"{name}/self_attention/value/bias"][one]
    looks = traced("decoder")["decoder"].weights[layer, head, place].astype(np.float64)
    written = looks @ values @ weights[f"{name}/self_attention/output/kernel"][one]
    top = stream[-1, place]
    scaled = (written - written.mean()) / np.sqrt(top.var() + 1e-6) * weights["decoder/last_norm/gamma"]
    token = weights["embedding/tokens/embeddings"][found.targets[place]]
    share = made.shares(found, place).heads["decoder"][layer, head]
    assert share == pytest.approx(float(scaled @ token), abs=1e-5)


def test_every_letter_of_a_ctc_output_by_layer() -> None:
    network = toy.network(toy.changed(config("speech"), task__ctc=True))
    made = opened("speech", network, "off")
    trace = made.trace(given("speech"), target="a dog")
    lens = made.letters(trace, given("speech"))
    likely, _ = made.ctc(made.listen(given("speech")))
    assert lens.ids.shape == (3, len(trace.source), 5)
    best = np.sort(likely, -1)[:, ::-1][:, :5]
    np.testing.assert_allclose(np.log(lens.probabilities[-1]), best, atol=1e-4)
    assert (lens.ids[-1, :, 0] == likely.argmax(-1)).all()
    assert lens.names[0].text == "blank" and lens.names[0].special
    with pytest.raises(ValueError, match="CTC output"):
        model("speech").letters(inside("speech"))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a Transformer, received a recurrent network"):
        model("recurrent").insides(model("recurrent").trace(given("recurrent")))
    made, found = model("decoder"), inside("decoder")
    with pytest.raises(ValueError, match="expected a place below"):
        made.shares(found, len(found.targets))
    with pytest.raises(ValueError, match="expected an answer from 0"):
        made.shares(found, 0, token=10**6)
    with pytest.raises(ValueError, match="expected a trace of"):
        model("encoder").insides(traced("decoder"))


def test_answers_in_float64_are_those_of_the_network() -> None:
    for family in INSIDE:
        made, found = model(family), inside(family)
        stream, place = found.recording.streams[-1], 0 if family == "classes" else 1
        again = made.scores_again(found, place)
        np.testing.assert_allclose(again[-1], made.runtime.insides.scores(stream)[place], atol=1e-4)
        lens = made.lens(found)
        assert lens.check(place, again).passed
        row, guesses = lens.probabilities.shape[0] - 2, lens.probabilities.copy()
        guesses[row, place, 0] += 0.001
        wrong = lens._replace(probabilities=guesses).check(place, again)
        assert not wrong.passed and (wrong.row, wrong.id) == (row, lens.ids[row, place, 0])
        assert wrong.largest == pytest.approx(0.001, abs=1e-4)


def test_only_maps_of_the_stack_that_answers_have_shares() -> None:
    assert set(inside("seq2seq").recording.mixed) == {"decoder", "cross"} < set(KINDS)
    assert set(inside("encoder").recording.mixed) == {"encoder"}


def test_what_is_handed_over_is_as_long_as_values_through_the_output() -> None:
    """Two layers in closed form from the stream; and vectors weighted so add up to what attention writes."""
    made, trace = model("decoder"), traced("decoder", altered=True)
    found = made.handed(trace)["decoder"]
    weights = {k: np.asarray(v, np.float64) for k, v in toy.tensors(made.network).items()}
    projected, gates = made.projections(trace)["decoder"], OFF["decoder"].factors("decoder", 2, 2)
    for layer, head in np.ndindex(2, 2):
        name, one = f"decoder/block_{layer}/self_attention", slice(head * 4, head * 4 + 4)
        values = projected.inputs[layer] @ weights[f"{name}/value/kernel"][:, one]
        values = (values + weights[f"{name}/value/bias"][one]) * gates[layer][head]
        handed = values @ weights[f"{name}/output/kernel"][one]
        np.testing.assert_allclose(found[layer, head], np.linalg.norm(handed, axis=-1), atol=1e-5)
        mixed = inside("decoder", altered=True).recording.mixed["decoder"][layer, :, one]
        np.testing.assert_allclose(trace["decoder"].weights[layer, head] @ values, mixed, atol=1e-5)
    assert set(model("seq2seq").handed(traced("seq2seq"))) == set(KINDS)


# One of each way to pool, to answer and to share. All the others of `tests/golden/heads.py` were tried, too.
HEADS = (
    "heads-albert-words",
    "heads-bert-next",
    "heads-distilbert-tokens",
    "heads-electra-labels",
    "heads-electra-replaced",
    "heads-llama-score",
    "heads-modern-classes",
    "heads-modern-tokens",
    "heads-qwen2-labels",
)


@pytest.mark.parametrize("name", HEADS)
def test_heads_of_published_checkpoints_have_a_lens_and_shares(name: str) -> None:
    """The last row says what the head says; parts of a score add up to it, whatever pools, turns or is shared."""
    made = open_checkpoint(GOLDEN / name)
    trace = made.trace_ids([5, 9, 14, 7, 6])
    found, kind = made.insides(trace), made.config.task.kind
    row = made.network.forward(ids_row([5, 9, 14, 7, 6], 5, 0), real=np.ones((1, 5), bool)).logits
    said = np.asarray(row, np.float64)[0].reshape(-1, row.shape[-1])  # (places, answers), or (1, answers)
    for place in sorted({0, len(said) - 1}):
        worst = int(said[place].argmin())
        for token, against in ((None, None), (worst, None if kind == "score" else int(said[place].argmax()))):
            share = made.shares(found, place, token, against)
            assert share.passed and share.difference < 1e-4
        wanted = said[place, worst] - (0.0 if kind == "score" else said[place].max())
        assert share.score == pytest.approx(wanted, abs=1e-4)
        np.testing.assert_allclose(made.scores_again(found, place)[-1], said[place], atol=1e-4)
    if kind == "score":
        with pytest.raises(ValueError, match="expected a network whose answers have probabilities"):
            made.lens(found)
        return
    lens = made.lens(found)
    chances = (
        1 / (1 + np.exp(-said)) if kind == "labels" else np.exp(said - np.logaddexp.reduce(said, -1)[:, None])
    )
    best = lens.ids[-1]
    if kind != "masked_tokens":  # markers are never guessed
        np.testing.assert_array_equal(best[:, 0], said.argmax(-1))
        assert {lens.names[int(i)].text for i in best.ravel()} <= set(made.config.class_names)
    np.testing.assert_allclose(lens.probabilities[-1], np.take_along_axis(chances, best, -1), atol=1e-5)
    assert lens.check(0, made.scores_again(found)).passed


def test_what_marks_an_answer_has_neither() -> None:
    made = open_checkpoint(GOLDEN / "heads-bert-spans")
    trace = made.trace_ids([5, 9, 14, 7, 6])
    with pytest.raises(ValueError, match="expected a network that answers by words or classes"):
        made.insides(trace)
