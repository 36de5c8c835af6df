"""Compiled inference of a decoder alone: against the network called plainly, and against trying every word."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.config import END, PAD, START, UNKNOWN
from transformer.models.seq2seq import Gates
from transformer.runtime import ALTERNATIVES, LanguageRuntime, common, language
from transformer.runtime.language import DEPTH, ROOM, Ends

LONGEST, WORDS = 40, 27
BARRED = [PAD, START, UNKNOWN]


@pytest.fixture(scope="module")
def runtime() -> LanguageRuntime:
    """One for all tests, as compiling takes longest; so few tokens that every beginning of a word is followed."""
    return LanguageRuntime(toy.network(toy.decoder(vocabulary=WORDS, max_target=LONGEST)))


def text(length: int, seed: int = 1) -> list[int]:
    return toy.ids((1, length), seed, WORDS)[0].tolist()


def log_probabilities(runtime: LanguageRuntime, rows: list[list[int]]) -> np.ndarray:
    """Of the token after each of these rows of one length, in float64: (rows, vocabulary)."""
    logits = np.asarray(runtime.network.forward(np.array(rows, np.int32)).logits)[:, -1]
    return np.log(toy.softmax(logits.astype(np.float64)))


# The forced pass


@pytest.mark.parametrize("length", [1, 2, 16, LONGEST])
def test_what_is_recorded_is_what_the_logits_say(runtime: LanguageRuntime, length: int) -> None:
    ids = text(length)
    found, result = runtime.record(ids), runtime.network.forward(np.array([ids]))
    log_p = np.log(toy.softmax(np.asarray(result.logits)[0, :-1].astype(np.float64)))
    np.testing.assert_allclose(found.decoder, np.asarray(result.decoder)[0], atol=1e-5)
    np.testing.assert_allclose(found.log_probability, log_p[np.arange(length - 1), ids[1:]], atol=1e-5)
    np.testing.assert_allclose(found.entropy, -(np.exp(log_p) * log_p / np.log(2)).sum(-1), atol=1e-5)
    allowed = log_p.copy()
    allowed[:, BARRED] = -np.inf
    best = np.argsort(-allowed, axis=-1)[:, :ALTERNATIVES]
    np.testing.assert_array_equal(found.alternatives, best)
    np.testing.assert_allclose(found.probabilities, np.exp(np.take_along_axis(log_p, best, -1)), atol=1e-5)
    assert found.encoder is None and found.cross is None


def test_the_padded_length_changes_nothing(runtime: LanguageRuntime) -> None:
    """The same beginning, once padded to 16 and once to 40."""
    one, other = runtime.record(text(LONGEST)[:9]), runtime.record(text(LONGEST))
    np.testing.assert_allclose(one.decoder, other.decoder[..., :9, :9], atol=1e-5)
    np.testing.assert_allclose(one.log_probability, other.log_probability[:8], atol=1e-5)
    np.testing.assert_array_equal(one.alternatives, other.alternatives[:8])


def test_gates_switch_heads_off(runtime: LanguageRuntime) -> None:
    ids, gate = text(7), np.array([[1, 0], [1, 1]], np.float32)
    found = runtime.record(ids, Gates(decoder=gate))
    expected = runtime.network.forward(np.array([ids]), gates=Gates(decoder=gate))
    np.testing.assert_allclose(found.decoder, np.asarray(expected.decoder)[0], atol=1e-5)
    plain = runtime.record(ids)
    assert np.abs(found.log_probability - plain.log_probability).max() > 1e-3
    opened = runtime.record(ids, Gates(decoder=np.ones((2, 2))))
    np.testing.assert_array_equal(opened.log_probability, plain.log_probability)
    for wrong in (Gates(decoder=np.ones((3, 2))), Gates(encoder=np.ones((2, 2)))):
        with pytest.raises(ValueError, match="expected gates"):
            runtime.record(ids, wrong)


def test_queries_and_keys_explain_the_map(runtime: LanguageRuntime) -> None:
    ids = text(6)
    parts, shown = runtime.projections(ids), runtime.record(ids).decoder
    assert list(parts) == ["decoder"]
    scores = parts["decoder"].queries @ parts["decoder"].keys.swapaxes(-1, -2) / 2.0  # heads are 4 wide
    scores[..., *np.triu_indices(6, 1)] = -np.inf
    np.testing.assert_allclose(toy.softmax(scores), shown, atol=1e-5)
    assert parts["decoder"].inputs.shape == (2, 6, 8)


def test_scores_are_the_log_probabilities_of_the_labels(runtime: LanguageRuntime) -> None:
    rows = toy.ids((3, 9), 4, WORDS)
    found = runtime.score(rows[:, :-1], rows[:, 1:])
    log_p = np.log(toy.softmax(np.asarray(runtime.network.forward(rows[:, :-1]).logits).astype(np.float64)))
    np.testing.assert_allclose(found, np.take_along_axis(log_p, rows[:, 1:, None], -1)[..., 0], atol=1e-5)


# Writing


def test_writing_the_likeliest_is_a_plain_loop_over_whole_passes(runtime: LanguageRuntime) -> None:
    for length in (1, 5, 16):
        ids, expected = text(length), []
        for _ in range(6):
            log_p = log_probabilities(runtime, [[*ids, *expected]])[0]
            log_p[[*BARRED, END]] = -np.inf
            expected.append(int(log_p.argmax()))
        assert runtime.write(ids, 6, top_k=1) == expected


def test_the_first_token_is_drawn_as_often_as_the_filtered_softmax_says(runtime: LanguageRuntime) -> None:
    ids, count = text(5), 400
    log_p = log_probabilities(runtime, [ids])[0] / 0.7
    log_p[[*BARRED, END]] = -np.inf
    best = np.argsort(-log_p)[:4]
    expected = toy.softmax(log_p[best])
    drawn = [runtime.write(ids, 1, temperature=0.7, top_k=4, seed=seed)[0] for seed in range(count)]
    shares = np.array([drawn.count(token) for token in best]) / count
    assert shares.sum() == 1
    np.testing.assert_array_less(np.abs(shares - expected), 4 * np.sqrt(expected / count))


def test_a_seed_decides_what_is_written(runtime: LanguageRuntime) -> None:
    written = [tuple(runtime.write(text(5), 12, seed=seed)) for seed in (1, 1, 2)]
    assert written[0] == written[1] != written[2]
    assert all(len(row) == 12 for row in written)
    assert not set(written[0] + written[2]) & {*BARRED, END}
    # A longer text by the same seed begins with the shorter one.
    assert tuple(runtime.write(text(5), 5, seed=1)) == written[0][:5]


def test_writing_stops_at_its_room_and_at_the_last_position(runtime: LanguageRuntime) -> None:
    assert len(runtime.write(text(3), 1000)) == ROOM
    assert len(runtime.write(text(LONGEST - 4), 30)) == 4
    assert len(runtime.write(text(LONGEST - 1), 30)) == 1
    for wrong in ([], text(LONGEST)):
        with pytest.raises(ValueError, match=f"expected from 1 to {LONGEST - 1} tokens"):
            runtime.write(wrong, 1)


def test_wide_networks_take_another_way_to_the_same_numbers(
    runtime: LanguageRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (common, language):
        monkeypatch.setattr(module, "WIDE", 1)
    wide, ids = LanguageRuntime(runtime.network), text(9)
    for one, other in zip(wide.record(ids)[3:], runtime.record(ids)[3:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(wide.record(ids).decoder, runtime.record(ids).decoder, atol=1e-5)
    ends = ends_of({4, 5}, {4, 5, 6})
    for (word, score), (same, expected) in zip(wide.words(ids, ends), runtime.words(ids, ends), strict=True):
        assert word == same and score == pytest.approx(expected, abs=1e-4)
    for length in (9, LONGEST - 3, LONGEST - 1):
        assert wide.write(text(length), 20, top_k=1) == runtime.write(text(length), 20, top_k=1)


# Words


def every_word(
    runtime: LanguageRuntime, ids: list[int], ends: Ends
) -> tuple[dict[tuple[int, ...], float], float]:
    """The natural log of the probability of each word of up to DEPTH tokens, and the probability of what is longer."""
    begun: dict[tuple[int, ...], float] = {(): 0.0}
    words, longer = {}, 0.0
    for depth in range(DEPTH):
        log_p = log_probabilities(runtime, [[*ids, *word] for word in begun])
        further = {}
        for (word, score), row in zip(begun.items(), log_p, strict=True):
            for token in range(len(row)):
                last = word[-1] if word else None
                if token in BARRED or (last is not None and token == END):
                    continue
                if last is not None and (ends.begins[token] and not ends.open[last]):
                    continue
                further[(*word, token)] = score + row[token]
        following = log_probabilities(runtime, [[*ids, *word] for word in further])
        over = np.log(np.exp(following[:, ends.begins]).sum(-1))
        for (word, score), end in zip(further.items(), over, strict=True):
            if not ends.open[word[-1]]:
                words[word] = score if ends.alone[word[-1]] else score + end
        begun = {word: score for word, score in further.items() if not ends.alone[word[-1]]}
        if depth == DEPTH - 1:
            whole = dict(zip(further, over, strict=True))
            longer = sum(np.exp(s) * (1 - np.exp(whole[w])) for w, s in begun.items())
    return words, float(longer)


def ends_of(continuing: Collection[int], parts: Collection[int], opened: Collection[int] = ()) -> Ends:
    """`continuing` tokens join the word before them; `parts` can be continued; `opened` are no word yet."""
    every = np.arange(WORDS)
    return Ends(~np.isin(every, list(continuing)), ~np.isin(every, list(parts)), np.isin(every, list(opened)))


@pytest.mark.parametrize("seed", [1, 2])
def test_every_word_and_its_probability_are_found(runtime: LanguageRuntime, seed: int) -> None:
    ends, ids = ends_of({4, 5}, {4, 5, 6}), text(4, seed)
    expected, longer = every_word(runtime, ids, ends)
    found = dict(runtime.words(ids, ends))
    assert found.keys() == expected.keys()
    assert len(found) == 24 + 3 * 2 + 6 * 2 + 12 * 2
    for word, score in expected.items():
        assert found[word] == pytest.approx(score, abs=1e-4), word
    scores = [score for _, score in runtime.words(ids, ends)]
    assert scores == sorted(scores, reverse=True)
    # What is left: words that are longer, and tokens that are never written.
    barred = np.exp(log_probabilities(runtime, [ids])[0][BARRED]).sum()
    assert longer > 0 and np.exp(scores).sum() + longer + barred <= 1 + 1e-5


def test_a_mark_that_begins_a_word_is_none_on_its_own(runtime: LanguageRuntime) -> None:
    """Token 7 is open: what follows it, even what begins something new, is its word."""
    ends, ids = ends_of({4}, {4, 7, 8}, {7}), text(5)
    expected, _ = every_word(runtime, ids, ends)
    found = dict(runtime.words(ids, ends))
    assert (7,) not in found and any(word[0] == 7 and len(word) == 2 for word in found)
    for word, score in found.items():
        assert score == pytest.approx(expected[word], abs=1e-4), word
    best = sorted(expected, key=lambda word: -expected[word])[:10]
    assert [word for word, _ in runtime.words(ids, ends)[:10]] == best


def test_padding_of_the_prompt_does_not_change_its_words(runtime: LanguageRuntime) -> None:
    ends = ends_of({4, 5}, {4, 5, 6})
    for length in (1, 16, LONGEST - DEPTH):
        ids = text(length)
        expected, _ = every_word(runtime, ids, ends)
        best = max(expected, key=lambda word: expected[word])
        word, score = runtime.words(ids, ends)[0]
        assert word == best
        assert score == pytest.approx(expected[best], abs=1e-4)
    with pytest.raises(ValueError, match=f"expected from 1 to {LONGEST - DEPTH} tokens"):
        runtime.words(text(LONGEST - DEPTH + 1), ends)


def test_two_threads_at_once_give_the_same_as_one(runtime: LanguageRuntime) -> None:
    def work(seed: int) -> tuple[Any, ...]:
        ids = text(4 + seed % 9, seed)
        return runtime.write(ids, 8, seed=seed), *runtime.record(ids)[3:]

    alone = [work(seed) for seed in range(8)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(work, range(8)))
    for one, other in zip(alone, together, strict=True):
        assert one[0] == other[0]
        for a, b in zip(one[1:], other[1:], strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("ids", [[], [5] * (LONGEST + 1)])
def test_what_cannot_be_recorded_is_refused(runtime: LanguageRuntime, ids: list[int]) -> None:
    for act in (runtime.record, runtime.projections):
        with pytest.raises(ValueError, match=f"expected from 1 to {LONGEST} tokens, received {len(ids)}"):
            act(ids)


def test_warming_compiles_what_a_text_of_that_length_needs(runtime: LanguageRuntime) -> None:
    runtime.warm((16,))
    before = runtime._forced.experimental_get_tracing_count(), runtime._words.experimental_get_tracing_count()
    nothing = np.zeros(WORDS, bool)
    runtime.record(text(9))
    runtime.words(text(9), Ends(~nothing, ~nothing, nothing))
    after = runtime._forced.experimental_get_tracing_count(), runtime._words.experimental_get_tracing_count()
    assert before == after
