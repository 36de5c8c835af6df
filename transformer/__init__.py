"""Headlight shows what every attention head looks at, in text and in speech.

>>> from transformer import load
>>> trace = load("pt-en").trace("O trem saiu da estação na hora.")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformer.pipeline import load
    from transformer.trace import Trace

# TensorFlow's own kernels matter where it trains (`cli` switches them on there), not under XLA; without them it also
# starts without log lines of its own.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

__all__ = ["Trace", "load"]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    # TensorFlow takes seconds to import: only who loads a model waits for it.
    if name == "load":
        from transformer.pipeline import load

        return load
    if name == "Trace":
        from transformer.trace import Trace

        return Trace
    raise AttributeError(f"module 'transformer' has no attribute {name!r}")
