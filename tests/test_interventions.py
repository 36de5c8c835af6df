"""What is changed in a network: one text for each value, and nothing else is read."""

import math
import pickle

import pytest

from transformer.interventions import ALL, NONE, Edge, Head, Interventions, Patch


def test_the_text_counts_from_one_and_is_sorted() -> None:
    made = Interventions(
        heads=(Head("encoder", 1, 2), Head("decoder", 0, ALL, 0.5)),
        edges=(Edge("decoder", 0, 0, ALL, 0, "drop"), Edge("cross", 1, 2, 4, 6)),
        patches=(Patch("stream", "decoder", 2, 3, origin=5), Patch("head", "encoder", 1, 4, head=2)),
        other="a dog;ç",
    )
    text = "h:d1.*=0.5,e2.3;x:x2.3.5.7,d1.1.*.1!;p:he2.5.3,sd3.4<6;o:a%20dog%3B%C3%A7"
    assert made.text() == text
    assert Interventions.parse(text) == made
    assert made and not NONE and NONE.text() == "" and Interventions.parse("") == NONE


@pytest.mark.parametrize("factor", [0.0, -0.0, 0.1, 1e-7, 1 / 3, 2, -10, 10.0, 5e-324])
def test_what_is_written_is_read_to_the_last_bit(factor: float) -> None:
    made = Interventions(heads=(Head("cross", 5, ALL, factor),))
    again = Interventions.parse(made.text())
    assert again == made and hash(again) == hash(made) and again.text() == made.text()
    assert pickle.loads(pickle.dumps(made)) == made


def test_what_does_the_same_is_equal() -> None:
    two = (Head("encoder", 0, 1, 0.5), Head("decoder", 0, 0))
    assert Interventions(heads=two) == Interventions(heads=two[::-1])
    assert Interventions(heads=(*two, two[0])) == Interventions(heads=(two[1], Head("encoder", 0, 1, 0.25)))
    assert Interventions(heads=(Head("encoder", 0, 1, 1.0),)) == NONE
    edge = Edge("cross", 0, 0, 1, 1)
    assert Interventions(edges=(edge, edge)).edges == (edge,)
    assert Interventions.parse("h:x1.1,e1.1") == Interventions.parse("h:e1.1,x1.1")


@pytest.mark.parametrize(
    "text",
    [
        "h:",
        "h",
        ";",
        "h:e1.1;",
        "h:e0.1",
        "h:e01.1",
        "h:e1.1.1",
        "h:q1.1",
        "h:e1.1=",
        "h:e1.1=nan",
        "h:e1.1=inf",
        "h:e1.1=1e9",
        "h:e1.1=11",
        "h:e1.1=99999999999999999999",
        "h:e1.1,e1.1=1e999",
        "h:e100000.1",
        "h:e１.1",
        "h:e1.1;h:e1.2",
        "h:e1.1\n",
        "x:e1.1.1",
        "x:e1.1.1.3-2",
        "x:e1.1.1.*-2",
        "x:e1.1.1.2-*",
        "x:e1.1.1.2-",
        "x:e1.1.1-.2",
        "x:e1.1.1.2-3-4",
        "x:e1-2.1.1.1",
        "x:e1.1.1.2-100000",
        "x:e1.1.0.1",
        "x:" + ",".join(f"e1.1.{i + 1}.1" for i in range(33)),
        "x:e1.1.1.1?",
        "p:s3.4",
        "p:sx1.1",
        "p:sd1.1.1",
        "p:sd1.*<2",
        "o:dog",
        "p:sd1.1;o:%ff",
        "p:sd1.1;o:%FF",
        "p:sd1.1;o:ç",
        "p:sd1.1;o:",
        "<script>alert(1)</script>",
        "h:e1.1" * 1000,
        "h:" + ",".join(f"e{i + 1}.1" for i in range(257)),
        "h:e1.1=10,e1.1=10",
        "\ud800",
    ],
)
def test_hostile_texts_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected .*, received") as error:
        Interventions.parse(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("edge", "text", "bounds"),
    [
        (Edge("cross", 1, 2, 4, 6), "x:x2.3.5.7", ((1, 1), (2, 2), (4, 4), (6, 6))),
        (Edge("encoder", ALL, ALL, ALL, 0, "drop"), "x:e*.*.*.1!", ((0, 99_998),) * 3 + ((0, 0),)),
        (
            Edge("cross", 1, 2, ALL, 119, last_key=179),
            "x:x2.3.*.120-180",
            ((1, 1), (2, 2), (0, 99_998), (119, 179)),
        ),
        (Edge("decoder", 0, 0, 1, 3, "drop", 2, 3), "x:d1.1.2-3.4!", ((0, 0), (0, 0), (1, 2), (3, 3))),
    ],
)
def test_looks_are_written_one_by_one_and_in_rows(edge: Edge, text: str, bounds: object) -> None:
    made = Interventions(edges=(edge,))
    assert made.text() == text and Interventions.parse(text) == made and edge.bounds() == bounds
    assert Interventions.parse(f"{text},{text[2:]}") == made


@pytest.mark.parametrize("last", [2, -2, 99_999, True, 1.0, None])
def test_a_row_of_looks_that_cannot_be_is_refused(last: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a last_key"):
        Edge("cross", 0, 0, 0, 3, last_key=last)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^expected a last_query behind the first"):
        Edge("cross", 0, 0, ALL, 3, last_query=3)


@pytest.mark.parametrize("wrong", [None, 3, b"h:e1.1", ["h:e1.1"]])
def test_only_text_is_parsed(wrong: object) -> None:
    with pytest.raises(ValueError, match="as text"):
        Interventions.parse(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        ("ring", 0, 0),
        ("encoder", -2, 0),
        ("encoder", 0, True),
        ("encoder", 0.0, 0),
        ("encoder", 0, 100_000),
        ("encoder", 0, 0, math.nan),
        ("encoder", 0, 0, math.inf),
        ("encoder", 0, 0, 10.5),
        ("encoder", 0, 0, "0"),
        ("encoder", 0, 0, True),
    ],
)
def test_heads_that_cannot_be_are_refused(values: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r"^expected"):
        Head(*values)  # type: ignore[arg-type]


def test_so_many_are_too_many() -> None:
    edges = tuple(Edge("encoder", 0, 0, i, 0) for i in range(33))
    patches = tuple(Patch("stream", "encoder", 0, i) for i in range(65))
    with pytest.raises(ValueError, match="at most 32 edges"):
        Interventions(edges=edges)
    with pytest.raises(ValueError, match="at most 64 patches"):
        Interventions(patches=patches)
    with pytest.raises(ValueError, match="out of bar, drop"):
        Edge("encoder", 0, 0, 0, 0, "cut")  # type: ignore[arg-type]
    whole = Interventions(edges=edges[:32], patches=patches[:64])
    assert Interventions.parse(whole.text(), longest=10_000) == whole


def test_a_change_must_fit_the_network() -> None:
    shape = {"encoder": (2, 4), "cross": (1, 2)}
    Interventions.parse("h:e2.4,x1.*,e*.1;x:x1.2.9.9;p:se2.9").fits(shape)
    for text, said in (
        ("h:d1.1", "encoder, cross"),
        ("h:e3.1", "received layer 3, head 1"),
        ("x:x1.3.1.1", "a head up to 2 of cross"),
        ("p:se3.1", "a layer up to 2 "),
    ):
        with pytest.raises(ValueError, match=said):
            Interventions.parse(text).fits(shape)


def test_factors_are_what_the_changes_multiply_to() -> None:
    made = Interventions.parse("h:e1.*=0.5,e*.2,x1.1,e9.9")
    assert made.factors("encoder", 2, 3) == [[0.5, 0.0, 0.5], [1.0, 0.0, 1.0]]
    assert made.factors("cross", 1, 1) == [[0.0]] and made.factors("decoder", 1, 2) == [[1.0, 1.0]]


@pytest.mark.parametrize(
    ("factors", "text"),
    [
        ([[1.0, 1.0], [1.0, 1.0]], ""),
        ([[1.0, 0.0], [1.0, 1.0]], "h:e1.2"),
        ([[0.0, 0.0], [1.0, 0.5]], "h:e1.*,e2.2=0.5"),
        ([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], "h:e*.2"),
        ([[2.0, 2.0], [2.0, 2.0]], "h:e*.*=2"),
        ([[0.5]], "h:e*.*=0.5"),
    ],
)
def test_factors_are_written_in_as_few_changes_as_lines_allow(factors: list[list[float]], text: str) -> None:
    made = NONE.with_factors("encoder", factors)
    assert made.text() == text
    assert made.factors("encoder", len(factors), len(factors[0])) == factors
    both = Interventions.parse("h:x1.1,e1.1=2;x:e1.1.1.1").with_factors("encoder", factors)
    assert both.factors("encoder", len(factors), len(factors[0])) == factors
    assert both.factors("cross", 1, 1) == [[0.0]] and len(both.edges) == 1


def test_more_heads_than_there_may_be_are_refused() -> None:
    mixed = [[float((i + j) % 2) for j in range(24)] for i in range(24)]
    with pytest.raises(ValueError, match="at most 256 heads"):
        NONE.with_factors("encoder", mixed)
