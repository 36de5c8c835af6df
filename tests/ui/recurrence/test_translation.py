"""The section on translation by recurrence, on a page of its own, with networks that answer by rule."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from transformer import home
from transformer.ask import Ask
from transformer.evaluation.lengths import Row, write
from transformer.text.tokenizer import SubwordTokenizer
from transformer.trace import AttentionMap, Label, Trace
from transformer.ui.models import calls
from transformer.ui.recurrence import translation as section
from transformer.ui.shell.markdown import plain

SHIPPED = home.models() / "pt-en"
LONGEST = 40
CARD = "# {}\n\n| test file | what | BLEU | chrF |\n|---|---|---|---|\n| `pt_en/tatoeba.test.tsv` | x | {} | 55.0 |\n"
BLEU = dict(zip(section.NETWORKS, (31.5, 30.0, 49.9), strict=True))
PAGE = """
import streamlit as st
from transformer.ui.shell.frame import frame
from transformer.ui.recurrence.translation import translation
st.title("A page")
translation()
"""


class Echo:
    """Writes what it reads, each token looking at itself; says its name and its beams before."""

    config = SimpleNamespace(max_source=LONGEST, max_target=LONGEST)

    def __init__(self, name: str, tokenizer: SubwordTokenizer, layers: int) -> None:
        self.name, self.tokenizer, self.layers = name, tokenizer, layers
        self.runtime = SimpleNamespace(decode=lambda ids, beams: list(ids))

    def ask(self, ask: Ask, given: Any = None) -> Trace:
        text, beams = ask.given, ask.beams
        if not text.strip():
            raise ValueError("expected a sentence, received nothing to read")
        encoded = self.tokenizer.encode(text)
        weights = np.tile(np.eye(len(encoded.ids), dtype=np.float32), (self.layers, 2, 1, 1))
        labels: Sequence[Label] = [dataclasses.replace(label) for label in encoded.labels]
        return Trace(
            (AttentionMap("cross", weights, labels, labels),),
            f"{self.name} with {beams}: {text}{ask.interventions.text()}",
            (),
            source=labels,
            target=labels,
            model=self.name,
            input=text,
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("models")
    tokenizer = SubwordTokenizer.load(SHIPPED / "tokenizer.json")
    networks = {name: Echo(name, tokenizer, network.layer + 1) for name, network in section.NETWORKS.items()}
    for name, bleu in BLEU.items():
        (folder / name).mkdir()
        (folder / name / "README.md").write_text(CARD.format(name, bleu))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home, "models", lambda: folder)
        patch.setattr(calls, "shipped", lambda family="": sorted(networks))
        patch.setattr(calls, "network", networks.__getitem__)
        patch.setattr(calls, "ready", lambda name: True)
        patch.setattr(calls, "start", lambda name: None)
        patch.setattr(section, "LENGTHS", folder / "length.csv")
        section.recorded.clear()
        yield folder
    section.recorded.clear()


def visit() -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=60).run()
    assert not app.exception
    return app


def said(app: AppTest) -> str:
    return "\n".join(part.value for part in (*app.markdown, *app.caption))


def test_three_columns_with_time_and_bleu_of_their_cards(place: Path) -> None:
    text = said(visit())
    for name, network in section.NETWORKS.items():
        assert f"**{network.name}**" in text
        assert f" ms · BLEU {BLEU[name]}" in text
        assert plain(f"{name} with 1: {section.FIRST}") in text
    assert section.card_bleu("nobody") is None


def test_beam_search_and_subwords(place: Path) -> None:
    app = visit()
    app.segmented_control(key="sentence_search").set_value("Beam").run()
    app.toggle(key="whole").set_value(False).run()
    assert not app.exception
    assert plain(f"pt-en with {calls.BEAMS}: {section.FIRST}") in said(app)


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_to_read_is_said(place: Path, text: str) -> None:
    app = visit()
    app.text_input(key="sentence").set_value(text).run()
    assert not app.exception
    assert app.warning[0].value == "Not translated: expected a sentence, received nothing to read."


def test_what_is_too_long_loses_its_end_and_that_is_said(place: Path) -> None:
    app = visit()
    app.text_input(key="sentence").set_value("o gato <b>preto</b> $x$ " * 60).run()
    assert not app.exception
    assert f"read at most {LONGEST} subwords: only the first" in app.info[0].value
    app.text_input(key="sentence").set_value("x" * 3000).run()
    assert not app.exception
    assert f"expected words of less than {LONGEST} subwords" in app.warning[0].value


def test_as_many_words_as_fit_are_kept(place: Path) -> None:
    words = "uma casa muito bonita " * 20
    kept, was_cut = section.fitting(["pt-en"], words)
    tokenizer = SubwordTokenizer.load(SHIPPED / "tokenizer.json")
    count = len(kept.split())
    assert was_cut
    assert words.startswith(kept)
    assert len(tokenizer.encode(kept).ids) <= LONGEST
    assert len(tokenizer.encode(" ".join(words.split()[: count + 1])).ids) > LONGEST
    assert section.fitting(["pt-en"], "uma casa") == ("uma casa", False)


def test_more_sentences_at_once_are_compared_with_our_own_reference(place: Path) -> None:
    rows = [
        Row(name, n, 840 // n, 9.0 * n, 0, 40.0 / n, 50.0) for name in section.NETWORKS for n in (1, 2, 4)
    ]
    write(place / "length.csv", rows)
    section.recorded.clear()
    app = visit()
    app.slider(key="sentences").set_value(2).run()
    assert not app.exception
    text = said(app)
    sources, references = (" ".join(side) for side in zip(*section.SENTENCES[:2], strict=True))
    assert text.count(sources) >= 4  # what was given, and three answers
    assert references in text
    # Portuguese words against an English reference: what sacrebleu says of it.
    assert f"chrF {section.chrf(sources, references):.0f} · " in text
    assert "Recorded once: the same 840 test sentences" in text


def test_chrf_of_the_reference_itself_is_100() -> None:
    assert section.chrf("It rained a lot.", "It rained a lot.") == pytest.approx(100)


def test_networks_that_are_not_there_are_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "shipped", lambda family="": ["pt-en"])
    app = visit()
    assert "Not among the networks that come along: rnn-additive, rnn-multiplicative." in app.info[0].value
    assert "**Transformer**" in said(app)


def test_the_card_of_the_shipped_transformer_is_understood() -> None:
    found = section.CARD_ROW.search((SHIPPED / "README.md").read_text("utf-8"))
    assert found
    assert found[1] == "49.9"


def test_with_the_attention_off_both_translations_stand_there(place: Path) -> None:
    app = visit()
    app.toggle(key="blind").set_value(True).run()
    text = said(app)
    for name in section.NETWORKS:
        assert plain(f"{name} with 1: {section.FIRST}h:x*.*") in text
        assert f"With its attention: {plain(f'{name} with 1: {section.FIRST}')}" in text
    assert "nothing of it is used" in text
