"""Attention by hand: every control at its start and at its ends, wrong tables, addresses full of nonsense."""

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

from transformer.analysis import by_hand, typed
from transformer.ui.by_hand import table as by_hand_table
from transformer.ui.by_hand.steps import CURVE, TEMPERATURES
from transformer.ui.by_hand.vectors import LONGEST, STARTS, WIDTHS
from transformer.ui.models import calls

Visit = Callable[..., AppTest]
PAGE = "pages/by_hand.py"
FIRST_PART = [f"{number}." for number in range(1, 8)]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first part needs none; the second one waits for it."""
    monkeypatch.setattr(calls, "ready", lambda name: False)
    monkeypatch.setattr(calls, "start", lambda name="": None)


def text_of(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption, *app.latex))


def steps(app: AppTest) -> list[str]:
    return [heading.value.split(" ")[0] for heading in app.subheader]


def again(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def box(app: AppTest) -> TextInput:
    """The box at the top; its key changes with the words in the table."""
    return next(found for found in app.text_input if found.label == "Sentence")


def edit(app: AppTest, *rows: list[str], generation: int = 1) -> AppTest:
    """What the browser sends after an edit: the whole table."""
    app.session_state[by_hand_table.KEY] = {
        "edited": {"generation": generation, "edits": 1, "rows": list(rows)}
    }
    return again(app)


def percentages(app: AppTest) -> list[int]:
    """The three largest weights that step 5 tells of."""
    sentence = next(m.value for m in app.markdown if m.value.startswith("The *softmax*"))
    return [int(number) for number in re.findall(r"(\d+)%", sentence)]


def test_it_begins_with_the_sentence_and_works_without_a_network(visit: Visit, no_network: None) -> None:
    app = visit(PAGE)
    assert box(app).value == "The train left the station on time."
    assert steps(app) == FIRST_PART and not app.warning
    assert "The network is loading" in text_of(app)
    assert len(app.get("plotly_chart")) == 9
    assert app.selectbox(key="follow").value == "train"


def test_the_numbers_on_the_page_are_those_of_the_formulas(visit: Visit, no_network: None) -> None:
    app = visit(PAGE)
    vectors = typed.read(typed.rows_for(typed.words_of(by_hand_table.SENTENCE)), typed.FEATURES).vectors
    weights = by_hand.attention_weights(vectors, vectors)
    assert percentages(app) == [round(100 * w) for w in np.sort(weights[1])[:-4:-1]]
    shown = re.search(r"places: \*\*([0-9.e+-]+)\*\*", text_of(app))
    assert shown and float(shown[1]) < 1e-15
    assert f"{by_hand.entropy(weights)[1]:.2f} bits" in text_of(app)


@pytest.mark.parametrize("temperature", [TEMPERATURES[0], TEMPERATURES[-1]])
def test_ends_of_the_temperature(visit: Visit, no_network: None, temperature: float) -> None:
    app = visit(PAGE, temperature=str(temperature))
    assert app.select_slider(key="temperature").value == temperature
    assert (percentages(app)[0] > 90) == (temperature < 1)


def test_masks(visit: Visit, no_network: None) -> None:
    app = visit(PAGE, mask="Causal")
    assert "the words before it" in text_of(app)
    shown = re.search(r"places: \*\*([0-9.e+-]+)\*\*", text_of(app))
    assert shown and float(shown[1]) > 0.01 and "knows of order" in text_of(app)
    app.button_group(key="mask").set_value("Padding")
    again(app)
    app.number_input(key="empty").set_value(4)
    again(app)
    shown = re.search(r"places: \*\*([0-9.e+-]+)\*\*", text_of(app))
    assert shown and float(shown[1]) < 1e-15


def test_without_the_division_weights_are_harder(visit: Visit, no_network: None) -> None:
    soft = percentages(visit(PAGE))[0]
    app = visit(PAGE)
    app.toggle(key="scaled").set_value(False)
    assert percentages(again(app))[0] > soft


@pytest.mark.parametrize("wide", [CURVE[0], CURVE[-1]])
def test_the_curve_tells_what_it_shows(visit: Visit, no_network: None, wide: int) -> None:
    app = visit(PAGE, wide=str(wide))
    at = CURVE.index(wide)
    curve = by_hand.entropy_by_width(CURVE, 8)
    assert f"At width {wide}, " in text_of(app) and f"**{curve.plain[at]:.2f} bits**" in text_of(app)


def test_measure_and_word(visit: Visit, no_network: None) -> None:
    app = visit(PAGE, measure="Cosine", follow="the")
    assert any("lVert" in formula.value for formula in app.latex)
    assert app.selectbox(key="follow").value == "the" and "By hand, “the” with" in text_of(app)


@pytest.mark.parametrize("width", [WIDTHS[0], WIDTHS[-1]])
def test_random_vectors(visit: Visit, no_network: None, width: int) -> None:
    app = visit(PAGE, vectors="Random", width=str(width), seed="9999")
    assert "drawn at random" in text_of(app) and rf"d = {width}" in app.latex[0].value
    before = text_of(app)
    app.number_input(key="seed").set_value(1)
    assert text_of(again(app)) != before
    # Equal words are equal: "The" and "the" share a vector.
    app.selectbox(key="follow").set_value("The")
    first = percentages(again(app))
    app.selectbox(key="follow").set_value("the")
    assert percentages(again(app)) == first


def test_learned_vectors_need_no_network(visit: Visit, no_network: None) -> None:
    app = visit(PAGE, vectors="Learned")
    assert steps(app) == FIRST_PART and not app.warning and "256 numbers each" in text_of(app)
    assert app.info, "each word is most like itself, and the page says so"


def test_shuffling_goes_on_and_stands_in_the_address(visit: Visit, no_network: None) -> None:
    app = visit(PAGE)
    first = next(m.value for m in app.markdown if m.value.startswith("**Distance.**"))
    button = next(b for b in app.button if b.label == "Shuffle the words")
    button.click()
    again(app)
    assert app.query_params["order"] == "2"
    assert next(m.value for m in app.markdown if m.value.startswith("**Distance.**")) != first


def test_start_again_puts_everything_back(visit: Visit, no_network: None) -> None:
    fresh = text_of(visit(PAGE))
    app = visit(
        PAGE, sentence="Cats sleep.", mask="Causal", temperature="5.0", measure="Cosine", order="7",
        table="a,1;b,2", wide="4", scaled="false",
    )  # fmt: skip
    assert text_of(app) != fresh
    next(b for b in app.button if b.label == "Start again").click()
    again(app)
    assert text_of(app) == fresh and not app.query_params


def test_another_sentence_fills_the_table(visit: Visit, no_network: None) -> None:
    app = visit(PAGE)
    box(app).set_value("The old train sings.")
    again(app)
    assert app.selectbox(key="follow").options == ["The", "old", "train", "sings", "."]
    assert "table" not in app.query_params


def test_edits_of_the_table(visit: Visit, no_network: None) -> None:
    app = visit(PAGE, sentence="Sun and moon")
    sun, moon = ["Sun", "1", "0", "0", "0"], ["moon", "0", "1,5", "0", "0"]
    edit(app, sun, [*moon[:2], "x", "0", "0"])
    said = "Row 2 (“moon”), column “motion”: expected a number, received “x”. Shown below: the last words"
    assert said in app.warning[0].value.replace("\\", "")
    assert app.query_params["table"] == "Sun,1,0,0,0;moon,0,x,0,0", "and a link to it says the same"
    edit(app, sun, moon)
    assert not app.warning and app.query_params["table"] == "Sun,1,0,0,0;moon,0,1\\,5,0,0"
    assert box(app).value == app.query_params["sentence"] == "Sun moon"
    assert app.selectbox(key="follow").options == ["Sun", "moon"]
    # A visit to random vectors forgets nothing.
    app.button_group(key="vectors").set_value("Random")
    again(app)
    assert app.query_params["sentence"] == "Sun moon"
    app.button_group(key="vectors").set_value("Typed")
    again(app)
    assert app.query_params["table"] == "Sun,1,0,0,0;moon,0,1\\,5,0,0" and not app.warning
    edit(app)
    assert app.warning[0].value.startswith("The table has 0 rows; attention needs at least two words.")
    next(b for b in app.button if b.label == "Start again").click()
    again(app)
    assert not app.warning and not app.query_params


def test_other_pages_bear_what_this_one_keeps(visit: Visit, no_network: None) -> None:
    app = visit(PAGE, table="sun,1,0;moon,0,1")
    for page in ("pages/translate.py", "pages/positions.py", PAGE):
        app.switch_page(page)
        again(app)
    assert app.selectbox(key="follow").options == ["sun", "moon"]


def test_a_table_from_a_link(visit: Visit, no_network: None) -> None:
    app = visit(PAGE, table="sun,1,0;moon,0,1;star,−0.5,2,3")
    assert app.warning[0].value.startswith("Row 3 \\(“star”\\) has 3 numbers")
    app = visit(PAGE, table="sun,1,0;moon,0,1")
    assert app.selectbox(key="follow").options == ["sun", "moon"] and not app.warning
    assert percentages(app) == [67, 33]  # e^(1/√2) to 1, for "moon" as for "sun"
    assert math.isclose(math.exp(1 / math.sqrt(2)) / (1 + math.exp(1 / math.sqrt(2))), 0.67, abs_tol=0.005)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("sun,1,x;moon,0,1", "Row 1 (“sun”), column “2”: expected a number, received “x”."),
        ("sun,1,2,3,4;moon,0,,1,1", "Row 2 (“moon”), column “motion” is empty"),
        ("sun,1,2;moon,0", "Row 2 (“moon”) has 1 number, the table has 2 columns."),
        ("sun,1;;moon,0", "Row 2 is empty"),
        ("sun,nan;moon,0", "Row 1 (“sun”), column “1”: expected a number from −1000 to 1000, received nan."),
        ("sun,inf;moon,0", "received inf."),
        (";".join(["sun,1"] * 17), "The table has 17 rows; there is room for 16."),
        ("sun" + ",1" * 9 + ";moon" + ",1" * 9, "there is room for 1 to 8."),
        ("x" * 5000, "there is room for 4000"),
        ("sun,1", "attention needs at least two words"),
        ("<b>,1;<script>alert('" + "x" * 20 + "')</script>,2", "longer than 24 letters"),
    ],
)
def test_a_wrong_table_is_told_by_its_cell(visit: Visit, no_network: None, table: str, message: str) -> None:
    app = visit(PAGE, table=table)
    assert message in app.warning[0].value.replace("\\", "")


@pytest.mark.parametrize(
    ("sentence", "vectors"),
    [
        ("", "Typed"),
        ("word", "Random"),
        ("a " * (LONGEST + 1), "Random"),
        ("é " * 60, "Learned"),
        ("", "Learned"),
    ],
)
def test_a_sentence_that_is_too_short_or_long(
    visit: Visit, no_network: None, sentence: str, vectors: str
) -> None:
    app = visit(PAGE, vectors=vectors)
    box(app).set_value(sentence)
    again(app)
    if vectors != "Typed":
        assert "Attention needs 2 to" in app.warning[0].value and "Shown below" in app.warning[0].value
    assert steps(app) == FIRST_PART, "what was on screen stays"


@pytest.mark.parametrize(
    "text", ["🚆 🚆 שלום مرحبا", "x_1 $y$ {z} \\alpha # % &", "<b>bold</b> *a* `c`", "a\0b c\u202ed"]
)
@pytest.mark.parametrize("vectors", ["Typed", "Learned", "Random"])
def test_odd_sentences(visit: Visit, no_network: None, text: str, vectors: str) -> None:
    app = visit(PAGE, vectors=vectors)
    box(app).set_value(text)
    again(app)
    assert steps(app) == FIRST_PART


@pytest.mark.parametrize("nonsense", ["", "-1", "nan", "1e999", "A" * 3000, "Typed,Random", "[]", "None"])
def test_an_address_full_of_nonsense(visit: Visit, no_network: None, nonsense: str) -> None:
    names = {name: nonsense for name in (*STARTS, "order") if name != "original"}
    app = visit(PAGE, **names)
    assert steps(app) == FIRST_PART


def test_the_second_part(visit: Visit, network: None) -> None:
    app = visit(PAGE)
    assert steps(app) == [f"{number}." for number in range(1, 14)] and not app.warning
    rows = app.table[0].value
    assert next(iter(rows["computed by"])) == "Keras"
    for column in ("weights", "outputs"):
        assert all(float(number) < 1e-4 for number in rows[column])
    metrics = {metric.label: metric.value for metric in app.metric}
    assert float(metrics["Largest difference"]) < 1e-5 and metrics["Weight on 36 forbidden positions"] == "0"
    assert "The numbers agree" in text_of(app)


def test_every_layer_and_head_of_both_stacks(visit: Visit, network: None) -> None:
    for stack, layer in (("Encoder", "4"), ("Decoder", "3")):
        app = visit(PAGE, stack=stack, layer=layer, head="8")
        assert not app.warning and "The numbers agree" in text_of(app)
        assert all(float(n) < 1e-4 for column in ("weights", "outputs") for n in app.table[0].value[column])
    # A layer that only the other stack has: the last one there is.
    app = visit(PAGE, stack="Encoder", layer="4")
    app.button_group(key="stack").set_value("Decoder")
    again(app)
    assert app.button_group(key="layer").value == "3"


def test_what_cannot_be_translated_is_told(visit: Visit, network: None) -> None:
    app = visit(PAGE)
    app.text_input(key="original").set_value("")
    again(app)
    assert "nothing to read" in app.warning[0].value and steps(app) == FIRST_PART


def test_the_check_panel_on_translate(visit: Visit, network: None) -> None:
    app = visit("pages/translate.py", layer="All", head="2")
    app.session_state["check"] = True
    again(app)
    assert "The numbers agree" in text_of(app) and "3 heads; the worst is layer" in text_of(app)
