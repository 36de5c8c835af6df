"""Opened encoder-decoders on Translate, without a browser: tasks, languages, their words, and their numbers again."""

from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import ROOT, SECONDS
from transformer.pipeline import Translator
from transformer.ui.models import calls, opened

Visit = Callable[..., AppTest]
PAGE, TEXT = "pages/translate.py", "The cat sat."


@pytest.fixture(scope="module", autouse=True)
def models() -> Iterator[None]:
    for model in opened.opened():
        calls.forget(model.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Translator, "warm", lambda *_, **__: None)
        for name in ("t5-relu", "m2m-scaled"):
            calls.open_model(ROOT / "tests" / "golden" / name).future.result(SECONDS)
        yield
    for model in opened.opened():
        calls.forget(model.name)


def test_tasks_begin_a_text_and_the_words_fit_what_it_does(visit: Visit) -> None:
    page = visit(PAGE, text=TEXT, model="t5-relu", attention="encoder", change="h:x1.1")
    assert not page.exception and not page.warning
    assert any("What goes in comes out otherwise" in text.value for text in page.markdown)
    assert page.session_state["shown"].model == "t5-relu"
    assert not any("translation" in text.value for text in (*page.markdown, *page.caption))
    page.button_group(key="example").set_value("translate English to German").run()
    assert page.text_input(key="text").value.startswith("translate English to German: The train was late")
    assert not page.exception and page.session_state["shown"].input == page.text_input(key="text").value


def test_the_languages_of_a_text_and_of_its_translation_are_picked(visit: Visit) -> None:
    page = visit(PAGE, text=TEXT, model="m2m-scaled")
    assert not page.exception and not page.warning
    assert (page.selectbox(key="from").value, page.selectbox(key="into").value) == ("eng_Latn", "por_Latn")
    page.selectbox(key="into").set_value("zho_Hans").run()
    trace = page.session_state["shown"]
    assert trace.options["into"] == "zho_Hans" and trace.target[0].text == "zho_Hans"
    # Another network knows none of them.
    page.selectbox(key="model").set_value("t5-relu").run()
    assert not page.exception and not page.warning
    assert "into" not in page.session_state["shown"].options
