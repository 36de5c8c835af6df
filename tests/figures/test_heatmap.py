"""The heatmap carries the numbers and the tokens, whatever the tokens are."""

import json

import numpy as np
import pytest

from transformer.analysis.views import View, hide_special, merge_words, row_sums
from transformer.figures import labels
from transformer.figures.heatmap import LOOKS_AT, LOOKS_FROM, Marks, heatmap
from transformer.figures.theme import DARK, LIGHT
from transformer.trace import Label


def view(queries: list[str], keys: list[str]) -> View:
    values = np.random.default_rng(2).random((len(queries), len(keys)), np.float32)
    return View(values, tuple(map(Label, queries)), tuple(map(Label, keys)))


def test_numbers_are_sent_as_they_are() -> None:
    shown = view(["the", "train"], ["o", "trem", "."])
    (trace,) = heatmap(shown).data
    np.testing.assert_array_equal(trace.z, shown.values)
    assert trace.z.dtype == np.float32
    assert (trace.zmin, trace.zmax) == (0, 1)
    assert json.loads(heatmap(shown).to_json())["data"][0]["z"]["dtype"] == "f4"
    assert trace.colorscale[0] == (0.0, LIGHT.background)
    assert trace.colorbar.title.text == "attention weight (0 to 1)"


def test_what_is_no_weight_is_called_what_it_is() -> None:
    shown = view(["the"], ["o", "</s>"])._replace(unit="weight × length")
    (trace,) = heatmap(shown).data
    assert trace.colorbar.title.text == "weight × length (0 to 1)"
    assert "looks at “\u2068%{x}\u2069”: weight × length %{z:.3f}" in trace.hovertemplate
    assert "”: %{z:.3f}" in heatmap(shown._replace(unit="")).data[0].hovertemplate
    assert hide_special(shown).unit == merge_words(shown).unit == shown.unit and row_sums(shown) == ""


def test_equal_tokens_keep_their_own_places() -> None:
    figure = heatmap(view(["the", "the"], ["o", "o", "o"]))
    (trace,) = figure.data
    assert list(trace.x) == ["0", "1", "2"] and list(trace.y) == ["0", "1"]
    assert figure.layout.xaxis.labelalias == {"0": "o", "1": "o", "2": "o"}
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "category"
    assert figure.layout.yaxis.range == (1.5, -0.5)  # the first query on top
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == (LOOKS_AT, LOOKS_FROM)


def test_tokens_are_text_and_never_markup() -> None:
    figure = heatmap(view(["<s>", "$x$"], ["&amp;", ""]), title="<b>5 < 6</b>")
    assert figure.layout.yaxis.labelalias == {"0": "&lt;s&gt;", "1": "&#36;x&#36;"}
    assert figure.layout.xaxis.labelalias == {"0": "&amp;amp;", "1": "∅"}
    assert figure.layout.annotations[0].text == "&lt;b&gt;5 &lt; 6&lt;/b&gt;"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("estação", "estação"), ("", "∅"), (" ", "␣"), ("\n\n", "↵↵"), ("a\tb", "a⇥b"), ("\x1b[0m", "�[0m"),
        ("\ud800", "�"), ("x" * 30, "x" * 19 + "…"), ("שלום", "שלום"), ("👨‍👩‍👧", "👨‍👩‍👧"),
    ],
)  # fmt: skip
def test_labels_are_short_and_visible(text: str, shown: str) -> None:
    assert labels.display(Label(text)) == shown


def test_cells_are_square_and_pictures_bounded() -> None:
    for count in (1, 8, 40, 120, 500):
        layout = heatmap(view(["ab"] * count, ["ab"] * count)).layout
        across = layout.width - layout.margin.l - layout.margin.r
        down = layout.height - layout.margin.t - layout.margin.b
        assert across == pytest.approx(down, abs=2)
        assert 40 <= across <= 801


def test_compact_and_dark() -> None:
    figure = heatmap(view(["a"], ["b"]), theme="dark", compact=True)
    assert not figure.data[0].showscale
    assert figure.layout.xaxis.title.text is None
    assert figure.layout.template.layout.paper_bgcolor == DARK.background


def test_pages_that_are_no_pictures_are_refused() -> None:
    empty = View(np.zeros((0, 2), np.float32), (), (Label("a"), Label("b")))
    stack = View(np.zeros((2, 2, 1, 1), np.float32), (Label("a"),), (Label("b"),))
    for wrong in (empty, stack):
        with pytest.raises(ValueError, match=r"expected values .* received \("):
            heatmap(wrong)


def test_faint_weights_can_have_the_whole_scale() -> None:
    shown = view(["the", "train"], ["o"])
    (trace,) = heatmap(shown, top=0.08).data
    assert (trace.zmin, trace.zmax) == (0, 0.08)
    np.testing.assert_array_equal(trace.z, shown.values)
    assert trace.colorbar.title.text == "attention weight (0 to 0.08)"
    assert list(trace.colorbar.ticktext) == ["0", "0.02", "0.04", "0.06", "0.08"]
    np.testing.assert_allclose(trace.colorbar.tickvals, [0, 0.02, 0.04, 0.06, 0.08])
    for wrong in (0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="expected a top above 0 and at most 1"):
            heatmap(shown, top=wrong)


def test_differences_are_signed_on_both_sides_of_zero() -> None:
    values = np.array([[0.5, -0.25]], np.float32)
    shown = View(values, (Label("a"),), (Label("b"), Label("c")), signed=True)
    (trace,) = heatmap(shown, top=0.5).data
    np.testing.assert_array_equal(trace.z, values)
    assert (trace.zmin, trace.zmax) == (-0.5, 0.5)
    assert trace.colorbar.title.text == "change of weight (−0.5 to 0.5)"
    assert "than before" in trace.hovertemplate
    middle = [colour for place, colour in trace.colorscale if place == 0.5]
    assert middle == [LIGHT.background]


def test_marks_lie_on_their_cells_and_the_picked_one_is_outlined() -> None:
    barred = np.array([[False, True], [False, False]])
    made = heatmap(view(["a", "b"], ["c", "d"]), marks=Marks(barred, barred.T), picked=(1, 0))
    cells, cross, ring = made.data
    assert cells.type == "heatmap" and cross.hoverinfo == ring.hoverinfo == "skip"
    assert (cross.x, cross.y, cross.marker.symbol) == (("1",), ("0",), "x-thin")
    assert (ring.x, ring.y, ring.marker.symbol) == (("0",), ("1",), "circle-open")
    (edge,) = made.layout.shapes
    assert (edge.x0, edge.x1, edge.y0, edge.y1) == (-0.5, 0.5, 0.5, 1.5)
    many = np.ones((50, 50), bool)
    names = [str(i) for i in range(50)]
    assert len(heatmap(view(names, names), marks=Marks(many, ~many)).data) == 1
