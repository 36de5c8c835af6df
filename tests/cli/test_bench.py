"""`bench`: what is left out is said first, and one group that fails takes no other along."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.cli.shared import run
from transformer import bench
from transformer.bench import browser

WHY = "no Chromium here"


def good() -> Iterator[bench.Row]:
    yield {"name": "good/1", "median_ms": 1.5}
    yield {"name": "good/2", "median_ms": 2.5, "bytes": 1000}


def bad() -> Iterator[bench.Row]:
    yield {"name": "bad/1", "median_ms": 3.5}
    raise subprocess.CalledProcessError(1, ["python"])


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three groups, of which one fails half way and one can't be measured here."""
    found = {"bad": bad, "good": good, bench.BROWSER: browser.browser}
    monkeypatch.setattr(bench, "_groups", lambda: dict(found))
    monkeypatch.setattr(browser, "missing", lambda: WHY)


@pytest.mark.usefixtures("groups")
def test_the_rest_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, said = run(capsys, "bench")
    assert status == 1
    assert [line.split() for line in out.splitlines()] == [
        ["bad/1", "3.50", "ms"],
        ["good/1", "1.50", "ms"],
        ["good/2", "2.50", "ms", "1,000", "bytes"],
    ]
    first, second = said.splitlines()
    assert first == f"left out: {bench.BROWSER}: {WHY}"
    assert second.startswith("given up: bad: Command")
    assert run(capsys, "bench", "--only", "good")[::2] == (0, "")


@pytest.mark.usefixtures("groups")
def test_json_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "bench", "--json")
    assert (status, [row["name"] for row in json.loads(out)]) == (1, ["bad/1", "good/1", "good/2"])
    assert json.loads(run(capsys, "bench", "--json", "--only", "good")[1])[1] == list(good())[1]


@pytest.mark.usefixtures("groups")
def test_what_cannot_be_measured_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "bench", "--only", "painted") == (2, "", f"transformer bench: {WHY}\n")
    status, out, said = run(capsys, "bench", "--only", "nothing")
    assert (status, out) == (2, "") and said.startswith("transformer bench: expected a part of bad, good, ")


def test_a_browser_that_does_not_start_is_found_out_first(monkeypatch: pytest.MonkeyPatch) -> None:
    browser._chromium.cache_clear()
    monkeypatch.setenv("HEADLIGHT_CHROMIUM", "/no/such/browser")
    assert browser.missing() == "headlight: HEADLIGHT_CHROMIUM=/no/such/browser does not start."
    browser._chromium.cache_clear()
