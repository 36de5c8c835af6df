"""N-gram probabilities against the paper's recursion over plain dictionaries, and a search that follows them."""

import itertools
from collections import Counter
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from keras import ops
from safetensors.numpy import save

from transformer.search.generate import beam
from transformer.search.ngram import FILE, Counts, NGram, count, load, ngram
from transformer.text.tokenizer import SubwordTokenizer
from transformer.training.count_ngrams import count_ngrams, texts

VOCABULARY, END, ORDER = 10, 2, 4


def some_texts(seed: int = 0, number: int = 150) -> list[list[int]]:
    """Of six tokens, some much likelier than others, the end behind each."""
    rng = np.random.default_rng(seed)
    likely = np.array([0.4, 0.3, 0.15, 0.1, 0.04, 0.01])
    return [[*(3 + rng.choice(6, rng.integers(0, 20), p=likely)).tolist(), END] for _ in range(number)]


class Plainly:
    """Modified Kneser-Ney by its recursion: Chen and Goodman 1998, section 3."""

    def __init__(self, texts: list[list[int]], least: int) -> None:
        self.grams = Counter[tuple[int, ...]]()
        for text in texts:
            padded = [END] * (ORDER - 1) + text
            self.grams.update(tuple(padded[i : i + ORDER]) for i in range(len(text)))
        self.least = least
        self.after = lru_cache(None)(self._after)

    def _after(self, context: tuple[int, ...]) -> np.ndarray:
        length = len(context)
        shorter = self.after(context[1:]) if length else np.full(VOCABULARY, 1 / VOCABULARY)
        at = slice(ORDER - 1 - length, ORDER - 1)
        here = {gram: times for gram, times in self.grams.items() if gram[at] == context}
        if sum(here.values()) < self.least:
            return shorter
        seen = np.zeros(VOCABULARY)
        if length == ORDER - 1:
            for gram, times in here.items():
                seen[gram[-1]] += times
        else:
            for _, token in {(gram[ORDER - 2 - length], gram[-1]) for gram in here}:
                seen[token] += 1
        taken = np.select([seen == 0, seen == 1, seen == 2], [0, 0.6, 1.1], 1.5)
        return np.asarray((seen - taken + taken.sum() * shorter) / seen.sum())


@pytest.mark.parametrize("least", [1, 3, 1000])
def test_every_state_says_what_the_recursion_says(least: int) -> None:
    """Along texts that were counted and along others. With 1,000 hardly a context is left."""
    counted = some_texts()
    model, plainly = ngram(count(counted, ORDER), VOCABULARY, END, least), Plainly(counted, least)
    assert model.log_probabilities.dtype == np.float32 and model.following.dtype == np.int32
    np.testing.assert_allclose(np.exp(model.log_probabilities).sum(axis=1), 1, atol=1e-5)
    for text in [*counted[:15], *some_texts(1, 10), [9, 9, 3, 0, 1, END]]:
        state, past = model.start, (END,) * (ORDER - 1)
        for token in text:
            expected = plainly.after(past[1 - ORDER :])
            np.testing.assert_allclose(np.exp(model.log_probabilities[state]), expected, atol=1e-6)
            state, past = model.following[state, token], (*past, token)


def test_counts_are_of_what_stood_in_the_texts() -> None:
    counts = count([[5, 6, END], [5, END], [END]], 2)
    found = {tuple(gram): int(times) for gram, times in zip(counts.grams.tolist(), counts.times, strict=True)}
    assert found == {(2, 5): 2, (5, 6): 1, (6, 2): 1, (5, 2): 1, (2, 2): 1}


def test_with_one_token_to_an_ngram_it_counts_tokens() -> None:
    model = ngram(count([[3, 3, 3, 4, END]], 1), VOCABULARY, END)
    taken = 1.5 + 0.6 + 0.6
    assert len(model.log_probabilities) == 1 and model.start == 0
    expected = np.full(VOCABULARY, taken / 10 / 5)
    expected[[3, 4, END]] += [1.5 / 5, 0.4 / 5, 0.4 / 5]
    np.testing.assert_allclose(np.exp(model.log_probabilities[0]), expected, atol=1e-6)


def test_counts_are_checked() -> None:
    for order in (0, 8):
        with pytest.raises(ValueError, match=f"expected n-grams of 1 to 7 tokens, received {order}"):
            count([[1, 2]], order)
    for wrong in ([], [[]], [[300, 2]], [[-1, 2]]):
        with pytest.raises(ValueError, match="expected texts in ids from 0 to 255"):
            count(wrong, 3)
    grams, times = count([[3, 4, END]], 2)
    with pytest.raises(ValueError, match="expected n-grams and their counts, received"):
        ngram(Counts(grams[0], times), VOCABULARY, END)
    for wrong_counts in (Counts(grams[:0], times[:0]), Counts(grams, 0 * times), Counts(grams + 9, times)):
        with pytest.raises(ValueError, match="expected counts from 1 of ids below 10"):
            ngram(wrong_counts, VOCABULARY, END)


def test_a_file_of_anything_else_is_refused(tmp_path: Path) -> None:
    grams, times = count([[3, 4, END]], 2)
    for wrong in (b"", b"no tensors", save({"grams": grams}), save({"grams": grams, "times": times * 1.5})):
        (tmp_path / FILE).write_bytes(wrong)
        with pytest.raises(ValueError, match=r"expected .*ngram\.safetensors, received"):
            load(tmp_path / FILE, VOCABULARY, END)


class Even:
    """A decoder that finds every token equally likely: what is written is what the n-grams say."""

    config = SimpleNamespace(
        vocabulary=VOCABULARY,
        pad_id=0,
        start_id=1,
        end_id=END,
        suppressed=(0, 1),
        suppressed_first=(),
        prefix=(),
    )

    def start(self, source: object, length: int) -> tuple[()]:
        return ()

    def step(self, token: object, index: object, state: tuple[()]) -> tuple[object, tuple[()]]:
        return ops.zeros((ops.shape(token)[0], VOCABULARY)), state


@pytest.mark.parametrize("seed", range(3))
def test_a_search_finds_the_text_that_ngrams_and_bonus_find_best(seed: int) -> None:
    """Against every text of up to four tokens; the decoder adds the same to each token."""
    model = ngram(count(some_texts(seed), ORDER), VOCABULARY, END)
    weight, bonus, limit = 0.7, 0.8, 5
    best = max(
        (score(model, (*text, END), weight, bonus), text)
        for length in range(limit)
        for text in itertools.product(range(3, VOCABULARY), repeat=length)
    )
    found = beam(
        Even(),
        np.zeros((1, 1), np.float32),
        limit,
        beams=60,
        alpha=0.0,
        ngram=NGram(*(ops.convert_to_tensor(part) for part in model)),
        ngram_weight=weight,
        token_bonus=bonus,
    )
    ids = tuple(int(i) for i in np.asarray(found.ids)[0] if i >= 0)
    assert ids == (*best[1], END)
    assert float(np.asarray(found.score)[0]) == pytest.approx(best[0], abs=1e-3)


def score(model: NGram, ids: tuple[int, ...], weight: float, bonus: float) -> float:
    state, total = int(model.start), 0.0
    for token in ids:
        total += weight * (float(model.log_probabilities[state, token]) + (bonus if token != END else 0))
        total -= np.log(VOCABULARY)
        state = int(model.following[state, token])
    return total


def test_files_are_counted_by_sentences_and_clips(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text('He said: "Go!" She went; it was 9.\n\nThe END\n')
    (tmp_path / "clips.tsv").write_text("path\ttranscript\na.wav\tOne, two.\n")
    said = ["he said", "go", "she went", "it was nine", "the end"]
    assert texts(tmp_path / "book.txt") == said
    assert texts(tmp_path / "clips.tsv") == ["one two"]
    tokenizer = SubwordTokenizer.train(
        ["one two three", "the end", "he said go she went it was nine"] * 4, 40
    )
    tokenizer.save(tmp_path / "tokenizer.json")
    count_ngrams(tmp_path, [tmp_path / "book.txt", tmp_path / "clips.tsv"], 3)
    model = load(tmp_path / FILE, tokenizer.size, END)
    assert model.log_probabilities.shape[1] == tokenizer.size
    (ids,) = tokenizer.encode_all(["the end"])
    (other,) = tokenizer.encode_all(["dne eht"])
    assert score(model, tuple(ids), 1, 0) / len(ids) > score(model, tuple(other), 1, 0) / len(other)
