"""Which network a configuration describes."""

from __future__ import annotations

from typing import Any

from transformer.config import ModelConfig
from transformer.models.language import LanguageModel
from transformer.models.reader import Reader
from transformer.models.recurrent import RecurrentTranslator
from transformer.models.seq2seq import Transformer


def assemble(config: ModelConfig, **options: Any) -> Any:
    """The network of this configuration, not built yet; `options` go to Keras (`dtype`)."""
    assembly: Any = {"decoder": LanguageModel, "encoder": Reader, "recurrent": RecurrentTranslator}.get(
        config.family, Transformer
    )
    return assembly(config, **options)
