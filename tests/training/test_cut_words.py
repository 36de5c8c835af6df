"""Words cut out of clips: where the cuts lie, and that the shipped network finds chained digits again."""

from pathlib import Path

import numpy as np
import pytest

from transformer.audio.decode import RATE, decode
from transformer.corpus.clips import read_manifest
from transformer.pipeline import load
from transformer.pipeline.checkpoint import open_checkpoint
from transformer.pipeline.listener import Listener
from transformer.trace import Word
from transformer.training.cut_words import cut_words, piece

CLIPS = Path(__file__).parents[2] / "assets/examples/speech"
GOLDEN = Path(__file__).parents[1] / "golden"
# Where the digits were put when they were joined, in seconds: see the README beside the clip.
STARTS = {"four": 0.20, "zero": 0.81, "seven": 1.34, "two": 1.96, "nine": 2.44, "one": 3.06}
WORDS = [Word("a", 0.4, 0.6, 1.0), Word("b", 0.7, 1.0, 1.0), Word("c", 1.8, 2.0, 1.0)]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 0, ("a", 0.24, 0.65)),  # 160 ms before, half-way to the next
        (1, 1, ("b", 0.65, 1.16)),
        (1, 2, ("b c", 0.65, 2.16)),
        (0, 2, ("a b c", 0.24, 2.16)),
    ],
)
def test_a_piece_ends_half_way_to_its_neighbours(
    first: int, last: int, expected: tuple[str, float, float]
) -> None:
    text, start, end = piece(WORDS, first, last)
    assert text == expected[0] and (start, end) == pytest.approx(expected[1:])


def test_a_piece_does_not_begin_before_its_clip() -> None:
    assert piece([Word("a", 0.1, 0.2, 1.0)], 0, 0).start == pytest.approx(0.05)


def test_each_digit_of_a_string_becomes_a_clip_of_its_own(tmp_path: Path) -> None:
    name = "digits-four-zero-seven-two-nine-one.flac"
    (tmp_path / "test.tsv").write_text(f"path\ttranscript\n{name}\tfour zero seven two nine one\n")
    (tmp_path / name).write_bytes((CLIPS / name).read_bytes())
    cut_words(tmp_path / "cut", load("speech-en"), tmp_path / "test.tsv")
    cuts = read_manifest(tmp_path / "cut/digits.tsv")
    assert len(cuts) >= 4
    whole = decode((CLIPS / name).read_bytes()).samples
    for cut in cuts:
        samples = decode((tmp_path / "cut" / cut.path).read_bytes()).samples
        assert 0.1 < len(samples) / RATE < 1.2
        # To the rounding of 16 bits it is a part of the clip, and begins little before its digit was chained there.
        likeness = np.correlate(whole, samples, "valid")
        first = int(likeness.argmax())
        np.testing.assert_allclose(whole[first : first + len(samples)], samples, atol=1e-4)
        assert -0.25 < first / RATE - STARTS[cut.transcript] < 0.15


def test_a_network_without_ctc_is_refused(tmp_path: Path) -> None:
    model = open_checkpoint(GOLDEN / "whisper-english")
    assert isinstance(model, Listener)
    with pytest.raises(ValueError, match="expected a network with a CTC output"):
        cut_words(tmp_path, model, tmp_path / "none.tsv")
