"""Networks that are changed while they answer: every family, against the same network called plainly without caches."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toy, toy_writer
from tests.heads import check
from tests.models import test_recurrent
from transformer.analysis.check import mask_of
from transformer.ask import Ask
from transformer.config import END, START
from transformer.interventions import ALL, NONE, Head, Interventions, Patch
from transformer.models.altering import Alter, Gates, gates_of
from transformer.pipeline import Listener, TextReader, Translator, Writer
from transformer.runtime.common import IDS, alter_signature, alter_tensors, tf
from transformer.search.generate import length_penalty
from transformer.text.tokenizer import SubwordTokenizer
from transformer.trace import Trace

TEXT = "the cat sat on"
FAMILIES = ("seq2seq", "recurrent", "decoder", "encoder", "classes", "speech")
LONGEST = 16
CLIP = (np.random.default_rng(1).normal(size=6000) * 0.1).astype(np.float32)
FIRST = Head("encoder", 0, 0)
OFF = {
    "seq2seq": Interventions(heads=(FIRST, Head("decoder", 0, 1), Head("cross", 0, 1, 0.25))),
    "recurrent": Interventions(heads=(Head("cross", 0, 0, 0.5),)),
    "decoder": Interventions(heads=(Head("decoder", 0, 1),)),
    "encoder": Interventions(heads=(FIRST,)),
    "classes": Interventions(heads=(FIRST,)),
    "speech": Interventions(heads=(FIRST, Head("decoder", 0, 0), Head("cross", 0, 1))),
}


@cache
def tokenizer() -> SubwordTokenizer:
    return SubwordTokenizer.train(toy_writer.TEXTS, 60)


def config(family: str, longest: int = LONGEST, layers: int = 2) -> Any:
    sizes: dict[str, Any] = dict(vocabulary=tokenizer().size, max_source=longest, max_target=longest)
    if family in ("seq2seq", "speech"):
        sizes |= dict(encoder_layers=layers, decoder_layers=layers)
    if family == "recurrent":
        return test_recurrent.config(**sizes)
    if family == "decoder":
        return toy.decoder(**sizes, positions="learned")
    if family == "encoder":
        return toy.encoder(**sizes, output="masked_tokens")
    if family == "classes":
        return toy.encoder(**sizes, output="classes", classes=3)
    if family == "speech":
        return toy.config(**sizes, stem="t2t", stem_channels=3, shared_embeddings=False)
    return toy.config(**sizes, tied_logits=False, logits_bias=True)


@cache
def model(family: str) -> Any:
    """Its own network, with random weights; without XLA, so that no test waits for a compilation."""
    network = toy.network(config(family))
    if family == "seq2seq":  # one that likes to end, so that beams differ in length
        network.output_projection.bias.assign(np.eye(tokenizer().size, dtype=np.float32)[END] * 1.5)
    return opened(family, network, "off")


def opened(family: str, network: Any, xla: str) -> Any:
    kinds = {"decoder": Writer, "encoder": TextReader, "classes": TextReader, "speech": Listener}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADLIGHT_XLA", xla)
        return kinds.get(family, Translator)(family, network, tokenizer())


def given(family: str) -> Any:
    return CLIP if family == "speech" else TEXT


def ids_of(trace: Trace) -> list[int]:
    return [label.id for label in trace.target if label.id is not None]


def alter_of(family: str, interventions: Interventions, scale: float = 1.0) -> Alter:
    return Alter(gates_of(interventions, config(family).attention_shapes()), scale)


@cache
def whole_pass(family: str) -> Any:
    """Alter, then what the network is given, to logits: without caches, one graph for every length."""
    made = model(family)
    clip = tf.TensorSpec((None, *source_of("speech").shape[1:])) if family == "speech" else IDS
    return tf.function(
        lambda alter, *given: made.network.forward(*given, alter=alter).logits,
        autograph=False,
        input_signature=(
            alter_signature(made.config)._replace(edges=(), patches=()),
            *((IDS,) if family == "decoder" else (clip, IDS)),
        ),
    )


def source_of(family: str) -> np.ndarray:
    made = model(family)
    if family == "speech":
        return np.asarray(made.log_mel(CLIP)[0][None])
    return np.array([made.tokenizer.encode(TEXT).ids], np.int32)


def said(family: str, alter: Alter) -> Callable[[list[list[int]]], np.ndarray]:
    """Natural log-probabilities (rows, vocabulary) of what comes after written ids, by a whole pass without caches;
    what is never written is barred."""
    made, tensors = model(family), alter_tensors(config(family), alter)
    barred = [*made.config.suppressed, *([END] if family == "decoder" else [])]

    def log_p(rows: list[list[int]]) -> np.ndarray:
        if family == "decoder":
            given = [[[*made.encode(TEXT), *written] for written in rows]]
        else:
            given = [np.repeat(source_of(family), len(rows), 0), [[START, *written] for written in rows]]
        logits = whole_pass(family)(tensors, *(tf.constant(side) for side in given))
        found = np.log(toy.softmax(np.asarray(logits)[:, -1].astype(np.float64)))
        found[:, barred] = -np.inf
        return np.asarray(found)

    return log_p


def plain_greedy(log_p: Callable[[list[list[int]]], np.ndarray], limit: int) -> list[int]:
    written: list[int] = []
    while len(written) < limit and END not in written:
        written.append(int(log_p([written])[0].argmax()))
    return written


def plain_beam(log_p: Callable[[list[list[int]]], np.ndarray], beams: int, alpha: float) -> list[int]:
    def ranked(hypothesis: tuple[list[int], float]) -> float:
        return hypothesis[1] / float(length_penalty(len(hypothesis[0]), alpha))

    alive: list[tuple[list[int], float]] = [([], 0.0)]
    for _ in range(LONGEST):
        longer = [one for one in alive if END in one[0]]
        begun = [one for one in alive if END not in one[0]]
        if not begun:
            break
        for (written, score), found in zip(begun, log_p([written for written, _ in begun]), strict=True):
            longer += [([*written, int(i)], score + found[i]) for i in np.argsort(-found)[:beams]]
        alive = sorted(longer, key=ranked, reverse=True)[:beams]
    return max(alive, key=ranked)[0]


@pytest.mark.parametrize("family", ["seq2seq", "recurrent", "speech"])
@pytest.mark.parametrize("beams", [1, 3])
def test_what_is_written_is_what_the_changed_network_says(family: str, beams: int) -> None:
    trace = model(family).trace(given(family), beams=beams, interventions=OFF[family])
    log_p = said(family, alter_of(family, OFF[family]))
    expected = plain_greedy(log_p, LONGEST) if beams == 1 else plain_beam(log_p, 3, 0.6)
    assert ids_of(trace) == expected
    # And recorded by the same network.
    for t in (0, len(expected) - 1):
        found = log_p([expected[:t]])[0, expected[t]]
        assert trace.steps[t].log_probability == pytest.approx(found, abs=1e-4)


def test_a_writer_goes_on_as_the_changed_network_says() -> None:
    made, off = model("decoder"), OFF["decoder"]
    for scale in (1.0, 0.0):
        trace = made.trace(TEXT, tokens=6, interventions=off, position_scale=scale)
        log_p = said("decoder", alter_of("decoder", off, scale))
        assert ids_of(trace)[-6:] == plain_greedy(log_p, 6)
        plain = made.trace(TEXT, target_ids=ids_of(trace)[-6:])
        assert abs(plain.steps[-1].log_probability - trace.steps[-1].log_probability) > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trace_says_what_was_changed_and_its_numbers_can_be_checked(family: str, tmp_path: Path) -> None:
    made, off = model(family), OFF[family]
    plain = made.trace(given(family))
    assert "interventions" not in plain.options and "position_scale" not in plain.options
    scale = 1.0 if family == "recurrent" else 0.5
    trace = made.trace(given(family), interventions=off, position_scale=scale)
    assert trace.options["interventions"] == off.text()
    assert trace.options.get("position_scale", 1.0) == scale
    if trace.positions is not None and plain.positions is not None:
        rows = min(len(trace.positions), len(plain.positions))
        np.testing.assert_allclose(trace.positions[:rows], plain.positions[:rows] / 2, atol=1e-7)
    trace.save(tmp_path / "x.npz")
    again = Trace.load(tmp_path / "x.npz")
    assert again.options == trace.options
    parts = made.projections(again)
    assert list(parts) == ([] if family == "recurrent" else list(trace))
    for kind, part in parts.items():
        shown = trace[kind].weights
        mask = mask_of(kind, *shown.shape[2:])
        for layer, head in np.ndindex(*shown.shape[:2]):
            found = check(shown[layer, head], part.queries[layer, head], part.keys[layer, head], mask)
            assert found.passed, (kind, layer, head, found.largest)
    # Without what was changed they would explain other numbers.
    forgotten = Trace(
        trace.maps,
        trace.output,
        trace.steps,
        source=trace.source,
        target=trace.target,
        spectrogram=trace.spectrogram,
        model=trace.model,
    )
    for kind, part in made.projections(forgotten).items():
        assert np.abs(part.queries - parts[kind].queries).max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", ["h:e99.1", "h:q", "<b>", "x:x99.1.1.1", "p:sd1.1", "h:e1.1,x1.1,d1.1=nan"])
def test_options_that_cannot_be_are_refused(family: str, text: str) -> None:
    made, plain = model(family), model(family).trace(given(family))
    for name, value in (("interventions", text), ("interventions", 3), ("position_scale", "1")):
        bad = Trace(
            plain.maps,
            "",
            plain.steps,
            source=plain.source,
            target=plain.target,
            spectrogram=plain.spectrogram,
            model=made.name,
            options={name: value},
        )
        with pytest.raises(ValueError, match=r"^expected .*, received") as error:
            made.projections(bad)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "recurrent"])
def test_a_layer_without_heads_adds_its_bias_alone(family: str) -> None:
    """As the same network with an output projection of zeros, whose bias stays."""
    made, other = model(family), toy.network(config(family))
    for mine, theirs in zip(other.weights, model(family).network.weights, strict=True):
        mine.assign(theirs)
    kinds = list(made.config.attention_shapes())
    for kind in kinds:
        stack = other.encoder if kind == "encoder" else other.decoder
        layer = stack.blocks[0].cross_attention if kind == "cross" else stack.blocks[0].self_attention
        layer.output_projection.kernel.assign(np.zeros((8, 8), np.float32))
    off = Interventions(heads=tuple(Head(kind, 0, ALL) for kind in kinds))
    target = {} if family in ("encoder", "classes") else {"target": "a dog"}
    one = made.trace(given(family), interventions=off, **target)
    two = opened(family, other, "off").trace(given(family), **target)
    assert one.output == two.output
    for name in one:
        np.testing.assert_allclose(one[name].weights, two[name].weights, atol=1e-5)
    np.testing.assert_allclose(
        [step.log_probability for step in one.steps], [step.log_probability for step in two.steps], atol=1e-4
    )


def rows_of(family: str) -> tuple[Alter, list[Alter]]:
    """Three ways to change a network, as one batch and alone."""
    shapes = config(family).attention_shapes()
    rng = np.random.default_rng(3)
    gates = {kind: rng.integers(0, 2, (3, *shape)).astype(np.float32) for kind, shape in shapes.items()}
    scales = np.array([1.0, 0.5, 0.0], np.float32)
    alone = [Alter(Gates(**{k: g[i : i + 1] for k, g in gates.items()}), scales[i]) for i in range(3)]
    return Alter(Gates(**gates), scales), alone


def assert_same(one: Any, other: Any) -> None:
    for mine, theirs in zip(one, other, strict=True):
        if mine is not None:
            np.testing.assert_allclose(mine, theirs, atol=1e-5)


@pytest.mark.parametrize("family", ["seq2seq", "recurrent"])
def test_rows_at_once_are_what_they_are_alone(family: str) -> None:
    runtime = model(family).runtime
    together, alone = rows_of(family)
    sources, target = [[5, 6, 7, END], [8, 9, END], [4, END]], [7, 6, 5, END]
    for own in (sources[:1], sources):
        found = runtime.record_rows(own, [target], together)
        for i, alter in enumerate(alone):
            assert_same(found[i], runtime.record(own[i % len(own)], target, alter))
        for beams in (1, 3):
            written = runtime.decode_rows(own, beams=beams, alter=together)
            for i, alter in enumerate(alone):
                single = runtime.decode(own[i % len(own)], beams=beams, alter=alter)
                assert written[i] == single


def test_rows_of_the_other_families_are_what_they_are_alone() -> None:
    together, alone = rows_of("decoder")
    writer, rows = model("decoder").runtime, [[5, 6, 7, 8], [9, 8], [4, 5, 6]]
    for own in (rows[:1], rows):
        for i, found in enumerate(writer.record_rows(own, together)):
            assert_same(found, writer.record(own[i % len(own)], alone[i]))
    for family in ("encoder", "classes"):
        together, alone = rows_of(family)
        reader = model(family).runtime
        for own in (rows[:1], rows):
            for i, read in enumerate(reader.record_rows(own, None, together)):
                assert_same(read, reader.record(own[i % len(own)], None, alone[i]))
    together, alone = rows_of("speech")
    speech, features = model("speech").runtime, model("speech").log_mel(CLIP)[0]
    heard = speech.hear(features, together)
    found = speech.record_rows(heard, [[5, 6, END]], together)
    for i, alter in enumerate(alone):
        assert_same(found[i], speech.record(speech.hear(features, alter), [5, 6, END], alter))


@pytest.mark.parametrize("family", FAMILIES)
def test_factors_of_one_leave_every_bit(family: str) -> None:
    """In the graphs: gates of ones and no gates give the same tensors."""
    made = model(family)
    ones = Interventions(heads=(Head("cross", 0, 0, 0.5), Head("cross", 0, 0, 2.0)))
    assert ones == NONE
    one, other = made.trace(given(family)), made.trace(given(family), interventions=ones, position_scale=1.0)
    assert one.steps == other.steps and one.output == other.output
    for kind in one:
        np.testing.assert_array_equal(one[kind].weights, other[kind].weights)


@pytest.mark.parametrize("family", ["seq2seq", "classes", "speech"])
def test_without_xla_the_numbers_are_the_same(family: str) -> None:
    network = toy.network(config(family, layers=1))
    made, other = opened(family, network, "off"), opened(family, network, "on")
    for runtime, shared in ((made.runtime, True), (other.runtime, False)):
        pairs = [value for value in vars(runtime).values() if hasattr(value, "few")]
        assert pairs and all((pair.few is pair.any) == shared for pair in pairs)
    settings: list[dict[str, Any]] = [{}, dict(interventions=OFF[family])]
    if family == "seq2seq":  # greedy decoding is the pass that tests/runtime compares
        settings = [dict(beams=3), dict(beams=3, interventions=OFF[family])]
    for setting in settings:
        one, two = made.trace(given(family), **setting), other.trace(given(family), **setting)
        assert one.output == two.output
        for kind in one:
            np.testing.assert_allclose(one[kind].weights, two[kind].weights, atol=1e-5)
        for step, same in zip(one.steps, two.steps, strict=True):
            assert step.log_probability == pytest.approx(same.log_probability, abs=1e-4)


def test_an_output_that_never_ends_waits_for_no_compilation() -> None:
    network = toy.network(config("seq2seq", 40, layers=1))
    network.output_projection.bias.assign(np.eye(tokenizer().size, dtype=np.float32)[END] * -50)
    made = Translator("endless", network, tokenizer())
    made.warm((16,), (1, 2), beyond=True)
    runtime = made.runtime
    watched = [runtime._greedy, runtime._forced, *runtime._beams.values()]

    def counts() -> list[int]:
        return [graph.experimental_get_tracing_count() for pair in watched for graph in (pair.few, pair.any)]

    before = counts()
    for beams in (1, 2):
        whole = made.trace("the", beams=beams)
        assert len(whole.target) == 40 and "stopped" not in whole.options
        cut = made.trace("the", beams=beams, interventions=OFF["seq2seq"])
        assert len(cut.target) == cut.options["stopped"] == 32
    chosen = made.trace("the", choices=[(25, 1)], interventions=OFF["seq2seq"])
    assert chosen.options["stopped"] == len(chosen.target) == 40
    assert counts() == before


@pytest.mark.parametrize("family", FAMILIES)
def test_a_question_is_answered_as_its_friendly_form(family: str) -> None:
    made, clip = model(family), CLIP if family == "speech" else None
    text = "" if family == "speech" else TEXT
    ask = Ask(model=family, given=text, interventions=OFF[family])
    one, other = made.ask(ask, clip), made.trace(given(family), interventions=OFF[family])
    assert (one.output, one.steps, one.options) == (other.output, other.steps, other.options)


KNOWN = {
    "seq2seq": {"target", "target_ids", "choices", "beams", "alpha"},
    "recurrent": {"target", "target_ids", "choices", "beams", "alpha"},
    "decoder": {"target", "target_ids", "tokens"},
    "encoder": {"second", "masked"},
    "classes": {"second", "masked"},
    "speech": {"target", "target_ids", "beams", "language", "task", "name", "whole", "words"},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_family_does_not_know_is_refused_by_name(family: str) -> None:
    made = model(family)
    values: dict[str, Any] = dict(
        second="b",
        target="",
        target_ids=(5,),
        choices=((0, 1),),
        masked=(1,),
        beams=2,
        alpha=0.5,
        tokens=2,
        language="en",
        task="translate",
        name="x",
        whole=True,
        words=True,
    )
    for name, value in values.items():
        if name not in KNOWN[family]:
            with pytest.raises(ValueError, match=f"^expected no {name} for "):
                made.ask(Ask(model=family, given=TEXT, **{name: value}), CLIP)
    if "second" in KNOWN[family]:  # which its tokenizer has to know as well
        with pytest.raises(ValueError, match=r"expected one text for .*, received two"):
            made.ask(Ask(model=family, given=TEXT, second="b"), CLIP)
    with pytest.raises(ValueError, match=r"^expected .*(another run|other text)"):
        made.trace(given(family), interventions=Interventions(patches=(Patch("stream", "encoder", 0, 0),)))
    with pytest.raises(ValueError, match=r"received layer 9, head 1|received one in"):
        made.trace(given(family), interventions=Interventions(heads=(Head("encoder", 8, 0),)))


def test_answers_are_forced_as_what_they_are() -> None:
    translator, writer, listener = (model(family) for family in ("seq2seq", "decoder", "speech"))
    empty = translator.trace(TEXT, target="")
    assert ids_of(empty) == [END] and empty.output == "" and empty.options["decoding"] == "forced"
    assert ids_of(listener.trace(CLIP, target="")) == [END]
    assert ids_of(writer.trace(TEXT, target="")) == ids_of(writer.trace(TEXT))
    # Ids are not tokenised again.
    own = translator.trace(TEXT, interventions=OFF["seq2seq"])
    forced = translator.trace(TEXT, target_ids=ids_of(own), interventions=OFF["seq2seq"])
    assert forced.target == own.target and forced.options["decoding"] == "forced"
    assert [s.log_probability for s in forced.steps] == [s.log_probability for s in own.steps]
    assert ids_of(listener.trace(CLIP, target_ids=(7, 9))) == [7, 9]
    assert ids_of(writer.trace(TEXT, target_ids=(7, 9)))[-2:] == [7, 9]
    with pytest.raises(ValueError, match="expected ids from"):
        translator.trace(TEXT, target_ids=(9999,))


def test_choices_are_said_and_so_is_what_came_after_them() -> None:
    trace = model("seq2seq").trace(TEXT, beams=3, choices=[(0, 1)])
    assert trace.options["choices"] == "0.1" and trace.options["decoding"] == "greedy"
    assert trace.options["beams"] == 3  # how what stands before the choice was found


def test_a_clip_that_was_heard_remembers_how() -> None:
    listener, off = model("speech"), OFF["speech"]
    heard = listener.listen(CLIP, off)
    one, other = listener.trace(heard), listener.trace(CLIP, interventions=off)
    assert one.options == other.options and one.options["interventions"] == off.text()
    assert one.steps == other.steps
    with pytest.raises(ValueError, match="expected a clip that was heard with"):
        listener.trace(listener.listen(CLIP), interventions=off)
    with pytest.raises(ValueError, match="expected a clip that was heard with"):
        listener.trace(heard, position_scale=0.5)


def test_measures_of_a_reader_act_on_the_changed_network() -> None:
    reader, off = model("classes"), OFF["classes"]
    plain, changed = reader.trace(TEXT), reader.trace(TEXT, interventions=off)
    alter, ids = alter_of("classes", off), [label.id for label in changed.source]
    for measure in (reader.gradient_times_input, reader.leave_one_out):
        assert np.abs(measure(plain, 1) - measure(changed, 1)).max() > 1e-4
    logits = np.asarray(reader.network.forward(np.array([ids]), alter=alter).logits)
    np.testing.assert_allclose(reader.runtime.scores([ids], None, alter), logits, atol=1e-5)


def test_gates_of_no_map_or_of_other_rows_are_refused() -> None:
    runtime = model("recurrent").runtime
    with pytest.raises(ValueError, match="expected gates"):
        runtime.record([5, END], [5, END], Alter(Gates(encoder=np.ones((1, 1)))))
    gates = Gates(cross=np.ones((3, 1, 1)))
    with pytest.raises(ValueError, match="of 1 or 3 rows, received 2"):
        runtime.record_rows([[5, END]], [[5, END]], Alter(gates, np.ones(2)))
    with pytest.raises(ValueError, match="expected 1 or 3 rows of ids, received 2"):
        runtime.record_rows([[5, END]] * 2, [[5, END]], Alter(gates))


@pytest.mark.parametrize("family", ["seq2seq", "decoder", "encoder", "speech"])
def test_a_change_may_be_given_as_its_text(family: str) -> None:
    made, change = model(family), OFF[family]
    by_text = made.trace(given(family), interventions=change.text())
    assert by_text.options["interventions"] == change.text()
    assert by_text.output == made.trace(given(family), interventions=change).output
    with pytest.raises(ValueError, match=r"expected changes such as h:e2\.3"):
        made.trace(given(family), interventions="nonsense")
