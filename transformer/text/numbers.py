"""Stands in where a model has no tokenizer: every id is its own label, and text cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from transformer.trace import Label


class Numbers:
    """Labels for `size` ids."""

    def __init__(self, size: int) -> None:
        self.size = size

    def encode(self, text: str) -> NoReturn:
        """Always raises ValueError: there is nothing that turns text into ids."""
        raise ValueError(
            "expected tokenizer files beside the weights to read text, received a folder without them "
            "(trace_ids takes ready-made ids)"
        )

    encode_target = encode

    def encode_all(self, texts: Sequence[str]) -> NoReturn:
        """As `encode`."""
        self.encode("")

    def label(self, index: int) -> Label:
        """The id as text."""
        return Label(str(index))

    def labels(self, ids: Sequence[int]) -> list[Label]:
        """One label for each id."""
        return [self.label(int(index)) for index in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """The ids with spaces between them."""
        return " ".join(str(int(index)) for index in ids)
