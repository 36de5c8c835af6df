"""The standalone page holds the whole trace, and no token can break out of it. How it behaves: tests/browser."""

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from transformer.figures import theme
from transformer.figures.standalone import html
from transformer.trace import AttentionMap, Label, Trace


def attention(
    kind: str, queries: list[str], keys: list[str], layers: int = 2, heads: int = 3
) -> AttentionMap:
    values = np.random.default_rng(5).gamma(0.4, size=(layers, heads, len(queries), len(keys))) + 1e-9
    return AttentionMap(kind, values / values.sum(-1, keepdims=True), queries, keys)


def trace(source: list[str], target: list[str]) -> Trace:
    maps = [attention("encoder", source, source), attention("cross", target, source, layers=1)]
    return Trace(maps, " ".join(target), model="pt-en", input=" ".join(source))


class Elements(HTMLParser):
    """What a browser would make of the page: the elements, and the text inside scripts and the title."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags:
            tag, attributes = self.tags[-1]
            self.texts.setdefault(attributes.get("id") or tag, data)


def test_the_page_holds_every_weight() -> None:
    shown = trace(["O", "trem"], ["The", "train", "."])
    data = json.loads(Elements(html(shown)).texts["data"])
    assert (data["input"], data["output"]) == ("O trem", "The train .")
    for sent, kind in zip(data["maps"], shown, strict=True):
        weights = np.frombuffer(base64.b64decode(sent["weights"]), "<u2") / 65535
        np.testing.assert_allclose(weights.reshape(shown[kind].weights.shape), shown[kind].weights, atol=1e-5)
        assert (sent["layers"], sent["heads"]) == (shown[kind].layers, shown[kind].heads)
    assert data["maps"][1]["queries"] == ["The", "train", "."]
    for name, look in theme.THEMES.items():
        assert base64.b64decode(data["lookup"][name]) == look.attention.tobytes()


def test_it_starts_where_it_is_told() -> None:
    shown = trace(["a"], ["b"])
    start = json.loads(Elements(html(shown)).texts["data"])["start"]
    assert start == {"map": 1, "layer": -1, "head": -1}
    start = json.loads(Elements(html(shown, kind="encoder", layer=1, head=2)).texts["data"])["start"]
    assert start == {"map": 0, "layer": 1, "head": 2}


def test_nothing_is_fetched() -> None:
    text = html(trace(["O"], ["The"]))
    assert not re.search(r"https?:|@import|url\(|fetch|import\(", text)
    policy = next(attributes for tag, attributes in Elements(text).tags if attributes.get("http-equiv"))
    assert (policy["content"] or "").startswith("default-src 'none';")


def test_no_token_breaks_out() -> None:
    odd = [
        "</script><script>alert(1)</script>",
        "<!--",
        "{{script}}",
        "&lt;",
        "\u2028",
        "\ud800",
        "שלום",
        "🚆",
        "",
    ]
    text = html(Trace(trace(odd, odd).maps, odd[0], model='"><b>', input=odd[0] + odd[1] + odd[2] + odd[5]))
    elements = Elements(text)
    plain = Elements(html(trace(["a"], ["b"])))
    assert [tag for tag, _ in elements.tags] == [tag for tag, _ in plain.tags]
    data = json.loads(elements.texts["data"])
    assert data["input"] == odd[0] + odd[1] + odd[2] + odd[5]
    assert data["maps"][0]["keys"] == [*odd[:4], "↵", "�", "שלום", "🚆", "∅"]
    text.encode("utf-8")


def test_the_page_is_small() -> None:
    tokens = [Label(str(i)).text for i in range(40)]
    shown = Trace([attention(kind, tokens, tokens, 4, 8) for kind in ("encoder", "decoder", "cross")], "")
    assert len(html(shown)) < 1.4 * shown.nbytes / 2 * 4 / 3 * 0.8


def test_what_is_not_there_is_refused() -> None:
    for wrong in (
        lambda: html(Trace([], "")),
        lambda: html(trace(["a"], ["b"]), kind="decoder"),
        lambda: html(trace(["a"], ["b"]), layer=1),
        lambda: html(trace(["a"], ["b"]), head=-1),
    ):
        with pytest.raises(ValueError, match=r"expected .* received"):
            wrong()
