"""Which network a configuration describes."""

from __future__ import annotations

from typing import Any

from transformer.config import ModelConfig
from transformer.models.characters import CharacterLSTM
from transformer.models.language import LanguageModel
from transformer.models.reader import Reader
from transformer.models.recurrent import RecurrentTranslator
from transformer.models.seq2seq import Transformer

ASSEMBLIES: dict[str, Any] = {
    "decoder": LanguageModel,
    "encoder": Reader,
    "recurrent": RecurrentTranslator,
    "recurrent_decoder": CharacterLSTM,
}


def assemble(config: ModelConfig, **options: Any) -> Any:
    """The network of this configuration, not built yet; `options` go to Keras (`dtype`)."""
    return ASSEMBLIES.get(config.family, Transformer)(config, **options)
