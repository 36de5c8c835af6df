"""Times of words by the heads that a Whisper names, against its published algorithm written out in numpy float64.

The real one is asked where the folder of a `tiny.en` stands in HEADLIGHT_TINY_EN, in the Hugging Face format.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.audio.sounds import tone
from transformer import home
from transformer.analysis.alignment import BY_NAMED, by_named, timed
from transformer.audio.decode import decode
from transformer.pipeline import load
from transformer.pipeline.checkpoint import open_checkpoint
from transformer.pipeline.listener import Listener, Spoken

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = os.environ.get("HEADLIGHT_TINY_EN", "")


def published(model: Listener, samples: np.ndarray, prompt: list[int], text: list[int]) -> np.ndarray:
    """The seconds at which each token of the text and the end begin: `find_alignment` of whisper/timing.py.

    Cross-attention of the named heads over start, prompt, text and end, softmax over the clip alone, standardised over
    all tokens, a median of 7, the mean over heads, and warping; a step along is taken where steps cost the same.
    """
    features, _ = model.log_mel(samples)
    read = [model.config.start_id, *prompt, *text, model.config.end_id]
    cross = np.asarray(model.network.forward(features[None], np.array([read], np.int32)).cross)[0].astype(
        float
    )
    weights = np.stack([cross[layer, head] for layer, head in model.spoken.alignment_heads])
    weights = weights[:, :, : len(samples) // 160 // 2]
    weights /= weights.sum(-1, keepdims=True)
    weights = (weights - weights.mean(1, keepdims=True)) / weights.std(1, keepdims=True)
    padded = np.pad(weights, ((0, 0), (0, 0), (3, 3)), mode="reflect")
    weights = np.median(np.stack([padded[..., i : i + weights.shape[-1]] for i in range(7)]), axis=0)
    cost = -weights.mean(0)[len(prompt) : -1]
    total = np.full(np.add(cost.shape, 1), np.inf)
    total[0, 0] = 0
    came = np.zeros(total.shape, int)
    for i in range(1, len(total)):
        for j in range(1, len(total[0])):
            steps = (total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
            came[i, j] = 0 if steps[0] < min(steps[1:]) else 1 if steps[1] < min(steps[0], steps[2]) else 2
            total[i, j] = cost[i - 1, j - 1] + steps[came[i, j]]
    i, j = cost.shape
    entered = np.zeros(i)
    while i and j:
        entered[i - 1] = (j - 1) * 0.02
        i, j = i - (came[i, j] < 2), j - (came[i, j] != 1)
    return entered


def test_words_begin_where_the_published_algorithm_says() -> None:
    model = open_checkpoint(GOLDEN / "whisper-multilingual")
    assert isinstance(model, Listener) and model.spoken.alignment_heads == ((0, 1), (1, 0))
    rng = np.random.default_rng(3)
    several = 0
    for _ in range(4):
        samples = (tone(seconds=0.52) + 0.3 * rng.normal(size=8320)).astype(np.float32)
        text = [int(i) for i in rng.integers(12, 38, 7)]
        # A time stamp (301) in the text is no word, and not part of what is warped.
        target = [293, 296, 301, *text[:3], 302, *text[3:], model.config.end_id]
        listened = model.listen(samples)
        trace = model.trace(listened, target_ids=target)
        evidence = model.evidence(listened, trace)
        assert evidence.named is not None and evidence.named.prompt == 3
        entered = published(model, samples, [293, 296, 300], text)
        alignment = by_named(trace["cross"], evidence.named)
        rows = [i for i, label in enumerate(trace.target) if not label.special]
        first = {row: 0.02 * column for row, column in reversed(alignment.path)}
        np.testing.assert_allclose([first[row] for row in rows], entered[:-1], atol=1e-9)
        assert all(word.start < word.end for word in alignment.words)
        assert list(timed(trace, evidence)) == [BY_NAMED, "Ranked heads"]
        several += len(set(entered)) > 3
    assert several, "a path that jumps"


def test_words_of_a_trace_are_timed_by_the_named_heads_where_there_are_some() -> None:
    model = open_checkpoint(GOLDEN / "whisper-multilingual")
    assert isinstance(model, Listener)
    clip = tone(seconds=0.5)
    listened = model.listen(clip)
    trace = model.trace(listened, target="one two", language="en", words=True)
    ways = timed(trace, model.evidence(listened, trace))
    assert trace.words == ways[BY_NAMED].words and len(trace.words) == 2
    whole = model.trace(listened, target="one two", language="en", words=True, whole=True)
    assert [word[:3] for word in whole.words] == [word[:3] for word in trace.words], (
        "silence behind it is not warped"
    )
    unnamed = Listener(
        "unnamed", model.network, model.tokenizer, Spoken(model.spoken.languages, model.spoken.tasks)
    )
    heard = unnamed.listen(clip)
    assert list(timed(trace, unnamed.evidence(heard, trace))) == ["Ranked heads"]
    with pytest.raises(ValueError, match="expected alignment_heads of 2 x 2, received"):
        Listener("wrong", model.network, model.tokenizer, Spoken(alignment_heads=((0, 2),)))


@pytest.mark.skipif(not TINY, reason="HEADLIGHT_TINY_EN names no folder of a real Whisper")
def test_a_real_whisper_agrees_with_the_published_algorithm() -> None:
    model = load(TINY)
    off = []
    for path in sorted((home.examples() / "speech").glob("*.[fo]*")):
        samples = decode(path.read_bytes()).samples
        listened = model.listen(samples)
        trace = model.trace(listened)
        written = [label for label in trace.target if not label.special]
        entered = published(
            model, samples, [model.spoken.without_times], [label.id or 0 for label in written]
        )
        named = model.evidence(listened, trace).named
        assert named is not None
        begins = [i for i, label in enumerate(written) if not label.joins]
        words = by_named(trace["cross"], named).words
        assert len(words) == len(begins) >= 6
        off += [abs(word.start - entered[i]) for word, i in zip(words, begins, strict=True)]
        marks = ".,!?:"  # punctuation behind a word takes no time from it
        lasts = [j - (written[j - 1].text in marks) for j in [*begins[1:], len(written)]]
        off += [abs(word.end - entered[j]) for word, j in zip(words, lasts, strict=True)]
    assert np.mean(off) < 0.005 and max(off) <= 0.021
