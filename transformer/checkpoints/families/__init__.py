"""The families of published checkpoints that can be opened, by their `model_type`."""

from transformer.checkpoints.families import (
    bart,
    bert,
    bloom,
    gpt2,
    llama,
    modernbert,
    neox,
    opt,
    t5,
    whisper,
)
from transformer.checkpoints.families.heads import beside_writing, outside, prefix_of
from transformer.checkpoints.families.table import Family, Part, Row

__all__ = ["FAMILIES", "Family", "Part", "Row", "outside", "prefix_of"]

# What the library calls the layer for classes of tokens on a decoder.
_TOKENS = {"gpt2": "classifier", "gpt_neox": "classifier", "gpt_neo": "classifier", "bloom": "classifier"}

FAMILIES: dict[str, Family] = {
    name: beside_writing(family, _TOKENS.get(name, "score")) if family.kind == "decoder" else family
    for module in (bert, modernbert, gpt2, llama, neox, opt, bloom, bart, t5, whisper)
    for name, family in module.FAMILIES.items()
}
