"""Configurations are strict, survive JSON, old ones open as they were, and what nothing implements is said."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from safetensors import safe_open

from tests import toy
from transformer import home
from transformer.checkpoints import folder
from transformer.config import (
    Attention,
    Embedding,
    FeedForward,
    ModelConfig,
    Norm,
    Record,
    Recurrent,
    Relative,
    Rotary,
    Sound,
    Special,
    Stack,
    Table,
    Task,
    implemented,
)
from transformer.config.flat import FirstFormat
from transformer.models.assembly import assemble

FIRST = sorted((home.ROOT / "tests" / "golden" / "config-v1").glob("*.json"))
MODELS = home.models()


def nested(**changes: Any) -> dict[str, Any]:
    """An encoder-decoder of the second format as JSON gives it, fields within it changed as `toy.changed` does."""
    return json.loads(json.dumps(toy.changed(toy.config(), **changes).to_dict()))


def first(path: Path) -> dict[str, Any]:
    """A file of the first format without the family."""
    return {name: value for name, value in json.loads(path.read_text()).items() if name != "family"}


@pytest.mark.parametrize("path", FIRST, ids=lambda path: path.stem)
def test_an_old_file_is_the_network_that_it_was(path: Path) -> None:
    """The shipped files of the second format say every field, the same network, and the names of its weights."""
    shipped = MODELS / path.stem
    config = folder.load_config(shipped)
    assert ModelConfig.from_dict(first(path)) == config
    values = json.loads((shipped / folder.CONFIG).read_text())
    assert values.pop("family") == config.family == json.loads(path.read_text())["family"]
    assert values == json.loads(json.dumps(config.to_dict()))
    network = assemble(config)
    network.build()
    with safe_open(shipped / folder.WEIGHTS, "numpy") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    assert {name: tuple(v.shape) for name, v in folder.variable_names(network).items()} == shapes


def test_the_nine_old_files_are_there() -> None:
    assert {path.stem for path in FIRST} == {path.parent.name for path in MODELS.glob("*/config.json")}
    assert len(FIRST) == 9 and len(dataclasses.fields(FirstFormat)) == 55


def test_folders_are_upgraded_in_place(tmp_path: Path) -> None:
    for path in FIRST[:2]:
        (tmp_path / path.stem).mkdir()
        (tmp_path / path.stem / "config.json").write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "transformer.config.upgrade"]
    for _ in range(2):  # the second time there is nothing left to do
        subprocess.run(
            [*command, *(str(tmp_path / path.stem) for path in FIRST[:2])], cwd=home.ROOT, check=True
        )
        for path in FIRST[:2]:
            written = (tmp_path / path.stem / "config.json").read_bytes()
            assert written == (MODELS / path.stem / "config.json").read_bytes()
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    for place, message in (
        (tmp_path, "expected a configuration of this project"),
        (tmp_path / "no", "No such"),
    ):
        found = subprocess.run(
            [*command, str(place)], cwd=home.ROOT, capture_output=True, text=True, check=False
        )
        assert found.returncode == 1 and message in found.stderr and "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(widht=8), "received unknown widht"),
        (dict(width=8.0), "expected width to be a whole number, received 8.0"),
        (dict(width=True), "expected width to be a whole number, received True"),
        (dict(width=None), "expected width to be a whole number, received None"),
        (dict(width=10**400), "expected width to be a whole number"),
        (dict(dropout="0.1"), "expected dropout to be a number, received '0.1'"),
        (dict(dropout=False), "expected dropout to be a number, received False"),
        (dict(format=3), "expected format to be one of 2, received 3"),
        (dict(format=2.0), "expected format to be one of 2, received 2.0"),
        (dict(tokens="words"), "expected tokens to be one of subwords, characters, received 'words'"),
        (dict(encoder=7), "expected encoder to be an object, received 7"),
        (dict(encoder__layers="2"), "expected encoder.layers to be a whole number, received '2'"),
        (dict(encoder__attention=None), "expected encoder.attention to be an object, received None"),
        (
            dict(encoder__attention={"heads": 2}),
            "expected encoder.attention.head_width, received Attention without",
        ),
        (dict(encoder__attention__haeds=2), "fields of Attention, received unknown encoder.attention.haeds"),
        (
            dict(encoder__attention__heads=2.5),
            "expected encoder.attention.heads to be a whole number, received 2.5",
        ),
        (
            dict(encoder__attention__key_bias=1),
            "expected encoder.attention.key_bias to be true or false, received 1",
        ),
        (dict(decoder__cross__rotary={"theta": "x"}), "expected decoder.cross.rotary.theta to be a number"),
        (
            dict(decoder__norm__place="above"),
            "expected decoder.norm.place to be one of pre, post, both, after",
        ),
        (dict(decoder__table__kind=["halves"]), "expected decoder.table.kind to be one of"),
        (
            dict(decoder__pattern=["global", "near"]),
            r"expected decoder.pattern\[1\] to be one of global, local",
        ),
        (dict(special__suppressed=3), "expected special.suppressed to be a list, received 3"),
        (dict(special__prefix=[True]), r"expected special.prefix\[0\] to be a whole number, received True"),
        (dict(task__names="ab"), "expected task.names to be a list, received 'ab'"),
        (dict(task__names=["a", 1]), r"expected task.names\[1\] to be text, received 1"),
        (dict(source__scale=True), "expected source.scale to be a number, received True"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_path(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nested(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(widht=8), "expected the fields of FirstFormat, received unknown widht"),
        (dict(width=8.0), "expected width to be a whole number, received 8.0"),
        (dict(key_bias=1), "expected key_bias to be true or false, received 1"),
        (dict(norm="layer"), "expected norm to be one of pre, post, received 'layer'"),
        (dict(target_positions="rotary"), "expected target_positions to be one of same, interleaved"),
        (dict(suppressed=[1, -1]), "expected ids from 0 to 7999 in special.suppressed, received -1"),
        (dict(width=0), "expected width of at least 1, received 0"),
        (dict(vocabulary=0), "expected vocabulary of at least 1, received 0"),
        (dict(encoder_layers=0, decoder_layers=0), "expected layers in at least one stack, received none"),
        (dict(width=12, heads=5), "expected a width divisible by the heads, received 12 and 5 heads"),
        (dict(decoder_heads=7), "expected a width divisible by the heads, received 512 and 7 heads"),
        (dict(decoder_heads=-1), "expected a width divisible by the heads, received 512 and -1 heads"),
        (
            dict(positions="none", position_offset=2),
            "expected a table where there is an offset, received none",
        ),
        (
            dict(positions="learned", target_positions="none", position_offset=1),
            r"expected a table where there is an offset, received none \(in decoder.table\)",
        ),
        (dict(encoder_layers=0, stem="t2t"), "expected a source or sound, one of them, for what reads alone"),
        (dict(encoder_layers=0, ctc=True), "expected an encoder where there is sound or ctc, received none"),
        (dict(source_vocabulary=9), "expected source and target alike where shared_embeddings is set"),
    ],
)
def test_an_old_file_that_could_not_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig.from_dict(values)


ATTENTION = Attention.split(8, 2)
FEED = FeedForward(width=12)


def stack(**changes: Any) -> Stack:
    return Stack(**(dict(layers=2, attention=ATTENTION, feed_forward=FEED) | changes))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Attention(heads=0, head_width=4), "expected heads of at least 1, received 0"),
        (lambda: Attention(heads=2, head_width=0), "expected head_width of at least 1, received 0"),
        (
            lambda: Attention(heads=4, head_width=2, key_heads=3),
            "divisible by the key_heads, received 4 and 3",
        ),
        (lambda: Attention(heads=4, head_width=2, window=-1), "expected window of at least 0, received -1"),
        (lambda: Attention(heads=4, head_width=2, scale=float("inf")), "expected scale of at least 0"),
        (lambda: Attention(heads=4, head_width=2, dropout=float("nan")), r"expected dropout in \[0, 1\)"),
        (lambda: Rotary(share=0.0), "expected a share above 0 and at most 1, received 0.0"),
        (lambda: Rotary(theta=-1.0), "expected theta above 0, received -1.0"),
        (lambda: Relative(buckets=0), "expected buckets of at least 4, received 0"),
        (lambda: Norm(epsilon=0.0), "expected epsilon between 0 and 1, received 0.0"),
        (lambda: FeedForward(width=0), "expected width of at least 1, received 0"),
        (lambda: FeedForward(width=1, first_kernel=0), "expected first_kernel of at least 1, received 0"),
        (lambda: Table(kind="learned", offset=-1), "expected offset of at least 0, received -1"),
        (lambda: stack(layers=0), "expected layers of at least 1, received 0"),
        (lambda: stack(pattern=("global",)), "expected a pattern of 2 layers, received 1 of them"),
        (lambda: stack(pattern=("global", "local")), "expected local attention where the pattern says so"),
        (lambda: stack(local=ATTENTION), "expected local attention where the pattern says so"),
        (lambda: Embedding(vocabulary=0), "expected vocabulary of at least 1, received 0"),
        (lambda: Embedding(vocabulary=1, types=-1), "expected types of at least 0, received -1"),
        (lambda: Embedding(vocabulary=1, scale=0.0), "expected a scale above 0"),
        (lambda: Sound(kind="t2t", bins=0), "expected bins of at least 1, received 0"),
        (lambda: Sound(kind="t2t", prior_frames=-1), "expected prior_frames of at least 0, received -1"),
        (lambda: Recurrent(kind="lstm"), "expected an embedding_width with lstm alone, received 0 and lstm"),
        (lambda: Recurrent(kind="gru", embedding_width=3), "expected an embedding_width with lstm alone"),
        (
            lambda: Task(kind="classes"),
            "expected classes with a task that names them, received 0 and classes",
        ),
        (lambda: Task(kind="vectors", classes=2), "expected classes with a task that names them"),
        (lambda: Task(kind="classes", classes=2, names=("a",)), "expected 2 names, received 1"),
        (lambda: Task(dropout=1.5), r"expected dropout in \[0, 1\), received 1.5"),
        (lambda: Task(softcap=-1.0), "expected softcap of at least 0, received -1.0"),
        (lambda: Task(scale=0.0), "expected scale above 0, received 0.0"),
    ],
)
def test_each_record_has_its_own_checks(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(width=0), "expected width of at least 1, received 0"),
        (dict(max_source=0), "expected max_source of at least 1, received 0"),
        (dict(max_target=-1), "expected max_target of at least 1, received -1"),
        (dict(dropout=1.0), r"expected dropout in \[0, 1\), received 1.0"),
        (dict(width=3), "expected an even width for the sinusoids of encoder, received 3"),
        (
            dict(encoder__table__kind="learned", width=3),
            "expected an even width for the sinusoids of decoder",
        ),
        (dict(encoder=None, decoder=None), "expected layers in at least one stack, received none"),
        (dict(encoder=None), "expected a source or sound, one of them, for what reads alone, received 1"),
        (
            dict(sound={"kind": "t2t"}),
            "expected a source or sound, one of them, for what reads alone, received 2",
        ),
        (dict(source=None), "expected a source or sound, one of them, for what reads alone, received 0"),
        (dict(target=None), "expected a target for what writes alone"),
        (
            dict(decoder__cross=None),
            "expected cross of decoder where a decoder looks at an encoder, received None",
        ),
        (
            dict(encoder__cross=ATTENTION.to_dict()),
            "expected cross of encoder where a decoder looks at an encoder",
        ),
        (dict(source__vocabulary=9), "expected source and target alike where shared_embeddings is set"),
        (dict(recurrent={"kind": "gru"}), "expected stacks or recurrent, received both"),
        (dict(task__kind="vectors"), "expected the task tokens of what writes alone, received vectors"),
        (
            dict(special__start=-1),
            "expected a special.start where a decoder answers an encoder, received none",
        ),
        (dict(special__end=23), "expected special.end from 0 to 22, or -1 for none, received 23"),
        (dict(special__mask=-2), "expected special.mask from 0 to 22, or -1 for none, received -2"),
        (dict(special__suppressed=[90]), "expected ids from 0 to 22 in special.suppressed, received 90"),
        (dict(special__suppressed_first=[-1]), "expected ids from 0 to 22 in special.suppressed_first"),
        (dict(special__prefix=[23]), "expected ids from 0 to 22 in special.prefix, received 23"),
        (
            dict(encoder__norm__epsilon=0.0),
            r"expected epsilon between 0 and 1, received 0.0 \(in encoder.norm\)",
        ),
    ],
)
def test_a_network_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nested(**values)


def test_a_decoder_alone_has_no_convolution() -> None:
    with pytest.raises(ValueError, match="expected a feed-forward without convolution in a decoder alone"):
        toy.decoder(feed_forward_kind="conv_relu_conv")
    with pytest.raises(ValueError, match="expected the task tokens of what writes alone, received tokens"):
        toy.config(decoder_layers=0)


@pytest.mark.parametrize(
    ("values", "family", "shapes"),
    [
        (dict(), "seq2seq", {"encoder": (2, 2), "decoder": (2, 2), "cross": (2, 2)}),
        (
            dict(decoder_heads=4, encoder_layers=3),
            "seq2seq",
            {"encoder": (3, 2), "decoder": (2, 4), "cross": (2, 4)},
        ),
        (dict(encoder_layers=0), "decoder", {"decoder": (2, 2)}),
        (dict(decoder_layers=0, output="masked_tokens"), "encoder", {"encoder": (2, 2)}),
        (dict(stem="whisper"), "speech", {"encoder": (2, 2), "decoder": (2, 2), "cross": (2, 2)}),
        (
            dict(recurrence="gru", encoder_layers=1, decoder_layers=1, heads=1, positions="none"),
            "recurrent",
            {"cross": (1, 1)},
        ),
        (
            dict(recurrence="lstm", encoder_layers=0, decoder_layers=1, embedding_width=3, positions="none"),
            "recurrent_decoder",
            {},
        ),
    ],
)
def test_the_layers_say_which_family_it_is(values: dict[str, Any], family: str, shapes: dict) -> None:
    config = toy.config(**values)
    assert (config.family, config.attention_shapes()) == (family, shapes)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_each_map_has_its_own_attention() -> None:
    config = toy.config(decoder_heads=4)
    assert [config.attention(kind).heads for kind in ("encoder", "decoder", "cross")] == [2, 4, 4]
    with pytest.raises(ValueError, match="expected one of decoder, received 'cross'"):
        toy.decoder().attention("cross")


def test_heads_share_the_width_or_have_one_of_their_own() -> None:
    shared = Attention.split(512, 8)
    assert (shared.head_width, shared.joined, shared.factor) == (64, 512, 1 / 8)
    apart = Attention(heads=8, head_width=128, scale=1.0)
    assert (apart.joined, apart.factor) == (1024, 1.0)


def test_a_decoder_has_sizes_and_positions_of_its_own_or_those_of_the_encoder() -> None:
    alike = ModelConfig.from_dict({})
    for own in (alike.encoder, alike.decoder):
        assert own and (own.attention.heads, own.feed_forward.width, own.table.kind) == (
            8,
            2048,
            "interleaved",
        )
    other = ModelConfig.from_dict(
        dict(decoder_heads=4, decoder_feed_forward=100, target_positions="learned")
    ).decoder
    assert other and (other.attention.heads, other.feed_forward.width, other.table.kind) == (
        4,
        100,
        "learned",
    )
    assert other.cross == other.attention


def test_odd_widths_are_fine_without_sinusoids() -> None:
    assert toy.config(width=3, heads=1, positions="learned").width == 3


def test_configurations_are_frozen_and_hashable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        toy.config().width = 4  # type: ignore[misc]
    assert len({toy.config(), toy.config(), toy.config(width=64)}) == 2


def test_every_field_has_a_type_that_is_checked() -> None:
    """A record whose field had another type would be read unchecked, or not at all."""
    for record in (
        Attention,
        Rotary,
        Stack,
        Norm,
        FeedForward,
        Table,
        Embedding,
        Special,
        Task,
        Sound,
        ModelConfig,
    ):
        for kind in get_type_hints(record).values():
            assert (
                kind in (bool, int, float, str) or getattr(kind, "__args__", ()) or issubclass(kind, Record)
            )


# What a record can say and no layer does yet.
AHEAD: list[dict[str, Any]] = [
    dict(decoder__cross__window=3),
    dict(decoder__cross__rotary={}),
    dict(encoder__attention__sink=True),
    dict(decoder__attention__sink=True),
    dict(encoder__attention__alibi=True),
    dict(decoder__norm__first=False),
    dict(encoder__residual="parallel"),
    dict(decoder__shared_layers=True),
]


@pytest.mark.parametrize("changes", AHEAD, ids=str)
def test_what_is_not_implemented_is_refused_in_one_line(changes: dict[str, Any]) -> None:
    config = toy.changed(toy.config(), **changes)
    with pytest.raises(ValueError, match=r"^expected .*, received .*: not implemented yet$"):
        assemble(config)


def test_tasks_ahead_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^expected a task of .*: not implemented yet$"):
        assemble(toy.changed(toy.encoder(), task__kind="ctc"))


@pytest.mark.parametrize("kind", ["classes", "labels", "score", "token_classes", "replaced"])
def test_answers_have_names_or_numbers(kind: str) -> None:
    assert toy.changed(toy.encoder(), task__kind=kind, task__classes=2).class_names == ("0", "1")
    with pytest.raises(
        ValueError, match=f"expected classes with a task that names them, received 0 and {kind}"
    ):
        toy.changed(toy.encoder(), task__kind=kind)


def test_a_decoder_with_another_task_reads() -> None:
    assert toy.changed(toy.decoder(), task__kind="vectors").family == "reading_decoder"
    assert toy.decoder().family == "decoder" and toy.decoder().longest == toy.decoder().max_target


def test_sound_ahead_is_refused() -> None:
    with pytest.raises(ValueError, match="received waveform: not implemented yet"):
        assemble(toy.changed(toy.config(stem="t2t"), sound__kind="waveform"))


def test_what_is_implemented_is_let_through() -> None:
    implemented(Norm(), kind="layer")
    with pytest.raises(ValueError, match=r"expected Norm\.kind 'layer', received 'rms': not implemented yet"):
        implemented(Norm(kind="rms"), kind="layer")
