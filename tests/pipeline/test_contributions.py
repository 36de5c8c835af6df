"""What words contribute to a class: leaving each out, and the beginning of a text that is too long."""

from pathlib import Path

import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.pipeline import TextReader, load
from transformer.text.tokenizer import SubwordTokenizer
from transformer.text.words import words

TEXT = "a warm, funny film and not a bad one"
LONGEST = 24


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> TextReader:
    place = tmp_path_factory.mktemp("classifier")
    config = toy.encoder(
        vocabulary=40,
        output="classes",
        classes=2,
        class_names=("bad", "good"),
        pooling="max",
        positions="learned",
        max_source=LONGEST,
    )
    folder.save_config(place, config)
    folder.save_weights(place / folder.WEIGHTS, folder.read_weights(toy.network(config)))
    SubwordTokenizer.train([TEXT] * 4, 40).save(place / folder.TOKENIZER)
    found = load(str(place))
    assert isinstance(found, TextReader)
    return found


def test_a_word_counts_as_much_as_the_odds_fall_without_it(reader: TextReader) -> None:
    trace = reader.trace(TEXT)
    ids = [label.id for label in trace.source]
    found = words(trace.input, trace.source)
    assert [TEXT[word.begin : word.end] for word in found][:4] == ["a", "warm", ",", "funny"]
    reference = toy.Reference(reader.config, folder.read_weights(reader.network))

    def odds(places: tuple[int, ...], chosen: int) -> float:
        rest = np.array([token for i, token in enumerate(ids) if i not in places])
        scores = reference.read(rest)[0]
        return float(scores[chosen] - scores[1 - chosen])

    told = list[tuple[int, int]]()
    for chosen in (0, 1):
        effects = reader.leave_one_out(trace, chosen, lambda done, of: told.append((done, of)))
        expected = [odds((), chosen) - odds(word.places, chosen) for word in found]
        np.testing.assert_allclose(effects, expected, atol=1e-4)
        assert np.abs(effects).max() > 0.01
    assert told[-1] == (len(found) + 1, len(found) + 1)


def test_a_text_of_one_word_can_be_left_out(reader: TextReader) -> None:
    assert reader.leave_one_out(reader.trace("film"), 1).shape == (1,)


def test_gradients_belong_to_the_tokens_of_the_trace(reader: TextReader) -> None:
    trace = reader.trace(TEXT)
    towards = reader.gradient_times_input(trace, 1)
    assert towards.shape == (len(trace.source),)
    # Of two classes, what speaks for one speaks against the other.
    np.testing.assert_allclose(reader.gradient_times_input(trace, 0), -towards, atol=1e-6)


def test_a_class_or_a_trace_that_does_not_fit_is_refused(reader: TextReader) -> None:
    trace = reader.trace(TEXT)
    for act in (reader.leave_one_out, reader.gradient_times_input):
        with pytest.raises(ValueError, match=r"expected a class .*received 2"):
            act(trace, 2)
    other = load(str(Path(__file__).parents[1] / "golden" / "bert-classifier"))
    with pytest.raises(ValueError, match="expected a trace of bert-classifier"):
        other.leave_one_out(trace, 0)


def test_the_beginning_ends_with_a_word_and_is_the_longest_that_fits(reader: TextReader) -> None:
    assert reader.beginning(TEXT) == TEXT
    long = " ".join([TEXT] * 20)
    found = reader.beginning(long)
    assert long.startswith(f"{found} ") and len(reader.trace(found).source) <= LONGEST
    with pytest.raises(ValueError, match="at most"):
        reader.trace(long[: long.index(" ", len(found) + 1)])
    letters = "x" * 5000
    assert 1 <= len(reader.beginning(letters)) < LONGEST
    assert reader.trace(reader.beginning(letters))
    assert reader.beginning("") == "" and reader.beginning("   ") == "   "
