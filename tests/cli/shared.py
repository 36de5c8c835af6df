"""Models and calls for the tests of the command line."""

from typing import Any

import pytest

from tests import toy
from transformer.cli import main
from transformer.config import END

TEXTS = ["the cat sat on the mat.", "a dog, a cat and 12 mice!", "the dog sat", "a mat"]
VOCABULARY = 40
CLASSES = dict(output="classes", classes=2, class_names=("bad", "good"))
CONFIGS = {
    "classifier": toy.encoder(vocabulary=VOCABULARY, **CLASSES),
    "translator": toy.config(vocabulary=VOCABULARY, encoder_layers=1),
    "writer": toy.decoder(vocabulary=VOCABULARY, start_id=END),
}


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    out, said = capsys.readouterr()
    return status, out, said
