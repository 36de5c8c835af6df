"""What a network computed on the way to an answer: bigger things than a trace holds, recorded beside it when asked for.

Letters for shapes: L layers, T positions, H heads, K width of one head, D width, N what is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from transformer.trace import FloatArray, Kind, Label


class Recording(NamedTuple):
    """One pass over a finished answer, of the stack that answers, float32.

    Args:
        streams: (L + 1, T, D), the residual stream before each block and behind the last, before any last
            normalisation.
        mixed: of each of its maps (L, T, H K): per head the weighted values times its gate, from which the output of
            attention is projected.
        fed: (L, T, D), what each feed-forward wrote, before a normalisation of that.
        heard: (L + 1, S, D), the streams of an encoder with a CTC output beside it; None where there is none.
    """

    streams: FloatArray
    mixed: Mapping[Kind, FloatArray]
    fed: FloatArray
    heard: FloatArray | None = None


class Insides(NamedTuple):
    """The recording of a trace, and what the trace says.

    Args:
        labels: N of them; of a network that answers a whole text its classes, labels or numbers.
        targets: the N ids that they stand for, or the class of each token.
        classes: the labels are answers to one text.
        names: what answers are called where they are no tokens; () where they are.
        swapped: vectors of another run were put into the stream, so that what was added to it does not make it up.
    """

    labels: tuple[Label, ...]
    targets: tuple[int, ...]
    recording: Recording
    classes: bool = False
    names: tuple[Label, ...] = ()
    swapped: bool = False
