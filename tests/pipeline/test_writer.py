"""A decoder with its tokenizer: what is typed becomes a Trace, next words that can be appended, and more text."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy
from tests.toy_writer import LONGEST, write_folder
from transformer import load
from transformer.config import END, NO_ID
from transformer.pipeline import Writer
from transformer.pipeline.writer import LONG, ROOM
from transformer.trace import Trace


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    """A whole model folder with random weights, opened."""
    writer = load(str(write_folder(tmp_path_factory.mktemp("models") / "toy")))
    assert isinstance(writer, Writer)
    return writer


def test_a_trace_foretells_each_token_from_the_row_before_it(writer: Writer) -> None:
    trace = writer.trace("the cat sat")
    (attention,) = trace.maps
    assert attention.kind == "decoder" and attention.queries == attention.keys
    assert attention.queries[0].special and attention.queries[0].text == "start"
    assert trace.target == attention.queries[1:]
    assert trace.source == attention.queries and (trace.input, trace.output) == ("the cat sat",) * 2
    ids = [label.id for label in attention.keys]
    assert ids == [END, *writer.tokenizer.encode("the cat sat").ids[:-1]]
    reference = toy.Reference(writer.config, toy.tensors(toy.shared(writer.config)))
    logits, weights = reference.write(np.array(ids))
    np.testing.assert_allclose(attention.weights, weights, atol=2e-5)
    log_p = np.log(toy.softmax(logits))
    expected = [log_p[t, ids[t + 1]] for t in range(len(ids) - 1)]
    np.testing.assert_allclose([step.log_probability for step in trace.steps], expected, atol=1e-4)
    assert dict(trace.options) == {"decoding": "forced"}


def test_a_trace_can_go_on_and_be_told_how(writer: Writer) -> None:
    own = writer.trace("the cat", tokens=5)
    assert own.options["decoding"] == "greedy" and len(own.target) == len(writer.encode("the cat")) + 4
    for step in own.steps[len(writer.encode("the cat")) - 1 :]:
        best = max(other.probability for other in step.alternatives if other.text != "end")
        np.testing.assert_allclose(step.probability, best, rtol=1e-3)
    forced = writer.trace("the cat", target="sat on the mat.")
    assert forced.output == "the cat sat on the mat." and forced.options["decoding"] == "forced"
    assert len(writer.trace("the cat", tokens=1000).target) == LONGEST - 1


def test_what_nobody_has_seen_is_named(writer: Writer) -> None:
    trace = writer.trace("the 東 cat 京", tokens=3)
    assert trace.options["unknown"] == "東 京" and trace.output.startswith("the 東 cat 京")
    shown = [label.text for label in trace["decoder"].keys]
    assert "東" in shown and "京" in shown and "?" not in shown
    assert [step.token for step in trace.steps] == shown[1:]


@pytest.mark.parametrize("text", ["the cat", "the ca", "the cat, ", 'he said "', "東京", "x", "don"])
def test_next_words_can_be_appended(writer: Writer, text: str) -> None:
    words = writer.next_words(text)
    assert len(words) == len({word.text for word in words}) == 10
    assert [word.probability for word in words] == sorted((w.probability for w in words), reverse=True)
    assert sum(word.probability for word in words) <= 1 + 1e-6
    for word in words:
        assert 0 < word.own < 1
        assert word.text.strip() and "  " not in text + word.text
        assert len((text + word.text).split()) - len(text.split()) in (0, 1)
        # Only a text that is over makes a word stand apart for certain.
        assert not (text.endswith(" ") and word.text.startswith(" "))
        assert not word.ids or END not in word.ids


def test_a_text_that_ends_in_a_space_is_over(writer: Writer) -> None:
    typed = {word.text for word in writer.next_words("the cat", count=30)}
    assert any(not text.startswith(" ") for text in typed)
    over = writer.next_words("the cat ", count=30)
    assert not any(writer.tokenizer.label(word.ids[0]).joins for word in over)
    assert sum(word.own for word in over) > sum(
        word.own for word in writer.next_words("the cat", count=30) if word.text.startswith(" ")
    )


def test_a_low_temperature_and_few_tokens_leave_few_words(writer: Writer) -> None:
    plain = writer.next_words("the cat")
    assert writer.next_words("the cat", temperature=0.01)[0].probability > 0.99
    few = writer.next_words("the cat", top_k=1)
    assert len(few) == 1
    np.testing.assert_allclose(few[0].probability, 1.0)
    known = {word.text: word for word in plain}
    if few[0].text in known:
        np.testing.assert_allclose(few[0].own, known[few[0].text].own, rtol=1e-4)


@pytest.mark.parametrize("text", ["the cat", "the cat ", "the", "東京", '"'])
def test_written_words_are_counted_and_decided_by_the_seed(writer: Writer, text: str) -> None:
    for words in (1, 7, 60):  # more than the network's positions hold
        found = writer.write(text, words, seed=3)
        assert found.startswith(text) and found == writer.write(text, words, seed=3)
        added = found[len(text) :].split()
        assert "  " not in found
        assert len(added) == words
    assert writer.write(text, 7, seed=3) != writer.write(text, 7, seed=4)


def test_more_words_by_the_same_seed_are_others(writer: Writer) -> None:
    """A hot network draws nearly what the noise alone says, which must not be the same twice."""
    first = writer.write("the cat ", 8, seed=3, temperature=10)
    second = writer.write(f"{first} ", 8, seed=3, temperature=10)
    assert second.removeprefix(f"{first} ").split() != first.removeprefix("the cat ").split()


def test_a_network_that_ends_no_word_stops_all_the_same(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    joins = next(i for i in range(4, writer.tokenizer.size) if writer.tokenizer.label(i).joins)

    def draw(ids: list[int], room: int, *_: Any, **changed: Any) -> list[int]:
        drawn.append(room)
        return [joins] * room

    monkeypatch.setattr(writer.runtime, "draw", draw)
    assert writer.write("the cat", 5).startswith("the cat")
    assert sum(drawn) == 5 * LONG


def test_one_token_at_a_time_is_the_likeliest(writer: Writer) -> None:
    text = writer.write("the cat", 3, top_k=1, seed=9)
    greedy = writer.trace("the cat", tokens=20).output
    assert greedy.startswith(text.rstrip())


def test_of_a_long_text_the_end_is_read(writer: Writer) -> None:
    longest = LONGEST - min(ROOM, LONGEST // 4)
    assert writer.longest == longest
    text = "the cat sat on the mat, and " * 9
    tail = writer.tail(text)
    assert text.endswith(tail) and len(writer.encode(tail)) <= longest
    earlier = text[: -len(tail)].split()[-1]
    assert len(writer.encode(f"{earlier} {tail}")) > longest
    assert writer.next_words(tail) and writer.tail("the cat") == "the cat"
    assert len(writer.encode(writer.tail(text, 10))) <= 10
    giant = "東" * 200
    assert writer.tail(giant) == "東" * len(writer.tail(giant))
    assert len(writer.tail("x " * 1_000_000)) <= 2 * longest
    assert len(writer.encode(writer.tail(giant))) <= longest < len(writer.encode("東" + writer.tail(giant)))


def test_a_table_may_have_rows_that_stand_for_nothing(writer: Writer) -> None:
    wider = toy.changed(writer.config, target__vocabulary=writer.config.vocabulary + 4)
    other = Writer("wider", toy.shared(wider), writer.tokenizer)
    assert len(other.next_words("the cat", count=5)) == 5


@pytest.mark.parametrize("text", ["", "   ", "\x00\n", "\u200b"])
def test_nothing_to_read_is_refused(writer: Writer, text: str) -> None:
    for ask in (writer.trace, writer.next_words, writer.write):
        with pytest.raises(ValueError, match="nothing to read"):
            ask(text)


def test_too_much_is_refused(writer: Writer) -> None:
    with pytest.raises(ValueError, match="at most 48 tokens, received"):
        writer.trace("the cat sat on the mat " * 9)
    with pytest.raises(ValueError, match="at most 36 tokens, received"):
        writer.next_words("the " * 40)


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", 0), ("temperature", 11), ("top_k", 0), ("top_p", 0), ("top_p", 1.1)]
)
def test_settings_out_of_range_are_named(writer: Writer, name: str, value: Any) -> None:
    for ask in (writer.next_words, writer.write):
        with pytest.raises(ValueError, match=f"expected a {name}"):
            ask("the cat", **{name: value})
    with pytest.raises(ValueError, match="expected 1 to 200 words, received"):
        writer.write("the cat", 0)


def test_a_network_without_a_start_reads_the_text_alone(tmp_path: Path) -> None:
    other = load(str(write_folder(tmp_path / "bare", start_id=NO_ID)))
    trace = other.trace("the cat sat")
    assert [label.id for label in trace["decoder"].keys] == other.tokenizer.encode("the cat sat").ids[:-1]
    assert not trace["decoder"].keys[0].special and len(trace.steps) == len(trace["decoder"].keys) - 1
    assert len(other.next_words("the cat")) == 10 and len(other.trace("a").steps) == 0


def test_projections_explain_the_trace(writer: Writer) -> None:
    trace = writer.trace("the cat sat")
    parts = writer.projections(trace)["decoder"]
    scores = parts.queries @ parts.keys.swapaxes(-1, -2) / 2.0  # heads are 4 wide
    scores[..., *np.triu_indices(scores.shape[-1], 1)] = -np.inf
    np.testing.assert_allclose(trace["decoder"].weights, toy.softmax(scores), atol=1e-5)
    with pytest.raises(ValueError, match="expected a trace of toy"):
        writer.projections(Trace(trace.maps, trace.output, model="another"))
