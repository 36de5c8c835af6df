"""What somebody gave does not turn into formulas, links or pictures, and messages are a line without folders."""

import pytest

from transformer.ui.shell.markdown import MOST, code, line, plain


@pytest.mark.parametrize("text", ["train", "it's “here”, is it?", "日本 🚆"])
def test_words_stay_as_they_are(text: str) -> None:
    assert plain(text) == line(text) == text


def test_signs_of_markdown_are_escaped() -> None:
    assert plain("$x$ *a* `c` <b> [l](u) :red[r] # ~ | &#47; 1. 2") == (
        r"\$x\$ \*a\* \`c\` \<b\> \[l\]\(u\) \:red\[r\] \# \~ \| \&\#47; 1. 2"
    )
    assert plain("12. of May") == r"12\. of May"
    # Streamlit looks for these before and behind Markdown, whatever is escaped there.
    assert plain(":material/home: :streamlit:") == "\\:material\\/home\\: \\:\u2060streamlit\\:"
    assert plain("a -> b <- c -- a->b") == "a \\-\u2060\\> b \\<\u2060\\- c \\-\u2060\\- a\\-\\>b"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("expected a file at /srv/models/a/model.bin, received none", "expected a file at …/model.bin"),
        ("[Errno 13] Permission denied: '/srv/cache/huggingface/hub/x'", "Permission denied\\: '…/x'"),
        ("~/models/mine is damaged", "…/mine is damaged"),
        (r"C:\Users\me\models\mine is damaged", "…/mine is damaged"),
        ("one\n\n  two\tthree", "one two three"),
        ("expected org/name or 3/4", "expected org/name or 3/4"),
    ],
)
def test_a_message_is_a_line_without_folders(said: str, shown: str) -> None:
    assert shown in line(said)


def test_a_message_is_no_longer_than_a_line() -> None:
    assert line("a" * 100_000) == "a" * (MOST - 1) + "…"
    assert line("b" * 61, 60) == "b" * 59 + "…" and line("b" * 60, 60) == "b" * 60


def test_a_name_cannot_end_its_own_type() -> None:
    assert code("pt-en") == "`pt-en`"
    assert code("a`![x](u)") == r"a\`\!\[x\]\(u\)"
