"""What the player sends to the browser, and what the tables beside it say."""

import io
import struct
from typing import Any

import av
import numpy as np
import pytest

from tests.sent import by_the_player, unpacked
from transformer.analysis.alignment import Alignment, Evidence
from transformer.audio.wav import wav
from transformer.trace import AttentionMap, Label, Spectrogram, Word
from transformer.ui.speech import files as speech_files
from transformer.ui.speech import page as speech
from transformer.ui.speech.calls import Heard, Part
from transformer.ui.speech.player import Attention, player

SAMPLES = np.sin(np.arange(3200) / 9).astype(np.float32)
MEL = Spectrogram(np.random.default_rng(0).random((20, 8), np.float32), 0.01)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    return by_the_player(monkeypatch)


def head(**changes: Any) -> Attention:
    rows = (Label("<s>", special=True), Label("two"))
    values = np.array([[0.0, 0.5, 0.25], [0.1, 0.2, 0.0]], np.float32)
    return Attention(values, rows, 0.07, [(0, 0), (1, 2)], "A head")._replace(**changes)


def test_the_sound_travels_apart_from_the_head(sent: dict[str, bytes]) -> None:
    words = [("Ranked heads", [Word("two", 0.05, 0.2, 0.9)])]
    player(SAMPLES, MEL, key="p", words=words, attention=head())
    (header, weights), sound = unpacked(sent["p"]), sent["p-sound"]
    assert header["seconds"] == 0.2 and header["digest"] == sound[:16].hex()
    assert header["words"] == [{"way": "Ranked heads", "words": [["two", 0.05, 0.2]]}]
    assert header["attention"]["rows"] == ["▸ start", "two"] and header["attention"]["top"] == 0.5
    assert list(weights) == [0, 255, 128, 51, 102, 0], "colours reach to the strongest weight"
    player(SAMPLES, MEL, key="p", words=[], attention=None)
    assert sent["p-sound"] == sound, "another head sends the same sound, which travels once"
    columns, frames, bins, step = struct.unpack("<IIIf", sound[16:32])
    assert (columns, frames, bins) == (1200, 20, 8) and step == pytest.approx(0.01)
    assert sound[32 + columns + frames * bins :] == wav(SAMPLES)


def test_the_sound_is_a_wav_file() -> None:
    file: Any
    with av.open(io.BytesIO(wav(SAMPLES))) as file:
        assert file.streams.audio[0].rate == 16_000
        read = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
    np.testing.assert_allclose(read / 32_768, SAMPLES, atol=1e-4)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected samples \(N,\)"):
        player(np.zeros(0, np.float32), MEL, key="p", words=[], attention=None)
    with pytest.raises(ValueError, match="expected 1 rows"):
        player(SAMPLES, MEL, key="p", words=[], attention=head(rows=[Label("a")]))


def test_a_head_is_drawn_without_the_silence_behind_the_clip() -> None:
    keys = [Label("0.00 s", start=0.0, end=0.04), Label("rest", special=True, start=0.04, end=30.0)]
    cross = AttentionMap("cross", [[[[0.25, 0.75]]]], [Label("a")], keys)
    drawn = speech.over_time(cross, cross.weights[0, 0], Alignment((), ((0, 0),)), "A head")
    assert drawn is not None and drawn.step == 0.04 and drawn.path == ((0, 0),)
    np.testing.assert_array_equal(drawn.values, [[0.25]])
    decoder = AttentionMap("decoder", [[[[1.0]]]], [Label("a")], [Label("<s>")])
    assert speech.over_time(decoder, decoder.weights[0, 0], Alignment((), ()), "A head") is None
    assert speech.strongest(cross.weights[0, 0], cross.queries, cross.keys) == [
        {"Row": "a", "Looks most at": "rest", "Weight": "0.7500"}
    ]


def test_both_times_of_a_word_stand_in_one_row() -> None:
    found = {
        "Ranked heads": Alignment((Word("two", 0.1, 0.5, 0.9), Word("one", 0.5, 1.0, 0.25)), ()),
        "CTC": Alignment((Word("two", 0.2, 0.24, 1.0), Word("one", 0.6, 0.64, 0.5)), ()),
    }
    first, second = speech_files.rows(found)
    assert list(first.values()) == ["two", "0.10–0.50", "90%", "0.20–0.24", "100%"]
    assert second["CTC: start – end, s"] == "0.60–0.64" and second["Ranked heads: confidence"] == "25%"
    assert speech_files.rows({}) == []


def test_the_files_hold_the_words_of_all_parts_in_seconds_of_the_clip() -> None:
    first, second = Word("one", 0.1, 0.4, 0.9), Word("two", 5.2, 5.5, 0.9)
    parts = (
        Part(0.0, 5.0, "one", {"Ranked heads": (first,)}),
        Part(5.0, 9.0, "two", {"Ranked heads": (second,)}),
    )
    by_hand = {
        "Ranked heads": Alignment((Word("two", 0.3, 0.6, 0.9),), ())
    }  # other heads, of the part that is shown
    heard = Heard(None, "0", SAMPLES, (), Evidence(), (), offset=5.0, parts=parts)  # type: ignore[arg-type]
    assert heard.text == "one two"
    assert speech_files.whole(heard, by_hand) == {"Ranked heads": (first, Word("two", 5.3, 5.6, 0.9))}
    assert speech_files.rows(by_hand, 5.0)[0]["Ranked heads: start – end, s"] == "5.30–5.60"
