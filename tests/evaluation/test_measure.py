"""What a model card states: every figure against the network called plainly, and each mistake in one clear line."""

import gzip
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.config import END
from transformer.evaluation.measure import classification, language, measure
from transformer.pipeline import TextReader, Writer, load
from transformer.text.tokenizer import SubwordTokenizer

TEXTS = ["the cat sat on the mat.", "a dog, a cat and 12 mice!", "the dog sat", "a mat"]
VOCABULARY = 40
GOLDEN = Path(__file__).parents[1] / "golden"


def made(place: Path, config: Any) -> Path:
    """A whole model folder with random weights."""
    place.mkdir()
    folder.save_config(place, config)
    folder.save_weights(place / folder.WEIGHTS, folder.read_weights(toy.network(config)))
    SubwordTokenizer.train(TEXTS * 4, VOCABULARY).save(place / folder.TOKENIZER)
    return place


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place, shape = tmp_path_factory.mktemp("models"), dict(vocabulary=VOCABULARY)
    classes = dict(output="classes", classes=2, class_names=("bad", "good"))
    return {
        "writer": made(place / "writer", toy.decoder(start_id=END, max_target=8, **shape)),
        "classifier": made(place / "classifier", toy.encoder(**classes, **shape)),
        "guesser": made(place / "guesser", toy.encoder(output="masked_tokens", **shape)),
    }


@pytest.fixture(scope="module")
def writer(folders: dict[str, Path]) -> Writer:
    return load(str(folders["writer"]))


@pytest.fixture(scope="module")
def classifier(folders: dict[str, Path]) -> TextReader:
    return load(str(folders["classifier"]))


def test_perplexity_is_that_of_each_token_after_half_a_window(writer: Writer) -> None:
    ids = [i for text in TEXTS for i in writer.tokenizer.encode(text).ids]
    stream, nats = [END, *ids], 0.0
    for place in range(len(ids)):
        # Windows of 8 begin every 4 tokens: the one in which this token is new.
        first = 0 if place < 8 else (place - 4) // 4 * 4
        logits = np.asarray(writer.network.forward(np.array([stream[first : place + 1]])).logits)
        nats -= math.log(toy.softmax(logits[0, -1].astype(np.float64))[ids[place]])
    found = language(writer, TEXTS)
    count = sum(len(text.encode()) + 1 for text in TEXTS)
    assert found["count"] == len(ids)
    assert found["bits_per_byte"] == pytest.approx(nats / math.log(2) / count, abs=1e-4)
    assert found["perplexity_per_token"] == pytest.approx(math.exp(nats / len(ids)), rel=1e-3)
    words = sum(len(text.split()) for text in TEXTS)
    assert found["perplexity"] == pytest.approx(math.exp(nats / words), rel=1e-2)


def test_a_published_decoder_is_measured_by_its_own_end_token() -> None:
    model = load(str(GOLDEN / "gpt2-published"))
    end, longest = model.config.end_id, model.config.max_target
    ids = [i for text in TEXTS[:2] for i in [*model.tokenizer.encode(text).ids, end]]
    assert len(ids) < longest
    logits = np.asarray(model.network.forward(np.array([[end, *ids[:-1]]])).logits)[0].astype(np.float64)
    nats = -np.log(toy.softmax(logits))[np.arange(len(ids)), ids].sum()
    found = language(model, TEXTS[:2])
    assert found["count"] == len(ids)
    assert found["perplexity_per_token"] == pytest.approx(math.exp(nats / len(ids)), rel=1e-3)


def test_a_decoder_without_an_end_has_nothing_before_the_first_token(writer: Writer) -> None:
    config = toy.decoder(vocabulary=VOCABULARY, start_id=-1, end_id=-1)
    endless = Writer("endless", toy.network(config), writer.tokenizer)
    with pytest.raises(ValueError, match="expected a network with an end token"):
        language(endless, TEXTS)


def classes_of(model: TextReader, texts: list[str]) -> list[int]:
    """By one plain pass for each text."""
    rows = (model.tokenizer.encode(text).ids for text in texts)
    rows = (row if len(row) <= 16 else [*row[:15], END] for row in rows)
    return [int(np.asarray(model.network.forward(np.array([row])).logits)[0].argmax()) for row in rows]


def test_accuracy_counts_texts_that_get_the_class_people_gave(classifier: TextReader) -> None:
    # One text is far longer than the network can read: it is cut, and its end marker kept.
    texts = [*TEXTS, " ".join(TEXTS) * 9, "a", "cat", "12"]
    expected = classes_of(classifier, texts)
    assert classifier.classify(texts).argmax(-1).tolist() == expected
    assert set(expected) == {0, 1}
    right = [("bad", "good")[i] for i in expected]
    assert classification(classifier, list(zip(right, texts, strict=True))) == {"accuracy": 100.0, "count": 8}
    numbers = [str(i) for i in expected]
    numbers[3] = str(1 - expected[3])
    assert classification(classifier, list(zip(numbers, texts, strict=True))) == {
        "accuracy": 87.5,
        "count": 8,
    }


def test_probabilities_of_many_texts_are_those_of_their_traces(classifier: TextReader) -> None:
    found = classifier.classify(TEXTS)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    for text, row in zip(TEXTS, found, strict=True):
        options = classifier.trace(text).options
        shown: list[Any] = [options[f"probability of {name}"] for name in ("bad", "good")]
        np.testing.assert_allclose(row, shown, atol=1e-6)


def test_a_label_that_is_no_class_is_refused(classifier: TextReader) -> None:
    for wrong in ("2", "Good", ""):
        with pytest.raises(ValueError, match=f"expected labels out of 0, 1, bad, good, received {wrong!r}"):
            classification(classifier, [("good", "a"), (wrong, "a")])


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_a_file_of_its_kind_is_measured(
    classifier: TextReader, writer: Writer, tmp_path: Path, name: str
) -> None:
    def write(content: str) -> Path:
        data = content.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        return tmp_path / name

    lines = [f"{label}\t{text}" for label, text in zip("0101", TEXTS, strict=True)]
    rows = list(zip("0101", TEXTS, strict=True))
    assert measure(classifier, write("\n".join(lines))) == classification(classifier, rows)
    assert measure(classifier, write("\n".join(lines)), limit=2) == classification(classifier, rows[:2])
    assert measure(writer, write("\n\n".join(TEXTS)), limit=3) == language(writer, TEXTS[:3])


def test_a_translator_is_measured_by_its_answers(tmp_path: Path) -> None:
    """Every word is right, and one in five is missing: the brevity penalty alone, exp(1 - 5/4)."""

    def translate(texts: list[str], *, beams: int) -> list[str]:
        return ["the old cat sat" if beams == 3 else "the old cat sat down" for _ in texts]

    model, path = SimpleNamespace(config=toy.config(), translate=translate), tmp_path / "a.tsv"
    path.write_text("o gato\tthe old cat sat down\n" * 3)
    assert measure(model, path) == {"bleu": 100.0, "chrf": 100.0, "count": 3}
    short = measure(model, path, beams=3, limit=2)
    assert (short["bleu"], short["count"]) == (round(100 * math.exp(1 - 5 / 4), 2), 2)
    assert 0 < short["chrf"] < 100


@pytest.mark.parametrize(
    ("model", "content", "message"),
    [
        ("writer", "", "expected lines in .*, received none"),
        ("writer", "\n \n", "expected lines in .*, received none"),
        ("classifier", "", "expected lines in .*, received none"),
        ("classifier", "good\n", "expected two columns in line 1 of a.txt, received 1"),
        ("classifier", "fine\ta\n", "expected labels out of 0, 1, bad, good, received 'fine'"),
        (
            "guesser",
            "0\ta\n",
            "expected a network that translates, writes, transcribes or classifies, received one",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(
    folders: dict[str, Path], tmp_path: Path, model: str, content: str, message: str
) -> None:
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(ValueError, match=message):
        measure(load(str(folders[model])), tmp_path / "a.txt")
