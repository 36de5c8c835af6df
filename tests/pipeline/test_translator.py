"""`load(folder).trace(text)`: what a person types becomes a Trace whose parts fit together, or one clear message."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests import toy
from transformer import load
from transformer.checkpoints import folder
from transformer.config import END, START, UNKNOWN
from transformer.interventions import Head, Interventions
from transformer.pipeline import Translator, find, shipped
from transformer.text.tokenizer import SubwordTokenizer

TEXTS = ["the cat sat on the mat.", "a dog, a cat and 12 mice!", "o gato está no tapete", '"oh" (no)'] * 4
VOCABULARY, LONGEST = 60, 32


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model folder with random weights."""
    path = tmp_path_factory.mktemp("models") / "toy"
    path.mkdir()
    network = toy.brief(VOCABULARY, max_source=LONGEST, max_target=LONGEST)
    folder.save_config(path, network.config)
    folder.save_weights(path / folder.WEIGHTS, folder.read_weights(network))
    SubwordTokenizer.train(TEXTS, VOCABULARY).save(path / folder.TOKENIZER)
    return path


@pytest.fixture(scope="module")
def model(place: Path) -> Translator:
    return load(str(place))


def assert_same(one, other) -> None:
    """Two traces hold the same."""
    assert (one.input, one.output, one.steps, one.source, one.target) == (
        other.input,
        other.output,
        other.steps,
        other.source,
        other.target,
    )
    for kind in one:
        np.testing.assert_array_equal(one[kind].weights, other[kind].weights)


def test_a_trace_has_labels_steps_and_maps_that_fit(model: Translator) -> None:
    trace = model.trace("the cat sat on the mat.")
    ids = model.tokenizer.encode("the cat sat on the mat.").ids
    s, t = len(ids), len(trace.steps)
    assert list(trace) == ["encoder", "decoder", "cross"]
    assert trace["encoder"].weights.shape == (1, 2, s, s)
    assert trace["decoder"].weights.shape == (1, 2, t, t)
    assert trace["cross"].weights.shape == (1, 2, t, s)
    assert trace.source == trace["encoder"].queries == trace["encoder"].keys == trace["cross"].keys
    assert trace.target == trace["decoder"].queries == trace["cross"].queries
    # The decoder looks at what it has read: the start, then the output but its last token.
    assert trace["decoder"].keys[0].text == "start"
    assert [k.text for k in trace["decoder"].keys[1:]] == [q.text for q in trace["decoder"].queries[:-1]]
    assert trace.source[-1].special
    assert (trace.model, trace.input) == ("toy", "the cat sat on the mat.")
    assert dict(trace.options) == {"decoding": "greedy"}
    assert trace.positions is not None
    assert trace.positions.shape == (max(s, t), 8)


def test_steps_say_what_was_written_and_what_else_might_have_been(model: Translator) -> None:
    trace = model.trace("a dog")
    assert [step.token for step in trace.steps] == [label.text for label in trace.target]
    for step in trace.steps:
        assert len(step.alternatives) == 5
        probabilities = [a.probability for a in step.alternatives]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) <= 1 + 1e-5
        assert 0 <= step.entropy <= np.log2(VOCABULARY) + 1e-5
        assert step.probability <= probabilities[0] + 1e-6


def test_a_forced_output_is_recorded_instead_of_the_own_one(model: Translator) -> None:
    trace = model.trace("a dog", target="  the \n cat  ")
    assert trace.output == "the cat"
    ids, target = (model.tokenizer.encode(text).ids for text in ("a dog", "the cat"))
    assert list(trace.target) == model.tokenizer.labels(target)
    assert trace.options["decoding"] == "forced"
    read = np.array([[START, *target[:-1]]])
    logits = np.asarray(model.runtime.network.forward(np.array([ids]), read).logits)[0].astype(np.float64)
    expected = np.log(toy.softmax(logits))[np.arange(len(target)), target]
    np.testing.assert_allclose([step.log_probability for step in trace.steps], expected, atol=1e-5)


def test_forcing_the_own_output_changes_nothing(model: Translator) -> None:
    ids = model.tokenizer.encode("the cat").ids
    written = model.runtime.decode(ids)
    one, other = model.trace("the cat"), model.trace_ids(ids, written)
    assert_same(one, other)
    assert other.options["decoding"] == "forced"


def test_beam_search_is_named_with_its_settings(model: Translator) -> None:
    trace = model.trace("the cat", beams=2, alpha=1.0)
    assert dict(trace.options) == {"decoding": "beam", "beams": 2, "alpha": 1.0}


def test_a_head_can_be_switched_off(model: Translator) -> None:
    usual = model.trace("a dog")
    assert_same(model.trace("a dog", interventions=Interventions(heads=(Head("cross", 0, 1, 1),))), usual)
    changed = model.trace("a dog", interventions=Interventions(heads=(Head("cross", 0, 1),)))
    assert changed.steps[0].log_probability != pytest.approx(usual.steps[0].log_probability, abs=1e-3)


def test_a_trace_survives_its_file(model: Translator, tmp_path: Path) -> None:
    trace = model.trace("the cat ☃")
    trace.save(tmp_path / "x.npz")
    assert_same(type(trace).load(tmp_path / "x.npz"), trace)


@pytest.mark.parametrize(
    "text",
    [
        "☃ snow ⚑",
        "👩‍👧 🇧🇷 😀",
        "مرحبا بالعالم",
        "שלום עולם",
        "e\u0301 \u200bx\u202e",
        "a\x00b\x07\x1b[31m",
        "x \ud83d",
        "<end> <pad> <start> <unk>",
        "▁a▁",
        "  many \t\n spaces  ",
        "'",
    ],
)
def test_whatever_is_typed_gives_a_whole_trace(model: Translator, text: str) -> None:
    trace = model.trace(text, target=text)
    assert trace["cross"].weights.shape[2:] == (len(trace.target), len(trace.source))
    for label in (*trace.source, *trace.target):
        assert "▁" not in label.text
    assert [label.special for label in trace.source] == [False] * (len(trace.source) - 1) + [True]


def test_characters_that_the_vocabulary_lacks_are_named(model: Translator) -> None:
    trace = model.trace("cat ☃☃ ⚑")
    assert trace.options["unknown"] == "☃ ⚑"
    assert [label.text for label in trace.source].count("☃") == 2
    assert "unknown" not in model.trace("cat").options


@pytest.mark.parametrize("text", ["", "   ", "\n\t\r", "\x00\x01", "\u00a0\u2003", "\u200b \u200d"])
def test_nothing_to_translate_is_said_so(model: Translator, text: str) -> None:
    with pytest.raises(ValueError, match="expected a sentence, received nothing to read"):
        model.trace(text)
    if text:  # an empty answer is one
        with pytest.raises(ValueError, match="expected a sentence"):
            model.trace("cat", target=text)


def test_too_long_a_text_is_refused_with_both_numbers(model: Translator) -> None:
    with pytest.raises(ValueError, match="expected a text of at most 32 tokens, received 41"):
        model.trace("☃" * 39)
    with pytest.raises(ValueError, match="expected a text of at most 32 tokens"):
        model.trace("cat", target="☃" * 39)
    with pytest.raises(ValueError, match="expected at most 4,000 characters, received 100,000"):
        model.trace("x" * 100_000)
    with pytest.raises(ValueError, match="expected at most 4,000 characters, received 100,000"):
        model.trace("cat", target=" " * 100_000)


@pytest.mark.parametrize("beams", [0, 9, -1])
def test_beams_beyond_reason_are_refused(model: Translator, beams: int) -> None:
    with pytest.raises(ValueError, match=f"expected 1 to 8 beams, received {beams}"):
        model.trace("cat", beams=beams)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ([], [END], "expected a text of at most 32 tokens, received 0"),
        ([5, END], [], "received 0"),
        ([5] * 33, [END], "received 33"),
        ([5, VOCABULARY], [END], "expected ids from 1 to 59, received 60"),
        ([5, END], [0, END], "expected ids from 1 to 59, received 0"),
        ([5, END], [-3], "received -3"),
    ],
)
def test_ids_that_cannot_be_are_refused(model: Translator, source: list, target: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.trace_ids(source, target)


def test_ready_made_ids_are_traced(model: Translator) -> None:
    source, target = np.array([5, UNKNOWN, 9, END]), np.array([7, 8])  # an output without its end
    trace = model.trace_ids(source, target)
    assert trace["cross"].weights.shape == (1, 2, 2, 4)
    assert trace.source[1].text == "?"
    assert not trace.target[-1].special


def test_two_visitors_at_once_get_what_they_would_alone(model: Translator) -> None:
    texts = ["the cat", "a dog, a cat", "o gato está no tapete", "12 mice!", '"oh" (no)', "x"]
    alone = [model.trace(text) for text in texts]
    with ThreadPoolExecutor(2) as pool:
        for one, other in zip(alone, pool.map(model.trace, texts), strict=True):
            assert_same(one, other)


def test_many_texts_give_the_translations_of_each(model: Translator) -> None:
    # A line too long is cut to what the network can read, an empty one is answered.
    texts = ["the cat", "12 mice!", "", "cat " * 200]
    found = model.translate(texts, size=4)
    assert len(found) == 4
    for text, translation in zip(texts[:2], found, strict=False):
        assert model.trace(text).output.startswith(translation)


def test_the_number_of_parameters_counts_a_shared_table_once(model: Translator) -> None:
    assert model.parameters == sum(t.size for t in folder.read_weights(model.runtime.network).values())


def broken(place: Path, tmp_path: Path, name: str, content: bytes | None) -> Path:
    copy = tmp_path / "broken"
    shutil.copytree(place, copy)
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_bytes(content)
    return copy


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
@pytest.mark.parametrize("name", [folder.CONFIG, folder.WEIGHTS, folder.TOKENIZER])
def test_a_folder_that_is_no_whole_model_is_refused(
    place: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    with pytest.raises(ValueError, match=r"expected .*received"):
        load(str(broken(place, tmp_path, name, content)))


def test_parts_that_do_not_belong_together_are_refused(place: Path, tmp_path: Path) -> None:
    values = json.loads((place / folder.CONFIG).read_text())
    values["encoder"]["layers"] = 2
    other = json.dumps(values).encode()
    with pytest.raises(ValueError, match=r"expected the weights of this network, .*missing encoder/block_1"):
        load(str(broken(place, tmp_path, folder.CONFIG, other)))
    shutil.rmtree(tmp_path / "broken")
    SubwordTokenizer.train(TEXTS, 50).save(tmp_path / "small.json")
    content = (tmp_path / "small.json").read_bytes()
    with pytest.raises(ValueError, match="expected a tokenizer of 60 subwords, received 50"):
        load(str(broken(place, tmp_path, folder.TOKENIZER, content)))


@pytest.mark.parametrize("name", ["no-such-model", "", "../../etc/passwd"])
def test_a_name_that_is_no_model_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        load(name)


def test_shipped_models_are_found_by_name() -> None:
    for name in shipped():
        assert (find(name) / folder.CONFIG).is_file()
