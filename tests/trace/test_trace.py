"""The contract holds what it promises: shapes, checks, and that nobody can change it."""

import copy
import dataclasses
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from tests.trace.made import assert_same, full_trace, numbered, rows
from transformer.trace import Alternative, AttentionMap, Label, Spectrogram, Step, Trace, Word


def test_a_map_takes_strings_and_knows_its_size() -> None:
    attention = AttentionMap("cross", rows(2, 3, 1, 4), ["a"], list("bcde"))
    assert (attention.layers, attention.heads) == (2, 3)
    assert attention.keys[0] == Label("b")


@pytest.mark.parametrize(
    ("kind", "weights", "message"),
    [
        ("self", rows(1, 1, 2, 2), "expected a kind"),
        ("encoder", rows(1, 2, 2), "4 dimensions, received shape"),
        ("encoder", rows(1, 1, 2, 3), r"expected weights \(layers, heads, 2, 2\)"),
        ("encoder", rows(1, 0, 2, 2), "at least one layer"),
        ("encoder", rows(1, 1, 2, 2) * 0.99, "sum to 1"),
        ("encoder", np.array([[[[1.5, -0.5], [0, 1]]]]), "at least 0"),
        ("encoder", np.full((1, 1, 2, 2), np.nan), "finite"),
        ("encoder", np.full((1, 1, 2, 2), 1e300), "finite"),
    ],
)
def test_a_map_refuses_what_is_not_attention(kind: str, weights: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AttentionMap(kind, weights, ["a", "b"], ["a", "b"])


def test_arrays_are_read_only_and_nobody_elses() -> None:
    mine = rows(1, 1, 2, 2)
    attention = AttentionMap("encoder", mine, "ab", "ab")
    mine[:] = 0
    np.testing.assert_allclose(attention.weights.sum(-1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="read-only"):
        attention.weights[0, 0, 0, 0] = 1
    assert AttentionMap("encoder", attention.weights, "ab", "ab").weights is attention.weights
    with pytest.raises(dataclasses.FrozenInstanceError):
        attention.kind = "cross"  # type: ignore[misc]


def test_labels_steps_and_traces_are_checked() -> None:
    assert Label("a\0b").text == "a␀b"
    attention = AttentionMap("encoder", rows(1, 1, 1, 1), "a", "a")
    for wrong in (
        lambda: Label(3),  # type: ignore[arg-type]
        lambda: Label("a", start=1.0),
        lambda: Label("a", start=2.0, end=1.0),
        lambda: Step("a", float("-inf"), 0),
        lambda: Step("a", 0.5, 0),
        lambda: Step("a", -0.5, float("nan")),
        lambda: Alternative("a", 1.5),
        lambda: Spectrogram(rows(2, 2), 0),
        lambda: Trace([attention, attention], ""),
        lambda: Trace([], "a", [Step("a", -1, 0)], target=["a", "b"]),
        lambda: Trace([], "", options={"beams": [1, 2]}),  # type: ignore[dict-item]
        lambda: Trace([], "", words=[Word("a", 2.0, 1.0, 0.5)]),
        lambda: Trace([], "", words=[Word("a", 0.0, float("nan"), 0.5)]),
    ):
        with pytest.raises(ValueError, match=r"expected .* received"):
            wrong()


def test_a_trace_is_looked_at_by_kind() -> None:
    trace = full_trace()
    assert "cross" in trace and "conv" not in trace and len(trace) == 3
    assert trace["encoder"].layers == 3
    with pytest.raises(KeyError, match="received 'conv'"):
        trace["conv"]
    assert trace.nbytes == 4 * (3 * 2 * 25 + 2 * 4 * 4 + 2 * 4 * 10 + 12 + 12)
    with pytest.raises(TypeError):
        trace.options["beam"] = 1  # type: ignore[index]
    assert dataclasses.replace(trace, output="other").maps == trace.maps


def test_ids_do_not_tell_labels_apart() -> None:
    assert Label("a", id=7) == Label("a", id=8) == Label("a")


def by_pickle(value: object) -> object:
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("again", [by_pickle, copy.deepcopy, copy.copy])
def test_a_copy_is_equal_and_still_immutable(again: Callable[[object], Trace]) -> None:
    trace = full_trace()
    copied = again(trace)
    assert_same(trace, copied, 0)
    assert [label.id for label in again(numbered()).source] == [7, None, 0, 2**40]
    assert [other.id for other in again(numbered()).steps[0].alternatives] == [7, None]
    with pytest.raises(TypeError):
        copied.options["beam"] = 1  # type: ignore[index]
    assert copied.positions is not None and copied.spectrogram is not None
    for array in (copied.positions, copied.spectrogram.values, *(each.weights for each in copied.maps)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.parametrize("again", [by_pickle, copy.deepcopy])
def test_parts_can_be_copied(again: Callable[[object], Label | Step | Word]) -> None:
    trace = full_trace()
    for part in (*trace.source, *trace.steps, *trace.words):
        copied = again(part)
        assert copied == part
        with pytest.raises(AttributeError):
            setattr(copied, "token" if isinstance(copied, Step) else "text", "other")


def test_a_trace_prints_three_lines_and_no_array() -> None:
    trace = full_trace()
    assert repr(trace).splitlines() == [
        "<Trace of pt-en",
        " 'estação 🚆' -> 'محطة'",
        " encoder (3, 2, 5, 5), decoder (2, 4, 2, 2), cross (2, 4, 2, 5)>",
    ]
    assert repr(trace["cross"]) == "<AttentionMap cross: 2 layers x 4 heads, 2 queries x 5 keys>"
    assert repr(trace.spectrogram) == "<Spectrogram of 4 frames x 3 bins, 0.01 s a frame>"
    bare = Trace([], "a\n" * 1000)
    assert len(repr(bare).splitlines()) == 3 and len(repr(bare)) < 200
