"""The families of published checkpoints that can be opened, by their `model_type`."""

from transformer.checkpoints.families import bart, bert, bloom, gpt2, llama, neox, opt, whisper
from transformer.checkpoints.families.table import Family, Part, Row

__all__ = ["FAMILIES", "Family", "Part", "Row"]

FAMILIES: dict[str, Family] = {
    name: family
    for module in (bert, gpt2, llama, neox, opt, bloom, bart, whisper)
    for name, family in module.FAMILIES.items()
}
