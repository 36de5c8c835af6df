"""The front page: it says what this is, leads on, and shows a picture before any network is loaded."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from transformer import home
from transformer.ui.models import calls
from transformer.ui.shell.frame import PAGES

Visit = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this page shows, it shows without one."""
    monkeypatch.setattr(calls, "_loading", lambda name: None)


def test_it_names_the_thing_and_shows_the_example(visit: Visit) -> None:
    home = visit()
    assert home.title[0].value == "See what every attention head looks at"
    trace = calls.example()
    assert trace is not None
    assert f"“{trace.input}” became **“{trace.output}”**" in [text.value for text in home.markdown]
    assert len(home.get("plotly_chart")) == 1
    links = [link.proto.page for link in home.get("page_link")]
    assert len(links) == len(PAGES) + len(PAGES[1:]), "navigation, and a card for each page but this one"


def test_without_its_example_it_still_opens(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(home, "examples", lambda: tmp_path)
    calls._shipped_trace.clear()
    page = visit()
    assert page.title and not page.get("plotly_chart")


def test_nonsense_in_the_address_is_no_matter(visit: Visit) -> None:
    assert visit(text="x" * 100_000, layer="none", choices="?").title
