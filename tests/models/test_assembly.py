"""A configuration is assembled into the network that its layers say."""

from typing import Any

import pytest

from tests import toy
from transformer.models.assembly import assemble
from transformer.models.language import LanguageModel
from transformer.models.reader import Reader
from transformer.models.seq2seq import Transformer


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (toy.config(), Transformer),
        (toy.config(stem="t2t"), Transformer),
        (toy.decoder(), LanguageModel),
        (toy.encoder(), Reader),
        (toy.encoder(output="masked_tokens"), Reader),
    ],
    ids=["both", "sound", "decoder", "encoder", "masked tokens"],
)
def test_layers_decide(config: Any, kind: Any) -> None:
    network: Any = assemble(config, dtype="float32")
    assert isinstance(network, kind)
    assert network.config is config
    assert not network.built
