"""The token table of a model folder, read without its network: words as the vectors that training gave them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from transformer.checkpoints import folder
from transformer.config import PAD, present
from transformer.text.tokenizer import SubwordTokenizer
from transformer.trace import Label

TABLE = "source_embedding/tokens/embeddings"


class Embeddings:
    """Text -> vectors, as the network reads them before positions are added (Vaswani et al. 2017, section 3.4).

    Args:
        path: a model folder.

    Raises:
        ValueError: no whole model of this project.
    """

    def __init__(self, path: Path) -> None:
        config = folder.load_config(path)
        self.tokenizer = SubwordTokenizer.load(path / folder.TOKENIZER)
        source = present(config.source, "a source of tokens")
        table = folder.load_weights(path / folder.WEIGHTS)[TABLE].astype(np.float32)
        if table.shape != (source.vocabulary, config.width):
            raise ValueError(
                f"expected a table ({source.vocabulary}, {config.width}), received {table.shape}"
            )
        self.scale = source.scale
        self.table = table * np.float32(self.scale)
        self.padding: npt.NDArray[np.float32] = self.table[PAD]

    def __call__(self, text: str) -> tuple[tuple[Label, ...], npt.NDArray[np.float32]]:
        """The subwords of a text and a vector (T, D) for each; the end token is left out."""
        encoded = self.tokenizer.encode(text)
        return tuple(encoded.labels[:-1]), self.table[encoded.ids[:-1]]
