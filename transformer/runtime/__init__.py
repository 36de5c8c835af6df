"""Compiled inference: the one place that is TensorFlow's own.

Everything runs with shapes padded to a few fixed lengths, so that each is compiled once; `warm` compiles the common
ones ahead of time. A runtime is shared by every visitor: it holds no state of a request.
"""

from transformer.runtime.common import ALTERNATIVES, Projected, Recorded, others_wait, passing, prompt
from transformer.runtime.language import LanguageRuntime
from transformer.runtime.reader import ReaderRuntime
from transformer.runtime.seq2seq import Runtime
from transformer.runtime.speech import SpeechRuntime

__all__ = [
    "ALTERNATIVES",
    "LanguageRuntime",
    "Projected",
    "ReaderRuntime",
    "Recorded",
    "Runtime",
    "SpeechRuntime",
    "others_wait",
    "passing",
    "prompt",
]
