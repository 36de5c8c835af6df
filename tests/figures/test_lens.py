"""What each layer would answer, as a picture and as files."""

import csv
import io
from xml.etree import ElementTree

import numpy as np
import pytest

from transformer.analysis.lens import Lens
from transformer.figures import lens as figures
from transformer.trace import Label

NAMES = {
    1: Label("cat"),
    2: Label("=dog"),
    3: Label("<i>&amp;"),
    4: Label("</s>", special=True),
    5: Label("antidisestablish"),
}
IDS = np.array([[[1, 2], [2, 1]], [[3, 2], [4, 1]], [[5, 2], [4, 5]]], np.int32)
CHANCES = np.array(
    [[[0.5, 0.25], [1.0, 0.0]], [[0.75, 0.1], [0.5, 0.4]], [[0.25, 0.2], [0.9, 0.05]]], np.float32
)
LENS = Lens((NAMES[5], NAMES[4]), np.array([5, 4]), IDS, CHANCES, np.log(CHANCES[..., 0]), NAMES)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_row_is_a_place_and_a_cell_has_the_best_guess_of_a_layer(theme: str) -> None:
    (map_,) = (figure := figures.heatmap(figures.of_tokens(LENS), theme=theme)).data
    np.testing.assert_array_equal(map_.z, [[0.5, 0.75, 0.25], [1.0, 0.5, np.float32(0.9)]])
    assert (map_.zmin, map_.zmax) == (0, 1)
    assert [list(row) for row in map_.text] == [
        ["cat", "&lt;i&gt;&amp;amp;", "<b>antidisesta…</b>"],
        ["=dog", "<b>⏎ end</b>", "<b>⏎ end</b>"],
    ]
    assert map_.customdata[0][1] == "antidisestablish, layer 1<br>&lt;i&gt;&amp;amp; 75.0%<br>=dog 10.0%"
    assert list(figure.layout.xaxis.labelalias.values()) == ["embedding", "layer 1", "layer 2"]
    assert list(figure.layout.yaxis.labelalias.values()) == ["antidisestablish", "&lt;/s&gt;"]
    assert figure.layout.height == figures.HEAD + 2 * figures.ROW + figures.BELOW


def test_some_places_by_other_names() -> None:
    grid = figures.of_tokens(LENS, [Label("0.00 s"), Label("0.04 s")], first=1, count=1)
    assert [row.text for row in grid.rows] == ["0.04 s"] and grid.texts == [["=dog", "⏎ end", "⏎ end"]]
    with pytest.raises(ValueError, match="at least one place"):
        figures.heatmap(figures.of_tokens(LENS, first=2))


def test_classes_are_rows_with_their_chances() -> None:
    classes = LENS._replace(
        ids=IDS[:, 1:] % 4,
        probabilities=CHANCES[:, 1:],
        names={0: Label("no"), 1: Label("yes"), 2: Label("?")},
    )
    grid = figures.of_classes(classes)
    assert [row.text for row in grid.rows] == ["no", "yes"]
    np.testing.assert_allclose(grid.values, [[0.0, 0.5, 0.9], [0.0, 0.4, 0.05]])
    assert grid.texts[0] == ["0%", "50%", "90%"] and grid.final.tolist()[0][1:] == [True, True]


def test_files_hold_the_same() -> None:
    grid = figures.of_tokens(LENS)
    rows = list(csv.reader(io.StringIO(figures.csv(grid))))
    assert rows[0][:3] == ["place", "embedding", "probability, embedding"]
    assert rows[2] == ["</s>", "'=dog", "1", "⏎ end", "0.5", "⏎ end", "0.9"]
    root = ElementTree.fromstring(figures.svg(grid, title="A <title>"))
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "A <title>" in texts and "<i>&amp;" in texts and texts.count("⏎ end") == 2
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 1 + 6
    assert figures.png(grid, theme="dark", title="A title").startswith(b"\x89PNG")
