"""Views against plain loops over the same numbers."""

import numpy as np
import pytest

from transformer.analysis.views import (
    View,
    combine,
    difference,
    every_head,
    hide_special,
    merge_words,
    row_sums,
    select,
    spans,
)
from transformer.trace import AttentionMap, Label

QUERIES = (Label("The"), Label("sta"), Label("tion", joins=True), Label("[END]", special=True))
KEYS = (
    Label("[START]", special=True),
    Label("esta", start=0.0, end=0.2),
    Label("ç", joins=True, start=0.2, end=0.3),
    Label("ão", joins=True, start=0.3, end=0.5),
    Label("."),
)


@pytest.fixture
def attention() -> AttentionMap:
    values = np.random.default_rng(1).gamma(0.5, size=(2, 3, 4, 5)) + 1e-6
    return AttentionMap("cross", values / values.sum(-1, keepdims=True), QUERIES, KEYS)


def test_select_is_one_head(attention: AttentionMap) -> None:
    view = select(attention, 1, 2)
    np.testing.assert_array_equal(view.values, attention.weights[1, 2])
    assert (view.queries, view.keys) == (QUERIES, KEYS)
    assert view.values.dtype == np.float32


def test_combine_is_the_mean_or_the_maximum_of_the_heads_in_question(attention: AttentionMap) -> None:
    weights = attention.weights.tolist()
    pairs = [(i, j) for i in range(2) for j in range(3)]
    for layer, head in [(None, None), (1, None), (None, 2), (0, 1)]:
        chosen = [(i, j) for i, j in pairs if layer in (None, i) and head in (None, j)]
        mean = combine(attention, "mean", layer=layer, head=head).values
        most = combine(attention, "max", layer=layer, head=head).values
        for q in range(4):
            for k in range(5):
                values = [weights[i][j][q][k] for i, j in chosen]
                assert mean[q, k] == pytest.approx(sum(values) / len(values), abs=1e-6)
                assert most[q, k] == max(values)


def test_combine_refuses_what_is_not_there(attention: AttentionMap) -> None:
    with pytest.raises(ValueError, match="layer from 0 to 1, received 2"):
        select(attention, 2, 0)
    with pytest.raises(ValueError, match="head from 0 to 2, received -1"):
        select(attention, 0, -1)
    with pytest.raises(ValueError, match="received 'sum'"):
        combine(attention, "sum")  # type: ignore[arg-type]


def test_hide_special_leaves_the_other_weights_as_they_are(attention: AttentionMap) -> None:
    view = hide_special(select(attention, 0, 0))
    assert [label.text for label in view.queries] == ["The", "sta", "tion"]
    assert [label.text for label in view.keys] == ["esta", "ç", "ão", "."]
    np.testing.assert_array_equal(view.values, attention.weights[0, 0, :3, 1:])
    np.testing.assert_allclose(view.values.sum(-1), 1 - attention.weights[0, 0, :3, 0], rtol=1e-5)


def test_merge_words_sums_over_keys_and_averages_over_queries(attention: AttentionMap) -> None:
    view = merge_words(select(attention, 0, 0))
    assert view.queries == (Label("The"), Label("station"), Label("[END]", special=True))
    assert view.keys == (Label("[START]", special=True), Label("estação", start=0.0, end=0.5), Label("."))
    weights = attention.weights[0, 0].tolist()
    row = [(a + b) / 2 for a, b in zip(weights[1], weights[2], strict=True)]
    np.testing.assert_allclose(view.values[1], [row[0], row[1] + row[2] + row[3], row[4]], rtol=1e-5)
    np.testing.assert_allclose(view.values.sum(-1), 1, rtol=1e-5)
    assert view.values.dtype == np.float32


def test_all_heads_at_once_equal_one_by_one(attention: AttentionMap) -> None:
    together = merge_words(hide_special(every_head(attention)))
    for layer in range(2):
        for head in range(3):
            alone = merge_words(hide_special(select(attention, layer, head)))
            np.testing.assert_array_equal(together.values[layer, head], alone.values)
            assert (together.queries, together.keys) == (alone.queries, alone.keys)


def test_words_do_not_start_or_end_inside_special_tokens() -> None:
    labels = (Label("a", joins=True), Label("[SEP]", special=True), Label("b", joins=True))
    merged = merge_words(View(np.eye(3, dtype=np.float32), labels, labels))
    assert [label.text for label in merged.keys] == ["a", "[SEP]", "b"]


def test_nothing_but_special_tokens_is_an_empty_view() -> None:
    label = Label("[END]", special=True)
    view = merge_words(hide_special(View(np.ones((1, 1), np.float32), (label,), (label,))))
    assert view.values.shape == (0, 0)


def test_a_view_prints_no_array(attention: AttentionMap) -> None:
    assert repr(every_head(attention)) == "<View (2, 3, 4, 5): 4 queries x 5 keys>"


def test_a_difference_is_signed_and_stays_so(attention: AttentionMap) -> None:
    other = AttentionMap("cross", attention.weights[::-1].copy(), QUERIES, KEYS)
    now, before = (combine(one, layer=0, head=1) for one in (attention, other))
    found = difference(now, before)
    np.testing.assert_array_equal(found.values, attention.weights[0, 1] - attention.weights[1, 1])
    assert found.signed and found.values.min() < 0
    assert hide_special(merge_words(found)).signed
    # What is merged after is what merged before.
    np.testing.assert_allclose(
        merge_words(found).values, merge_words(now).values - merge_words(before).values, atol=1e-6
    )
    assert row_sums(hide_special(found)) == ""
    with pytest.raises(ValueError, match="the same tokens"):
        difference(now, hide_special(before))


def test_rows_of_a_view_know_which_positions_they_stand_for() -> None:
    labels = [
        Label("<s>", special=True),
        Label("a"),
        Label("bc", joins=True),
        Label("d"),
        Label("</s>", special=True),
    ]
    assert spans(labels) == [(i, i) for i in range(5)]
    assert spans(labels, words=True) == [(0, 0), (1, 2), (3, 3), (4, 4)]
    assert spans(labels, hide=True) == [(1, 1), (2, 2), (3, 3)]
    assert spans(labels, words=True, hide=True) == [(1, 2), (3, 3)]
    merged = hide_special(merge_words(View(np.eye(5, dtype=np.float32), tuple(labels), tuple(labels))))
    assert len(merged.queries) == 2 and spans([], words=True) == []
