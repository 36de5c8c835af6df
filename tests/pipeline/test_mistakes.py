"""Arguments of another type, at the calls that a newcomer tries first: one line that says what is expected."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import transformer
from tests import toy
from transformer.config import END
from transformer.pipeline import TextReader, Translator, Writer, find, load
from transformer.text.tokenizer import SubwordTokenizer

TEXTS = ["the cat sat on the mat.", "a dog, a cat and 12 mice!"]
VOCABULARY = 40
CLASSES = dict(output="classes", classes=2, class_names=("bad", "good"))


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """One model of each family that reads text, random weights."""
    tokenizer = SubwordTokenizer.train(TEXTS * 4, VOCABULARY)
    kinds = {
        "translator": (Translator, toy.config(vocabulary=VOCABULARY, encoder_layers=1)),
        "writer": (Writer, toy.decoder(vocabulary=VOCABULARY, start_id=END)),
        "reader": (TextReader, toy.encoder(vocabulary=VOCABULARY, **CLASSES)),
    }
    return {name: kind(name, toy.shared(config), tokenizer) for name, (kind, config) in kinds.items()}


@pytest.mark.parametrize(
    ("name", "call", "message"),
    [
        ("translator", lambda m: m.trace(["a", "b"]), "expected a text, received list"),
        ("translator", lambda m: m.trace("a", target=5), "expected a text, received int"),
        ("translator", lambda m: m.trace("a", beams=1.5), "expected beams as a whole number, received 1.5"),
        ("translator", lambda m: m.trace("a", beams=True), "expected beams as a whole number, received True"),
        ("translator", lambda m: m.trace("a", beams="2"), "expected beams as a whole number, received '2'"),
        ("translator", lambda m: m.trace("a", beams=0), "expected 1 to 8 beams, received 0"),
        ("translator", lambda m: m.translate("text"), "expected a list of texts, received str"),
        ("translator", lambda m: m.translate(5), "expected a list of texts, received int"),
        ("translator", lambda m: m.translate(["a", None]), "expected a list of texts, received NoneType in"),
        ("translator", lambda m: m.translate(["a"], beams=9), "expected 1 to 8 beams, received 9"),
        ("writer", lambda m: m.trace(5), "expected a text, received int"),
        ("writer", lambda m: m.trace("a", tokens=-1), "expected at least 0 tokens, received -1"),
        ("writer", lambda m: m.trace("a", tokens=2.0), "expected tokens as a whole number, received 2.0"),
        ("writer", lambda m: m.write("a", 0), "expected 1 to 200 words, received 0"),
        ("writer", lambda m: m.next_words(None), "expected a text, received NoneType"),
        ("reader", lambda m: m.trace(b"a"), "expected a text, received bytes"),
        ("reader", lambda m: m.classify("text"), "expected a list of texts, received str"),
    ],
)
def test_a_mistake_of_type_is_one_clear_line(
    models: dict[str, Any], name: str, call: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call(models[name])
    assert len(str(caught.value).splitlines()) == 1


def test_whole_numbers_of_numpy_are_whole_numbers(models: dict[str, Any]) -> None:
    trace = models["writer"].trace("the cat", tokens=np.int64(2))
    assert len(trace.target) == len(models["writer"].trace("the cat", tokens=2).target)


@pytest.mark.parametrize("name", [None, 5, b"pt-en", ["pt-en"], True])
def test_a_model_has_a_name(name: Any) -> None:
    with pytest.raises(ValueError, match="expected a model's name, a folder or a hub id, received"):
        load(name)


def test_no_name_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(find("pt-en"))  # a whole model: "" is not this folder, "." is
    with pytest.raises(ValueError, match=r"expected a shipped model .* received ''"):
        load("")
    assert find(".") == find("pt-en")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    assert find("~/mine") == find(tmp_path / "mine") == (tmp_path / "mine").resolve()


def test_a_model_prints_one_line(models: dict[str, Any]) -> None:
    for kind, layers, model in (
        ("Translator", "seq2seq, 1+2", models["translator"]),
        ("Writer", "decoder, 2", models["writer"]),
        ("TextReader", "encoder, 2", models["reader"]),
    ):
        assert repr(model) == (
            f"<{kind} {model.name}: {layers} layers, 2 heads, width 8, vocabulary 40, "
            f"{model.parameters:,} parameters>"
        )


def test_the_public_surface_is_what_dir_shows() -> None:
    assert dir(transformer) == sorted(transformer.__all__) == ["Trace", "load"]
    assert all(getattr(transformer, name) for name in transformer.__all__)
