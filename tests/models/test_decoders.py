"""What today's decoders are made of, each against sums written out in float64, over caches, and altered."""

from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.analysis.check import check_layer, mask_of
from transformer.config import Attention, ModelConfig
from transformer.models.altering import Alter, Gates
from transformer.pipeline.reference import learned_norms

GROUPED = dict(
    heads=6, head_width=4, key_heads=2, query_bias=False, key_bias=False, value_bias=False, output_bias=False
)
ROTARY: dict[str, Any] = dict(theta=100.0)
LLAMA: dict[str, Any] = dict(
    attention=GROUPED | dict(rotary=ROTARY),
    norm=dict(kind="rms", place="pre", last=True, epsilon=1e-5),
    feed_forward=dict(width=12, kind="gated", activation="silu", bias=False),
)


def rotated(**more: Any) -> dict[str, Any]:
    return LLAMA | dict(attention=GROUPED | dict(rotary=ROTARY | more))


def attending(**more: Any) -> dict[str, Any]:
    return LLAMA | dict(attention=LLAMA["attention"] | more)


STACKS: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "plain norm": LLAMA | dict(norm=dict(kind="layer", bias=False, place="pre")),
    "one head of keys": attending(key_heads=1),
    "biases": attending(query_bias=True, key_bias=True, value_bias=True),
    "linear": rotated(scaling="linear", factor=4.0),
    "dynamic": rotated(scaling="dynamic", factor=3.0, original=5),
    "yarn": rotated(scaling="yarn", factor=4.0, low=1.0, high=3.0, original=8, attention_factor=1.2),
    "yarn between pairs": rotated(scaling="yarn", factor=4.0, low=1.0, high=3.0, original=8, truncate=False),
    "llama3": rotated(scaling="llama3", factor=8.0, low=1.0, high=4.0, original=8),
    "part of a head": rotated(share=0.5),
    "neighbours": rotated(pairs="neighbours"),
    "norm of heads": attending(qk_norm="head"),
    "norm of all heads": attending(qk_norm="whole"),
    "layer norm of heads": attending(qk_norm="head") | dict(norm=dict(place="pre")),
    "window": attending(window=3),
    "capped": attending(softcap=2.0, scale=1.5),
    "local": LLAMA
    | dict(pattern=["local", "global"], local=GROUPED | dict(window=2, rotary=dict(theta=10.0))),
    "without positions": LLAMA | dict(pattern=["global", "local"], local=GROUPED),
    "after": LLAMA | dict(norm=dict(kind="rms", place="after", last=True)),
    "both": LLAMA | dict(norm=dict(kind="rms", place="both", last=True)),
    "parallel": LLAMA | dict(residual="parallel", norm=dict(place="pre", last=True)),
    "parallel, one norm": LLAMA | dict(residual="parallel_one_norm", norm=dict(place="pre", last=True)),
    "alibi": dict(
        attention=dict(heads=3, head_width=4, alibi=True), feed_forward=dict(width=12), norm=dict(place="pre")
    ),
    "alibi and a window": dict(
        attention=dict(heads=6, head_width=2, alibi=True, window=4), feed_forward=dict(width=12)
    ),
}


def config(name: str, **more: Any) -> ModelConfig:
    values: dict[str, Any] = dict(
        format=2,
        width=10,
        target=dict(vocabulary=23),
        decoder=dict(layers=2) | STACKS[name],
        max_target=16,
    )
    return ModelConfig.from_dict(values | more)


every = pytest.mark.parametrize("name", STACKS)
IDS = toy.ids((2, 9), 1)


def close(found: Any, wanted: Any, atol: float = 2e-5) -> None:
    np.testing.assert_allclose(np.asarray(found), wanted, atol=atol, rtol=1e-5)


@every
def test_agrees_with_sums_written_out_in_float64(name: str) -> None:
    made = config(name)
    network = toy.shared(made)
    found = network.forward(IDS)
    for row, ids in enumerate(IDS):
        logits, maps = toy.Reference(made, toy.tensors(network)).write(ids)
        close(found.logits[row], logits)
        close(found.decoder[row], maps)
    windows = [made.attention("decoder", layer).window or 16 for layer in range(2)]
    for layer, window in enumerate(windows):
        beyond = np.tri(9, k=-window, dtype=bool) | ~np.tri(9, dtype=bool)
        assert not np.asarray(found.decoder)[:, layer][..., beyond].any()


@every
def test_raw_projections_explain_every_weight(name: str) -> None:
    made = config(name)
    network = toy.shared(made)
    for scale in (1.0, 0.5):
        found = network.forward(IDS[:1], alter=Alter(scale=scale))
        stack = made.decoder
        assert stack
        for layer, parts in enumerate(found.projections[1]):
            spec = stack.attention_at(layer)
            mask = mask_of("decoder", 9, 9, spec.window)
            learned = learned_norms(network.decoder.blocks[layer].self_attention, stack.norm)
            shown = np.asarray(found.decoder)[0, layer]
            given = (np.asarray(parts.query)[0], np.asarray(parts.key)[0])
            checks = check_layer(shown, *given, spec, mask, learned, scale)
            assert all(check.passed for check in checks), max(check.largest for check in checks)
            if spec.rotary or spec.alibi:
                other = check_layer(shown, *given, spec, mask, learned, scale + 1)
                assert not all(check.passed for check in other)


@every
def test_writing_over_caches_equals_whole_passes(name: str) -> None:
    network, dynamic = toy.shared(config(name)), name == "dynamic"
    whole = np.asarray(network.forward(IDS).logits)
    # A base that grows with the text turns earlier keys otherwise: there each pass is compared up to its own length.
    whole = (
        np.stack([np.asarray(network.forward(IDS[:, : t + 1]).logits)[:, t] for t in range(9)], 1)
        if dynamic
        else whole
    )
    logits, state = network.start(IDS[:, :4], 12)
    close(np.asarray(logits)[:, 3], whole[:, 3])
    for t in range(4, 5 if dynamic else 9):
        logits, state = network.step(IDS[:, t], t, state)
        close(logits, whole[:, t])
    spec = network.config.attention("decoder")
    assert state.caches[0].self_attention.key.shape == (2, spec.heads // spec.groups, 12, spec.head_width)


@every
def test_padding_before_a_text_changes_nothing(name: str) -> None:
    network = toy.shared(config(name))
    plain = network.forward(IDS[:1])
    left = np.pad(IDS[:1], ((0, 0), (4, 0)))
    real, places = np.arange(13)[None] >= 4, np.maximum(np.arange(13) - 4, 0)[None]
    padded = network.forward(left, real=real, places=places)
    close(np.asarray(padded.logits)[:, 4:], np.asarray(plain.logits))
    close(np.asarray(padded.decoder)[..., 4:, 4:], np.asarray(plain.decoder))


@every
def test_gates_and_positions_act_while_it_writes(name: str) -> None:
    made = config(name)
    network, heads = toy.shared(made), made.attention("decoder").heads
    gates = np.ones((2, 2, heads), np.float32)
    gates[:, 1, heads - 1] = 0.0
    alter = Alter(Gates(decoder=gates), np.array([0.5, 0.0], np.float32))
    whole = np.asarray(network.forward(IDS[:, :5], alter=alter).logits)
    assert np.abs(whole - np.asarray(network.forward(IDS[:, :5]).logits)).max() > 1e-3
    _, state = network.start(IDS[:, :4], 8, alter=alter)
    close(network.step(IDS[:, 4], 4, state)[0], whole[:, 4])


def test_positions_taken_away_are_one_place_for_all() -> None:
    """Of a text without positions the last token sees a set: what stands before it may change places."""
    network = toy.shared(config("llama"))
    for scale, same in ((0.0, True), (1.0, False)):
        one, other = (
            np.asarray(network.forward(ids, alter=Alter(scale=scale)).decoder)[0, 0, :, -1]
            for ids in (IDS[:1], np.concatenate([IDS[:1, :8][:, ::-1], IDS[:1, 8:]], 1))
        )
        assert np.allclose(one, np.concatenate([other[:, :8][:, ::-1], other[:, 8:]], 1), atol=1e-6) == same


@pytest.mark.parametrize(
    "more",
    [
        dict(target=dict(vocabulary=23, width=6)),
        dict(target=dict(vocabulary=23, width=6), task=dict(tied=False)),
        dict(target=dict(vocabulary=23, scale=10**0.5), task=dict(softcap=3.0, scale=0.5)),
        dict(target=dict(vocabulary=23, norm=True), task=dict(tied=False, bias=True)),
    ],
    ids=str,
)
def test_what_is_below_and_above_the_blocks(more: dict[str, Any]) -> None:
    made = config("parallel", **more)
    network = toy.shared(made)
    close(network.forward(IDS[:1]).logits[0], toy.Reference(made, toy.tensors(network)).write(IDS[0])[0])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="expected heads divisible by the key_heads, received 6 and 4"):
        Attention(heads=6, head_width=4, key_heads=4)
    for changes, message in (
        (dict(local=GROUPED | dict(head_width=8), pattern=["local", "global"]), "attention of one shape"),
        (dict(residual="parallel", norm=dict(place="post")), "normalisations pre and no cross"),
        (rotated(scaling="yarn"), "expected an original length for yarn, received 0"),
        (rotated(scaling="llama3", original=4, low=4.0), "expected low below high for llama3"),
    ):
        with pytest.raises(ValueError, match=message):
            ModelConfig.from_dict(config("llama").to_dict() | dict(decoder=dict(layers=2) | LLAMA | changes))
