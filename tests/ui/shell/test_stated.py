"""What a browser states of widgets counts in the widget's own type alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.runtime.state.common import ValueFieldName, WidgetMetadata
from streamlit.runtime.state.session_state import WStates

from transformer.ui.shell.stated import only_in_their_type


@pytest.fixture(autouse=True)
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(WStates, "__getitem__", WStates.__getitem__)  # and as it was, after the test
    only_in_their_type()
    yield


def states(kind: ValueFieldName, **stated: Any) -> WStates:
    """What a session knows of one widget, "w", which answers "nothing" where it was cleared."""
    found = WStates()
    found.set_widget_metadata(
        WidgetMetadata("w", lambda value: "nothing" if value is None else value, lambda value: value, kind)
    )
    found.set_widget_from_proto(WidgetState(id="w", **stated))
    return found


@pytest.mark.parametrize(
    ("kind", "stated", "value"),
    [
        ("string_value", {"string_value": "a text"}, "a text"),
        ("double_value", {"double_value": 0.5}, 0.5),
        ("double_value", {"int_value": 3}, 3),
        ("bool_value", {"bool_value": True}, True),
        ("string_value", {}, "nothing"),
    ],
)
def test_what_browsers_state_is_read(kind: ValueFieldName, stated: dict[str, Any], value: Any) -> None:
    assert states(kind, **stated)["w"] == value


@pytest.mark.parametrize(
    ("kind", "stated"),
    [
        ("string_value", {"int_array_value": {"data": [1, 2]}}),
        ("string_value", {"bool_value": True}),
        ("string_value", {"json_value": '{"a": 1}'}),
        ("double_value", {"string_value": "x"}),
        ("double_array_value", {"double_value": 1.0}),
        ("json_value", {"string_value": "not JSON"}),
    ],
)
def test_another_type_is_as_if_nothing_were_stated(kind: ValueFieldName, stated: dict[str, Any]) -> None:
    found = states(kind, **stated)
    assert "w" not in found
    assert found.get("w") is None
    with pytest.raises(KeyError):
        found["w"]
    found.set_from_value("w", "what the page puts there")
    assert found["w"] == "what the page puts there"


def test_the_type_stays_the_widgets_own_whatever_was_stated_before() -> None:
    found = states("string_value")
    assert found["w"] == "nothing"
    found.set_widget_from_proto(WidgetState(id="w", bool_value=True))
    assert found.get("w") is None
    found.set_widget_from_proto(WidgetState(id="w", string_value="again"))
    assert found["w"] == "again"


def test_said_twice_it_is_done_once() -> None:
    once = WStates.__getitem__
    only_in_their_type()
    assert WStates.__getitem__ is once
