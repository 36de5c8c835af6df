"""The page of models, and an opened one on Translate, run without a browser."""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from transformer import home, pipeline, settings
from transformer.checkpoints import hub
from transformer.checkpoints.look import look
from transformer.ui.models import calls, opened

Visit = Callable[..., AppTest]
PAGE = "pages/models.py"
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SECONDS = 200


@pytest.fixture(scope="module")
def build() -> Callable[[Path, str], Any]:
    """Opens a folder; whoever opens it again has the same network, with the graphs that it was asked through."""
    return functools.cache(pipeline.open_folder)


@pytest.fixture(autouse=True)
def nothing_open(monkeypatch: pytest.MonkeyPatch, build: Callable[[Path, str], Any]) -> Iterator[None]:
    """The shipped network is on its way for ever; opened ones compile nothing before they are asked."""

    def cold(path: Path, name: str) -> Any:
        model = build(path, name)
        model.warm = lambda *_: None
        return model

    monkeypatch.setattr(pipeline, "open_folder", cold)
    monkeypatch.setattr(calls, "_loading", lambda name: Future())
    monkeypatch.delenv(settings.MODELS, raising=False)
    monkeypatch.setattr(hub, "cached", lambda name: None)
    yield
    for model in opened.opened():
        calls.forget(model.name)


@pytest.fixture
def marian() -> str:
    """An opened translator."""
    model = calls.open_model(GOLDEN / "marian-swish")
    model.future.result(SECONDS)
    return model.name


def typed(page: AppTest, text: str) -> AppTest:
    page.text_input(key="source").set_value(text)
    next(button for button in page.button if button.label == "Look").click().run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    return "\n".join(text.value for kind in (page.markdown, page.caption, page.warning) for text in kind)


def links(page: AppTest) -> list[str]:
    """Where the links beside the navigation lead."""
    return [link.proto.query_string for link in page.get("page_link") if link.proto.query_string]


def test_shipped_models_stand_there_with_what_is_known_of_them(visit: Visit) -> None:
    page = visit(PAGE)
    found = look(home.models() / "pt-en")
    assert "reads with 4 layers of 8 heads and writes with 3 layers of 8 heads" in said(page)
    assert f"{found.parameters / 1e6:.1f} million learned numbers" in said(page)
    assert "49.9 BLEU" in said(page)
    assert any("#### pt-en" in text.value for card in page.expander for text in card.markdown)
    assert "model=pt-en" in links(page)
    assert "None yet." in said(page)


def test_a_folder_is_looked_at_opened_and_forgotten(visit: Visit) -> None:
    page = typed(visit(PAGE), str(GOLDEN / "marian-swish"))
    found = look(GOLDEN / "marian-swish")
    for fact in (
        "Marian",
        "2 layers of 4 heads",
        f"{found.parameters:,}",
        "**Tokenizer**: yes",
        "**Page**: Translate",
    ):
        assert fact in said(page), fact
    assert not opened.opened(), "looking opens nothing"
    page.button(key="open").click().run()
    assert not page.exception
    opened.opened()[0].future.result(SECONDS)
    page.run()
    assert "model=marian-swish" in links(page)
    assert "**marian\\-swish**" in said(page)
    assert calls.names("seq2seq")[-1] == "marian-swish"
    page.button(key="forget-marian-swish").click().run()
    assert not page.exception and calls.names("seq2seq") == calls.shipped("seq2seq")
    assert "None yet." in said(page)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/dev/zero",
        "/etc/passwd",
        "..",
        "a\0b",
        "x" * 5000,
        "<b>x</b>",
        "tests/golden/unsupported-family",
        "tests/golden/unsupported-activation",
        "tests/golden/tokens-unigram",
        "tests/golden",
    ],
)
def test_whatever_is_typed_there_is_one_line(visit: Visit, text: str) -> None:
    page = typed(visit(PAGE), text)
    (warning,) = page.warning
    assert warning.value.startswith("Not found: expected ") and "\n" not in warning.value
    assert not any(button.key == "open" for button in page.button)


def test_on_a_shared_server_elsewhere_is_nowhere(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(settings.MODELS, str(tmp_path))
    (tmp_path / "mine").symlink_to(GOLDEN / "gpt2-tied")
    for text in (str(GOLDEN / "gpt2-tied"), "mine"):
        page = typed(visit(PAGE), text)
        assert "Not found: expected a folder among those that this server opens" in page.warning[
            0
        ].value.replace("\\", "")
    monkeypatch.setenv(settings.MODELS, str(GOLDEN))
    assert "GPT-2" in said(typed(visit(PAGE), "gpt2-tied"))


def test_a_hub_id_says_what_it_will_fetch_and_is_fetched(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = look(GOLDEN / "gpt2-untied").config
    monkeypatch.setattr(hub, "cost", lambda name: hub.Cost("gpt2", config, 5, 312_000_000))
    monkeypatch.setattr(hub, "fetch", lambda name, progress: GOLDEN / "gpt2-untied")
    page = typed(visit(PAGE), "org/tiny")
    assert "**To fetch**: 5 files, 312.0 MB" in said(page)
    assert page.button(key="open").label == "Fetch and open it"
    page.button(key="open").click().run()
    assert opened.opened()[0].future.result(SECONDS).name == "org/tiny"
    assert calls.names("decoder")[-1] == "org/tiny"


def test_a_hub_that_is_switched_off_says_so(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.HUB, "off")
    (warning,) = typed(visit(PAGE), "org/tiny").warning
    text = warning.value.replace("\\", "")
    assert "switched off (HEADLIGHT_HUB)" in text and str(hub.cache()) not in text


def test_what_does_not_fit_is_refused_kindly(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformer.ui.models.page.free_memory", lambda: 1000)
    page = typed(visit(PAGE), str(GOLDEN / "gpt2-tied"))
    assert "does not fit into the memory" in page.warning[0].value
    assert not any(button.key == "open" for button in page.button)


def shown(page: AppTest) -> Any:
    assert not page.exception and not page.warning
    return page.session_state["shown"]


def test_an_opened_translator_works_on_translate(visit: Visit, marian: str) -> None:
    page = visit("pages/translate.py", model=marian, text="a b c", layer="2", head="3")
    trace, model = shown(page), calls.network(marian)
    assert page.selectbox(key="model").options == [*calls.shipped("seq2seq"), marian]
    assert (trace.model, trace.input) == (marian, "a b c")
    again = model.trace_ids([label.id for label in trace.source], [label.id for label in trace.target])
    np.testing.assert_allclose(again["cross"].weights, trace["cross"].weights, atol=1e-6)
    assert f"`{marian}` reads with 2 layers of 4 heads" in said(page)
    page.button_group(key="search").set_value("Beam").run()
    assert shown(page).options["beams"] == calls.BEAMS
    page.text_input(key="target").set_value("b a").run()
    assert shown(page).output == "b a" and shown(page).options["decoding"] == "forced"


def test_its_numbers_can_be_checked(visit: Visit, marian: str) -> None:
    def script(name: str) -> None:
        from transformer.ask import Ask
        from transformer.ui.models import calls
        from transformer.ui.parts.check import check_panel

        check_panel(calls.ask(Ask(model=name, given="a b c", beams=1)), "cross", None, None, key="check")

    page = AppTest.from_function(script, args=(marian,), default_timeout=SECONDS).run()
    assert not page.exception and not page.warning
    assert "The numbers agree." in said(page)


def test_one_without_a_tokenizer_says_so(visit: Visit) -> None:
    told = said(typed(visit(PAGE), str(GOLDEN / "marian-published")))
    assert "cannot read text" in told and "Put `tokenizer.json`" in told
    assert "**Page**: Translate, which needs its tokenizer" in told
    told = said(typed(visit(PAGE), str(GOLDEN / "heads-bert-score")))
    assert "**Page**: Read, and Sentiment" in told
    calls.open_model(GOLDEN / "marian-published").future.result(SECONDS)
    page = visit("pages/translate.py", model="marian-published", text="a b c")
    assert "expected tokenizer files beside the weights" in page.warning[0].value


def test_a_link_to_a_forgotten_model_says_so_and_leads_on(visit: Visit, marian: str) -> None:
    page = visit("pages/translate.py", model="forgotten")
    (info,) = page.info
    assert "The model “forgotten” is not open on this server" in info.value
    assert page.selectbox(key="model").value == "pt-en"
    page.selectbox(key="model").set_value(marian).run()
    assert not any("not open" in info.value for info in page.info)
    calls.forget(marian)
    page.run()
    assert any("“marian\\-swish” is not open" in info.value for info in page.info)
    assert page.selectbox(key="model").value == "pt-en"


def test_a_link_to_a_model_of_another_kind_says_so(visit: Visit) -> None:
    calls.open_model(GOLDEN / "gpt2-tied").future.result(SECONDS)
    assert "of another kind" in visit("pages/translate.py", model="gpt2-tied").info[0].value
