"""The page on which a text goes on, run without a browser, by a toy with random weights."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import apart
from tests.toy_writer import LONGEST, write_folder
from transformer import home
from transformer.analysis.compare import times
from transformer.analysis.handed import Weighted
from transformer.analysis.importance import Against, ranked
from transformer.analysis.rollout import corrected
from transformer.ask import Ask
from transformer.interventions import Interventions
from transformer.trace import Trace
from transformer.ui.models import calls
from transformer.ui.next_word import bars
from transformer.ui.next_word import page as next_word
from transformer.ui.parts import matrix, sheet

Visit = Callable[..., AppTest]
PAGE = "pages/next_word.py"
TEXT = "the cat sat"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A models folder with one that writes, and one that translates, of which only the settings are there."""
    place = tmp_path_factory.mktemp("models")
    write_folder(place / "toy")
    (place / "other").mkdir()
    (place / "other" / "config.json").write_text('{"family": "seq2seq"}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home, "models", lambda: place)
        patch.setattr(calls, "_loading", apart())
        calls._loading("toy").result(120)
        yield place


@pytest.fixture
def open_page(visit: Visit, models: Path) -> Visit:
    return lambda **query: visit(PAGE, **query)


def text(page: AppTest) -> str:
    assert not page.exception
    return str(page.text_input(key="text").value)


def read(page: AppTest) -> Trace:
    """The trace on screen."""
    shown = page.session_state["next_word"]
    return calls.ask(Ask(model=shown.model, given=shown.read))


def button(page: AppTest, label: str) -> AppTest:
    return next(item for item in page.button if item.label == label)


def said(page: AppTest) -> str:
    assert not page.exception
    return " ".join(item.value for item in (*page.warning, *page.info))


def drawn(page: AppTest) -> np.ndarray[Any, Any]:
    """The numbers of the heatmap."""
    (spec,) = (json.loads(chart.proto.spec) for chart in page.get("plotly_chart"))
    z = spec["data"][0]["z"]
    return np.frombuffer(base64.b64decode(z["bdata"]), z["dtype"]).reshape(
        [int(n) for n in z["shape"].split(",")]
    )


def test_it_opens_on_a_text_with_its_attention(open_page: Visit) -> None:
    page = open_page()
    assert text(page) == next_word.FIRST and not page.warning
    assert page.selectbox(key="model").options == ["toy"], "what translates is not offered here"
    assert read(page).input == next_word.FIRST
    assert len(page.get("plotly_chart")) == 1
    lines = [item.value for item in page.markdown]
    assert "**Decoder self-attention, layer 1, head 1**" in lines
    assert page.query_params == {} or "step" not in page.query_params


def test_it_continues_and_takes_back(open_page: Visit) -> None:
    page = open_page(text=TEXT, seed="7")
    button(page, "Continue by 20 words").click().run()
    longer = text(page)
    assert longer.startswith(TEXT) and len(longer[len(TEXT) :].split()) == next_word.WORDS
    assert read(page).input == longer[-len(read(page).input) :]
    again = open_page(text=TEXT, seed="7")
    button(again, "Continue by 20 words").click().run()
    assert text(again) == longer, "the seed decides"
    other = open_page(text=TEXT, seed="8")
    button(other, "Continue by 20 words").click().run()
    assert text(other) != longer
    button(page, "Take back").click().run()
    assert text(page) == TEXT and read(page).input == TEXT
    assert button(page, "Take back").disabled


def test_settings_decide_what_is_drawn_and_go_back_to_where_they_started(open_page: Visit) -> None:
    page = open_page(text=TEXT, temperature="0.1", top_k="1", top_p="0.5", seed="3")
    greedy = calls.network("toy").write(TEXT, next_word.WORDS, top_k=1)
    button(page, "Continue by 20 words").click().run()
    assert text(page) == greedy
    button(page, "Start values").click().run()
    assert page.slider(key="temperature").value == next_word.START["temperature"]
    assert page.select_slider(key="top_k").value == next_word.START["top_k"]
    assert page.slider(key="top_p").value == next_word.START["top_p"]
    assert page.number_input(key="seed").value == next_word.START["seed"]


def test_an_example_goes_into_the_box_and_forgets_the_step(open_page: Visit) -> None:
    page = open_page(text=TEXT, step="2")
    assert page.query_params["step"] in ("2", ["2"])
    page.button_group(key="example").set_value("Broken off").run()
    assert text(page) == next_word.EXAMPLES["Broken off"] and "step" not in page.query_params


@pytest.mark.parametrize("typed", ["", "   ", "\u200b", "\x00\x07"])
def test_nothing_to_read_keeps_what_was_there(open_page: Visit, typed: str) -> None:
    page = open_page(text=TEXT)
    page.text_input(key="text").set_value(typed).run()
    assert "nothing to read" in said(page) and TEXT in said(page)
    assert read(page).input == TEXT and page.get("plotly_chart")


def test_nothing_in_the_first_address_is_one_sentence(open_page: Visit) -> None:
    page = open_page(text=" ")
    assert "nothing to read" in said(page) and not page.get("plotly_chart")


def test_of_a_long_text_the_end_is_read_and_said_to_be(open_page: Visit) -> None:
    long = "a dog, a cat and 12 mice sat on the mat, " * 4
    page = open_page(text=long.strip())
    trace = read(page)
    assert 0 < len(trace["decoder"].keys) <= LONGEST and long.strip().endswith(trace.input)
    left_out = len(long.split()) - len(trace.input.split())
    assert f"the first {left_out} words are left out" in said(page)
    button(page, "Continue by 20 words").click().run()
    assert text(page).startswith(long.strip()), "what is not read stays in the box"


def test_a_full_box_says_so(open_page: Visit) -> None:
    page = open_page(text="a cat " * 650)
    assert not page.exception and button(page, "Continue by 20 words").disabled
    assert any("The text is full" in item.value for item in page.caption)


@pytest.mark.parametrize(
    "typed",
    ["שלום", "東京 the cat", "<b>cat</b> &amp; $x$ `a`", "🐈‍⬛", "x" * 300, "x" * 100_000, "cat\x00mat"],
)
def test_odd_input_is_read_as_far_as_it_is_known(open_page: Visit, typed: str) -> None:
    page = open_page(text=typed)
    assert not page.exception and not page.warning
    assert ("unknown" in read(page).options) == ("has never seen" in said(page))
    np.testing.assert_allclose(read(page)["decoder"].weights.sum(-1), 1, atol=1e-4)


def test_nonsense_in_the_address_falls_back(open_page: Visit) -> None:
    page = open_page(
        text=TEXT,
        temperature="hot",
        top_k="7",
        top_p="99",
        seed="-4",
        layer="99",
        head="x",
        step="abc",
        tint="y",
    )
    assert not page.exception and not page.warning
    assert page.select_slider(key="top_k").value in next_word.MOST_LIKELY
    assert "**Decoder self-attention, layer 1, head 1**" in [item.value for item in page.markdown]


def test_the_numbers_can_be_checked(open_page: Visit) -> None:
    page = open_page(text=TEXT, layer="All", head="All")
    page.session_state["check"] = True
    page.run()
    assert not page.exception
    assert any("The numbers agree" in item.value for item in page.markdown)


def test_the_table_of_surprise_opens(open_page: Visit) -> None:
    page = open_page(text=TEXT)
    assert not page.dataframe
    page.session_state["replay-table"] = True
    page.run()
    rows = page.dataframe[0].value
    trace = read(page)
    assert rows["token"].tolist() == [label.text for label in trace.target]
    bits = [-step.log_probability / np.log(2) for step in trace.steps]
    np.testing.assert_allclose(rows["surprise (bits)"], bits, atol=0.006)


def test_a_folder_without_models_is_one_sentence(
    visit: Visit, models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(home, "models", lambda: tmp_path)
    assert "no network here that writes" in said(visit(PAGE))


def test_a_network_that_does_not_load_is_one_sentence(
    visit: Visit, models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(home, "models", lambda: tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text('{"family": "decoder"}')
    page = visit(PAGE)
    assert "“broken” could not be loaded" in said(page)
    assert button(page, "Try to load it again") and not page.get("plotly_chart")


def test_with_a_head_off_words_have_their_chances_before_and_after(
    open_page: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, Any] = {}
    monkeypatch.setattr(bars, "_BARS", lambda **call: sent.update(call["data"]))
    change = Interventions.parse("h:d1.*")
    page = open_page(text=TEXT, change=change.text())
    assert not said(page) and "Switched off: decoder self-attention, layer 1, all heads." in " ".join(
        item.value for item in page.markdown
    )
    model = calls.network("toy")
    how = {"temperature": 0.8, "top_k": 40, "top_p": 0.95}
    before = {word.text: word.own for word in model.next_words(TEXT, **how)}
    after = model.next_words(TEXT, interventions=change, **how)
    assert [word["text"] for word in sent["words"]] == [word.text.strip() for word in after]
    for shown, word in zip(sent["words"], after, strict=True):
        assert shown["own"] == pytest.approx(word.own, abs=1e-5)
        assert shown.get("before") == (
            pytest.approx(before[word.text], abs=1e-5) if word.text in before else None
        )
    assert {word["own"] for word in sent["words"]} != {round(own, 6) for own in before.values()}
    # What it writes on is written with the change, too.
    button(page, "Continue by 20 words").click().run()
    longer = model.write(TEXT, next_word.WORDS, seed=1, interventions=change, **how)
    assert text(page) == longer != model.write(TEXT, next_word.WORDS, seed=1, **how)


def test_a_look_is_cut_and_the_bars_follow(open_page: Visit) -> None:
    page = open_page(text=TEXT, layer="1", head="1")
    page.session_state["cut"], page.session_state["cut-query"], page.session_state["cut-key"] = True, 3, 1
    page.run()
    page.button_group(key="cut-in").set_value("Everywhere").run()
    page.button(key="cut-now").click().run()
    assert not page.exception and page.query_params["change"] == "x:d*.*.4.2"
    shown = page.session_state["next_word"]
    after = calls.ask(Ask(model="toy", given=shown.read, interventions=Interventions.parse("x:d*.*.4.2")))
    assert not after["decoder"].weights[:, :, 3, 1].any()
    told = " ".join(text.value for text in page.markdown)
    words = [label.text for label in after["decoder"].keys]
    assert f"decoder self-attention, all layers, all heads: “{words[3]}” does not see “{words[1]}”" in told
    likely = {word.text: word.own for word in calls.network("toy").next_words(shown.read)}
    cut = {
        word.text: word.own
        for word in calls.network("toy").next_words(shown.read, interventions="x:d*.*.4.2")
    }
    assert any(abs(likely[word] - cut[word]) > 1e-6 for word in likely.keys() & cut.keys())
    # A look at what comes later is none.
    page.selectbox(key="cut-query").set_value(1).run()
    page.selectbox(key="cut-key").set_value(2).run()
    assert page.button(key="cut-now").disabled


def test_layers_and_parts_are_asked_and_the_sheet_is_coloured(
    open_page: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, Any] = {}
    monkeypatch.setattr(sheet, "_SHEET", lambda **call: sent.update(call["data"]) or {})
    page = open_page(text=TEXT)
    assert len(page.get("plotly_chart")) == 1, "nothing is computed while boxes are closed"
    page.session_state["lens"] = page.session_state["shares"] = True
    page.run()
    assert not page.exception and not page.info
    trace, model = read(page), calls.network("toy")
    lens = model.lens(trace)
    charts = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    texts = charts[1]["data"][0]["text"]
    assert len(texts) == len(trace.target) + 1 and len(texts[0]) == lens.layers + 1
    assert texts[-1][-1].startswith("<b>"), "what the last layer says is bold"
    shares = model.shares(trace, len(trace.target))
    metrics = [item.value for item in page.metric][-3:]
    assert metrics[0] == metrics[1] == f"{shares.score:.5f}".replace("-", "−") and float(metrics[2]) < 1e-4
    names = [label.text for label in model.likely(model.insides(trace), len(trace.target))]
    assert any(names[0].strip() in item.value and "add up" in item.value for item in page.markdown)
    against = next(box for box in page.selectbox if box.label == "Against")
    against.select_index(1).run()
    assert not page.exception
    assert any("against “" in item.value for item in page.markdown)
    page.segmented_control(key="sheet-shows").set_value("Its share of the score").run()
    assert np.shape(sent["tints"]) == trace["decoder"].weights.shape[:2]
    pair = page.session_state["shared"][1]
    assert pair.against is not None
    np.testing.assert_allclose(sent["tints"], pair.heads["decoder"], atol=1e-4)
    page.session_state["check"] = True
    page.run()
    checked = [item.value for item in page.markdown if "The numbers agree" in item.value]
    assert len(checked) == 3 and "The lens" in checked[1] and "The shares" in checked[2]
    page = open_page(text=TEXT, change="h:d1.1")
    page.session_state["shares"] = True
    page.run()
    assert not page.exception and page.session_state["shared"][1].heads["decoder"][0, 0] == 0, "it is off"
    assert any("Here with the change." in caption.value for caption in page.caption)


def test_what_another_text_had_is_put_in_by_a_click(
    open_page: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, Any] = {}
    monkeypatch.setattr(matrix, "_MATRIX", lambda **call: sent.update(call))
    page = open_page(text=TEXT, other="the dog sat")
    assert not sent, "nothing is computed while the box is closed"
    page.session_state["patching"] = True
    page.run()
    assert not page.exception and not page.info
    model = calls.network("toy")
    runs = model.two_runs(read(page), "the dog sat")
    found = model.patched(runs, "stream", "decoder")
    header, values = unpacked(sent["data"])
    assert header["labels"] == ["start", "the", "cat / dog", "sat"] and header["names"] == ["token", "layer"]
    np.testing.assert_allclose(values, found.moved.T, atol=1e-4)
    page.session_state["patch-cell"] = (2, 0)
    page.run()
    assert f"That is **{found.moved[0, 2]:.2f}** of the way".replace("-", "−") in page.markdown[-1].value
    next(item for item in page.button if item.label == "Put it in and answer again").click().run()
    assert not page.exception and not page.warning
    assert page.query_params["change"] in ("p:sd1.3;o:the%20dog%20sat", ["p:sd1.3;o:the%20dog%20sat"])
    assert any(
        "From “the dog sat”: the stream behind layer 1 of the decoder, at “cat”." in m.value
        for m in page.markdown
    )
    trace = model.trace(TEXT, interventions="p:sd1.3;o:the%20dog%20sat")
    np.testing.assert_allclose(drawn(page), trace["decoder"].weights[0, 0], atol=1e-6)
    next(item for item in page.button if item.label == "Take out").click().run()
    assert not page.exception and "change" not in page.query_params
    page.segmented_control(key="patch-site").set_value("Heads").run()
    assert not page.exception and "at all tokens" in page.markdown[-1].value
    page.segmented_control(key="patch-way").set_value("Into the other text (noising)").run()
    assert not page.exception and any("Noising" in item.value for item in page.caption)
    page.text_input(key="other").set_value("the").run()
    assert "equally many tokens, received 4 and 2" in said(page)


def unpacked(data: bytes) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """What a component is sent: its header, and the numbers of its matrix."""
    size = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + size])
    return header, np.frombuffer(data[-4 * int(np.prod(header["shape"])) :], np.float32).reshape(
        header["shape"]
    )


def test_heads_are_ranked_for_one_word_rather_than_another(open_page: Visit) -> None:
    page = open_page(text=TEXT)
    page.session_state["ranking"] = True
    page.session_state["objective"] = 1
    page.run()
    assert not page.exception
    trace, model = read(page), calls.network("toy")
    one = next(box for box in page.text_input if box.label == "This")
    assert one.value == model.sayings(trace)[-1].text.strip()
    one.set_value("cat").run()
    next(box for box in page.text_input if box.label == "Rather than").set_value("dog" * 9).run()
    (info,) = page.info
    assert "These cannot be compared: expected a word" in info.value and "dogdog" in info.value
    next(box for box in page.text_input if box.label == "Rather than").set_value("the").run()
    assert not page.exception and not page.info
    pair = Against(len(trace.target), model.token("cat"), model.token("the"))
    best = ranked(model.slopes(trace, pair))[0]
    said = " ".join(item.value for item in page.markdown)
    name = f"layer {best.layer + 1}, head {best.head + 1}, “cat” rather than “the”"
    assert f"{name} would be {times(-best.estimate)}." in said
    next(box for box in page.text_input if box.label == "This").set_value("the").run()
    assert "the same word" in page.info[0].value


def test_all_heads_are_followed_through_the_layers(open_page: Visit) -> None:
    page = open_page(text=TEXT, layer="All", head="All", combine="Rollout")
    assert page.segmented_control(key="combine").options == ["Average", "Maximum", "Rollout"]
    assert "**Decoder self-attention, rollout of all layers**" in [item.value for item in page.markdown]
    np.testing.assert_allclose(drawn(page), corrected(read(page)["decoder"]).values, atol=1e-6)
    page.segmented_control(key="head").set_value("1").run()
    assert not page.exception and page.segmented_control(key="combine").options == ["Average", "Maximum"]


def test_colours_can_be_weights_times_lengths(open_page: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, Any] = {}
    monkeypatch.setattr(sheet, "_SHEET", lambda **call: sent.update(call["data"]) or {})
    page = open_page(text=TEXT, colours="Weight × length", layer="2", head="1")
    trace = read(page)
    weighted = Weighted(trace["decoder"], calls.network("toy").handed(trace)["decoder"])
    np.testing.assert_allclose(drawn(page), weighted.weights[1, 0], atol=1e-6)
    assert sent["measure"] == "weight × length" and sent["top"] == 255
    assert "**Decoder self-attention, layer 2, head 1: weight × length**" in [
        item.value for item in page.markdown
    ]
    assert any(f"largest of all these heads, {weighted.longest:.3g}" in item.value for item in page.caption)
    page.segmented_control(key="colours").set_value("Weights").run()
    assert not page.exception and sent["measure"] == "weight"
    np.testing.assert_array_equal(drawn(page), trace["decoder"].weights[1, 0])
