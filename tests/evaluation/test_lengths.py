"""Sentences put together, and what is recorded of them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from transformer.evaluation import lengths

PAIRS = [(f"s{i}", f"the reference number {i}") for i in range(7)]


def test_pairs_are_joined_in_order_and_the_rest_is_left_out() -> None:
    assert lengths.joined(PAIRS, 1) == PAIRS
    found = lengths.joined(PAIRS, 3)
    assert [source for source, _ in found] == ["s0 s1 s2", "s3 s4 s5"]
    assert found[0][1] == "the reference number 0 the reference number 1 the reference number 2"
    assert all(lengths.SENTENCES % count == 0 for count in lengths.COUNTS)
    with pytest.raises(ValueError, match="expected at least 1 sentence"):
        lengths.joined(PAIRS, 0)


class Loses:
    """Translates perfectly, but never more than the first two sentences of an input."""

    name = "loses"
    config = SimpleNamespace(max_source=3)
    tokenizer = SimpleNamespace(encode_all=lambda texts: [[*text.split(), "end"] for text in texts])

    def translate(self, texts: list[str], *, beams: int) -> list[str]:
        known = dict(PAIRS)
        return [" ".join(known[word] for word in text.split()[:2]) for text in texts]


def test_what_is_lost_shows_by_length() -> None:
    model: Any = Loses()
    rows = {row.sentences: row for row in lengths.by_length(model, PAIRS[:6], (1, 2, 3))}
    assert [rows[n].inputs for n in (1, 2, 3)] == [6, 3, 2]
    assert [rows[n].tokens for n in (1, 2, 3)] == [2.0, 3.0, 4.0]
    assert [rows[n].cut for n in (1, 2, 3)] == [0, 0, 2]
    assert rows[1].bleu == rows[2].bleu == 100
    # Two sentences of three, every word of them right: BLEU is its brevity penalty exp(1 - 12/8) alone.
    assert rows[3].bleu == pytest.approx(60.65, abs=0.01)
    with pytest.raises(ValueError, match="expected at least 9 pairs"):
        lengths.by_length(model, PAIRS, (9,))


def test_rows_go_to_a_file_and_back(tmp_path: Path) -> None:
    rows = [lengths.Row("one", 1, 840, 9.3, 0, 48.9, 64.0), lengths.Row("two", 8, 105, 66.1, 3, 10.0, 30.25)]
    lengths.write(tmp_path / "length.csv", rows)
    assert lengths.read(tmp_path / "length.csv") == rows
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="expected the columns model, sentences"):
        lengths.read(tmp_path / "other.csv")
