"""What is said of heads that share keys, of windows, and of what the check computes."""

from typing import Any

import pytest

from tests.models.test_decoders import config
from transformer.config import Attention, Rotary
from transformer.ui.parts.check import formula, meaning
from transformer.ui.shell.about import sharing


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("llama", "Heads 1–3 share keys, as do 4–6."),
        ("one head of keys", "Heads 1–6 share keys."),
        ("window", "Heads 1–3 share keys, as do 4–6. Each layer sees 3 tokens at a time."),
        ("local", "Heads 1–3 share keys, as do 4–6. Layer 1 sees 2 tokens at a time."),
        ("alibi", ""),
    ],
)
def test_what_heads_share_and_layers_see(name: str, said: str) -> None:
    assert sharing(config(name)) == said


def test_more_groups_and_more_layers_are_listed() -> None:
    values = config("local").to_dict()
    values["decoder"]["layers"], values["decoder"]["pattern"] = 3, ["local", "global", "local"]
    for name in ("attention", "local"):
        values["decoder"][name]["heads"] = 8
    assert sharing(type(config("local")).from_dict(values)) == (
        "Heads 1–4 share keys, as do 5–8. Layers 1 and 3 see 2 tokens at a time."
    )


@pytest.mark.parametrize(
    ("fields", "inside", "said"),
    [
        ({}, r"\frac{Q K^{\mathsf T}}{\sqrt{d_k}}", ""),
        (dict(scale=0.5), r"0.5\,Q K^{\mathsf T}", ""),
        (dict(rotary=Rotary()), r"R\,Q\,(R\,K)^{\mathsf T}", "R turns each vector by its position."),
        (dict(qk_norm="head"), r"\hat Q\,(\hat K)^{\mathsf T}", "Q̂ and K̂ are normalised."),
        (dict(softcap=50.0), r"50\tanh", ""),
        (dict(alibi=True, window=4), r"- s\,|i - j|", "positions are; a query sees 4 positions."),
        (dict(key_heads=1), r"\sqrt{d_k}", "4 heads share one K."),
    ],
)
def test_the_formula_of_a_layer(fields: dict[str, Any], inside: str, said: str) -> None:
    spec = Attention(heads=4, head_width=8, **fields)
    assert inside in formula(spec) and meaning(spec).endswith(said) and bool(meaning(spec)) == bool(said)
