"""A speech network of one's own and opened ones: what is heard, what is cut, and what `evaluate` says of it."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.analysis.alignment import ctc_path
from transformer.analysis.doubt import doubt
from transformer.ask import Ask
from transformer.audio.features import Features
from transformer.checkpoints import folder
from transformer.evaluation.measure import measure
from transformer.interventions import Head, Interventions
from transformer.pipeline import listener, load
from transformer.pipeline.checkpoint import open_checkpoint
from transformer.pipeline.listener import Listener
from transformer.runtime import prompt
from transformer.search import ngram
from transformer.text.tokenizer import SubwordTokenizer
from transformer.trace import one_text
from transformer.training.count_ngrams import count_ngrams

GOLDEN = Path(__file__).parents[1] / "golden"
TEXTS = ["one two three", "seven eight nine", "four five six zero"] * 4


@pytest.fixture(scope="module")
def own() -> Listener:
    """A toy with a CTC output that reads 80 bins, up to 0.8 s."""
    tokenizer = SubwordTokenizer.train(TEXTS, 30)
    config = toy.config(
        vocabulary=tokenizer.size,
        stem="t2t",
        stem_channels=3,
        ctc=True,
        max_source=20,
        shared_embeddings=False,
    )
    return Listener("toy", toy.network(config), tokenizer)


@pytest.fixture(scope="module")
def whisper() -> Listener:
    model = open_checkpoint(GOLDEN / "whisper-multilingual")
    assert isinstance(model, Listener)
    return model


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=int(seconds * 16_000)) * 0.1).astype(np.float32)


def test_a_trace_of_a_clip_has_places_in_seconds(own: Listener) -> None:
    trace = own.trace(noise(0.5), name="noise.wav")
    frames = Features().frames(8000)
    assert trace.spectrogram is not None and trace.spectrogram.values.shape == (frames, 80)
    assert len(trace.source) == -(-frames // 4)
    assert [(label.start, label.end) for label in trace.source[:2]] == [(0.0, 0.04), (0.04, 0.08)]
    assert trace["cross"].weights.shape == (2, 2, len(trace.target), len(trace.source))
    assert trace.input == "noise.wav" and trace.options["seconds"] == 0.5


def test_padding_a_clip_to_a_common_length_changes_nothing(own: Listener) -> None:
    features, _ = own.log_mel(noise(0.4))
    target = own.trace(noise(0.4)).target
    ids = [label.id for label in target if label.id is not None]
    plain = own.network.forward(features[None], np.array([[1, *ids[:-1]]], np.int32))
    trace = own.trace_ids(features, ids)
    for kind in ("encoder", "decoder", "cross"):
        np.testing.assert_allclose(trace[kind].weights, np.asarray(getattr(plain, kind))[0], atol=1e-5)


def test_projections_explain_the_weights(own: Listener) -> None:
    trace = own.trace(noise(0.4))
    for kind, found in own.projections(trace).items():
        scores = found.queries.astype(np.float64) @ found.keys.swapaxes(-1, -2) / np.sqrt(4)
        if kind == "decoder":
            scores[..., ~np.tri(scores.shape[-1], dtype=bool)] = -np.inf
        np.testing.assert_allclose(toy.softmax(scores), trace[kind].weights, atol=1e-5)


def test_what_a_network_hears_of_silence_behind_a_clip_is_one_column(whisper: Listener) -> None:
    cut, whole = (
        whisper.trace(noise(0.25), language="pt"),
        whisper.trace(noise(0.25), language="pt", whole=True),
    )
    kept = cut.options["cut"]
    assert kept == 13 and cut.output == whole.output and whole["cross"].weights.shape[-1] == 30
    for kind in ("encoder", "cross"):
        rows = slice(kept) if kind == "encoder" else slice(None)
        np.testing.assert_array_equal(cut[kind].weights[..., :kept], whole[kind].weights[:, :, rows, :kept])
        rest = whole[kind].weights[:, :, rows, kept:].sum(-1)
        np.testing.assert_allclose(cut[kind].weights[..., kept], rest, atol=1e-6)
        assert cut[kind].keys[-1].special


def test_the_language_is_found_or_told(whisper: Listener) -> None:
    told = whisper.trace(noise(0.3), language="pt", task="translate")
    assert (told.options["language"], told.options["task"]) == ("pt", "translate")
    assert [label.special for label in told.target[:3]] == [True] * 3
    assert whisper.trace(noise(0.3)).options["language"] in whisper.spoken.languages


def test_a_wide_search_begins_with_what_was_told(whisper: Listener) -> None:
    one, four = (whisper.trace(noise(0.3), language="pt", task="translate", beams=n) for n in (1, 4))
    assert [label.id for label in one.target[:3]] == [label.id for label in four.target[:3]]
    assert [label.special for label in four.target[:3]] == [True] * 3
    assert four.options["decoding"] == "beam"
    scores = [sum(step.log_probability for step in trace.steps) for trace in (one, four)]
    assert len(four.target) != len(one.target) or scores[1] >= scores[0] - 1e-4
    for beams in (0, 9):
        with pytest.raises(ValueError, match=f"expected 1 to 8 beams, received {beams}"):
            whisper.trace(noise(0.3), beams=beams)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(language="xx"), "expected a language out of en, pt, zh, received 'xx'"),
        (dict(task="sing"), "expected a task out of transcribe, translate, received 'sing'"),
    ],
)
def test_what_it_does_not_know_is_refused(whisper: Listener, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        whisper.trace(noise(0.2), **options)


@pytest.mark.parametrize("wrong", [5, None, [0.0]])
def test_what_is_no_clip_is_refused(own: Listener, wrong: Any) -> None:
    expected = f"expected a clip as a path, bytes, Sound or samples, received {type(wrong).__name__}"
    for act in (own.trace, own.transcribe, own.trace_parts):
        with pytest.raises(ValueError, match=expected):
            act(wrong)
    with pytest.raises(ValueError, match="expected a clip beside what is asked"):
        own.ask(Ask(model="toy", given="/etc/hostname"))


def test_clips_that_cannot_be_heard_are_refused(own: Listener) -> None:
    for samples, message in ((noise(0.0), "received an empty one"), (noise(0.9), "expected at most 0.8 s")):
        with pytest.raises(ValueError, match=message):
            own.trace(samples)
    with pytest.raises(ValueError, match="expected no language but en"):
        own.trace(noise(0.2), language="pt")
    assert own.trace(noise(0.2), language="en").output == own.trace(noise(0.2)).output
    with pytest.raises(ValueError, match="expected the task transcribe"):
        own.trace(noise(0.2), task="translate")


def test_ngrams_beside_the_weights_join_the_search(own: Listener, tmp_path: Path) -> None:
    """What a folder without them writes is less like the counted texts than what it writes with them."""
    folder.save_config(tmp_path, own.config)
    folder.save_weights(tmp_path / folder.WEIGHTS, folder.read_weights(own.network))
    own.tokenizer.save(tmp_path / folder.TOKENIZER)
    alone = load(str(tmp_path))
    assert alone.runtime.ngram is None
    (tmp_path / "said.txt").write_text("one two three\n" * 50 + "seven eight nine\n")
    count_ngrams(tmp_path, [tmp_path / "said.txt"], 3)
    counted = ngram.load(tmp_path / ngram.FILE, own.config.vocabulary, own.config.end_id)
    with_counts, likely = load(str(tmp_path)), []
    for model in (alone, with_counts):
        total, tokens = 0.0, 0
        for seed in range(4):
            state = counted.start
            for label in model.trace(noise(0.5, seed)).target:
                total, tokens = total + counted.log_probabilities[state, label.id], tokens + 1
                state = counted.following[state, label.id]
        likely.append(total / tokens)
    assert likely[1] > likely[0] + 0.5
    (tmp_path / ngram.FILE).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"expected a safetensors file at ngram\.safetensors"):
        load(str(tmp_path))


def test_a_clip_is_transcribed_as_it_is_traced(own: Listener) -> None:
    for seed, (beams, search) in itertools.product(range(3), ((1, "greedy"), (4, "beam"))):
        trace = own.trace(noise(0.5, seed), beams=beams)
        assert trace.options["decoding"] == search
        assert trace.output == own.transcribe(noise(0.5, seed), beams=beams)


def test_a_long_clip_is_written_down_pass_by_pass(own: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = noise(1.2)
    monkeypatch.setattr(own, "passes", lambda samples: [(0, 9_600), (9_600, len(samples))])
    halves = [own.trace(half).output for half in (clip[:9_600], clip[9_600:])]
    assert own.transcribe(clip) == " ".join(half for half in halves if half)


def test_a_long_clip_is_traced_part_by_part(own: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = np.concatenate([noise(0.6), np.zeros(8_000, np.float32), noise(0.6, 1)])
    edges = [(0, 9_600), (9_600, 17_600), (17_600, len(clip))]
    monkeypatch.setattr(own, "passes", lambda samples: edges)
    found = own.trace_parts(clip, name="long.wav")
    assert [(part.start, part.end) for part in found.parts] == [(0, 0.6), (0.6, 1.1), (1.1, 1.7)]
    first, silent, last = (part.trace for part in found.parts)
    assert first and last and silent is None and first.input == "long.wav"
    assert found.text == one_text([first.output, last.output])
    later = [(word.text, word.start + 1.1, word.end + 1.1) for word in last.words]
    assert [word[:3] for word in found.words] == [*(word[:3] for word in first.words), *later]
    with pytest.raises(ValueError, match="expected no target for a clip in parts"):
        own.trace_parts(clip, target="one")


def test_doubtful_answers_are_drawn_anew_and_the_best_stays(
    whisper: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the reference has it: likely and varied, or tried again; no speech and unlikely, or kept."""
    asked: list[float] = []
    sure, silence = {0.0: -2.0, 0.2: -1.5, 0.4: -0.5}, 0.1

    def decode(heard: Any, *, prefix: list[int], temperature: float = 0.0, **_: Any) -> list[int]:
        asked.append(temperature)
        return [*prefix, 60 + round(10 * temperature), whisper.config.end_id]

    def likely(heard: Any, ids: list[int], alter: Any) -> np.ndarray:
        return np.full(len(ids), sure.get((ids[3] - 60) / 10, -3.0))

    monkeypatch.setattr(whisper.runtime, "decode", decode)
    monkeypatch.setattr(whisper.runtime, "log_probabilities", likely)
    monkeypatch.setattr(whisper, "_no_speech", lambda heard, alter: silence)
    trace = whisper.trace(noise(0.3), language="pt")
    assert asked == [0.0, 0.2, 0.4] and trace.target[3].id == 64 and doubt(trace.options) == ""
    assert (trace.options["decoding"], trace.options["temperature"]) == ("sampled", 0.4)
    sure = {0.0: -2.0, 0.2: -1.5}
    asked.clear()
    trace = whisper.trace(noise(0.3), language="pt")
    assert asked == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] and trace.target[3].id == 62
    assert "mean log-probability -1.50" in doubt(trace.options)
    asked.clear()
    monkeypatch.setattr(listener, "PATIENCE", -1.0)
    with prompt(lambda job: None):  # as on a page, where others wait
        trace = whisper.trace(noise(0.3), language="pt")
    assert asked == [0.0] and trace.target[3].id == 60
    assert "(mean log-probability -2.00); of 6 tries 1 were made" in doubt(trace.options)
    assert "tries" not in whisper.trace(noise(0.3), language="pt").options and len(asked) == 7
    asked.clear()
    off = Interventions(heads=(Head("cross", 0, 1),))
    assert whisper.trace(noise(0.3), language="pt", interventions=off).target[3].id == 60 and asked == [0.0]
    silence = 0.9
    trace = whisper.trace(noise(0.3), language="pt")
    assert trace.output == "" and [label.special for label in trace.target] == [True] * 4
    assert trace.words == () and "nobody speaks here" in doubt(trace.options)
    assert whisper.transcribe(noise(0.3), language="pt") == ""
    sure = {0.0: -0.5}
    assert whisper.trace(noise(0.3), language="pt").target[3].id == 60, (
        "likely words are kept whatever else it says"
    )


def test_what_is_drawn_is_repeatable_and_near_zero_the_likeliest(whisper: Listener) -> None:
    """The same clip gives the same draw; near 0 it is the likeliest, and higher another one."""
    features, frames = whisper.log_mel(noise(0.3))
    heard = whisper.runtime.hear(features, frames=frames)
    one, again = (whisper.runtime.decode(heard, prefix=[293, 296, 300], temperature=1.0) for _ in range(2))
    assert one == again and one[:3] == [293, 296, 300]
    cold = whisper.runtime.decode(heard, prefix=[293, 296, 300], temperature=1e-6)
    assert cold == whisper.runtime.decode(heard, prefix=[293, 296, 300])
    assert len({tuple(whisper.runtime.decode(heard, temperature=t)) for t in (0.5, 1.0, 2.0, 4.0)}) > 1


def test_how_surely_words_are_heard_stands_in_the_options(own: Listener) -> None:
    listened = own.listen(noise(0.5))
    trace = own.trace(listened)
    likely = own.ctc(listened)
    assert likely is not None and trace.output
    tokens = [label.id or 0 for label in trace.target if not label.special]
    assert trace.options["ctc"] == round(ctc_path(likely[0], tokens)[1] / len(tokens), 3)
    steps = [step.log_probability for step in trace.steps]
    np.testing.assert_allclose(trace.options["log_probability"], np.mean(steps), atol=1e-3)
    assert "no_speech" not in trace.options and "ctc" not in own.trace(listened, target="one").options


def test_words_come_with_their_times(own: Listener) -> None:
    trace = own.trace(noise(0.6), target="one two", words=True)
    assert [word.text for word in trace.words] == ["one", "two"]
    assert 0 <= trace.words[0].start <= trace.words[1].start <= trace.words[1].end <= 0.64
    assert own.trace(noise(0.6), target="one two").words == ()


def test_error_rates_of_a_manifest(own: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {b"a": "One two!", b"b": "four six", b"c": ""}
    monkeypatch.setattr(own, "transcribe", lambda data, beams: answers[data], raising=True)
    rows = {"a": "one two", "b": "four five six", "c": "zero"}
    for name in rows:
        (tmp_path / name).write_bytes(name.encode())
    lines = ["path\ttranscript", *(f"{name}\t{text}" for name, text in rows.items())]
    (tmp_path / "test.tsv").write_text("\n".join(lines) + "\n")
    figures = measure(own, tmp_path / "test.tsv")
    # One word of six left out, one never heard.
    assert figures["wer"] == pytest.approx(100 * 2 / 6, abs=0.01) and figures["count"] == 3
    assert figures["cer"] == pytest.approx(100 * (5 + 4) / (7 + 13 + 4), abs=0.01)


def test_ctc_is_a_distribution_over_the_clip(own: Listener) -> None:
    features, _ = own.log_mel(noise(0.5))
    found = own.runtime.ctc(own.runtime.hear(features))
    assert found is not None and found.shape == (
        len(features) // 4 + (len(features) % 4 > 0),
        own.config.vocabulary,
    )
    np.testing.assert_allclose(np.exp(found.astype(np.float64)).sum(-1), 1, atol=1e-5)
