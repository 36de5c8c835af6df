"""What somebody typed does not turn into formulas, links or icons."""

import pytest

from transformer.ui.shell.markdown import plain


@pytest.mark.parametrize(
    "text", ["train", "it's (not) “here”, is it?".replace("(", "").replace(")", ""), "日本 🚆"]
)
def test_words_stay_as_they_are(text: str) -> None:
    assert plain(text) == text


def test_signs_of_markdown_are_escaped() -> None:
    assert plain("$x$ *a* `c` <b> [l](u) :red[r] # ~ |") == (
        r"\$x\$ \*a\* \`c\` \<b\> \[l\]\(u\) \:red\[r\] \# \~ \|"
    )
