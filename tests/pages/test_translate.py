"""The translator's page, run without a browser. What the network says may change; what is shown of it must be true."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from transformer import home
from transformer.analysis import views
from transformer.analysis.compare import log_probability, times
from transformer.analysis.importance import ranked
from transformer.interventions import ALL, Interventions
from transformer.pipeline import load
from transformer.trace import Trace
from transformer.ui.models import calls
from transformer.ui.parts import sheet

Visit = Callable[..., AppTest]
PAGE = "pages/translate.py"
SENTENCE = "O gato preto dorme."


@pytest.fixture
def open_page(visit: Visit, network: None) -> Visit:
    return lambda **query: visit(PAGE, **query)


def shown(page: AppTest) -> Trace:
    trace = page.session_state["shown"]
    assert isinstance(trace, Trace)
    return trace


def figure(page: AppTest) -> dict[str, Any]:
    (chart,) = page.get("plotly_chart")
    spec: dict[str, Any] = json.loads(chart.proto.spec)
    return spec


def title(page: AppTest) -> str:
    """The line above the heatmap."""
    (line,) = (text.value for text in page.markdown if "attention, " in text.value)
    return str(line.strip("*"))


def values(page: AppTest) -> np.ndarray[Any, Any]:
    z = figure(page)["data"][0]["z"]
    rows, columns = (int(n) for n in z["shape"].split(","))
    return np.frombuffer(base64.b64decode(z["bdata"]), z["dtype"]).reshape(rows, columns)


def warnings(page: AppTest) -> str:
    assert not page.exception
    return " ".join(warning.value for warning in page.warning).replace("\\", "")  # as it is read


def test_it_opens_on_an_answer(open_page: Visit) -> None:
    page = open_page()
    assert shown(page).input == calls.FIRST.given
    assert title(page) == "Cross-attention, layer 1, head 1"
    np.testing.assert_array_equal(values(page), shown(page)["cross"].weights[0, 0])
    assert not page.warning and not page.info


def test_the_shipped_example_is_what_the_shipped_network_records(xla: None) -> None:
    """The example is on screen before the network is: it must never be another network's."""
    now = load(calls.FIRST.model).trace(calls.FIRST.given)
    kept = calls.example()
    assert kept is not None
    assert (kept.input, kept.output, kept.model) == (now.input, now.output, calls.FIRST.model)
    assert (kept.source, kept.target) == (now.source, now.target)
    for attention in now.maps:
        np.testing.assert_allclose(kept[attention.kind].weights, attention.weights, atol=1e-4)
    for old, new in zip(kept.steps, now.steps, strict=True):
        assert old.token == new.token
        np.testing.assert_allclose(old.log_probability, new.log_probability, atol=1e-3)


def test_a_sentence_is_translated_and_another_forgets_what_was_forced(open_page: Visit) -> None:
    page = open_page(target="The cat sleeps.", choices="0.1")
    page.text_input(key="text").set_value(SENTENCE).run()
    assert not page.exception and shown(page).input == SENTENCE
    assert page.text_input(key="target").value == "" and "choices" not in page.query_params
    assert shown(page).options["decoding"] == "greedy"


def test_an_example_goes_into_the_box(open_page: Visit) -> None:
    page = open_page()
    page.button_group(key="example").set_value("In Spanish").run()
    assert not page.exception
    assert page.text_input(key="text").value == shown(page).input == "¿Puedes ayudarme a abrir la puerta?"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "nothing to read"),
        ("   ", "nothing to read"),
        ("\x00\x07\n", "nothing to read"),
        ("gato " * 200, "at most 128 tokens"),
        ("x" * 100_000, "at most"),
    ],
)
def test_bad_input_says_why_and_loses_nothing(open_page: Visit, text: str, says: str) -> None:
    page = open_page(text=SENTENCE, layer="2", head="3")
    before = values(page)
    page.text_input(key="text").set_value(text).run()
    assert says in warnings(page)
    assert SENTENCE in warnings(page), "it says whose picture this is"
    assert shown(page).input == SENTENCE and title(page) == "Cross-attention, layer 2, head 3"
    np.testing.assert_array_equal(values(page), before)


def test_a_bad_sentence_in_the_first_address_shows_the_example(open_page: Visit) -> None:
    page = open_page(text="x" * 100_000)
    assert "at most" in warnings(page) and calls.FIRST.given in warnings(page)
    assert page.get("plotly_chart")


@pytest.mark.parametrize(
    "text",
    [
        "o\x00 gato\x07 dorme",
        "שלום עולם",
        "مرحبا بالعالم",
        "O gato 🐈‍⬛ dorme 👋🏽.",
        "東京",
        "<b>gato</b> &amp;",
    ],
)
def test_unusual_characters_are_read_as_far_as_they_are_known(open_page: Visit, text: str) -> None:
    page = open_page(text=text)
    assert not warnings(page)
    trace = shown(page)
    assert values(page).shape == (len(trace.target), len(trace.source))
    assert ("unknown" in trace.options) == bool(page.info)


def test_beam_is_another_search(open_page: Visit) -> None:
    page = open_page(text=SENTENCE, choices="0.1")
    page.button_group(key="search").set_value("Beam").run()
    assert shown(page).options["decoding"] == "beam" and shown(page).options["beams"] == calls.BEAMS
    assert "choices" not in page.query_params, "they were choices in another answer"


def test_an_output_of_ones_own_is_looked_at(open_page: Visit) -> None:
    page = open_page(text=SENTENCE, target="The black cat sleeps.")
    assert shown(page).output == "The black cat sleeps." and shown(page).options["decoding"] == "forced"
    back = next(button for button in page.button if button.label == "Back to the network's own")
    back.click().run()
    assert shown(page).options["decoding"] == "greedy" and page.text_input(key="target").value == ""


def test_the_output_on_screen_can_be_edited(open_page: Visit) -> None:
    page = open_page(text=SENTENCE)
    output = shown(page).output
    next(button for button in page.button if button.label == "Start from the one on screen").click().run()
    assert not page.exception and page.text_input(key="target").value == output


def test_the_network_goes_on_from_a_choice(open_page: Visit) -> None:
    own = shown(open_page(text=SENTENCE))
    other = own.steps[0].alternatives[1].text
    page = open_page(text=SENTENCE, choices="0.1")
    assert not warnings(page) and shown(page).target[0].text == other


@pytest.mark.parametrize("choices", ["nonsense", "1", "0.9", "99.1", "0.1_", "0.1" * 200, "٣.١", "-1.0"])
def test_choices_that_are_none_say_so(open_page: Visit, choices: str) -> None:
    page = open_page(text=SENTENCE, choices=choices)
    assert "Not translated: expected" in warnings(page)
    assert page.get("plotly_chart")


def test_the_address_restores_a_view(open_page: Visit) -> None:
    page = open_page(
        text=SENTENCE,
        search="Beam",
        attention="Encoder",
        layer="All",
        head="2",
        combine="Maximum",
        words="true",
        plain="true",
    )
    assert not warnings(page)
    assert title(page) == "Encoder self-attention, maximum of all layers, head 2"
    view = views.combine(shown(page)["encoder"], "max", head=1)
    np.testing.assert_array_equal(values(page), views.hide_special(views.merge_words(view)).values)


def test_nonsense_in_the_address_falls_back(open_page: Visit) -> None:
    page = open_page(
        text=SENTENCE, search="x", attention="y", layer="99", head="-1", combine="?", words="7", model="none"
    )
    assert not warnings(page) and title(page) == "Cross-attention, layer 1, head 1"
    assert page.selectbox(key="model").value == calls.FIRST.model


def test_a_layer_that_the_other_stack_lacks_becomes_its_last(open_page: Visit) -> None:
    page = open_page(text=SENTENCE, attention="Encoder", head="All")
    page.button_group(key="layer").set_value(str(shown(page)["encoder"].layers)).run()
    page.button_group(key="attention").set_value("Decoder").run()
    depth = shown(page)["decoder"].layers
    assert title(page) == f"Decoder self-attention, layer {depth}, average of all heads"


# When there is no network to ask


def test_a_folder_without_models_is_one_sentence(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(home, "models", lambda: tmp_path)
    monkeypatch.setattr(calls, "_loading", lambda name: Future())
    assert "There is no trained network" in warnings(visit(PAGE))


def test_a_network_that_does_not_load_is_one_sentence(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: Future[Any] = Future()
    failed.set_exception(ValueError("expected a whole model, received half of one"))
    monkeypatch.setattr(calls, "_loading", lambda name: failed)
    calls._answers.forget()
    page = visit(PAGE, text=SENTENCE)
    assert "“pt-en” could not be loaded: expected a whole model" in warnings(page)
    assert page.get("plotly_chart"), "the example needs no network"


def test_an_emptied_translation_is_forced_as_what_it_is(open_page: Visit) -> None:
    page = open_page(target="The cat sleeps.")
    page.text_input(key="target").set_value("").run()
    assert not page.exception and page.query_params["emptied"] == "true"
    trace = shown(page)
    assert trace.options["decoding"] == "forced" and [label.text for label in trace.target] == ["end"]
    assert any("translation of nothing" in caption.value for caption in page.caption)
    (back,) = (button for button in page.button if button.label == "Back to the network's own")
    back.click().run()
    assert shown(page).options["decoding"] == "greedy" and "emptied" not in page.query_params


OFF = "h:x2.5"


def panel(page: AppTest) -> str:
    (line,) = (item.value for item in page.markdown if item.value.startswith(":material/tune:"))
    return str(line)


def test_a_head_is_switched_off_and_both_answers_are_there(open_page: Visit) -> None:
    page = open_page(change=OFF, layer="2", head="5")
    before, model = shown(page), calls.network(calls.FIRST.model)
    change = Interventions.parse(OFF)
    free = model.trace(before.input, interventions=change)
    forced = model.trace(before.input, target_ids=[label.id for label in before.target], interventions=change)
    assert "Switched off: cross-attention, layer 2, head 5." in panel(page)
    gain = log_probability(forced) - log_probability(before)
    assert times(gain) in panel(page) and "less likely" in panel(page)
    assert ("stays the same" in panel(page)) == (free.output == before.output)
    np.testing.assert_allclose(values(page), free["cross"].weights[1, 4], atol=1e-6)
    page.segmented_control(key="show").set_value("As it was").run()
    np.testing.assert_allclose(values(page), before["cross"].weights[1, 4], atol=1e-5)
    assert page.query_params["change"] == OFF
    page.button[-1].click().run()
    assert "change" not in page.query_params and not page.exception
    assert "show" not in [item.key for item in page.segmented_control]


def test_a_held_answer_has_counterparts_for_every_row(open_page: Visit) -> None:
    page = open_page(change="h:x2.5=0.5,e1.*", hold="true", show="Difference", attention="Decoder", head="3")
    before, model = shown(page), calls.network(calls.FIRST.model)
    forced = model.trace(
        before.input,
        target_ids=[label.id for label in before.target],
        interventions=Interventions.parse("h:x2.5=0.5,e1.*"),
    )
    change = forced["decoder"].weights[0, 2] - before["decoder"].weights[0, 2]
    np.testing.assert_allclose(values(page), change, atol=1e-6)
    scale = figure(page)["data"][0]
    assert scale["zmin"] == -scale["zmax"] and scale["zmax"] >= np.abs(change).max() - 1e-6
    assert "finds this translation" in panel(page)
    page.toggle(key="held").set_value(False).run()
    assert "hold" not in page.query_params and not page.exception


def test_a_look_is_cut_in_one_head_and_put_back(open_page: Visit) -> None:
    page = open_page(layer="2", head="3")
    before, answer = shown(page), values(page)
    page.session_state["cut"] = True
    page.run()
    page.selectbox(key="cut-query").set_value(5).run()
    page.selectbox(key="cut-key").set_value(4).run()
    assert figure(page)["layout"]["shapes"][0]["x0"] == 3.5, "the cell is outlined"
    page.button(key="cut-now").click().run()
    change = "x:x2.3.6.5"
    assert not page.exception and page.query_params["change"] == change
    model = calls.network(before.model)
    after = model.trace(before.input, interventions=change)
    np.testing.assert_allclose(values(page), after["cross"].weights[1, 2], atol=1e-6)
    assert values(page)[5, 4] == 0 < answer[5, 4]
    (mark,) = figure(page)["data"][1:]
    assert (mark["x"], mark["y"], mark["marker"]["symbol"]) == (["4"], ["5"], "x-thin")
    told = " ".join(text.value for text in page.markdown)
    assert "Cut: cross-attention, layer 2, head 3: “station” does not see “esta”." in told
    forced = model.trace(before.input, target_ids=[label.id for label in before.target], interventions=change)
    assert times(log_probability(forced) - log_probability(before)) in told
    # The same of the whole layer, whose value alone is left out; beside the first.
    page.button_group(key="cut-in").set_value("The whole layer").run()
    page.button_group(key="cut-how").set_value("Weight dropped").run()
    page.button(key="cut-now").click().run()
    assert page.query_params["change"] == "x:x2.*.6.5!,x2.3.6.5"
    assert "layer 2, all heads: “station” gets nothing from “esta”" in " ".join(
        t.value for t in page.markdown
    )
    assert [mark["marker"]["symbol"] for mark in figure(page)["data"][1:]] == ["x-thin", "circle-open"]
    assert next(item for item in page.button if item.key == "cut-now").label == "Put back"
    page.button(key="cut-now").click().run()
    assert page.query_params["change"] == change
    page.button(key=f"put-back-{change}").click().run()
    assert "change" not in page.query_params and not page.exception
    np.testing.assert_array_equal(values(page), answer)


def test_a_whole_word_is_cut_at_once_and_what_cannot_change_anything_is_not(open_page: Visit) -> None:
    page = open_page(layer="2", head="3", words="true", attention="Decoder")
    page.session_state["cut"], page.session_state["cut-query"], page.session_state["cut-key"] = True, 2, 5
    page.run()
    assert page.button(key="cut-now").disabled, "what comes later is not seen"
    page.selectbox(key="cut-query").set_value(0).run()
    page.selectbox(key="cut-key").set_value(0).run()
    assert page.button(key="cut-now").disabled
    assert any("last visible key is never cut" in text.value for text in page.caption)
    page.button_group(key="attention").set_value("Encoder").run()
    page.selectbox(key="cut-query").set_value(0).run()
    page.selectbox(key="cut-key").set_value(4).run()  # “esta” and “ção”
    page.button(key="cut-now").click().run()
    assert page.query_params["change"] == "x:e2.3.1.5-6"
    assert any("“O” does not see “estação”" in text.value for text in page.markdown)
    page.selectbox(key="cut-query").set_value(ALL).run()
    page.button(key="cut-now").click().run()
    assert page.query_params["change"] == "x:e2.3.*.5-6,e2.3.1.5-6"
    assert any("nobody sees “estação”" in text.value for text in page.markdown)
    cells = figure(page)["data"][1]
    assert set(cells["x"]) == {"4"} and cells["y"] == [str(i) for i in range(len(cells["y"]))]


def test_rows_that_are_spared_are_counted_on_the_page(open_page: Visit) -> None:
    page = open_page(change="x:d1.*.*.1")
    told = " ".join(text.value for text in page.markdown)
    assert "In 8 rows of heads nothing was cut: a query's last visible key never is." in told
    assert "nobody sees “▸ start”" in told


def test_ones_own_translation_is_held_whatever_is_changed(open_page: Visit) -> None:
    page = open_page(change="h:x*.*", target="The train was late.")
    assert "finds this translation" in panel(page)
    assert "held" not in [toggle.key for toggle in page.toggle]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("h:x9.1", "a layer up to 3"),
        ("nonsense", "such as h:e2.3"),
        ("x:x1.9.1.1", "a head up to 8"),
        ("x:x1.1.1.3-2", "a last_key behind the first"),
        ("p:sd1.1", "the other text"),
        ("h:" + ",".join(f"e1.{i}" for i in range(1, 300)), "at most 256 heads"),
        ("![x](http://evil.example/x.png)", "such as"),
    ],
)
def test_a_change_that_cannot_be_is_told_and_can_be_taken_back(
    open_page: Visit, change: str, why: str
) -> None:
    page = open_page(change=change)
    assert "Nothing is changed" in warnings(page) and why in warnings(page)
    np.testing.assert_array_equal(values(page), shown(page)["cross"].weights[0, 0])
    next(item for item in page.button if item.label == "Take the change back").click().run()
    assert not page.warning and "change" not in page.query_params


def test_heads_are_ranked_and_many_are_switched_off(
    open_page: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, Any] = {}
    monkeypatch.setattr(sheet, "_SHEET", lambda **call: sent.update(call["data"]) or {})
    page = open_page(change=OFF)  # the network as it is, is ranked
    page.session_state["ranking"] = True
    page.run()
    before, model = shown(page), calls.network(calls.FIRST.model)
    weights = np.ones(len(before.target))
    estimated = ranked(model.slopes(before, weights))
    said = " ".join(item.value for item in page.markdown)
    first = estimated[0]
    name = f"layer {first.layer + 1}, head {first.head + 1},"
    assert f"{name} the network would find its answer {times(-first.estimate)}." in said
    next(item for item in page.button if item.label == "Measure: switch each of 80 heads off").click().run()
    assert not page.exception
    measured = model.without_each(before, weights)
    found = ranked(model.slopes(before, weights), measured)
    said = " ".join(item.value for item in page.markdown)
    assert f"the network finds its answer {times(-found[0].effect)}." in said
    (table,) = (frame.value for frame in page.dataframe)
    np.testing.assert_allclose(table["measured"], [head.measured for head in found], atol=2e-4)
    page.segmented_control(key="sheet-shows").set_value("What is lost without it").run()
    np.testing.assert_allclose(sent["tints"], measured["cross"], atol=1e-4)
    next(item for item in page.button if item.label == "Keep only the 10 most important").click().run()
    change = Interventions.parse(page.query_params["change"])
    kept = {
        (kind, i, j)
        for kind, (layers, heads) in model.config.attention_shapes().items()
        for i, row in enumerate(change.factors(kind, layers, heads))
        for j, factor in enumerate(row)
        if factor == 1
    }
    assert kept == {(head.kind, head.layer, head.head) for head in found[:10]}
