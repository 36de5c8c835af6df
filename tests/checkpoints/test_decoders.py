"""Published decoders of today against what the library that wrote them says: see `tests/golden/decoders.py`."""

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
from transformer.checkpoints.families import FAMILIES
from transformer.pipeline.checkpoint import open_checkpoint

CLOSE = 1e-4
STEMS = (
    *("llama", "mistral", "qwen2", "qwen3", "smollm3", "olmo2", "gemma2", "gemma3"),
    *("neox", "phi", "opt", "gptneo", "bloom"),
)
NAMES = named(*STEMS)
each = pytest.mark.parametrize("name", NAMES)


def by_row(attention: Any) -> np.ndarray:
    """(B, layers, H, T, S) -> (B, T, layers, H, S)."""
    return np.asarray(attention).transpose(0, 3, 1, 2, 4)


def test_every_family_is_there() -> None:
    kinds = {json.loads((GOLDEN / name / "config.json").read_text())["model_type"] for name in NAMES}
    assert kinds == {name for name, family in FAMILIES.items() if family.tokenizer == "decoder"}
    assert all(family.title and family.kind for family in FAMILIES.values())


@each
@pytest.mark.parametrize("side", ["right", "left"])
def test_logits_maps_and_hidden_states_are_those_of_the_reference(name: str, side: str) -> None:
    network, wanted = opened(name).network, expected(name)
    ids, real = wanted[f"{side}/input_ids"].astype(np.int32), wanted[f"{side}/attention_mask"].astype(bool)
    places = np.maximum(real.cumsum(1) - 1, 0).astype(np.int32)
    found = network.forward(ids, real=real, places=places)
    np.testing.assert_allclose(np.asarray(found.logits)[real], wanted[f"{side}/logits"][real], atol=CLOSE)
    maps = wanted[f"{side}/attentions"].transpose(1, 0, 2, 3, 4)
    np.testing.assert_allclose(by_row(found.decoder)[real], by_row(maps)[real], atol=CLOSE)
    # The last state of the reference is behind the last norm; that of OPT may be left out, as narrow as rows of tokens.
    streams, states = found.inside.streams, wanted[f"{side}/hidden_states"]
    assert len(streams) == network.config.decoder.layers + 1 and len(states) >= len(streams) - 1
    for stream, state in zip([*streams[:-1], network.decoder.finish(streams[-1])], states, strict=False):
        np.testing.assert_allclose(np.asarray(stream)[real], state[real], atol=CLOSE)


@each
def test_it_writes_on_over_caches_as_the_reference_does(name: str) -> None:
    network, wanted = opened(name).network, expected(name)
    end = network.config.end_id
    prompt, mask = wanted["left/input_ids"][0].astype(np.int32), wanted["left/attention_mask"][0].astype(bool)
    row = wanted["greedy_ids"][0].tolist()
    ids, answer = prompt[mask], row[: row.index(end) + 1]
    logits, state = network.start(ids[None], len(ids) + len(answer))
    written = [int(np.argmax(np.asarray(logits)[0, -1]))]
    while len(written) < len(answer):
        token = np.array([written[-1]], np.int32)
        logits, state = network.step(token, len(ids) + len(written) - 1, state)
        written.append(int(np.argmax(np.asarray(logits)[0])))
    assert written == answer


# What is compiled for a network is the same for all: one folder for each way of its own.
@pytest.mark.parametrize("name", ["gemma3-local", "bloom-heads", "phi-norms"])
def test_a_trace_agrees_writes_on_and_checks_itself(name: str) -> None:
    model, wanted = opened(name), expected(name)
    ids = wanted["right/input_ids"][0].tolist()
    trace = model.trace_ids(ids)
    np.testing.assert_allclose(trace["decoder"].weights, wanted["right/attentions"][:, 0], atol=CLOSE)
    windows = [
        model.config.attention("decoder", layer).window for layer in range(len(trace["decoder"].weights))
    ]
    assert trace["decoder"].windows == (tuple(windows) if any(windows) else ())
    parts = model.projections(trace)["decoder"]
    for layer, shown in enumerate(trace["decoder"].weights):
        spec = model.config.attention("decoder", layer)
        mask = mask_of("decoder", len(ids), len(ids), spec.window)
        learned = model.learned("decoder", layer)
        checks = check_layer(shown, parts.queries[layer], parts.keys[layer], spec, mask, learned)
        assert all(check.passed for check in checks)
    prompt, mask = wanted["left/input_ids"][0], wanted["left/attention_mask"][0].astype(bool)
    answer = wanted["greedy_ids"][0].tolist()
    answer = answer[: answer.index(model.config.end_id)]  # ours never writes the end
    assert model.runtime.write(prompt[mask].tolist(), len(answer), top_k=1) == answer


@pytest.fixture
def copy(tmp_path: Path) -> Any:
    return lambda name: Path(shutil.copytree(GOLDEN / name, tmp_path / name))


def edit(place: Path, **changes: Any) -> Path:
    known = json.loads((place / "config.json").read_text())
    for name in ("generation_config.json",):
        (place / name).unlink(missing_ok=True)
    (place / "config.json").write_text(json.dumps(known | changes))
    return place


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("llama-tied", dict(rope_parameters=dict(rope_type="longrope")), "expected rope_type to be one of default, "),
        ("llama-tied", dict(rope_parameters=[1]), "expected rope_parameters as an object"),
        ("llama-tied", dict(rope_parameters=dict(rope_type="llama3", factor=2.0)), "expected low_freq_factor"),
        ("llama-tied", dict(attention_bias="yes"), "expected attention_bias as true or false"),
        ("llama-tied", dict(num_hidden_layers=10**12), "expected from 1 to 10,000 layers"),
        ("llama-tied", dict(num_attention_heads=0), "heads"),
        ("neox-parallel", dict(rope_parameters=dict(partial_rotary_factor=0.01)), "received 0 of 8"),
        ("llama-yarn", dict(rope_parameters=dict(rope_type="yarn", factor=2.0, rope_theta=1.0)), "theta above 1"),
        ("llama-tied", dict(num_key_value_heads=3), "expected heads divisible by the key_heads"),
        ("qwen3-tied", dict(layer_types=["sliding_attention"]), "expected layer_types as 2 of"),
        ("smollm3-plain", dict(no_rope_layers=[1, 2, 0]), "expected no_rope_layers as 3 of 0 and 1"),
        ("gemma3-local", dict(use_bidirectional_attention=True), "expected use_bidirectional_attention to be False"),
        ("gptneo-local", dict(attention_types=[[["global"], 10**9]]), "expected attention_types as 3 of"),
        ("gptneo-local", dict(attention_types=[[["other"], 3]]), "expected attention_types as 3 of"),
        ("bloom-heads", dict(n_head=5), "expected a width divisible by the heads"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be_end_in_one_line(name: str, changes: Any, message: str, copy: Any) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        foreign.inspect(edit(copy(name), **changes))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_an_end_beyond_the_vocabulary_is_none(copy: Any) -> None:
    place = copy("llama-tied")
    assert foreign.inspect(edit(place, eos_token_id=50256)).config.end_id == -1
    assert foreign.inspect(edit(place, eos_token_id=[59, 3])).config.end_id == 59


def test_a_text_of_131072_positions_opens(copy: Any) -> None:
    model = open_checkpoint(edit(copy("llama-tied"), max_position_embeddings=131_072))
    assert model.config.max_target == 131_072 and model.trace_ids([5, 6, 7])["decoder"].weights.shape[-1] == 3


def test_fused_tensors_are_accounted_for_by_their_numbers(copy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    family = FAMILIES["gpt_neox"]

    def forgetful(config: Any) -> Any:
        return [row for row in family.rows(config) if not row.ours.endswith("value/kernel")]

    monkeypatch.setitem(FAMILIES, "gpt_neox", family._replace(rows=forgetful))
    checkpoint = foreign.inspect(GOLDEN / "neox-parallel")
    with pytest.raises(
        ValueError, match=r"expected all 1,728 numbers of .*query_key_value.weight used once, received 1,152"
    ):
        foreign.weights(checkpoint)


def test_a_fused_tensor_of_another_size_is_named(copy: Any) -> None:
    place = copy("bloom-heads")
    tensors = load_file(place / "model.safetensors")
    name = next(name for name in tensors if name.endswith("query_key_value.weight"))
    tensors[name] = np.zeros((71, 24), np.float32)
    save_file(tensors, place / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"query_key_value.weight in 9 equal parts, received shape \(71, 24\)"
    ):
        foreign.weights(foreign.inspect(place))
