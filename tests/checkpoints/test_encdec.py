"""Published encoder-decoders against what the library that wrote them says: see `tests/golden/encdec.py`."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.checkpoints.golden import GOLDEN, expected, named, opened
from transformer.analysis.check import check_layer, mask_of
from transformer.checkpoints import foreign
from transformer.search.generate import beam, greedy

CLOSE = 1e-4
STEMS = ("t5", "mt5", "bart", "mbart", "m2m", "pegasus")
NAMES = named(*STEMS)
each = pytest.mark.parametrize("name", NAMES)


@functools.cache
def forward(name: str) -> Any:
    network, wanted = opened(name).network, expected(name)
    source, target = (wanted[key].astype(np.int32) for key in ("input_ids", "decoder_input_ids"))
    return network.forward(source, target, real=wanted["attention_mask"].astype(bool))


def by_row(attention: Any) -> np.ndarray:
    """(B, layers, H, T, S) -> (B, T, layers, H, S)."""
    return np.asarray(attention).transpose(0, 3, 1, 2, 4)


@each
def test_logits_maps_and_hidden_states_are_those_of_the_reference(name: str) -> None:
    network, wanted, found = opened(name).network, expected(name), forward(name)
    real = wanted["attention_mask"].astype(bool)
    # Behind the end of an answer padding is read, which M2M-100 gives no position.
    ends = [len(without_padding(row, network.config.end_id)) for row in wanted["greedy_ids"]]
    read = np.arange(wanted["decoder_input_ids"].shape[1]) < np.array(ends)[:, None]
    np.testing.assert_allclose(np.asarray(found.logits)[read], wanted["logits"][read], atol=CLOSE)
    for kind, rows in (("encoder", real), ("decoder", read), ("cross", read)):
        maps = by_row(wanted[f"{kind}_attentions"].transpose(1, 0, 2, 3, 4))
        assert maps.max() > 0.5  # some head looks at something
        np.testing.assert_allclose(by_row(getattr(found, kind))[rows], maps[rows], atol=CLOSE)
    for stack, inside, kind, rows in (
        (network.encoder, found.heard, "encoder", real),
        (network.decoder, found.inside, "decoder", read),
    ):
        streams = [*inside.streams[:-1], stack.finish(inside.streams[-1])]
        for stream, state in zip(streams, wanted[f"{kind}_hidden_states"], strict=True):
            np.testing.assert_allclose(np.asarray(stream)[rows], state[rows], atol=CLOSE)


def without_padding(row: Any, end: int) -> list[int]:
    ids = [int(i) for i in row]
    return ids[: ids.index(end) + 1] if end in ids else ids


@each
def test_it_writes_over_caches_as_the_reference_does(name: str) -> None:
    network, wanted = opened(name).network, expected(name)
    config = network.config
    source, room = wanted["input_ids"].astype(np.int32), 12  # as many as the reference was let write
    prefix = np.full((len(source), room), -1, np.int32)
    prefix[:, : len(config.prefix)] = config.prefix
    found = greedy(network, source, room, prefix, state=network.start(source, room)).ids
    for ours, theirs in zip(np.asarray(found), wanted["greedy_ids"], strict=True):
        assert without_padding(ours, config.end_id) == without_padding(theirs, config.end_id)
    if name not in ("t5-gated", "mbart-forced"):  # one search for all: with distances, and with a first token
        return
    found = beam(network, source, room, 3, 0.0, prefix=prefix[0], state=network.start(source, room)).ids
    for ours, theirs in zip(np.asarray(found), wanted["beam_ids"], strict=True):
        assert without_padding(ours[ours != -1], config.end_id) == without_padding(theirs, config.end_id)


@each
def test_a_trace_checks_itself_with_every_bias_and_scale(name: str) -> None:
    model, wanted = opened(name), expected(name)
    real = wanted["attention_mask"][0].astype(bool)
    source = wanted["input_ids"][0][real].tolist()
    target = without_padding(wanted["greedy_ids"][0], model.config.end_id)
    found = forward(name)
    n, m = len(source), len(target)
    shown = {"encoder": found.encoder[0], "decoder": found.decoder[0], "cross": found.cross[0]}
    for place, (kind, rows, keys) in enumerate((("encoder", n, n), ("decoder", m, m), ("cross", m, n))):
        for layer, weights in enumerate(np.asarray(shown[kind])):
            part = found.projections[place][layer]
            checks = check_layer(
                weights[:, :rows, :keys],
                np.asarray(part.query)[0, :, :rows],
                np.asarray(part.key)[0, :, :keys],
                model.config.attention(kind, layer),
                mask_of(kind, rows, keys),
                model.learned(kind, layer),
            )
            assert all(check.passed for check in checks), (kind, layer)
        assert model.config.relative(kind) is None or model.learned(kind, 0).relative.std() > 0.1


@pytest.fixture
def copy(tmp_path: Path) -> Any:
    return lambda name: Path(shutil.copytree(GOLDEN / name, tmp_path / name))


def edit(place: Path, **changes: Any) -> Path:
    known = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(known | changes))
    return place


def test_a_text_is_answered_and_repeats_with_a_head_off_and_a_look_cut() -> None:
    model = opened("t5-relu")
    trace = model.trace("The cat sat on the <extra_id_0> mat.")
    assert [label.text for label in trace.source if label.special] == ["extra_id_0", "end"]
    assert {m.kind: m.weights.shape[:2] for m in trace.maps} == {
        "encoder": (2, 3),
        "decoder": (1, 3),
        "cross": (1, 3),
    }
    again = model.trace(
        "The cat sat on the <extra_id_0> mat.",
        target_ids=[label.id for label in trace.target],
        interventions="h:e1.2;x:d1.1.3.1",
    )
    assert again["decoder"].weights[0, 0, 2, 0] == 0 and trace["decoder"].weights[0, 0, 2, 0] > 0
    assert not np.allclose(again["cross"].weights, trace["cross"].weights, atol=1e-3)
    assert model.shares(again, 1).difference < 1e-4  # with its scale of the output
    assert model.tasks == ("summarize: ", "translate English to German: ")
    # Positions are nothing but what distances add to scores.
    assert not np.allclose(
        model.trace("The cat sat.", target="a", position_scale=0)["encoder"].weights,
        model.trace("The cat sat.", target="a")["encoder"].weights,
        atol=1e-3,
    )


@pytest.mark.parametrize("name", ["mbart-forced", "m2m-scaled"])
def test_texts_are_read_in_the_language_that_is_chosen(name: str) -> None:
    model = opened(name)
    told = json.loads((GOLDEN / name / "expected_languages.json").read_text("utf-8"))
    codes = told["codes"]
    assert {code: model.tokenizer.languages.codes[code] for code in codes} == codes
    for row in told["texts"]:
        assert model.tokenizer.encode(row["text"], row["language"]).ids == row["ids"]
    assert model.into == model.tokenizer.languages.name(model.config.prefix[0]) != ""


def test_a_trace_is_told_its_languages() -> None:
    model = opened("m2m-scaled")
    codes = json.loads((GOLDEN / "m2m-scaled" / "expected_languages.json").read_text("utf-8"))["codes"]
    usual, other, third = codes
    trace = model.trace("The cat.", language=other, into=third, target="The mat.")
    assert trace.source[0].id == codes[other] and trace.target[0].id == codes[third]
    assert trace.options["language"] == other and trace.options["into"] == third
    assert [label.special for label in trace.target][:2] == [True, False] and trace.target[-1].id == 2
    own = model.trace("The cat.", into=third)
    assert own.options["language"] == usual and own.target[0].id == codes[third]
    assert model.translate(["The cat."])  # into the usual one
    with pytest.raises(ValueError, match=r"expected a language out of .*, received 'xx'"):
        model.trace("The cat.", into="xx")
    with pytest.raises(
        ValueError, match="expected no language for t5-relu, which is told none, received 'de'"
    ):
        opened("t5-relu").trace("The cat.", into="de")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("t5-relu", dict(architectures=["T5ForTokenClassification"]), "expected a T5 that writes, received one with"),
        ("t5-relu", dict(feed_forward_proj="gated-gelu-new"), "expected feed_forward_proj such as relu or gated-gelu"),
        ("t5-relu", dict(dense_act_fn="mish"), "expected dense_act_fn to be one of"),
        ("t5-relu", dict(is_decoder=True), "expected is_decoder to be False"),
        ("t5-relu", dict(relative_attention_num_buckets=2), "expected buckets of at least 4"),
        ("t5-relu", dict(relative_attention_max_distance=4), "expected farthest beyond 4 of 8 buckets"),
        ("t5-relu", dict(n_positions=10**9), "expected at most 100,000 positions"),
        ("t5-relu", dict(d_kv=None), "expected d_kv"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be_end_in_one_line(name: str, changes: Any, message: str, copy: Any) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        foreign.inspect(edit(copy(name), **changes))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_an_encoder_alone_is_no_translator(copy: Any) -> None:
    place = edit(copy("t5-relu"), architectures=["T5EncoderModel"])
    tensors = load_file(place / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("decoder.")}
    save_file(kept, place / "model.safetensors")
    with pytest.raises(ValueError, match=r"received an encoder alone, \['T5EncoderModel'\]"):
        foreign.inspect(place)


def test_what_repeats_the_table_of_tokens_may_stand_there_for_it(copy: Any) -> None:
    """Files hold a table that is used twice under any of its names."""
    place = copy("t5-relu")
    tensors = load_file(place / "model.safetensors")
    tensors["decoder.embed_tokens.weight"] = tensors.pop("shared.weight")
    save_file(tensors, place / "model.safetensors")
    found = foreign.weights(foreign.inspect(place))["source_embedding/tokens/embeddings"]
    np.testing.assert_array_equal(found, tensors["decoder.embed_tokens.weight"])


@pytest.mark.parametrize(
    ("said", "scale"),
    [
        (dict(tie_word_embeddings=True), 20**-0.5),
        (dict(tie_word_embeddings=False), 1.0),
        (dict(tie_word_embeddings=True, scale_decoder_outputs=False), 1.0),
    ],
    ids=str,
)
def test_what_scales_the_output_is_told_by_a_setting_and_its_table_by_the_files(
    said: Any, scale: float, copy: Any
) -> None:
    """One table that is not scaled, as in some that were tuned on: the reference goes by both."""
    place = copy("t5-relu")
    edit(place, **({"scale_decoder_outputs": None} | said))
    config = foreign.inspect(place).config
    assert config.task.scale == pytest.approx(scale) and config.task.tied
    assert foreign.inspect(GOLDEN / "t5-gated").config.task.tied is False
