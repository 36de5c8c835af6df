"""Published checkpoints against what the library that wrote them says: see `tests/golden/make.py`."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from transformer.checkpoints import folder, foreign, shards
from transformer.models.assembly import assemble
from transformer.runtime import Runtime, SpeechRuntime

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CLOSE = 1e-4
STACKS = [
    f"{name}/{side}"
    for name in sorted(p.parent.name for p in GOLDEN.glob("*/expected.npz"))
    if name.startswith(("bert-", "gpt2-"))
    for side in ("right", "left")
]
MARIAN = sorted(p.parent.name for p in GOLDEN.glob("marian-*/expected.npz"))
WHISPER = sorted(p.parent.name for p in GOLDEN.glob("whisper-*/model.safetensors"))


@functools.cache
def opened(name: str) -> tuple[Any, Any]:
    """The checkpoint of this name, and its network with the weights in it."""
    checkpoint = foreign.inspect(GOLDEN / name)
    network = assemble(checkpoint.config, dtype="float32")
    network.build()
    folder.assign_weights(network, foreign.weights(checkpoint))
    return checkpoint, network


def expected(name: str) -> Any:
    return np.load(GOLDEN / name / "expected.npz")


def by_row(attention: Any) -> np.ndarray:
    """(layers, B, H, T, S) or ours (B, layers, H, T, S) -> (B, T, layers, H, S)."""
    return np.asarray(attention).transpose(0, 3, 1, 2, 4)


def agree(stack: Any, inside: Any, wanted: np.ndarray, real: Any = slice(None)) -> None:
    """The stream of a stack against the reference's hidden states (layers + 1, B, T, D), the last one finished."""
    ours = [*inside.streams[:-1], stack.finish(inside.streams[-1])]
    for stream, state in zip(ours, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(stream)[real], state[real], atol=CLOSE)


@pytest.mark.parametrize("name", STACKS)
def test_one_stack_says_and_sees_what_the_reference_does(name: str) -> None:
    name, side = name.split("/")
    checkpoint, network = opened(name)
    wanted = {
        key.removeprefix(f"{side}/"): value for key, value in expected(name).items() if key.startswith(side)
    }
    real = wanted["attention_mask"].astype(bool)
    places = wanted.get("position_ids")
    if checkpoint.family == "roberta":  # it counts positions over real tokens alone
        places = np.maximum(real.cumsum(1) - 1, 0)
    more = {"places": None if places is None else places.astype(np.int32)}
    if "token_type_ids" in wanted:
        more["types"] = wanted["token_type_ids"].astype(np.int32)
    found = network.forward(wanted["input_ids"].astype(np.int32), real=real, **more)
    says = wanted.get("logits", wanted.get("last_hidden_state"))
    rows = real if says.ndim == 3 else np.ones(len(says), bool)
    np.testing.assert_allclose(np.asarray(found.logits)[rows], says[rows], atol=CLOSE)
    ours = found.encoder if checkpoint.config.family == "encoder" else found.decoder
    sees = by_row(wanted["attentions"].transpose(1, 0, 2, 3, 4))
    np.testing.assert_allclose(by_row(ours)[real], sees[real], atol=CLOSE)
    stack = network.encoder if checkpoint.config.family == "encoder" else network.decoder
    agree(stack, found.inside, wanted["hidden_states"], real)


@pytest.mark.parametrize(
    "name", [name for name in STACKS if name.startswith("gpt2") and name.endswith("left")]
)
def test_a_decoder_writes_on_as_the_reference_does(name: str, xla: None) -> None:
    from transformer.runtime import LanguageRuntime

    name, side = name.split("/")
    _, network = opened(name)
    wanted, runtime = expected(name), LanguageRuntime(network)
    prompts, real = wanted[f"{side}/input_ids"], wanted[f"{side}/attention_mask"].astype(bool)
    end = network.config.end_id
    for prompt, mask, row in zip(prompts, real, wanted["greedy_ids"].tolist(), strict=True):
        # Ours never writes the end: up to there both must be the same.
        answer = row[: row.index(end)] if end in row else row
        assert runtime.write(prompt[mask].tolist(), len(answer), top_k=1) == answer


@pytest.mark.parametrize("name", MARIAN)
def test_a_translator_agrees_with_the_reference(name: str, xla: None) -> None:
    _, network = opened(name)
    wanted = expected(name)
    source, real = wanted["input_ids"].astype(np.int32), wanted["attention_mask"].astype(bool)
    found = network.forward(source, wanted["decoder_input_ids"].astype(np.int32), real=real)
    np.testing.assert_allclose(np.asarray(found.logits), wanted["logits"], atol=CLOSE)
    sees = by_row(wanted["encoder_attentions"].transpose(1, 0, 2, 3, 4))
    np.testing.assert_allclose(by_row(found.encoder)[real], sees[real], atol=CLOSE)
    for kind in ("decoder", "cross"):
        sees = wanted[f"{kind}_attentions"].transpose(1, 0, 2, 3, 4)
        np.testing.assert_allclose(np.asarray(getattr(found, kind)), sees, atol=CLOSE)
    agree(network.encoder, found.heard, wanted["encoder_hidden_states"], real)
    agree(network.decoder, found.inside, wanted["decoder_hidden_states"])
    runtime = Runtime(network)
    for ids, mask, row in zip(source, real, wanted["greedy_ids"].tolist(), strict=True):
        answer = row[: row.index(0) + 1] if 0 in row else row
        assert runtime.decode(ids[mask].tolist())[: len(answer)] == answer


@pytest.mark.parametrize("name", WHISPER)
def test_a_listener_agrees_with_the_reference(name: str, xla: None) -> None:
    _, network = opened(name)
    wanted = expected(name)
    features = wanted["input_features"].transpose(0, 2, 1)  # theirs are (bins, frames)
    target = wanted["decoder_input_ids"].astype(np.int32)
    found = network.forward(features, target)
    np.testing.assert_allclose(np.asarray(found.logits), wanted["logits"], atol=CLOSE)
    for kind in ("encoder", "decoder", "cross"):
        sees = wanted[f"{kind}_attentions"].transpose(1, 0, 2, 3, 4)
        np.testing.assert_allclose(np.asarray(getattr(found, kind)), sees, atol=CLOSE)
    agree(network.encoder, found.heard, wanted["encoder_hidden_states"])
    agree(network.decoder, found.inside, wanted["decoder_hidden_states"])
    runtime, prefix = SpeechRuntime(network), wanted["prefix_ids"].tolist()
    assert prefix[0] == network.config.start_id
    answer = wanted["greedy_ids"][0].tolist()
    heard = runtime.hear(features[0])
    # What the reference wrote, without the end that it leaves out.
    end = network.config.end_id
    answer = [i for i in answer if i != end]
    assert runtime.decode(heard, prefix=prefix[1:])[len(prefix) - 1 :][: len(answer)] == answer


@pytest.mark.parametrize("name", sorted(p.name for p in GOLDEN.glob("unsupported-*")))
def test_what_is_not_supported_is_refused_by_name(name: str) -> None:
    settings = json.loads((GOLDEN / name / "config.json").read_text())
    with pytest.raises(ValueError) as caught:
        foreign.inspect(GOLDEN / name)
    message = str(caught.value)
    assert "\n" not in message and message.startswith("expected ")
    named = {
        "unsupported-activation": settings.get("hidden_act"),
        "unsupported-family": settings["model_type"],
        "unsupported-decoder": "is_decoder",
        "unsupported-inverse-layer": "scale_attn_by_inverse_layer_idx",
        "unsupported-relative-key": "position_embedding_type",
    }
    assert named[name] in message


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder of a tiny BERT that a test may spoil."""
    return Path(shutil.copytree(GOLDEN / "bert-alone", tmp_path / "bert"))


def refused(place: Path, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        checkpoint = foreign.inspect(place)
        network = assemble(checkpoint.config)
        network.build()
        folder.assign_weights(network, foreign.weights(checkpoint))
    assert "\n" not in str(caught.value)


def edit(place: Path, change: Any) -> None:
    tensors = load_file(place / shards.SINGLE)
    change(tensors)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, place / shards.SINGLE)


def settings(place: Path, **changes: Any) -> None:
    known = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(known | changes))


QUERY = "encoder.layer.1.attention.self.query.weight"


def test_missing_and_unused_tensors_are_listed(copy: Path) -> None:
    def change(tensors: dict[str, np.ndarray]) -> None:
        tensors["encoder.layer.7.extra"] = tensors.pop(QUERY)

    edit(copy, change)
    refused(copy, f"received 2 differences: missing {QUERY}; unused encoder.layer.7.extra")


def test_a_tensor_of_another_shape_is_named(copy: Path) -> None:
    edit(copy, lambda tensors: tensors.update({QUERY: np.zeros((32, 7), np.float32)}))
    refused(copy, r"encoder/block_1/self_attention/query/kernel of shape \(7, 32\) instead of \(32, 32\)")


def test_a_tensor_of_other_dimensions_is_named(copy: Path) -> None:
    edit(copy, lambda tensors: tensors.update({QUERY: np.zeros((4, 8, 32), np.float32)}))
    refused(copy, f"expected {QUERY} with 2 dimensions")


def test_weights_that_are_no_numbers_are_refused(copy: Path) -> None:
    edit(copy, lambda tensors: tensors[QUERY].__setitem__((0, 0), np.nan))
    refused(copy, "encoder/block_1/self_attention/query/kernel holds NaN or infinity")


def test_a_truncated_file_is_refused(copy: Path) -> None:
    whole = (copy / shards.SINGLE).read_bytes()
    (copy / shards.SINGLE).write_bytes(whole[: len(whole) // 2])
    refused(copy, "expected a whole safetensors file at model.safetensors")


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, b"\x10\0\0\0\0\0\0\0" + b"{" * 16, b"PK\x03\x04 a pickle"]
)
def test_a_file_of_anything_else_is_refused(copy: Path, content: bytes) -> None:
    (copy / shards.SINGLE).write_bytes(content)
    refused(copy, "expected a whole safetensors file")


def test_a_pickle_is_refused_with_the_way_out(copy: Path) -> None:
    (copy / shards.SINGLE).rename(copy / "pytorch_model.bin")
    refused(copy, "received pytorch_model.bin: a pickle, which can run code .* safe_serialization=True")


def test_a_folder_without_weights_is_refused(copy: Path) -> None:
    (copy / shards.SINGLE).unlink()
    refused(copy, "received a folder without it")


@pytest.mark.parametrize(
    "place", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "weights.bin", 3, None]
)
def test_an_index_that_leads_elsewhere_is_refused(copy: Path, place: Any) -> None:
    (copy / shards.SINGLE).rename(copy.parent / shards.SINGLE)
    (copy / shards.INDEX).write_text(json.dumps({"weight_map": {QUERY: place}}))
    refused(copy, "expected names of safetensors files in model.safetensors.index.json")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": []}', "\x00", "[" * 100_000])
def test_an_index_that_is_none_is_refused(copy: Path, content: str) -> None:
    (copy / shards.SINGLE).unlink()
    (copy / shards.INDEX).write_text(content)
    refused(copy, "expected ")


def test_an_index_of_a_file_that_is_not_there_is_refused(copy: Path) -> None:
    (copy / shards.SINGLE).unlink()
    (copy / shards.INDEX).write_text(json.dumps({"weight_map": {QUERY: "model-1.safetensors"}}))
    refused(copy, "received an index that names it without it")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(hidden_size="32"), "expected hidden_size in config.json as int, received '32'"),
        (dict(hidden_size=None), "expected hidden_size"),
        (dict(num_hidden_layers=10**9), "expected at most 200 layers"),
        (dict(num_hidden_layers=-1), "expected layers of at least 1, received -1"),
        (dict(num_attention_heads=5), "expected a width divisible by the heads"),
        (dict(vocab_size=10**12), "expected at least 32,000,0.* numbers for the sizes in config.json"),
        (dict(max_position_embeddings=10**12), "numbers for the sizes in config.json"),
        (dict(layer_norm_eps="x"), "expected layer_norm_eps"),
        (dict(model_type=["bert"]), "expected a model_type"),
        (dict(model_type=None), "expected a model_type"),
        (dict(pad_token_id=10**6), "expected special.pad from 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(copy: Path, changes: dict[str, Any], message: str) -> None:
    settings(copy, **changes)
    refused(copy, message)


def test_shapes_beyond_reason_are_refused_before_anything_is_made(copy: Path) -> None:
    """A header may claim what it likes: its file must hold as many bytes."""
    header = json.dumps(
        {"a": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}}
    ).encode()
    (copy / shards.SINGLE).write_bytes(len(header).to_bytes(8, "little") + header)
    refused(copy, "expected a whole safetensors file")


def test_a_copy_of_a_tied_table_must_be_one(tmp_path: Path) -> None:
    place = Path(shutil.copytree(GOLDEN / "gpt2-tied", tmp_path / "gpt2"))

    def change(tensors: dict[str, np.ndarray]) -> None:
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"] + 1

    edit(place, change)
    refused(place, "expected lm_head.weight to repeat wte.weight, received other numbers")


def test_a_translator_may_have_an_output_table_of_its_own(tmp_path: Path) -> None:
    """Twice the table of tokens: scores without their bias are twice as large."""
    place = Path(shutil.copytree(GOLDEN / "marian-swish", tmp_path / "marian"))
    edit(place, lambda tensors: tensors.update({"lm_head.weight": 2 * tensors["model.shared.weight"]}))
    settings(place, tie_word_embeddings=False)
    checkpoint = foreign.inspect(place)
    network = assemble(checkpoint.config, dtype="float32")
    network.build()
    folder.assign_weights(network, foreign.weights(checkpoint))
    wanted = expected("marian-swish")
    source, real = wanted["input_ids"].astype(np.int32), wanted["attention_mask"].astype(bool)
    found = network.forward(source, wanted["decoder_input_ids"].astype(np.int32), real=real)
    bias = load_file(place / shards.SINGLE)["final_logits_bias"]
    np.testing.assert_allclose(np.asarray(found.logits) - bias, 2 * (wanted["logits"] - bias), atol=2 * CLOSE)


def test_one_tensor_under_two_names_is_refused(copy: Path) -> None:
    edit(copy, lambda tensors: tensors.update({f"bert.{QUERY}": tensors[QUERY]}))
    refused(copy, "expected each tensor once")


@pytest.mark.parametrize("half", ["F16", "BF16"])
def test_half_precision_is_read(copy: Path, half: str) -> None:
    tensors = load_file(copy / shards.SINGLE)
    header, body = {}, b""
    for name, values in tensors.items():
        if half == "F16":
            tensors[name] = values.astype(np.float16).astype(np.float32)
            raw = values.astype(np.float16).tobytes()
        else:  # the upper half of a float32
            upper = (values.view(np.uint32) >> 16).astype(np.uint16)
            tensors[name] = (upper.astype(np.uint32) << 16).view(np.float32)
            raw = upper.tobytes()
        header[name] = {
            "dtype": half,
            "shape": values.shape,
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    head = json.dumps(header).encode()
    (copy / shards.SINGLE).write_bytes(len(head).to_bytes(8, "little") + head + body)
    found = foreign.weights(foreign.inspect(copy))["encoder/block_1/self_attention/query/kernel"]
    np.testing.assert_array_equal(found, tensors[QUERY].T)
    assert found.dtype == np.float32


def test_the_cost_is_known_before_anything_is_read() -> None:
    checkpoint = foreign.inspect(GOLDEN / "bert-alone")
    tensors = load_file(GOLDEN / "bert-alone" / shards.SINGLE)
    assert checkpoint.parameters == sum(value.size for value in tensors.values())
    assert checkpoint.memory > 4 * checkpoint.parameters
