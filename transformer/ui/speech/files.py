"""Speech: the words as a table, with both of their times beside each other, and as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import streamlit as st

from transformer.analysis.alignment import Alignment, later
from transformer.analysis.compare import paired
from transformer.audio.decode import RATE
from transformer.trace import Word
from transformer.ui.speech.calls import Heard

Found = Mapping[str, Alignment]


def rows(found: Found, offset: float = 0.0, before: Sequence[Word] = ()) -> list[dict[str, str]]:
    """A row for each word: its start, end and confidence by each way that there is; times count `offset` more.

    Args:
        before: the words before something was changed in the network, whose times stand beside those of the same words.
    """
    table: list[dict[str, str]] = []
    for words in zip(*(later(alignment.words, offset) for alignment in found.values()), strict=True):
        row = {"Word": words[0].text}
        for way, word in zip(found, words, strict=True):
            row[f"{way}: start – end, s"] = f"{word.start:.2f}–{word.end:.2f}"
            row[f"{way}: confidence"] = f"{word.confidence:.0%}"
        table.append(row)
    if before:
        was = later(before, offset)
        texts = [row["Word"] for row in table]
        for pair in paired([word.text for word in was], texts):
            if pair.after is not None:
                word = was[pair.before] if pair.same and pair.before is not None else None
                table[pair.after]["Before the change"] = (
                    f"{word.start:.2f}–{word.end:.2f}" if word else "not there"
                )
    return table


def whole(heard: Heard, found: Found) -> dict[str, tuple[Word, ...]]:
    """The words of the whole clip by each way: of the part that is shown as the page found them, in `found`."""
    shown = {way: later(alignment.words, heard.offset) for way, alignment in found.items()}
    if not heard.parts:
        return shown
    parts = [shown if part.start == heard.offset else part.words for part in heard.parts]
    return {way: tuple(word for part in parts for word in part.get(way, ())) for way in shown}


def downloads(heard: Heard, found: Found) -> None:
    """Transcript, subtitles, tables, and the trace; what stands first in `found` times the subtitles."""
    with st.popover("Download", icon=":material/download:", key="speech-files", on_change="rerun") as box:
        if not box.open:
            return
        from transformer.figures import subtitles

        trace = heard.trace
        stem = trace.input.rsplit(".", 1)[0] or "speech"
        seconds = heard.parts[-1].end if heard.parts else len(heard.samples) / RATE
        tiers = whole(heard, found)
        words = next(iter(tiers.values()), ())
        with st.container(horizontal=True):
            _file("Text", f"{stem}.txt", lambda: f"{heard.text}\n".encode())
            _file("SRT", f"{stem}.srt", lambda: subtitles.srt(words).encode())
            _file("VTT", f"{stem}.vtt", lambda: subtitles.vtt(words).encode())
            _file("TextGrid", f"{stem}.TextGrid", lambda: subtitles.textgrid(tiers, seconds).encode())
            _file("CSV", f"{stem}.csv", lambda: subtitles.csv(tiers).encode())
            _file("JSON", f"{stem}.json", lambda: subtitles.json(tiers, heard.text, seconds).encode())
        part = " of the part that is shown" if heard.parts else ""
        st.caption(f"Every layer and head{part}, with the spectrogram")
        spoken = next(iter(found.values()), Alignment((), ())).words
        _file("NPZ", f"{stem}.npz", lambda: replace(trace, words=spoken).to_bytes("npz"))


def _file(label: str, name: str, content: Callable[[], bytes]) -> None:
    # The content is made when somebody asks for it, not on every run of the page.
    st.download_button(label, data=content, file_name=name, on_click="ignore", key=f"speech-{label}")
