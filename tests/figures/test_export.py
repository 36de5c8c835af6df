"""Files hold the picture: the right colours in the right places, and text that is text."""

import io
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from transformer.analysis.views import View
from transformer.figures import export, theme
from transformer.figures.heatmap import LOOKS_AT, LOOKS_FROM, Marks
from transformer.trace import Label

SVG = "{http://www.w3.org/2000/svg}"
ODD = ["<s>", "$x_1$", "a & b", "\ud800\x00\x1b", "🚆", "שלום", "日本語", "", "\n", "the", "the"]


def view(queries: list[str], keys: list[str]) -> View:
    values = np.random.default_rng(2).random((len(queries), len(keys)), np.float32)
    return View(values, tuple(map(Label, queries)), tuple(map(Label, keys)))


@pytest.mark.parametrize("name", ["light", "dark"])
def test_svg_has_a_rectangle_for_each_weight_and_text_as_text(name: str) -> None:
    look = theme.get(name)
    shown = view(["the", "train"], ["o", "<trem>", "."])
    root = ElementTree.fromstring(export.svg(shown, theme=name, title="5 < 6"))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {
        "5 < 6",
        "attention weight (0 to 1)",
        LOOKS_AT,
        LOOKS_FROM,
        "the",
        "train",
        "o",
        "<trem>",
        ".",
    } <= set(texts)
    cells = [element for element in root.iter(f"{SVG}rect") if element.get("fill", "").startswith("#")][1:]
    colours = {(float(cell.get("y", "")), float(cell.get("x", ""))): cell.get("fill") for cell in cells}
    expected = [theme.hex_colour(look.attention[round(float(value) * 255)]) for value in shown.values.flat]
    assert [colours[place] for place in sorted(colours)] == expected


def test_svg_leaves_the_background_bare() -> None:
    shown = View(np.eye(4, dtype=np.float32), *(tuple(map(Label, "abcd")),) * 2)
    root = ElementTree.fromstring(export.svg(shown))
    assert len([e for e in root.iter(f"{SVG}rect") if e.get("fill", "").startswith("#")]) == 1 + 4


@pytest.mark.parametrize("name", ["light", "dark"])
def test_png_shows_the_same_colours(name: str) -> None:
    from matplotlib.image import imread

    look = theme.get(name)
    pixels = np.rint(imread(io.BytesIO(export.png(view(["a"], ["b", "c"]), theme=name))) * 255).astype(int)
    colours = {tuple(colour) for colour in pixels[..., :3].reshape(-1, 3).tolist()}
    for value in view(["a"], ["b", "c"]).values.flat:
        assert tuple(look.attention[round(float(value) * 255)].tolist()) in colours
    assert tuple(pixels[0, 0, :3].tolist()) == theme.rgb(look.background)


def test_faint_weights_have_the_whole_scale_in_files_too() -> None:
    shown = View(np.array([[0.1, 0.05]], np.float32), (Label("a"),), (Label("b"), Label("c")))
    root = ElementTree.fromstring(export.svg(shown, top=0.1))
    fills = [element.get("fill") for element in root.iter(f"{SVG}rect")]
    assert {theme.hex_colour(theme.LIGHT.attention[i]) for i in (255, 128)} <= set(fills)
    texts = {element.text for element in root.iter(f"{SVG}text")}
    assert {"attention weight (0 to 0.1)", "0", "0.025", "0.1"} <= texts
    assert export.png(shown, top=0.1) != export.png(shown)


def test_odd_tokens_and_threads() -> None:
    shown = view(ODD, ODD)
    with ThreadPoolExecutor(4) as pool:
        files = list(pool.map(lambda _: export.png(shown, title="$odd$ <b>\x07"), range(4)))
    assert len(set(files)) == 1 and files[0].startswith(b"\x89PNG")
    root = ElementTree.fromstring(export.svg(shown, title="odd \x07\ud800"))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"<s>", "$x_1$", "a & b", "�␀�", "🚆", "שלום", "日本語", "∅", "↵", "odd "} <= set(texts)


def test_nothing_is_no_picture() -> None:
    for draw in (export.png, export.svg):
        with pytest.raises(ValueError, match="at least one query and key"):
            draw(View(np.zeros((0, 0), np.float32), (), ()))
        with pytest.raises(ValueError, match="expected a theme"):
            draw(view(["a"], ["b"]), theme="sepia")


def test_pictures_say_what_rows_add_up_to_where_that_is_not_1() -> None:
    labels = (Label("a"), Label("b"))
    whole, hidden = (
        View(np.array(v, np.float32), labels, labels) for v in ([[1, 0], [0, 1]], [[0.5, 0.25], [0.25, 0.5]])
    )
    assert b"add up" not in export.svg(whole)
    assert b"Rows add up to 0.75: the rest went to what is hidden." in export.svg(hidden)
    most = View(np.array([[1, 0.5], [0.25, 1]], np.float32), labels, labels)
    assert b"Rows add up to 1.25 to 1.50." in export.svg(most)
    heights = [int(ElementTree.fromstring(export.svg(shown)).attrib["height"]) for shown in (whole, hidden)]
    assert heights[1] == heights[0] + 20 and export.png(hidden)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_differences_have_both_arms_of_their_scale_and_zero_is_bare(name: str) -> None:
    from matplotlib.image import imread

    look = theme.get(name)
    values = np.array([[0.5, -0.5, 0.0, 0.3]], np.float32)
    shown = View(values, (Label("a"),), tuple(map(Label, "bcde")), signed=True)
    root = ElementTree.fromstring(export.svg(shown, theme=name, top=0.5))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"change of weight (−0.5 to 0.5)", "-0.5", "-0.25", "0", "0.25", "0.5"} <= set(texts)
    cells = [
        element.get("fill") for element in root.iter(f"{SVG}rect") if element.get("fill", "").startswith("#")
    ]
    expected = [theme.hex_colour(look.difference[i]) for i in (254, 0, 203)]
    assert cells[1:] == expected
    pixels = np.rint(imread(io.BytesIO(export.png(shown, theme=name, top=0.5))) * 255).astype(int)
    colours = {tuple(colour) for colour in pixels[..., :3].reshape(-1, 3).tolist()}
    assert {tuple(look.difference[i].tolist()) for i in (0, 254)} <= colours


def test_looks_that_are_cut_are_marked_as_on_the_page() -> None:
    from matplotlib.image import imread

    shown, none = view(["the", "train"], ["o", "trem", "."]), np.zeros((2, 3), bool)
    barred, dropped = none.copy(), none.copy()
    barred[1, 0] = barred[1, 2] = dropped[0, 1] = True
    root = ElementTree.fromstring(export.svg(shown, marks=Marks(barred, dropped)))
    crosses, rings = (list(root.iter(f"{SVG}{name}")) for name in ("path", "circle"))
    assert len(crosses) == 2 and len(rings) == 1
    outline = next(e for e in root.iter(f"{SVG}rect") if e.get("fill") == "none")
    cell = float(outline.get("width", "")) / 3
    middle = [float(outline.get(axis, "")) + share * cell for axis, share in (("x", 1.5), ("y", 0.5))]
    assert [float(rings[0].get(axis, "")) for axis in ("cx", "cy")] == pytest.approx(middle, abs=0.01)
    plain, marked = (
        imread(io.BytesIO(export.png(shown, marks=marks))) for marks in (None, Marks(barred, none))
    )
    rows, columns = np.nonzero((plain != marked).any(-1))
    left, top = (2 * float(outline.get(axis, "")) for axis in ("x", "y"))
    assert set(((rows - top) // (2 * cell)).astype(int)) == {1}
    assert set(((columns - left) // (2 * cell)).astype(int)) == {0, 2}
    assert not list(ElementTree.fromstring(export.svg(shown)).iter(f"{SVG}path"))
