"""The speech network that comes along: when were chained digits spoken?"""

import statistics
from pathlib import Path

from transformer import home
from transformer.pipeline import Listener, load

CLIP = home.examples() / "speech/digits-four-zero-seven-two-nine-one.flac"
# Where the six recordings were put when they were joined, in seconds: see the README beside the clip.
STARTS = (0.20, 0.81, 1.34, 1.96, 2.44, 3.06)


def test_chained_digits_are_found_where_they_were_chained() -> None:
    model = load("speech-en")
    assert isinstance(model, Listener)
    trace = model.trace(Path(CLIP).read_bytes(), target="four zero seven two nine one", words=True)
    assert [word.text for word in trace.words] == ["four", "zero", "seven", "two", "nine", "one"]
    errors = [abs(word.start - start) for word, start in zip(trace.words, STARTS, strict=True)]
    assert statistics.median(errors) < 0.1, [round(error, 3) for error in errors]
