"""A recurrent network answers like any translator: decoded, forced, traced, measured."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models.test_recurrent import config
from tests.toy import network as toy_network
from transformer import home
from transformer.evaluation.measure import translation
from transformer.pipeline import Translator
from transformer.text.tokenizer import SubwordTokenizer
from transformer.trace import Trace

TEXT, TARGET = "O gato preto.", "The black cat."


@pytest.fixture(scope="module")
def model() -> Any:
    tokenizer = SubwordTokenizer.load(home.models() / "pt-en" / "tokenizer.json")
    return Translator("rnn-toy", toy_network(config(vocabulary=6000)), tokenizer)


def test_a_forced_pass_is_traced_with_its_one_map(model: Any, tmp_path: Path) -> None:
    trace = model.trace(TEXT, target=TARGET)
    source, target = model.tokenizer.encode(TEXT).ids, model.tokenizer.encode_target(TARGET).ids
    assert list(trace) == ["cross"]
    assert trace["cross"].weights.shape == (1, 1, len(target), len(source))
    read = np.array([[model.config.start_id, *target[:-1]]])
    result = model.network.forward(np.array([source]), read)
    np.testing.assert_allclose(trace["cross"].weights, np.asarray(result.cross)[0], atol=1e-5)
    logits = np.asarray(result.logits, np.float64)[0]
    expected = logits[np.arange(len(target)), target] - np.log(np.exp(logits).sum(-1))
    np.testing.assert_allclose([step.log_probability for step in trace.steps], expected, atol=1e-4)
    assert trace.positions is None
    trace.save(tmp_path / "x.npz")
    np.testing.assert_array_equal(Trace.load(tmp_path / "x.npz")["cross"].weights, trace["cross"].weights)


def test_what_is_decoded_is_the_likeliest_at_each_step(model: Any) -> None:
    trace = model.trace(TEXT)
    best = [step.alternatives[0].probability for step in trace.steps]
    np.testing.assert_allclose([step.probability for step in trace.steps], best, atol=1e-5)
    figures = translation(model, [(TEXT, trace.output)], beams=1)
    assert figures["bleu"] == figures["chrf"] == pytest.approx(100, abs=0.01)
