"""Which network a configuration describes."""

from __future__ import annotations

from typing import Any

from transformer.config import ModelConfig
from transformer.kinds import kind_of, named


def assemble(config: ModelConfig, **options: Any) -> Any:
    """The network of this configuration, not built yet; `options` go to Keras (`dtype`)."""
    return named(kind_of(config.family, config.tokens).network)(config, **options)
