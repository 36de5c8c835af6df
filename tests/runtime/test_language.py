"""A decoder's graphs: against the network called plainly, and against trying every word."""

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.config import END, PAD, START, UNKNOWN
from transformer.models.altering import Alter, Gates
from transformer.runtime import ALTERNATIVES, LanguageRuntime
from transformer.runtime.language import DEPTH, Ends
from transformer.search.sampling import Drawing

LONGEST, WORDS = 40, 27
BARRED = [PAD, START, UNKNOWN]
NEVER = [*BARRED, END]


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


def test_what_comes_later_changes_nothing(runtime: LanguageRuntime) -> None:
    one, other = runtime.record(text(LONGEST)[:9]), runtime.record(text(LONGEST))
    np.testing.assert_allclose(one.decoder, other.decoder[..., :9, :9], atol=1e-5)
    np.testing.assert_allclose(one.log_probability, other.log_probability[:8], atol=1e-5)
    np.testing.assert_array_equal(one.alternatives, other.alternatives[:8])


def test_gates_switch_heads_off(runtime: LanguageRuntime) -> None:
    ids, gate = text(7), np.array([[1, 0], [1, 1]], np.float32)
    found = runtime.record(ids, Alter(Gates(decoder=gate)))
    expected = runtime.network.forward(np.array([ids]), alter=Alter(Gates(decoder=gate)))
    np.testing.assert_allclose(found.decoder, np.asarray(expected.decoder)[0], atol=1e-5)
    plain = runtime.record(ids)
    assert np.abs(found.log_probability - plain.log_probability).max() > 1e-3
    opened = runtime.record(ids, Alter(Gates(decoder=np.ones((2, 2)))))
    np.testing.assert_array_equal(opened.log_probability, plain.log_probability)
    for wrong in (Gates(decoder=np.ones((3, 2))), Gates(encoder=np.ones((2, 2)))):
        with pytest.raises(ValueError, match="expected gates"):
            runtime.record(ids, Alter(wrong))


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
        ids, expected = text(length), list[int]()
        for _ in range(6):
            log_p = log_probabilities(runtime, [[*ids, *expected]])[0]
            log_p[NEVER] = -np.inf
            expected.append(int(log_p.argmax()))
        assert runtime.write(ids, 6, top_k=1) == expected


def test_the_first_token_is_drawn_as_often_as_the_filtered_softmax_says(runtime: LanguageRuntime) -> None:
    ids, count = text(5), 400
    log_p = log_probabilities(runtime, [ids])[0] / 0.7
    log_p[NEVER] = -np.inf
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
    assert not set(written[0] + written[2]) & {*NEVER}
    # A longer text by the same seed begins with the shorter one.
    assert tuple(runtime.write(text(5), 5, seed=1)) == written[0][:5]


def test_writing_stops_at_the_last_position(runtime: LanguageRuntime) -> None:
    assert len(runtime.write(text(3), 1000)) == LONGEST - 3
    assert len(runtime.write(text(LONGEST - 4), 30)) == 4
    assert len(runtime.write(text(LONGEST - 1), 30)) == 1
    for wrong in ([], text(LONGEST)):
        with pytest.raises(ValueError, match=f"expected from 1 to {LONGEST - 1} tokens"):
            runtime.write(wrong, 1)


def test_the_first_token_can_be_restricted(runtime: LanguageRuntime) -> None:
    drawn = list(runtime.draw(text(5), 3, Drawing(), 1, np.arange(WORDS) == 9))
    assert drawn[0] == 9 and len(drawn) == 3


def test_caches_of_another_size_say_the_same() -> None:
    runtime = LanguageRuntime(toy.network(toy.decoder(vocabulary=WORDS, max_target=160, positions="none")))
    for length in (20, 60, 100):  # 64 positions, and 128
        log_p = log_probabilities(runtime, [text(length)])[0]
        log_p[NEVER] = -np.inf
        assert runtime.write(text(length), 5, top_k=1)[0] == log_p.argmax()
    assert sorted(runtime._steps) == [(64, False, False), (128, False, False)]


# Words


def every_word(
    runtime: LanguageRuntime, ids: list[int], ends: Ends, how: Drawing
) -> dict[tuple[int, ...], tuple[float, float]]:
    """Each word of up to four tokens: the natural logs of its probability as it is drawn, and as the network has it."""

    def after(words: Iterable[tuple[int, ...]]) -> np.ndarray:
        own = log_probabilities(runtime, [[*ids, *word] for word in words])
        drawn = np.exp(own / how.temperature)
        drawn[:, NEVER] = 0
        for row in drawn:
            row[np.argsort(-row)[how.top_k or WORDS :]] = 0
        with np.errstate(divide="ignore"):
            return np.stack([np.log(drawn / drawn.sum(-1, keepdims=True)), own], -1)  # (words, vocabulary, 2)

    begun: dict[tuple[int, ...], np.ndarray] = {(): np.zeros(2)}
    words = {}
    for _ in range(4):
        further = {
            (*word, token): score + row[token]
            for (word, score), row in zip(begun.items(), after(begun), strict=True)
            for token in range(WORDS)
            if row[token, 0] > -np.inf and (not word or ends.open[word[-1]] or not ends.begins[token])
        }
        with np.errstate(divide="ignore"):
            over = np.log(np.exp(after(further)[:, ends.begins]).sum(1))
        for (word, score), end in zip(further.items(), over, strict=True):
            if not ends.open[word[-1]]:
                words[word] = score if ends.alone[word[-1]] else score + end
        begun = {word: score for word, score in further.items() if not ends.alone[word[-1]]}
    return {word: (float(drawn), float(own)) for word, (drawn, own) in words.items()}


def ends_of(continuing: Collection[int], parts: Collection[int], opened: Collection[int] = ()) -> Ends:
    """`continuing` tokens join the word before them; `parts` can be continued; `opened` are no word yet."""
    every = np.arange(WORDS)
    return Ends(~np.isin(every, list(continuing)), ~np.isin(every, list(parts)), np.isin(every, list(opened)))


@pytest.mark.parametrize("opened", [set(), {7}])
@pytest.mark.parametrize("how", [Drawing(), Drawing(0.7), Drawing(1.4, top_k=9)])
def test_the_likeliest_words_of_all_are_found(
    runtime: LanguageRuntime, how: Drawing, opened: set[int]
) -> None:
    """Token 7, where it is open, is no word on its own: what follows it, even what begins something new, is its."""
    ends, ids = ends_of({4, 5}, {4, 5, 6, 7}, opened), text(4)
    expected = every_word(runtime, ids, ends, how)
    best = sorted(expected, key=lambda word: -expected[word][0])[:12]
    found = runtime.words(ids, ends, count=12, how=how)
    assert [word.tokens for word in found] == best
    for word in found:
        assert (word.drawn, word.own) == pytest.approx(expected[word.tokens], abs=1e-3)
    assert runtime.words(ids, ends, count=3, how=how) == found[:3]


def test_a_word_after_a_space_begins_one(runtime: LanguageRuntime) -> None:
    ends, ids = ends_of({4, 5}, {4, 5, 6}), text(4)
    free = {word.tokens: word for word in runtime.words(ids, ends, count=40)}
    over = runtime.words(ids, ends, first=ends.begins)
    assert {4, 5} & {word[0] for word in free} and not {4, 5} & {word.tokens[0] for word in over}
    begins = np.log(np.exp(log_probabilities(runtime, [ids])[0])[ends.begins].sum())
    for word in over:
        assert word.own == pytest.approx(free[word.tokens].own - begins, abs=1e-4)


def test_words_are_found_up_to_the_last_positions(runtime: LanguageRuntime) -> None:
    ends = ends_of({4, 5}, {4, 5, 6})
    for length in (1, 16, LONGEST - DEPTH):
        expected = every_word(runtime, text(length), ends, Drawing())
        best = max(expected, key=lambda word: expected[word][0])
        assert runtime.words(text(length), ends)[0].tokens == best
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


def test_warming_builds_all_that_a_text_needs() -> None:
    runtime = LanguageRuntime(toy.shared(toy.decoder(vocabulary=WORDS, max_target=LONGEST)))
    runtime.warm((16,))

    def built() -> list[int]:
        graphs = (runtime._forced, runtime._start, *runtime._steps.values())
        return [graph.experimental_get_tracing_count() for graph in graphs]

    assert built() == [1, 1, 1]
    runtime.record(text(9))
    runtime.words(text(20), ends_of({4}, {4}))
    runtime.write(text(3), 4)
    assert built() == [1, 1, 1]
