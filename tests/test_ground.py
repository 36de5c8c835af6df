"""What holds for the files of the repository themselves, and for the scripts behind `make`."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

TEXT = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".js",
    ".css",
    ".html",
    ".json",
    ".csv",
    ".cfg",
    ".yml",
    ".yaml",
    ".sh",
    "",
}

# Put together here, so that this file does not name what it forbids.
HOSTS = [
    ".".join(parts)
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs"), ("npmjs", "org"))
]
PLACES = ["/" + place + "/" for place in ("work", "root", "tmp/v", "home")]


def tracked(root: Path) -> list[Path]:
    """The text files that git tracks; where this is no git checkout (an unpacked archive), the test has no subject."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    if answer.returncode:
        pytest.skip("not a git checkout")
    paths = (root / name for name in answer.stdout.split("\0") if name)
    return [path for path in paths if path.suffix in TEXT and path.is_file()]


def mentions(paths: list[Path], pattern: str) -> list[str]:
    """`file:line` of each line of these files that the pattern matches."""
    wanted = re.compile(pattern)
    return [
        f"{path}:{number}: {line.strip()[:120]}"
        for path in paths
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if wanted.search(line)
    ]


def test_no_file_names_a_place_on_one_machine_or_a_package_registry(root: Path) -> None:
    places = "|".join(rf"(?<![\w.*/:-]){re.escape(place)}" for place in PLACES)
    hosts = "|".join(re.escape(host) for host in HOSTS)
    found = mentions(tracked(root), f"{places}|{hosts}")
    assert not found, "\n" + "\n".join(found)


def test_component_scripts_and_styles_fetch_nothing(root: Path) -> None:
    """A namespace such as the one of SVG is an address that nobody fetches."""
    files = [path for path in tracked(root) if root / "assets" / "components" in path.parents]
    found = mentions(files, r"(?:https?:)?//(?!www\.w3\.org/)[\w-]+\.[\w.-]+/|@import|fetch\(|XMLHttpRequest")
    assert not found, "\n" + "\n".join(found)


def test_requirements_are_exact(root: Path) -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (root / name).read_text("utf-8").splitlines():
            wanted = line.split("#")[0].strip()
            assert not wanted or wanted.startswith("-r ") or re.match(r"[\w.-]+==[\w.]+( ;|$)", wanted), line


# The Python of an environment whose pip notes that it was called, and one that makes such environments.
FAKE_PIP = """#!/bin/sh
if [ "$1 $2 $3" = "-m pip install" ]; then
    echo install >>"$LOG"
    exit "${PIP_STATUS:-0}"
fi
"""
FAKE_PYTHON = """#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin" && cp "$FAKE" "$3/bin/python" && echo venv >>"$LOG" ;;
    *ensurepip*) exit "${NO_ENSUREPIP:-0}" ;;
    *executable*) echo "$0" ;;
    *-venv*) echo python3.12-venv ;;
    *version_info*) exit "${TOO_OLD:-0}" ;;
esac
"""

FAKE_UV = """#!/bin/sh
[ -z "${UV_BROKEN:-}" ] || exit 2
echo "uv-$1" >>"$LOG"
if [ "$1" = venv ]; then
    for last; do :; done
    mkdir -p "$last/bin" && cp "$FAKE" "$last/bin/python"
fi
"""


@pytest.fixture
def fake_tree(root: Path, tmp_path: Path) -> Path:
    """A copy of the scripts in a folder with a space, and a Python that makes environments without any download."""
    tree = tmp_path / "a b"
    shutil.copytree(root / "scripts", tree / "scripts")
    (tree / "Makefile").touch()
    (tree / "requirements.txt").write_text("one==1\n")
    (tree / "requirements-dev.txt").write_text("-r requirements.txt\ntwo==2\n")
    fake = tree / "fake-venv-python"
    fake.write_text(FAKE_PIP)
    python = tree / "bin" / "python3"
    python.parent.mkdir()
    python.write_text(FAKE_PYTHON)
    for file in (fake, python):
        file.chmod(0o755)
    return tree


def set_up(tree: Path, what: str = "app", **variables: str) -> tuple[int, list[str], str]:
    """Run scripts/setup on the copy: its status, what it did, what it said."""
    log = tree / "log"
    log.write_text("")
    tools = tree / "bin"
    for tool in ("bash", "cat", "cmp", "cp", "dirname", "mkdir", "rm", "touch", "sh"):
        if not (tools / tool).exists():
            (tools / tool).symlink_to(str(shutil.which(tool)))
    environment = {"PATH": str(tools), "LOG": str(log), "FAKE": str(tree / "fake-venv-python"), **variables}
    answer = subprocess.run(
        [str(tools / "bash"), "scripts/setup", what],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.returncode, log.read_text().split(), answer.stderr


def test_setup_installs_once_and_again_when_a_file_changes(fake_tree: Path) -> None:
    assert set_up(fake_tree)[:2] == (0, ["venv", "install"])
    assert set_up(fake_tree)[:2] == (0, [])
    assert set_up(fake_tree, "dev")[:2] == (0, ["install"])
    assert set_up(fake_tree)[:2] == (0, [])
    (fake_tree / "requirements-dev.txt").write_text("-r requirements.txt\ntwo==3\n")
    assert set_up(fake_tree)[:2] == (0, [])
    assert set_up(fake_tree, "dev")[:2] == (0, ["install"])
    (fake_tree / "requirements.txt").write_text("one==2\n")
    assert set_up(fake_tree)[:2] == (0, ["install"])
    assert set_up(fake_tree, "dev")[:2] == (0, ["install"])


def test_setup_starts_over_after_a_killed_install_and_tries_again_after_a_failed_one(fake_tree: Path) -> None:
    status, did, said = set_up(fake_tree, PIP_STATUS="1")
    assert (status, did) == (1, ["venv", "install"])
    assert "could not install requirements.txt" in said
    assert set_up(fake_tree)[:2] == (0, ["install"])
    (fake_tree / ".venv" / "installing").touch()
    assert set_up(fake_tree)[:2] == (0, ["venv", "install"])
    (fake_tree / ".venv" / "bin" / "python").unlink()
    assert set_up(fake_tree)[:2] == (0, ["venv", "install"])


def test_setup_leaves_alone_what_it_did_not_make_and_says_what_does_not_run(fake_tree: Path) -> None:
    elsewhere, venv = fake_tree / "elsewhere", fake_tree / ".venv"
    elsewhere.mkdir()
    for make in (lambda: venv.symlink_to(elsewhere), lambda: venv.symlink_to("nowhere"), venv.touch):
        make()
        status, did, said = set_up(fake_tree)
        assert (status, did) == (1, []) and "was not made here" in said and len(said.splitlines()) == 1
        venv.unlink()
    assert elsewhere.is_dir()
    (fake_tree / "fake-venv-python").write_text("#!/nowhere\n")
    status, did, said = set_up(fake_tree)
    assert (status, did) == (1, ["venv"]) and said.splitlines()[-1].startswith(
        "headlight: .venv was made and does not run"
    )


def test_setup_says_that_it_cannot_delete(fake_tree: Path) -> None:
    (fake_tree / ".venv").mkdir()
    (fake_tree / "bin" / "rm").write_text("#!/bin/sh\necho one; echo two >&2; exit 1\n")
    (fake_tree / "bin" / "rm").chmod(0o755)
    status, did, said = set_up(fake_tree)
    assert (
        (status, did) == (1, [])
        and "cannot be deleted here" in said.splitlines()[-1]
        and len(said.splitlines()) == 2
    )


def test_setup_says_what_is_missing(fake_tree: Path) -> None:
    status, did, said = set_up(fake_tree, NO_ENSUREPIP="1")
    assert (status, did) == (1, [])
    assert "apt-get install python3.12-venv" in said and len(said.splitlines()) == 1
    status, did, said = set_up(fake_tree, TOO_OLD="1")
    assert (status, did) == (1, [])
    assert "3.11, 3.12 or 3.13" in said and len(said.splitlines()) == 1
    status, _, said = set_up(fake_tree, PYTHON="python9")
    assert status == 1 and "PYTHON=python9" in said


def test_setup_uses_uv_where_it_is_and_does_without_where_it_fails(fake_tree: Path) -> None:
    uv = fake_tree / "bin" / "uv"
    uv.write_text(FAKE_UV)
    uv.chmod(0o755)
    assert set_up(fake_tree)[:2] == (0, ["uv-venv", "uv-pip"])
    assert set_up(fake_tree)[:2] == (0, [])
    shutil.rmtree(fake_tree / ".venv")
    assert set_up(fake_tree, UV_BROKEN="1")[:2] == (0, ["venv", "install"])


def free_port(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "scripts" / "free_port.py"), "127.0.0.1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_port_that_is_taken_is_refused_or_stepped_over(root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        answer = free_port(root, port)
        assert answer.returncode == 1 and f"port {port} is taken" in answer.stderr
    assert free_port(root, port).stdout.strip() == port
    assert 8501 <= int(free_port(root).stdout) <= 8599
    for wrong in ("abc", "0", "22", "1023", "70000", "9" * 5000, "²", ""):
        answer = free_port(root, wrong)
        assert answer.returncode == 1 and "from 1024 to 65535" in answer.stderr
        assert len(answer.stderr.splitlines()) == 1 and len(answer.stderr) < 160


@pytest.mark.parametrize("host", ["no such name", "a" * 70, "192.0.2.1", "[::1"])
def test_an_address_that_is_not_of_this_machine_is_refused_in_a_line(root: Path, host: str) -> None:
    command = [sys.executable, str(root / "scripts" / "free_port.py"), host]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1 and "is no address of this machine" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1 and len(answer.stderr) < 160


def test_a_browser_that_does_not_start_does_not_count(root: Path, tmp_path: Path) -> None:
    snap = tmp_path / "chromium"
    snap.write_text("#!/bin/sh\necho 'requires the chromium snap' >&2; exit 10\n")
    snap.chmod(0o755)
    answer = subprocess.run(
        [sys.executable, str(root / "scripts" / "chromium.py")],
        env={**os.environ, "HEADLIGHT_CHROMIUM": str(snap)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1 and "does not start" in answer.stderr


LANES = """set -uo pipefail
. scripts/lanes
lane one bash -c 'echo first; echo "2 passed"'
lane two bash -c 'echo second; echo "1 failed"; exit 1'
finish
"""

# As pytest does: a lane starts a process of its own, and sees to it when it is interrupted.
SERVER = """set -uo pipefail
. scripts/lanes
lane one .venv/bin/python -c 'import subprocess, sys
subprocess.run([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"])'
finish
"""


@pytest.fixture
def lanes(root: Path, tmp_path: Path) -> Path:
    """A folder in which scripts/lanes can be sourced."""
    (tmp_path / "scripts").symlink_to(root / "scripts")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def test_lanes_are_shown_whole_and_one_that_fails_counts(lanes: Path) -> None:
    answer = subprocess.run(["bash", "-c", LANES], cwd=lanes, capture_output=True, text=True, check=False)
    said = answer.stdout
    assert answer.returncode == 1 and not answer.stderr
    places = [
        said.index(text) for text in ("first", "second", "slowest", "2 passed", "1 failed", "failed: two")
    ]
    assert places == sorted(places)
    healthy = LANES.replace("exit 1", "exit 0")
    assert (
        subprocess.run(["bash", "-c", healthy], cwd=lanes, capture_output=True, check=False).returncode == 0
    )


def _listens() -> None:
    """A shell that was started with SIGINT ignored, as in the background of another, cannot be told to hear it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_what_lanes_have_started(lanes: Path, name: str) -> None:
    log = lanes / ".pytest_cache" / "lanes" / "one.log"
    with subprocess.Popen(
        ["bash", "-c", SERVER], cwd=lanes, stdout=subprocess.PIPE, text=True, preexec_fn=_listens
    ) as process:
        try:
            while not (log.exists() and log.read_text().endswith("\n")):
                assert process.poll() is None
                time.sleep(0.05)
            process.send_signal(getattr(signal, name))
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == (130 if name == "SIGINT" else 143) and "interrupted" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text().split()[0]), 0)


def test_seconds_are_summed_by_file_over_lanes(root: Path, tmp_path: Path) -> None:
    case = '<testcase classname="{}" name="test" time="{}"/>'
    for lane, times in (("browser", [("tests.a", 2.25), ("tests.b", 1)]), ("rest", [("tests.a", 0.5)])):
        cases = "".join(case.format(name, seconds) for name, seconds in times)
        (tmp_path / f"{lane}.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    command = [sys.executable, str(root / "scripts" / "slowest"), str(tmp_path), "3"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [" ".join(line.split()) for line in answer.stdout.splitlines()] == [
        "2.8 s tests.a",
        "1.0 s tests.b",
        "3.2 s lane browser, over the budget of 3 s",
        "0.5 s lane rest",
    ]
