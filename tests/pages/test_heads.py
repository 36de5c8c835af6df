"""What networks that read say of a text, on Read and on Sentiment, without a browser: labels, a score, classes of
tokens, classes by a decoder, and a head that is left out."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import ROOT, SECONDS
from transformer.pipeline import TextReader
from transformer.ui.instruments import ranking
from transformer.ui.models import calls, opened
from transformer.ui.read import bars, classes
from transformer.ui.sentiment import tints

Visit = Callable[..., AppTest]
GOLDEN = ROOT / "tests" / "golden"
TEXT = "The cat sat near the old log."
READ, SENTIMENT = "pages/read.py", "pages/sentiment.py"


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    for model in opened.opened():
        calls.forget(model.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextReader, "warm", lambda *_, **__: None)
        for name in ("heads-bert-labels", "heads-bert-score", "heads-bert-tokens", "heads-gpt2-classes"):
            calls.open_model(GOLDEN / name).future.result(SECONDS)
        yield
    for model in opened.opened():
        calls.forget(model.name)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What components were last given, by their key."""
    last: dict[str, Any] = {}

    def mounted(**call: Any) -> dict[str, object]:
        last[call["key"]] = call["data"]
        return {}

    for module, name in ((bars, "_BARS"), (classes, "_CLASSES"), (tints, "_TINTS")):
        monkeypatch.setattr(module, name, mounted)
    return last


def captions(page: AppTest) -> str:
    assert not page.exception and not page.warning
    return " ".join(caption.value for caption in page.caption)


def test_labels_are_judged_each_by_itself(visit: Visit, sent: dict[str, Any]) -> None:
    page = visit(READ, text=TEXT, model="heads-bert-labels")
    assert "need not add up to 100 %" in captions(page)
    reading = page.session_state["reading"]
    scores = np.array([answer.score for answer in reading.trace.answers])
    (group,) = sent["classes"]["groups"]
    found = {bar["text"]: bar["probability"] for bar in group["bars"]}
    np.testing.assert_allclose([found[f"LABEL_{i}"] for i in range(3)], 1 / (1 + np.exp(-scores)), atol=1e-5)
    assert group["title"] == reading.trace.output


def test_a_score_is_a_number_and_its_words_raise_or_lower_it(visit: Visit, sent: dict[str, Any]) -> None:
    page = visit(READ, text=TEXT, model="heads-bert-score", change="h:e1.*")
    assert "It is no probability" in captions(page)
    score = page.session_state["reading"].trace.answers[0].score
    (metric,) = page.metric
    assert metric.label == "Score" and "by the change" in metric.delta
    moved = float(metric.delta.split()[0].replace("−", "-"))
    assert float(metric.value) - moved == pytest.approx(score, abs=2e-3) and moved
    assert any(f"before the change {score:.2f}".replace("-", "−") in box.value for box in page.markdown)
    page.session_state["lens"] = True
    page.run()
    assert "answers with a number" in page.info[0].value
    page = visit(SENTIMENT, text=TEXT, model="heads-bert-score")
    assert "It is no probability" in captions(page)
    _, gradient, left_out = sent["tints"]["rows"]
    assert (left_out["low"], left_out["high"]) == ("lowers it", "raises it") and "the score" in gradient[
        "about"
    ]
    reading = page.session_state["review"]
    model, word = reading.model, reading.words[1]
    without = model.classify([TEXT.replace(" cat", "")])[0, 0]
    place = word.places[0]
    assert left_out["values"][place] == pytest.approx(reading.trace.answers[0].score - without, abs=1e-4)


def test_a_second_text_makes_a_pair(visit: Visit, sent: dict[str, Any]) -> None:
    second = "It sat there all day."
    page = visit(READ, text=TEXT, second=second, model="heads-bert-score")
    assert page.text_input(key="second").value == second and not page.exception and not page.warning
    reading = page.session_state["reading"]
    model = calls.network("heads-bert-score")
    assert reading.trace.answers == model.trace(TEXT, second).answers != model.trace(TEXT).answers
    assert (reading.first, reading.second) == (TEXT, second) and reading.written(
        len(reading.words) - 2
    ) == "day"
    page.text_input(key="second").set_value("").run()
    assert page.session_state["reading"].trace.answers == model.trace(TEXT).answers


def test_every_token_has_its_class_and_stretches_their_names(visit: Visit, sent: dict[str, Any]) -> None:
    page = visit(READ, text=TEXT, model="heads-bert-tokens", change="h:e2.1")
    assert "The class of each token" in captions(page)
    assert "had another class before" in captions(page)
    drawn, trace = sent["token-classes"], page.session_state["reading"].trace
    assert len(drawn["tokens"]) == len(trace.source) == len(trace.steps)
    for token, step in zip(drawn["tokens"], trace.steps, strict=True):
        assert token["before"]["name"] == step.token and len(token["classes"]) == 5
        assert sum(found["probability"] for found in token["classes"]) == pytest.approx(1, abs=1e-4)
    assert {stretch["name"] for stretch in drawn["stretches"]} <= {"PER", "LOC"}
    assert any("class" in box.value and "tokens" in box.value.lower() for box in page.markdown)


def test_a_decoder_answers_by_its_last_token(visit: Visit, sent: dict[str, Any]) -> None:
    page = visit(READ, text=TEXT, model="heads-gpt2-classes")
    assert "the tokens up to it that it drew on" in captions(page)
    trace = page.session_state["reading"].trace
    assert list(trace) == ["decoder"] and trace.output == sent["classes"]["groups"][0]["title"]
    assert "heads-gpt2-classes" not in calls.names("decoder")
    page = visit(SENTIMENT, text=TEXT, model="heads-gpt2-classes")
    assert not page.exception and sent["tints"]["rows"][1]["high"] == f"for {trace.output}"


def test_heads_are_ranked_for_what_a_network_says() -> None:
    asked = {}
    for name in ("heads-bert-labels", "heads-bert-score", "heads-bert-tokens", "heads-gpt2-classes"):
        model: Any = calls.network(name)
        trace = model.trace(TEXT)
        asked[name] = ranking.objectives(trace, model.sayings(trace))
    best = calls.network("heads-bert-labels").trace(TEXT).answers
    assert asked["heads-bert-labels"][0].name == f"The label “{max(best, key=lambda a: a.score).name}”"
    assert [objective.name for objective in asked["heads-bert-score"]] == ["The score"]
    assert asked["heads-bert-score"][0].number
    assert asked["heads-bert-tokens"][0].name == "All classes"
    assert asked["heads-gpt2-classes"][0].name.startswith("The class “")


def test_heads_are_ranked_below_tinted_words(visit: Visit, sent: dict[str, Any]) -> None:
    page = visit(SENTIMENT, text=TEXT, model="heads-gpt2-classes")
    page.session_state["ranking"] = True
    page.run()
    assert not page.exception and not page.info
    keys = {box.key for box in page.segmented_control}
    assert "sheet-shows" in keys and not keys & set(sent), "components and widgets share one session"


def test_heads_are_ranked_for_one_class_rather_than_another(visit: Visit) -> None:
    for name, what in (
        ("heads-gpt2-classes", "class"),
        ("heads-bert-tokens", "class"),
        ("heads-bert-labels", "label"),
    ):
        page = visit(READ, text=TEXT, model=name)
        page.session_state["ranking"] = True
        page.session_state["objective"] = 1
        page.run()
        assert not page.exception and not page.info
        assert page.selectbox(key="objective").options[1] == f"One {what} against another"
        boxes = {box.label: box for box in page.selectbox}
        words = [boxes["This"].options[boxes["This"].index], boxes["Rather than"].options[0]]
        assert words[0] not in boxes["Rather than"].options
        said = " ".join(item.value for item in page.markdown).replace("\\", "")
        assert f"“{words[0]}” rather than “{words[1]}” would be" in said


def test_an_answer_is_marked_in_the_second_text(visit: Visit, sent: dict[str, Any]) -> None:
    calls.forget("heads-gpt2-classes")
    calls.open_model(GOLDEN / "heads-bert-spans").future.result(SECONDS)
    page = visit(
        READ, text=TEXT, second="The dog sat there all day.", model="heads-bert-spans", change="h:e1.1"
    )
    assert "Where the answer to the first text stands" in captions(page)
    before = page.session_state["reading"].trace
    (stretch,) = sent["token-classes"]["stretches"]
    (group,) = sent["classes"]["groups"]
    assert stretch["name"] == "answer" and stretch["probability"] == group["bars"][0]["probability"]
    assert len(group["bars"]) == 5 and stretch["end"] <= len(before.source) - 1
    assert any("before the change the best one had" in box.value for box in page.markdown)
    page = visit(READ, text=TEXT, model="heads-bert-spans")
    assert "There is no second text" in captions(page)


def test_a_head_that_is_left_out_is_named(visit: Visit, tmp_path: Path) -> None:
    place = Path(shutil.copytree(GOLDEN / "heads-bert-classes", tmp_path / "choice"))
    config = (place / "config.json").read_text()
    (place / "config.json").write_text(config.replace("ForSequenceClassification", "ForMultipleChoice"))
    calls.forget("heads-bert-labels")
    calls.open_model(place).future.result(SECONDS)
    page = visit(READ, text=TEXT, model="choice")
    named = captions(page).replace("\\", "")
    assert "BertForMultipleChoice (which of several texts fits), is left out" in named
    page = visit(SENTIMENT, text=TEXT)
    assert "choice" not in page.selectbox(key="model").options
