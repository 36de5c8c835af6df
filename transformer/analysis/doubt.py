"""Was that really said? What a speech network writes of music, noise and quiet, and how it shows.

The three measures and their limits are those of whisper/transcribe.py (Radford et al. 2022, section 4.5): repeated text
packs well, made-up text is unlikely, and the network itself says how likely it is that nobody speaks. A network with a
CTC output has a measure of its own, `spoken`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transformer.analysis.alignment import ctc_path

COMPRESSION, LIKELY, NO_SPEECH = 2.4, -1.0, 0.6
# Of a network with a CTC output, see `spoken`; found with validation clips of `speech-en` against noise, hum, clicks
# and music (see its card).
SPOKEN = -1.5
# Tried one after the other while an answer is in doubt.
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
PATIENCE = 10.0  # seconds after which nothing is tried any more, if others wait


class Measures(NamedTuple):
    """Of what was written of a clip.

    compression: how many times smaller zlib makes the text. log_probability: natural, the mean over the written tokens
    and the end; the network's own, so a little below that of the reference, which leaves barred tokens out of the sum.
    no_speech: the probability of the token for it where the text begins; 0 for networks that have none.
    """

    compression: float
    log_probability: float
    no_speech: float

    @property
    def failed(self) -> bool:
        """Whether the text repeats itself or is unlikely."""
        return self.compression > COMPRESSION or self.log_probability < LIKELY

    @property
    def silent(self) -> bool:
        """Whether nobody speaks: the network says so, and nothing that it writes is likely."""
        return self.no_speech > NO_SPEECH and self.log_probability < LIKELY


def measure(text: str, log_probabilities: Sequence[float] | np.ndarray, no_speech: float = 0.0) -> Measures:
    """The measures of a text, of its tokens with their end, and of the clip."""
    data = text.encode("utf-8", "replace")
    mean = float(np.mean(log_probabilities)) if len(log_probabilities) else 0.0
    return Measures(len(data) / len(zlib.compress(data)), mean, no_speech)


def spoken(log_probabilities: npt.ArrayLike, tokens: Sequence[int], blank: int = 0) -> float | None:
    """How surely a CTC output says these tokens: the log of its likeliest path for them, for each token.

    Of speech a token is a spike or two beside sure blanks; of what is no speech the encoder says other things or none.
    None where there are no tokens, or more than the output can say.

    Args:
        log_probabilities: natural, (T, V).
        tokens: without markers.
        blank: the id that says nothing.
    """
    if not tokens:
        return None
    try:
        return ctc_path(log_probabilities, tokens, blank)[1] / len(tokens)
    except ValueError:
        return None


def doubt(options: Mapping[str, Any]) -> str:
    """Why the words of a trace may never have been said, by what its options say, as a sentence; "" if they were."""

    def number(name: str, otherwise: float) -> float:
        value = options.get(name, otherwise)  # a trace may come from a file that somebody else wrote
        return float(value) if isinstance(value, int | float) else otherwise

    if options.get("silent") is True:
        return (
            "The network holds that nobody speaks here (its probability of no speech is "
            f"{number('no_speech', 1):.2f}), and wrote nothing."
        )
    reasons = []
    if (packed := number("compression", 0)) > COMPRESSION:
        reasons.append(f"the text repeats itself (it can be packed {packed:.1f} times smaller)")
    if (heard := number("ctc", 0)) < SPOKEN:
        reasons.append(f"the encoder hardly hears them (CTC log-probability {heard:.2f} a token)")
    if (likely := number("log_probability", 0)) < LIKELY:
        reasons.append(f"the network itself holds it unlikely (mean log-probability {likely:.2f})")
    if reasons and (silent := number("no_speech", 0)) > NO_SPEECH:
        reasons.append(f"it rather hears no speech ({silent:.2f})")
    if reasons and (tries := number("tries", 0)):
        reasons.append(
            f"of {len(TEMPERATURES)} tries {tries:.0f} were made, as others wait, and more may have found better ones"
        )
    return f"These words may not have been said: {'; '.join(reasons)}." if reasons else ""
