"""`scripts/hostile`: a few inputs of it do no harm, and it finds what does."""

import re
import subprocess
import sys
from pathlib import Path

# Kinds that do harm of each sort at their third input, and one that answers in one line.
HARM = """
def harmful(do):
    def prepare(_):
        def attempt(rng):
            yield "given"
            attempt.count = getattr(attempt, "count", 0) + 1
            if attempt.count == 3:
                do()
        return attempt
    return prepare

def refuse():
    raise ValueError("expected something, received nothing")

def ask():
    import socket
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 80), 1)

def speak():
    raise ValueError("line\\n" * 3)

HANGS, STUCK = 2.0, 2.0
KINDS = dict(
    refused=harmful(refuse), error=harmful(lambda: {}["key"]), abort=harmful(os.abort),
    hang=harmful(lambda: time.sleep(60)),
    address=harmful(ask), lines=harmful(speak),
)
"""


def hostile(script: Path, *arguments: str) -> tuple[int, str]:
    answer = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)
    return answer.returncode, answer.stdout + answer.stderr[-500:]


def test_a_few_inputs_do_no_harm(root: Path) -> None:
    status, said = hostile(root / "scripts" / "hostile", "40", "1", "sounds", "traces")
    assert status == 0 and "40 inputs, 0 of them broke something" in said, said


def test_harm_is_found_and_can_be_repeated(root: Path, tmp_path: Path) -> None:
    text = (root / "scripts" / "hostile").read_text("utf-8")
    script = tmp_path / "scripts" / "hostile"
    script.parent.mkdir()
    script.write_text(
        text.replace('if __name__ == "__main__":', HARM + 'if __name__ == "__main__":'), "utf-8"
    )
    kinds = {
        "refused": "",
        "error": "KeyError: 'key': 'given'",
        "abort": "the process ended with status -6",
        "address": "asked for an address: socket",
        "lines": "said 15 letters or several lines",
    }
    status, said = hostile(script, str(4 * len(kinds)), "7", *kinds)
    assert status == 1 and "20 inputs, 4 of them broke something" in said, said
    for kind, words in kinds.items():
        found = [line for line in said.splitlines() if line.startswith(f"{kind} 2: ")]
        assert len(found) == bool(words) and all(words in line for line in found), said
        assert not words or f"again: scripts/hostile --work {kind} 7 2 1" in said


def test_a_hang_is_ended(root: Path, tmp_path: Path) -> None:
    text = (root / "scripts" / "hostile").read_text("utf-8")
    script = tmp_path / "scripts" / "hostile"
    script.parent.mkdir()
    harm = HARM.replace("== 3", ">= 1")
    script.write_text(
        text.replace('if __name__ == "__main__":', harm + 'if __name__ == "__main__":'), "utf-8"
    )
    status, said = hostile(script, "1", "7", "hang")
    assert status == 1 and "hang 0: no answer within 2 s" in said, said


# A page with a fault of its own, for the kinds that are given to a server.
PAGE = """
import streamlit as st
st.text_input("Text", key="text")
st.slider("Head", 1, 4, key="head")
st.multiselect("Words", ["a", "b"], key="words")
st.button("Go")
if len(st.query_params) > 3:
    raise ValueError("a fault of the page")
"""


def test_links_and_messages_are_given_to_a_server(root: Path, tmp_path: Path) -> None:
    """One page stands for all: its fault is found by links, and forged messages find none."""
    page, script = tmp_path / "page.py", tmp_path / "scripts" / "hostile"
    page.write_text(PAGE)
    script.parent.mkdir()
    text = (root / "scripts" / "hostile").read_text("utf-8")
    text = re.sub(r"\nPAGES = \[.*?\]\n", '\nPAGES = ["page"]\n', text, flags=re.DOTALL)
    text = text.replace("\nROOT = ", f"\nROOT = Path({str(root)!r})\nHERE = ")
    script.write_text(text.replace('sys.argv = ["server"', f'sys.argv = ["server", {str(page)!r}'), "utf-8")
    status, said = hostile(script, "30", "1", "messages")
    assert status == 0 and "30 inputs, 0 of them broke something" in said, said
    status, said = hostile(script, "12", "1", "links")
    found = [line for line in said.splitlines() if line.startswith("links ") and "RuntimeError: page" in line]
    assert status == 1 and f"12 inputs, {len(found)} of them broke something" in said and found, said
    assert "ValueError: a fault of the page" in said
