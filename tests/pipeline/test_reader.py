"""An encoder alone with its tokenizer: words, masks, and guesses, against what the reference library recorded."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from transformer.pipeline import TextReader, load
from transformer.trace import Trace

GOLDEN = Path(__file__).parents[1] / "golden"
TEXT = "The cat again isn't on the mat."


@pytest.fixture(scope="module")
def reader() -> TextReader:
    model = load(str(GOLDEN / "bert-masked"))
    assert isinstance(model, TextReader)
    return model


def test_a_masked_word_stays_one_word(reader: TextReader) -> None:
    words = reader.words(TEXT)
    assert [TEXT[word.begin : word.end] for word in words][:5] == ["The", "cat", "again", "isn", "'"]
    places = words[3].places
    assert len(places) == 3  # i ##s ##n
    trace = reader.trace(TEXT, masked=places)
    masks = [trace.source[place] for place in places]
    assert [(mask.text, mask.joins, mask.special) for mask in masks] == [
        ("[MASK]", False, False),
        ("[MASK]", True, False),
        ("[MASK]", True, False),
    ]
    assert [mask.id for mask in masks] == [reader.config.mask_id] * 3
    assert trace.source[places[0] - 1] == reader.trace(TEXT).source[places[0] - 1]


def test_a_mask_that_is_typed_is_a_word(reader: TextReader) -> None:
    text = "The [MASK] sat."
    word = reader.words(text)[1]
    assert text[word.begin : word.end] == "[MASK]"
    typed, hidden = reader.trace(text), reader.trace("The cat sat.", masked=word.places)
    np.testing.assert_array_equal(typed["encoder"].weights, hidden["encoder"].weights)
    assert reader.guesses(typed, word.places) == reader.guesses(hidden, word.places)


def test_guesses_are_the_best_products_of_the_reference(reader: TextReader) -> None:
    recorded = np.load(GOLDEN / "bert-masked" / "expected.npz")
    real = recorded["right/attention_mask"].astype(bool)
    row = int(real.sum(1).argmax())
    ids = recorded["right/input_ids"][row][real[row]]
    types = recorded["right/token_type_ids"][row][real[row]].tolist()
    logits = recorded["right/logits"][row][real[row]].astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    places = (2, 3, 5)
    best = []
    for place in places:
        top = np.argsort(-p[place])[:5]
        best.append([p[place, i] for i in top if not reader.tokenizer.label(int(i)).special])
    products = sorted((float(np.prod(run)) for run in itertools.product(*best)), reverse=True)[:5]
    found = reader.guesses(reader.trace_ids(ids, types), places)
    np.testing.assert_allclose([guess.probability for guess in found], products, rtol=1e-3)


def test_guesses_are_written_as_words(reader: TextReader) -> None:
    trace = reader.trace(TEXT, masked=reader.words(TEXT)[3].places)
    for guess in reader.guesses(trace, reader.words(TEXT)[3].places):
        assert "##" not in guess.text and "[" not in guess.text and guess.text == guess.text.strip() != ""


def test_a_trace_from_a_file_keeps_its_guesses(reader: TextReader) -> None:
    trace = reader.trace(TEXT, masked=(1,))
    read = Trace.from_bytes(trace.to_bytes("json"), "json")
    assert reader.guesses(read, (1,)) == reader.guesses(trace, (1,)) != []


def renumbered(trace: Trace, id: int | None) -> Trace:
    """The same with another id for every alternative."""
    steps = [
        dataclasses.replace(
            step,
            alternatives=tuple(dataclasses.replace(other, id=id) for other in step.alternatives),
        )
        for step in trace.steps
    ]
    return dataclasses.replace(trace, steps=steps)


def test_what_has_no_guesses_says_so(reader: TextReader) -> None:
    trace = reader.trace(TEXT)
    with pytest.raises(ValueError, match="ids of its guesses"):
        reader.guesses(renumbered(trace, None), (1,))
    with pytest.raises(ValueError, match="expected ids below"):
        reader.guesses(renumbered(trace, 10**6), (1,))
    with pytest.raises(ValueError, match="trace of bert-masked"):
        reader.guesses(load(str(GOLDEN / "bert-classifier")).trace_ids([5, 6]), (1,))
    with pytest.raises(ValueError, match="expected a text of at most"):
        reader.words("cat " * 500)
