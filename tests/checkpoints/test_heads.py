"""The heads of published checkpoints, on readers and on decoders, against what the library that wrote them says: see
`tests/golden/heads.py`."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.checkpoints.golden import GOLDEN, expected, named, opened
from transformer.analysis.check import check_layer, mask_of
from transformer.analysis.statistics import visible
from transformer.checkpoints import folder
from transformer.checkpoints.look import look
from transformer.formulas.positions import relative_buckets
from transformer.interventions import Interventions
from transformer.pipeline.checkpoint import open_checkpoint
from transformer.pipeline.reader import TextReader
from transformer.text.foreign import open_tokenizer
from transformer.ui.shell.about import sharing

CLOSE = 1e-4
NAMES = named("heads")
TEXTS = [name for name in NAMES if (GOLDEN / name / "expected_answers.json").exists()]
each = pytest.mark.parametrize("name", NAMES)


def real_of(name: str, side: str) -> np.ndarray:
    return expected(name)[f"{side}/attention_mask"].astype(bool)


@each
def test_logits_maps_and_states_are_those_of_the_reference(name: str) -> None:
    """On both sides of the padding where a decoder answers by its last token that is none."""
    network, wanted = opened(name).network, expected(name)
    for side in ("right", "left"):
        if f"{side}/input_ids" not in wanted:
            continue
        ids, real = wanted[f"{side}/input_ids"].astype(np.int32), real_of(name, side)
        types = wanted.get(f"{side}/token_type_ids")
        more = {} if types is None else {"types": types.astype(np.int32)}
        found = network.forward(
            ids, real=real, places=np.maximum(real.cumsum(1) - 1, 0).astype(np.int32), **more
        )
        ours = found.encoder if network.config.encoder else found.decoder
        maps = wanted[f"{side}/attentions"].transpose(1, 3, 0, 2, 4)  # (B, T, layers, H, S)
        np.testing.assert_allclose(np.asarray(ours).transpose(0, 3, 1, 2, 4)[real], maps[real], atol=CLOSE)
        said = np.asarray(found.logits)
        if network.config.output == "vectors":
            np.testing.assert_allclose(said[real], wanted[f"{side}/hidden_states"][-1][real], atol=CLOSE)
            continue
        logits = wanted[f"{side}/logits"]
        if network.config.output == "replaced":  # one score says how much likelier a token was replaced
            assert not said[..., 0].any()
            said = said[..., 1]
            np.testing.assert_allclose(said[real], logits[real], atol=CLOSE)
            continue
        rows = real if logits.ndim > 2 else np.ones(len(logits), bool)
        np.testing.assert_allclose(said[rows], logits[rows], atol=CLOSE)


@pytest.mark.parametrize("name", TEXTS)
def test_texts_are_answered_as_the_reference_answers_them(name: str) -> None:
    model = opened(name)
    for row in json.loads((GOLDEN / name / "expected_answers.json").read_text("utf-8"))["texts"]:
        trace = model.trace(row["text"])
        assert [label.id for label in trace.source] == row["ids"]
        if "labels" in row:
            _texts(model, trace, row["labels"])
        else:
            _tokens(trace, row)


def _texts(model: TextReader, trace: Any, labels: list[dict[str, Any]]) -> None:
    kind, places = model.config.output, [int(label["label"].removeprefix("LABEL_")) for label in labels]
    found = [trace.answers[place] for place in places]
    says = [answer.score if kind == "score" else answer.probability for answer in found]
    np.testing.assert_allclose(says, [label["score"] for label in labels], atol=CLOSE)
    if kind == "classes":
        assert trace.output == found[0].name and sum(says) == pytest.approx(1, abs=1e-5)
    elif kind == "labels":  # each by itself, which need not add up to 1
        likely = [answer.name for answer in trace.answers if answer.probability > 0.5]
        assert trace.output == (", ".join(likely) or "none of them")
    else:
        assert found[0].probability is None and trace.output == f"{found[0].score:.4g}"
    if kind != "classes":  # a softmax of many texts is tested with networks of our own
        many = model.classify([trace.input])[0][places]
        np.testing.assert_allclose(many, [label["score"] for label in labels], atol=CLOSE)


def _tokens(trace: Any, row: dict[str, Any]) -> None:
    for token in row["tokens"]:
        step = trace.steps[token["index"]]
        assert step.token == token["entity"]
        np.testing.assert_allclose(step.probability, token["score"], atol=CLOSE)
    wanted = [group for group in row["entities"] if group["entity_group"] != "O"]
    assert [answer.name for answer in trace.answers] == [group["entity_group"] for group in wanted]
    begins = {token["start"]: token["index"] for token in row["tokens"]}
    ends = {token["end"]: token["index"] + 1 for token in row["tokens"]}
    for answer, group in zip(trace.answers, wanted, strict=True):
        assert (answer.begin, answer.end) == (begins[group["start"]], ends[group["end"]])
        np.testing.assert_allclose(answer.probability, group["score"], atol=CLOSE)


def test_two_classes_without_names_are_called_by_their_numbers() -> None:
    assert "id2label" not in json.loads((GOLDEN / "heads-bert-classes" / "config.json").read_text())
    assert opened("heads-bert-classes").config.class_names == ("0", "1")


def test_a_decoder_reads_as_an_encoder_does() -> None:
    """A text by its ids: its map, its answer, the numbers behind a head, and which heads matter."""
    model, wanted = opened("heads-llama-score"), expected("heads-llama-score")
    assert isinstance(model, TextReader)
    ids = wanted["right/input_ids"][0].tolist()
    trace = model.trace_ids(ids)
    np.testing.assert_allclose(trace["decoder"].weights, wanted["right/attentions"][:, 0], atol=CLOSE)
    logits = wanted["right/logits"][0]
    np.testing.assert_allclose([answer.score for answer in trace.answers], logits, atol=CLOSE)
    parts = model.projections(trace)["decoder"]
    spec = model.config.attention("decoder", 1)
    checks = check_layer(
        trace["decoder"].weights[1],
        parts.queries[1],
        parts.keys[1],
        spec,
        mask_of("decoder", len(ids), len(ids)),
        model.learned("decoder", 1),
    )
    assert all(check.passed for check in checks)
    weights = np.zeros(len(model.sayings(trace)))
    weights[0] = 1.0
    slopes, measured = model.slopes(trace, weights), model.without_each(trace, weights)
    heads = model.config.attention("decoder").heads
    assert slopes["decoder"].shape == measured["decoder"].shape == (2, heads) and measured["decoder"].any()


@pytest.mark.parametrize("name", ["heads-mpnet-classes", "heads-albert-classes", "heads-modern-tokens"])
def test_readers_of_other_builds_are_traced_and_checked(name: str) -> None:
    """Scores with what is learned for a distance, one block in every layer, windows and angles of an encoder."""
    model, wanted = opened(name), expected(name)
    ids = wanted["right/input_ids"][0].tolist()
    types = wanted["right/token_type_ids"][0].tolist() if "right/token_type_ids" in wanted else None
    trace = model.trace_ids(ids, types)
    np.testing.assert_allclose(trace["encoder"].weights, wanted["right/attentions"][:, 0], atol=CLOSE)
    parts = model.projections(trace)["encoder"]
    for layer, shown in enumerate(trace["encoder"].weights):
        spec = model.config.attention("encoder", layer)
        mask = mask_of("encoder", len(ids), len(ids), spec.window)
        checks = check_layer(
            shown, parts.queries[layer], parts.keys[layer], spec, mask, model.learned("encoder", layer)
        )
        assert all(check.passed for check in checks)
    # A head off in one layer is not off in the others, though they may share its weights.
    off = model._trace("", trace.source, ids, {}, types, model._alter(Interventions.parse("h:e1.1"), 1.0))
    np.testing.assert_array_equal(off["encoder"].weights[0], trace["encoder"].weights[0])
    assert np.abs(off["encoder"].weights[1] - trace["encoder"].weights[1]).max() > 1e-4


PAIRS = json.loads((GOLDEN / "heads-pairs" / "expected_pairs.json").read_text("utf-8"))


@pytest.mark.parametrize("name", [name for name in PAIRS if name not in ("versions", "texts")])
def test_two_texts_are_joined_as_the_reference_joins_them(name: str) -> None:
    family = {"tokens-llama3": "decoder"}.get(name, "bert")
    tokenizer = open_tokenizer(GOLDEN / name, family)
    assert tokenizer and tokenizer.joins
    encoded, types, begins = tokenizer.encode_pair(*PAIRS["texts"])
    assert (encoded.ids, types) == (PAIRS[name]["ids"], PAIRS[name]["types"])
    assert not encoded.labels[begins].special and encoded.labels[begins].text[0] in "Tt"
    assert len(encoded.labels) == len(encoded.ids)


@pytest.mark.parametrize("name", ["heads-bert-score", "heads-bert-classes"])
def test_a_pair_is_answered_as_the_reference_answers_it(name: str) -> None:
    """As a reranker scores a passage beside a question."""
    model, (first, second) = opened(name), PAIRS["texts"]
    trace = model.trace(first, second)
    np.testing.assert_allclose([a.score for a in trace.answers], PAIRS[name]["logits"], atol=CLOSE)
    assert (trace.input, trace.options["second"]) == (first, second)
    assert trace.options["segments"] == " ".join(map(str, PAIRS[name]["types"]))
    assert abs(model.trace(first).answers[0].score - trace.answers[0].score) > 1e-3
    found = model.words(first, second)
    assert [f"{first} {second}"[w.begin : w.end] for w in found] == [*first.split(), *second.split()]
    # What is said of words and heads is said of both texts with their segments.
    left_out = model.leave_one_out(trace, 0)
    ids, types = list(PAIRS[name]["ids"]), list(PAIRS[name]["types"])
    for place in reversed(found[7].places):
        del ids[place], types[place]
    scores = np.asarray(model.network.forward(np.array([ids]), types=np.array([types])).logits, np.float64)[0]
    without = scores[0] - scores[1] if len(scores) > 1 else scores[0]
    whole = np.array(PAIRS[name]["logits"])
    whole = whole[0] - whole[1] if len(whole) > 1 else whole[0]
    assert len(left_out) == 12 and left_out[7] == pytest.approx(whole - without, abs=1e-4)
    gradient = model.gradient_times_input(trace, 0)
    assert len(gradient) == len(trace.source) and not np.allclose(
        gradient, model.runtime.gradient_times_input(PAIRS[name]["ids"], 0)
    )


def test_a_network_that_joins_no_texts_refuses_a_second_one() -> None:
    with pytest.raises(ValueError, match="expected one text for heads-llama-score, received two"):
        opened("heads-llama-score").trace("The cat", "The dog")


def test_an_answer_is_the_best_stretch_of_the_second_text() -> None:
    """By every pair of a beginning and an end, in float64."""
    model, (first, second) = opened("heads-bert-spans"), PAIRS["texts"]
    trace = model.trace(first, second)
    ids, types = PAIRS["heads-bert-score"]["ids"], PAIRS["heads-bert-score"]["types"]
    assert [label.id for label in trace.source] == ids
    logits = np.asarray(model.network.forward(np.array([ids]), types=np.array([types])).logits, np.float64)[0]
    places = [i for i, kind in enumerate(types) if kind == 1 and i < len(ids) - 1]
    begins, ends = (np.exp(logits[places, side]) / np.exp(logits[places, side]).sum() for side in (0, 1))
    every = {
        (i, j + 1): begins[a] * ends[b] for a, i in enumerate(places) for b, j in enumerate(places) if j >= i
    }
    wanted = sorted(every.items(), key=lambda item: -item[1])[:5]
    assert [(answer.begin, answer.end) for answer in trace.answers] == [where for where, _ in wanted]
    np.testing.assert_allclose([a.probability for a in trace.answers], [p for _, p in wanted], atol=1e-6)
    best = trace.answers[0]
    assert best.score == pytest.approx(logits[best.begin, 0] + logits[best.end - 1, 1], abs=1e-4)
    assert trace.output == best.name and trace.output in second.casefold()
    assert model.trace(first).answers[0].end <= 7  # without a second text it is looked for in the first
    # Of heads: what the chances of its beginning and its end lose.
    found = model.sayings(trace)
    assert [label.text.split()[0] for label in found] == ["begins", "ends"]
    off = model.without_each(trace, np.ones(2))["encoder"]
    changed = model._trace("", trace.source, ids, {}, types, model._alter(Interventions.parse("h:e1.2"), 1.0))
    there = model.runtime.record(ids, types, model._alter(Interventions.parse("h:e1.2"), 1.0)).scores
    # As the probability that is shown: of the places where an answer may stand.
    chance = [s - np.logaddexp.reduce(s[places], axis=0) for s in (logits, there.astype(np.float64))]
    assert np.exp(chance[0][best.begin, 0] + chance[0][best.end - 1, 1]) == pytest.approx(best.probability)
    lost = [c[best.begin, 0] + c[best.end - 1, 1] for c in chance]
    assert off[0, 1] == pytest.approx(lost[0] - lost[1], abs=1e-4) and changed.answers


def test_a_token_was_replaced_or_was_not() -> None:
    model, wanted = opened("heads-electra-replaced"), expected("heads-electra-replaced")
    trace = model.trace_ids(wanted["right/input_ids"][0].tolist(), wanted["right/token_type_ids"][0].tolist())
    said = [step.probability if step.token == "replaced" else 1 - step.probability for step in trace.steps]
    np.testing.assert_allclose(said, 1 / (1 + np.exp(-wanted["right/logits"][0])), atol=CLOSE)


def test_windows_to_both_sides_in_settings_of_either_form(copy: Any) -> None:
    place = copy("heads-modern-words")
    config = look(place).config
    assert [config.attention("encoder", layer).window for layer in range(4)] == [0, 4, 4, 0]
    known = json.loads((place / "config.json").read_text())
    for name in ("layer_types", "rope_parameters"):
        del known[name]
    older = dict(global_attn_every_n_layers=3, global_rope_theta=160_000.0, local_rope_theta=10_000.0)
    (place / "config.json").write_text(json.dumps(known | older))
    assert look(place).config == config
    weights = opened("heads-modern-words").trace_ids(list(range(5, 14)))["encoder"]
    assert weights.windows == (0, 4, 4, 0) and sharing(config) == "Layers 2 and 3 see 7 tokens at a time."
    apart = np.abs(np.arange(9)[:, None] - np.arange(9))
    assert not weights.weights[1][:, apart > 3].any() and weights.weights[1][:, apart <= 3].all()
    np.testing.assert_array_equal(visible(weights)[1], (apart < 4).sum(1))


def test_layers_that_share_a_block_have_its_weights_once() -> None:
    network = opened("heads-albert-words").network
    assert len(network.encoder.blocks) == 3 and len(set(map(id, network.encoder.blocks))) == 1
    assert sum("block" in name for name in folder.variable_names(network)) == 16


def test_distances_take_the_rows_that_the_reference_takes() -> None:
    wanted = expected("heads-mpnet-words")
    np.testing.assert_array_equal(relative_buckets(wanted["distances"], 32, 128), wanted["buckets"])


def test_what_a_head_does_to_a_score_is_the_difference_of_the_scores() -> None:
    model = opened("heads-bert-score")
    trace = model.trace("The cat sat on the mat.")
    measured = model.without_each(trace, np.ones(1))["encoder"]
    off = model.trace("The cat sat on the mat.", interventions="h:e2.3")
    np.testing.assert_allclose(measured[1, 2], trace.answers[0].score - off.answers[0].score, atol=1e-5)


def test_whether_a_text_follows_is_a_class() -> None:
    """The first of the two says that it does, in the library as in the paper."""
    task = look(GOLDEN / "heads-bert-next").config.task
    assert (task.kind, task.names) == ("classes", ("the second text follows", "it does not"))


@pytest.fixture
def copy(tmp_path: Path) -> Any:
    return lambda name: Path(shutil.copytree(GOLDEN / name, tmp_path / name))


def edit(place: Path, **changes: Any) -> Path:
    known = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(known | changes))
    return place


def rename(place: Path, change: Any) -> Path:
    tensors = load_file(place / "model.safetensors")
    change(tensors)
    save_file(
        {name: np.ascontiguousarray(value) for name, value in tensors.items()}, place / "model.safetensors"
    )
    return place


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("heads-bert-classes", "BertForMultipleChoice"),
        ("heads-distilbert-classes", "DistilBertForMultipleChoice"),
        ("heads-modern-classes", "ModernBertForMultipleChoice"),
        ("heads-gpt2-classes", "GPT2ForMultipleChoice"),
        ("heads-llama-score", "LlamaForSomethingNew"),
        ("heads-roberta-tokens", "RobertaWithAdapters"),
    ],
)
def test_heads_of_other_kinds_are_named_as_left_out(name: str, architecture: str, copy: Any) -> None:
    found = look(edit(copy(name), architectures=[architecture]))
    assert found.config.output == "vectors" and found.config.task.left_out.startswith(architecture)
    if architecture.startswith("Llama"):
        assert open_checkpoint(found.folder).trace_ids([5, 6, 7]).answers == ()


def test_a_body_alone_opens_and_a_decoder_that_could_write_does(copy: Any) -> None:
    def bare(tensors: dict[str, Any]) -> None:
        for key in list(tensors):
            value = tensors.pop(key)
            if not key.startswith("score"):
                tensors[key.removeprefix("model.").removeprefix("transformer.")] = value

    llama = look(rename(edit(copy("heads-llama-score"), architectures=["LlamaModel"]), bare))
    assert llama.config.output == "vectors" and not llama.config.task.left_out
    gpt2 = look(rename(edit(copy("heads-gpt2-classes"), architectures=["GPT2Model"]), bare))
    assert gpt2.config.output == "tokens"  # its table of tokens is what it writes with


# Heads of one shape, which their architecture alone tells apart.
SAME = ("heads-bert-next", "heads-modern-tokens", "heads-modern-spans")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SAME])
def test_without_an_architecture_tensors_tell(name: str, copy: Any) -> None:
    before = look(GOLDEN / name).config
    after = look(edit(copy(name), architectures=None)).config
    assert (after.output, after.classes) == (before.output, before.classes)


def test_a_head_that_is_not_in_the_files_is_left_out(copy: Any) -> None:
    place = edit(copy("heads-bert-classes"), architectures=["BertForMaskedLM"])
    assert look(place).config.task.left_out == "BertForMaskedLM, which its files do not hold"


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("heads-bert-labels", dict(problem_type="ranking"), "expected problem_type as one of regression, "),
        ("heads-bert-labels", dict(problem_type=["x"]), "expected problem_type as one of regression, "),
        ("heads-bert-score", dict(problem_type="single_label_classification"), "with several labels for one of them"),
        ("heads-bert-labels", dict(id2label={"0": "a", "2": "b"}), "expected id2label .* with a name for each class"),
        ("heads-bert-classes", dict(num_labels=10**12), "expected num_labels from 1 to 100,000"),
        ("heads-bert-classes", dict(num_labels="2"), "expected num_labels from 1 to 100,000"),
        ("heads-modern-classes", dict(classifier_pooling="max"), "expected classifier_pooling as cls or mean"),
        ("heads-modern-classes", dict(layer_types=["x"]), "expected layer_types as 4 of"),
        ("heads-albert-words", dict(num_hidden_groups=2), "expected num_hidden_groups to be 1"),
        ("heads-albert-words", dict(inner_group_num=2), "expected inner_group_num to be 1"),
        ("heads-mpnet-words", dict(relative_attention_num_buckets=16), "expected relative_attention_num_b.* to be 32"),
        ("heads-electra-words", dict(embedding_size=None), "expected embedding_size"),
        ("whisper-english", dict(architectures=["WhisperForAudioClassification"]), "open one of WhisperForConditional"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(name: str, changes: Any, message: str, copy: Any) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        look(edit(copy(name), **changes))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_number_of_labels_that_its_tensors_have_not_is_named(copy: Any) -> None:
    with pytest.raises(ValueError, match=r"classifier/kernel of shape \(24, 2\) instead of \(24, 5\)"):
        open_checkpoint(edit(copy("heads-bert-classes"), num_labels=5))


def test_several_numbers_stay_numbers(copy: Any) -> None:
    model = open_checkpoint(edit(copy("heads-bert-labels"), problem_type="regression"))
    trace = model.trace("The cat sat on the mat.")
    assert model.config.output == "score" and all(answer.probability is None for answer in trace.answers)
    assert len(trace.output.split(", ")) == 3
