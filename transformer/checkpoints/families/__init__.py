"""The families of published checkpoints that can be opened, by their `model_type`."""

from transformer.checkpoints.families import bart, bert, gpt2, whisper
from transformer.checkpoints.families.table import Family, Row

__all__ = ["FAMILIES", "Family", "Row"]

FAMILIES: dict[str, Family] = bert.FAMILIES | gpt2.FAMILIES | bart.FAMILIES | whisper.FAMILIES
