"""The contract holds what it promises, and files come back as they were written, or not at all."""

import dataclasses
import io
import json
import struct
import zipfile

import numpy as np
import pytest

from transformer import tracefile
from transformer.trace import Alternative, AttentionMap, Label, Spectrogram, Step, Trace, Word


def rows(*shape: int, seed: int = 0) -> np.ndarray:
    """Random distributions along the last axis."""
    values = np.random.default_rng(seed).gamma(0.3, size=shape).astype(np.float32) + 1e-9
    return values / values.sum(-1, keepdims=True)


def full_trace() -> Trace:
    """A trace that uses every field, with labels that files like to break."""
    source = (
        Label("[START]", special=True),
        Label("estaç"),
        Label("ão", joins=True),
        Label("🚆", start=0.25, end=0.5),
        Label('"</script>\n'),
    )
    target = (Label("محطة"), Label("[END]", special=True))
    return Trace(
        [
            AttentionMap("encoder", rows(3, 2, 5, 5), source, source),
            AttentionMap("decoder", rows(2, 4, 2, 2), target, target),
            AttentionMap("cross", rows(2, 4, 2, 5), target, source),
        ],
        "محطة",
        [
            Step("محطة", -0.1, 1.25, (Alternative("x", 0.9), Alternative("\ud800", 0.1 / 3))),
            Step("[END]", -0.0, 0.0),
        ],
        source=source,
        target=target,
        positions=np.linspace(-1, 1, 12).reshape(3, 4),
        spectrogram=Spectrogram(rows(4, 3), 0.01),
        model="pt-en",
        input="estação 🚆",
        options={"beam": np.float32(4), "penalty": 0.6, "forced": False, "note": None, "by": "hand"},
        words=[Word("محطة", 0.25, 0.5, 0.75)],
    )


def assert_same(left: Trace, right: Trace, tolerance: float) -> None:
    assert list(left) == list(right)
    for kind in left:
        assert left[kind].queries == right[kind].queries
        assert left[kind].keys == right[kind].keys
        np.testing.assert_allclose(left[kind].weights, right[kind].weights, rtol=0, atol=tolerance)
        assert right[kind].weights.dtype == np.float32
    for name in ("output", "steps", "source", "target", "model", "input", "options", "words"):
        assert getattr(left, name) == getattr(right, name), name
    assert left.positions is not None and right.positions is not None
    np.testing.assert_allclose(left.positions, right.positions, rtol=0, atol=tolerance)
    assert left.spectrogram is not None and right.spectrogram is not None
    np.testing.assert_allclose(left.spectrogram.values, right.spectrogram.values, rtol=0, atol=tolerance)
    assert left.spectrogram.seconds_per_frame == right.spectrogram.seconds_per_frame


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


@pytest.mark.parametrize(("format", "tolerance"), [("npz", 0), ("json", 1e-7)])
def test_files_come_back(tmp_path, format: str, tolerance: float) -> None:  # type: ignore[no-untyped-def]
    trace = full_trace()
    path = tmp_path / f"trace.{format.upper()}"
    trace.save(path)
    assert_same(trace, Trace.load(path), tolerance)
    assert_same(trace, Trace.from_bytes(trace.to_bytes(format), format), tolerance)
    bare = Trace([], "nothing")
    assert Trace.from_bytes(bare.to_bytes(format), format).positions is None


def numbered() -> Trace:
    """A trace whose labels know their ids, but for one."""
    labels = [Label("a", id=7), Label("b"), Label("[END]", special=True, id=0), Label("c", id=2**40)]
    return Trace([AttentionMap("encoder", rows(1, 1, 4, 4), labels, labels)], "a", source=labels, target="xy")


@pytest.mark.parametrize("format", ["npz", "json"])
def test_ids_of_labels_come_back(format: str) -> None:
    trace = Trace.from_bytes(numbered().to_bytes(format), format)
    for labels in (trace.source, trace["encoder"].queries, trace["encoder"].keys):
        assert [label.id for label in labels] == [7, None, 0, 2**40]
    assert [label.id for label in trace.target] == [None, None]


def test_labels_without_ids_leave_none_in_a_file() -> None:
    """As in files from before labels had any."""
    with np.load(io.BytesIO(full_trace().to_bytes("npz")), allow_pickle=False) as file:
        assert not [name for name in file.files if name.endswith("/ids")]
    assert '"id"' not in full_trace().to_bytes("json").decode()
    assert all(label.id is None for label in Trace.from_bytes(full_trace().to_bytes("npz"), "npz").source)


def test_ids_do_not_tell_labels_apart() -> None:
    assert Label("a", id=7) == Label("a", id=8) == Label("a")


@pytest.mark.parametrize(
    "ids",
    [
        np.array([7, -1, 0]),
        np.array([[7, -1, 0, 5]]),
        np.array([7.0, -1, 0, 5]),
        np.array([7, -1, 0, 5], np.int32),
        np.array([7, -2, 0, 5]),
        np.array(["7", "1", "0", "5"]),
    ],
    ids=str,
)
def test_damaged_ids_in_npz_are_refused(ids: np.ndarray) -> None:
    with np.load(io.BytesIO(numbered().to_bytes("npz")), allow_pickle=False) as file:
        arrays = dict(file) | {"encoder/keys/ids": ids}
    damaged = io.BytesIO()
    np.savez(damaged, allow_pickle=False, **arrays)
    with pytest.raises(ValueError, match=r"expected .* received"):
        Trace.from_bytes(damaged.getvalue(), "npz")


@pytest.mark.parametrize("wrong", [-1, 7.5, 7.0, True, "7", [7], 2**63])
def test_ids_that_are_none_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="expected a label's id as a whole number"):
        Label("a", id=wrong)  # type: ignore[arg-type]
    document = json.loads(numbered().to_bytes("json"))
    document["source"][0]["id"] = wrong
    with pytest.raises(ValueError, match=r"expected .* received"):
        Trace.from_bytes(json.dumps(document).encode(), "json")


def test_npz_is_plain_numpy() -> None:
    with np.load(io.BytesIO(full_trace().to_bytes("npz")), allow_pickle=False) as file:
        assert file["cross/weights"].shape == (2, 4, 2, 5)
        assert file["encoder/queries"].tolist()[2] == "ão"
        assert json.loads(str(file["meta"]))["model"] == "pt-en"


def test_other_suffixes_are_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for act in (lambda: full_trace().save(tmp_path / "trace.csv"), lambda: Trace.load(tmp_path / "trace")):
        with pytest.raises(ValueError, match=r"\.npz or \.json"):
            act()
    with pytest.raises(ValueError, match="format out of"):
        full_trace().to_bytes("csv")


def npz_with(name: str, member: bytes) -> bytes:
    """A good file with one member replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(full_trace().to_bytes("npz"))) as old, zipfile.ZipFile(file, "w") as new:
        for entry in old.namelist():
            new.writestr(entry, member if entry == name else old.read(entry))
    return file.getvalue()


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    "member",
    [
        b"",
        b"not an array",
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999), }"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -4), }", bytes(16)),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (), }", b"cos\nsystem\n(S'true'\ntR."),
        npy("{'descr': '<U0', 'fortran_order': False, 'shape': (9999999999,), }"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 2, 2), }", bytes(16)),
        npy("__import__('os').abort()"),
        npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", b"\xff" * 4),
    ],
)
@pytest.mark.parametrize("name", ["cross/weights.npy", "source.npy", "meta.npy"])
def test_malformed_npz_is_one_clear_error(name: str, member: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected .* received"):
        Trace.from_bytes(npz_with(name, member), "npz")


def test_malformed_archives_and_bombs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = full_trace().to_bytes("npz")
    for data in (
        b"",
        b"PK\x03\x04",
        good[:200],
        good[:-40],
        good.replace(b"\x00\x00\x08\x00", b"\x00\x00\x63\x00"),
    ):
        with pytest.raises(ValueError, match=r"expected .* received"):
            Trace.from_bytes(data, "npz")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.npy", bytes(1 << 20))
    monkeypatch.setattr(tracefile, "MAX_NPZ_BYTES", 1 << 19)
    assert len(bomb.getvalue()) < 1 << 19
    with pytest.raises(ValueError, match="at most 524,288 bytes"):
        Trace.from_bytes(bomb.getvalue(), "npz")


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[1]", "{", "{}", "[" * 100_000, '{"format": "headlight-trace", "version": 2}',
        '{"format": "headlight-trace", "version": 1}',
        '{"format": "headlight-trace", "version": 1, "maps": [], "steps": 3}',
    ],
)  # fmt: skip
def test_malformed_json_is_one_clear_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected .* received"):
        Trace.from_bytes(text.encode(), "json")


def test_every_missing_or_changed_field_of_json_is_one_clear_error() -> None:
    document = json.loads(full_trace().to_bytes("json"))
    for name in set(document) - {"seconds_per_frame", "spectrogram", "positions"}:
        for value in (None, 1, ["x"], {"x": "y"}):
            changed = document | {name: value}
            if (name, value) in (("options", None), ("options", {"x": "y"}), ("version", 1)):
                continue  # these are right
            with pytest.raises(ValueError, match=r"expected .* received"):
                Trace.from_bytes(json.dumps(changed).encode(), "json")


def test_json_too_large_says_what_holds_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracefile, "MAX_JSON_BYTES", 1000)
    with pytest.raises(ValueError, match=r"\.npz holds more"):
        full_trace().to_bytes("json")
