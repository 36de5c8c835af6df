"""What a model looked at while it worked: the one contract between models and views.

A model fills a `Trace`; analysis, figures and pages read it and know nothing of the network behind it.
Everything here is numpy and the standard library, and all of it is immutable, so that one trace can be
shared by every visitor. How a trace is written to a file and read back is `trace.files`.

Letters for shapes: L layers, H heads, Q queries, K keys.
"""

from __future__ import annotations

from transformer.trace.labels import Label, as_labels, one_text, spelt, unspaced, word_starts
from transformer.trace.maps import (
    KINDS,
    ROW_TOLERANCE,
    AttentionMap,
    FloatArray,
    Kind,
    Spectrogram,
    frozen_array,
)
from transformer.trace.steps import Alternative, Answer, Step, Word
from transformer.trace.trace import Scalar, Trace

__all__ = [
    "KINDS",
    "ROW_TOLERANCE",
    "Alternative",
    "Answer",
    "AttentionMap",
    "FloatArray",
    "Kind",
    "Label",
    "Scalar",
    "Spectrogram",
    "Step",
    "Trace",
    "Word",
    "as_labels",
    "frozen_array",
    "one_text",
    "spelt",
    "unspaced",
    "word_starts",
]
