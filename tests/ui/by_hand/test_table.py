"""The table that is typed: whichever order a browser's messages arrive in, no edit is lost."""

from types import SimpleNamespace
from typing import Any

import pytest

from transformer.analysis import typed
from transformer.ui.by_hand import table

NUMBERS = {"the": "0.2,-0.2,0,0", "train": "1.2,0.6,0.2,0", "left": "0,1.2,1,-0.6", ".": "0.2,0,-0.2,-0.2"}


class Visitor:
    """A session: what its browser has sent, and what the page would show."""

    def __init__(self) -> None:
        self.session_state: dict[str, Any] = {}
        self.query_params: dict[str, str] = {}
        self.drawn: dict[str, Any] = {}

    def sends(self, generation: object, *rows: object) -> None:
        self.session_state[table.KEY] = {"edited": {"generation": generation, "rows": list(rows)}}

    def types(self, text: str, box: str | None = None) -> None:
        """Another sentence, or what a browser sends for a box."""
        key = box or table.sentence()[0]
        self.session_state[key] = text
        table.refill(key)

    def runs(self) -> list[str]:
        """A run of the page; the rows on screen."""
        table.take()
        table.show(table.draft() or table.put(typed.rows_for(typed.words_of(table.sentence()[1]))))
        return [",".join(row) for row in self.drawn["rows"]]


@pytest.fixture
def visitor(monkeypatch: pytest.MonkeyPatch) -> Visitor:
    made = Visitor()
    monkeypatch.setattr(
        table, "st", SimpleNamespace(session_state=made.session_state, query_params=made.query_params)
    )
    monkeypatch.setattr(table, "_TABLE", lambda *, data, **_: made.drawn.update(data))
    made.query_params["sentence"] = "The train left."
    assert made.runs() == [f"The,{NUMBERS['the']}", *(f"{w},{NUMBERS[w]}" for w in ("train", "left", "."))]
    return made


def edited(visitor: Visitor, **words: str) -> list[list[str]]:
    """The rows on screen, some with other numbers: `train="1,2,3,4"`."""
    rows = [list(row) for row in visitor.drawn["rows"]]
    return [[row[0], *words.get(row[0], ",".join(row[1:])).split(",")] for row in rows]


def test_an_edit_stays_through_runs_that_know_nothing_of_it(visitor: Visitor) -> None:
    generation = visitor.drawn["generation"]
    visitor.sends(generation, *edited(visitor, train="1,-3,0,0"))
    assert visitor.runs()[1] == "train,1,-3,0,0"
    visitor.session_state.pop(table.KEY)  # the table was not drawn meanwhile
    assert visitor.runs()[1] == "train,1,-3,0,0"
    assert visitor.drawn["generation"] == generation, "a new one would draw over what somebody is typing"


def test_words_of_the_table_and_the_sentence_are_the_same(visitor: Visitor) -> None:
    first, _ = table.sentence()
    rows = edited(visitor)
    rows[1][0] = " tram "
    visitor.sends(1, *rows, ["", "0", "0", "0", "0"])
    visitor.runs()
    second, text = table.sentence()
    assert text == "The tram left." and second != first
    # The browser did not know that yet and sends the old box once more; nobody has typed that.
    visitor.types("The train left.", first)
    assert table.sentence() == (second, "The tram left.") and visitor.runs()[1].startswith(" tram ")
    # Somebody has typed this, though, into the box that is about to go.
    visitor.types("The tram left on time.", first)
    assert table.sentence()[1] == "The tram left on time."
    assert [row.split(",")[0] for row in visitor.runs()] == ["The", "tram", "left", "on", "time", "."]


def test_other_numbers_leave_the_sentence_as_it_was_typed(visitor: Visitor) -> None:
    visitor.types("The   train left .")
    visitor.runs()
    before = table.sentence()
    visitor.sends(visitor.drawn["generation"], *edited(visitor, left="1,1,1,1"))
    assert visitor.runs()[2] == "left,1,1,1,1" and table.sentence() == before


def test_an_edit_that_comes_with_another_sentence(visitor: Visitor) -> None:
    visitor.sends(1, *edited(visitor, train="1,-3,0,0"))
    visitor.types("A train sings.")
    assert visitor.runs()[1] == "train,1,-3,0,0"


def test_an_edit_that_was_on_its_way_while_another_sentence_was_typed(visitor: Visitor) -> None:
    late = edited(visitor, train="1,-3,0,0")
    visitor.types("A train sings.")
    assert visitor.runs()[1] == f"train,{NUMBERS['train']}"
    visitor.sends(1, *late)
    rows = visitor.runs()
    assert rows[1] == "train,1,-3,0,0" and [row.split(",")[0] for row in rows] == ["A", "train", "sings", "."]
    generation = visitor.drawn["generation"]
    assert visitor.runs() == rows and visitor.drawn["generation"] == generation, "and that was that"


def test_a_fresh_start_forgets_edits_also_late_ones(visitor: Visitor) -> None:
    late = edited(visitor, train="1,-3,0,0")
    table.start_again()
    visitor.sends(1, *late)
    assert visitor.runs()[1] == f"train,{NUMBERS['train']}"
    assert table.sentence()[1] == table.SENTENCE


def test_a_ragged_table_is_drawn_in_full_rows(visitor: Visitor) -> None:
    table.put([["sun", "1"], ["moon", "0", "1"], ["star", "1", "2", "3"], ["sky", "2", "3"]])
    assert visitor.runs() == ["sun,1,", "moon,0,1", "star,1,2", "sky,2,3"]
    assert visitor.drawn["columns"] == ["1", "2"]
    visitor.sends(visitor.drawn["generation"])
    assert visitor.runs() == [] and visitor.drawn["columns"] == ["1", "2"], "there is still a table to add to"


@pytest.mark.parametrize(
    "edited",
    [
        None,
        [],
        {"generation": 1},
        {"generation": "1", "rows": [["a", "1"]]},
        {"generation": 1, "rows": "a,1"},
        {"generation": 1, "rows": [["a", 1]]},
        {"generation": 1, "rows": [[]]},
        {"generation": 1, "rows": ["a"]},
        {"generation": 1, "rows": [["a", "1" * 61]]},
        {"generation": 1, "rows": [["a"]] * 33},
        {"generation": 1, "rows": [["a"] * 11]},
        {"generation": 0, "rows": [["a", "1"]]},
        {"generation": 2, "rows": [["a", "1"]]},
    ],
)
def test_what_is_no_table_is_not_taken(visitor: Visitor, edited: object) -> None:
    before = visitor.runs()
    visitor.session_state[table.KEY] = {"edited": edited}
    assert visitor.runs() == before
