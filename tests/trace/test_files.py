"""Files come back as they were written, or not at all."""

import copy
import io
import json
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trace.made import assert_same, full_trace, numbered
from transformer.trace import Label, Trace, files


@pytest.mark.parametrize(("format", "tolerance"), [("npz", 0), ("json", 1e-7)])
def test_files_come_back(tmp_path, format: str, tolerance: float) -> None:  # type: ignore[no-untyped-def]
    trace = full_trace()
    path = tmp_path / f"trace.{format.upper()}"
    trace.save(path)
    assert_same(trace, Trace.load(path), tolerance)
    assert_same(trace, Trace.from_bytes(trace.to_bytes(format), format), tolerance)
    bare = Trace([], "nothing")
    assert Trace.from_bytes(bare.to_bytes(format), format).positions is None


@pytest.mark.parametrize("format", ["npz", "json"])
def test_ids_of_labels_come_back(format: str) -> None:
    trace = Trace.from_bytes(numbered().to_bytes(format), format)
    for labels in (trace.source, trace["encoder"].queries, trace["encoder"].keys):
        assert [label.id for label in labels] == [7, None, 0, 2**40]
    assert [label.id for label in trace.target] == [None, None]


@pytest.mark.parametrize("format", ["npz", "json"])
def test_ids_of_alternatives_come_back(format: str) -> None:
    trace = Trace.from_bytes(numbered().to_bytes(format), format)
    assert [other.id for other in trace.steps[0].alternatives] == [7, None]


@pytest.mark.parametrize("wrong", [-1, 7.5, True, "7", 2**63])
def test_ids_of_alternatives_are_checked(wrong: object) -> None:
    document = json.loads(numbered().to_bytes("json"))
    document["steps"][0]["alternatives"][0]["id"] = wrong
    with pytest.raises(ValueError, match="expected an alternative's id as a whole number"):
        Trace.from_bytes(json.dumps(document).encode(), "json")


def test_a_page_is_saved_like_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    full_trace().save("~/page.HTML")
    page = (tmp_path / "page.HTML").read_text(encoding="utf-8")
    assert page == full_trace().to_bytes("html").decode()
    assert page.startswith("<!doctype html>") and "estação 🚆" in page


def test_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    full_trace().save("~/trace.npz")
    assert (tmp_path / "trace.npz").is_file()
    assert Trace.load("~/trace.npz").model == "pt-en"


@pytest.mark.parametrize(
    ("version", "message"),
    [(2, "expected a version up to 1, received 2"), (True, "from 1"), (0, "from 1"), ("1", "from 1")],
)
def test_newer_files_are_refused_in_one_line(version: object, message: str) -> None:
    document = json.loads(full_trace().to_bytes("json")) | {"version": version}
    with pytest.raises(ValueError, match=message) as caught:
        Trace.from_bytes(json.dumps(document).encode(), "json")
    assert len(str(caught.value).splitlines()) == 1


def test_older_files_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    old = full_trace().to_bytes("npz")
    monkeypatch.setattr(files, "VERSION", 2)
    assert_same(full_trace(), Trace.from_bytes(old, "npz"), 0)


def test_labels_without_ids_leave_none_in_a_file() -> None:
    """As in files from before labels had any."""
    with np.load(io.BytesIO(full_trace().to_bytes("npz")), allow_pickle=False) as file:
        assert not [name for name in file.files if name.endswith("/ids")]
    assert '"id"' not in full_trace().to_bytes("json").decode()
    assert all(label.id is None for label in Trace.from_bytes(full_trace().to_bytes("npz"), "npz").source)


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
    with pytest.raises(ValueError, match=r"\.npz, \.json or \.html, received 'trace\.csv'"):
        full_trace().save(tmp_path / "trace.csv")
    for name in ("trace", "trace.html"):
        with pytest.raises(ValueError, match=r"\.npz or \.json"):
            Trace.load(tmp_path / name)
    with pytest.raises(ValueError, match="format out of npz, json, received"):
        Trace.from_bytes(b"", "html")
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
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,"),
        npy("(" * 500),
        npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({'9' * 400},)}}"),
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
    monkeypatch.setattr(files, "MAX_NPZ_BYTES", 1 << 19)
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
    monkeypatch.setattr(files, "MAX_JSON_BYTES", 1000)
    with pytest.raises(ValueError, match=r"\.npz holds more"):
        full_trace().to_bytes("json")


# What somebody might put in the place of something else.
JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    float("nan"),
    10**400,
    "x",
    [],
    {},
    [[[[1]]]],
    {"a": {}},
    [None],
    [{"text": []}],
)


def spoilt(document: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """A copy with one thing in it, at any depth, changed or taken out."""
    changed = copy.deepcopy(document)
    node: Any = changed
    while True:
        key = rng.choice([*(node if isinstance(node, dict) else range(len(node)))])
        if not (isinstance(node[key], dict | list) and node[key]) or rng.random() < 0.4:
            break
        node = node[key]
    if rng.random() < 0.2:
        del node[key]
    else:
        node[key] = rng.choice(JUNK)
    return changed


def broken(data: bytes, rng: random.Random) -> bytes:
    """Cut off somewhere, or with a few bytes changed."""
    if rng.random() < 0.3:
        return data[: rng.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        changed[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(changed)


def damaged_files(rng: random.Random) -> Iterator[tuple[bytes, str]]:
    """One of each kind of damage."""
    npz, text = full_trace().to_bytes("npz"), full_trace().to_bytes("json")
    with zipfile.ZipFile(io.BytesIO(npz)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    yield broken(npz, rng), "npz"
    yield broken(text, rng), "json"
    name = rng.choice(list(members))
    yield npz_with(name, broken(members[name], rng)), "npz"
    yield json.dumps(spoilt(json.loads(text), rng)).encode(), "json"
    meta = json.loads(str(np.load(io.BytesIO(npz))["meta"]))
    other = io.BytesIO()
    np.save(other, np.array(json.dumps(spoilt(meta, rng))))
    yield npz_with("meta.npy", other.getvalue()), "npz"
    other = io.BytesIO()
    shape = rng.choice([(), (0,), (2, 5), (1, 1, 2, 2), (5,)])
    np.save(other, np.ones(shape).astype(rng.choice(["<f8", "<f2", "<i4", "?", "<U3", "S3", "<c8"])))
    yield npz_with(name, other.getvalue()), "npz"


@pytest.mark.parametrize("seed", range(40))
def test_damage_of_any_kind_is_a_value_error_or_harmless(seed: int) -> None:
    for data, format in damaged_files(random.Random(seed)):
        try:
            found = Trace.from_bytes(data, format)
        except ValueError as error:
            assert "\n" not in str(error) and len(str(error)) < 600
        else:
            found.to_bytes("npz")
