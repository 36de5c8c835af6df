"""Networks of the shapes of published checkpoints with random weights, everything that a trace holds included."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from transformer.bench.measure import Row, median
from transformer.config import (
    NO_ID,
    Attention,
    Embedding,
    FeedForward,
    ModelConfig,
    Norm,
    Sound,
    Special,
    Stack,
    Table,
    Task,
)

BERT_BASE = ModelConfig(
    width=768,
    source=Embedding(vocabulary=30_522, types=2, norm=True),
    encoder=Stack(
        layers=12,
        attention=Attention.split(768, 12),
        feed_forward=FeedForward(width=3072, activation="gelu"),
        table=Table(kind="learned"),
    ),
    max_source=512,
    task=Task(kind="vectors"),
    special=Special(suppressed=()),
)
GPT2_SMALL = ModelConfig(
    width=768,
    target=Embedding(vocabulary=50_257),
    decoder=Stack(
        layers=12,
        attention=Attention.split(768, 12),
        feed_forward=FeedForward(width=3072, activation="gelu_tanh"),
        norm=Norm(place="pre", last=True),
        table=Table(kind="learned"),
    ),
    max_target=1024,
    special=Special(pad=NO_ID, start=NO_ID, unknown=NO_ID, end=50_256, suppressed=()),
)
_WHISPER = Stack(
    layers=4,
    attention=Attention.split(384, 6, key_bias=False),
    feed_forward=FeedForward(width=1536, activation="gelu"),
    norm=Norm(place="pre", last=True, epsilon=1e-5),
    table=Table(kind="learned"),
)
WHISPER_TINY = ModelConfig(
    width=384,
    sound=Sound(kind="whisper"),
    target=Embedding(vocabulary=51_865),
    encoder=_WHISPER,
    decoder=replace(_WHISPER, cross=_WHISPER.attention),
    max_source=1500,
    max_target=448,
    special=Special(pad=50_257, start=50_258, end=50_257, unknown=NO_ID, suppressed=()),
)
LENGTHS = (16, 128, 512)


def _network(config: ModelConfig) -> Any:
    import keras

    from transformer.models.assembly import assemble

    keras.utils.set_random_seed(1)
    network = assemble(config)
    network.build()
    return network


def encoders() -> Iterator[Row]:
    """BERT-base over texts of some lengths, all attention returned."""
    from transformer.runtime import ReaderRuntime

    runtime = ReaderRuntime(_network(BERT_BASE))
    for length in LENGTHS:
        ids = list(range(1000, 1000 + length))
        yield {"name": f"encoder/bert-base-{length}", "median_ms": median(lambda: runtime.record(ids), 7)}  # noqa: B023


def decoders() -> Iterator[Row]:
    """GPT-2 small over texts of some lengths, all attention and what each token foretells returned."""
    from transformer.runtime import LanguageRuntime

    runtime = LanguageRuntime(_network(GPT2_SMALL))
    for length in LENGTHS:
        ids = list(range(1000, 1000 + length))
        yield {"name": f"decoder/gpt2-{length}", "median_ms": median(lambda: runtime.record(ids), 7)}  # noqa: B023


def lens() -> Iterator[Row]:
    """What each layer of GPT-2 small would answer at 128 tokens: the pass that records, and 13 readings of it."""
    from transformer.runtime import LanguageRuntime
    from transformer.runtime.common import ids_row

    insides = LanguageRuntime(_network(GPT2_SMALL)).insides
    ids = list(range(1000, 1129))

    def guess() -> None:
        streams = insides.record([ids_row(ids, 129, 0)]).streams
        insides.guesses(streams, np.array(ids[1:]))

    yield {"name": "lens/gpt2-128", "median_ms": median(guess, 5)}


def rank() -> Iterator[Row]:
    """Each of the 144 heads of GPT-2 small off by itself at 32 and 128 tokens: what comes next without it, and at 32
    the whole text, which is scored at each of its tokens."""
    from transformer.runtime import LanguageRuntime
    from transformer.runtime.common import ids_row

    effects = LanguageRuntime(_network(GPT2_SMALL)).effects

    def measure(length: int, places: range) -> Callable[[], object]:
        inputs = (ids_row(range(1000, 1000 + length), length, 0),)
        size = length * max(3072, 12 * length)  # of a feed-forward, or of a layer's weights
        return lambda: list(effects.without_each(inputs, places, [7] * len(places), size))

    for length in (32, 128):
        yield {
            "name": f"rank/gpt2-{length}",
            "median_ms": median(measure(length, range(length - 1, length)), 1),
        }
    yield {"name": "rank/gpt2-32-text", "median_ms": median(measure(32, range(32)), 1)}


def patch() -> Iterator[Row]:
    """The stream of another run put into GPT-2 small at each of its 12 layers and of 32 tokens, 384 runs."""
    from types import SimpleNamespace

    from transformer.analysis.patching import Compared, TwoRuns, contest
    from transformer.models.altering import AS_IT_IS
    from transformer.pipeline.patching import patched
    from transformer.runtime import LanguageRuntime
    from transformer.runtime.common import ids_row
    from transformer.trace import Label

    runtime, length = LanguageRuntime(_network(GPT2_SMALL)), 32
    model = SimpleNamespace(
        config=runtime.network.config, runtime=runtime, _rows=lambda rows: (ids_row(rows[0], length, 0),)
    )
    texts = [list(range(first, first + length)) for first in (1000, 2000)]
    given = [runtime.insides.given(model._rows([ids])) for ids in texts]
    scores = [runtime.insides.scores(run["decoder"].streams[-1][-1:])[0].astype(np.float64) for run in given]
    compared = Compared(([texts[0]], [texts[1]]), length - 1, {"decoder": [Label("a")] * length})
    asked = contest(length - 1, scores[0], scores[1])
    runs = TwoRuns(compared, AS_IT_IS, (given[0], given[1]), (scores[0], scores[1]), asked, {})
    yield {
        "name": f"patch/gpt2-{length}",
        "median_ms": median(lambda: patched(model, runs, "stream", "decoder"), 1),
    }


def speech() -> Iterator[Row]:
    """Whisper-tiny over 30 s: the encoder alone, and with a forced pass over 30 tokens."""
    from transformer.runtime import SpeechRuntime

    runtime = SpeechRuntime(_network(WHISPER_TINY))
    features = np.random.default_rng(0).normal(size=(3000, 80)).astype(np.float32)
    target = list(range(1000, 1030))
    yield {
        "name": "speech/whisper-tiny-encoder",
        "median_ms": median(lambda: runtime.hear(features).attention.numpy(), 7),
    }
    yield {
        "name": "speech/whisper-tiny-forced-30",
        "median_ms": median(lambda: runtime.record(runtime.hear(features), target), 7),
    }


def loading() -> Iterator[Row]:
    """Opening a published BERT folder of 90 MB (22.7 million float32 numbers, 6 layers of width 384)."""
    import json

    from safetensors.numpy import save_file

    from transformer.pipeline import load

    settings = dict(
        model_type="bert", vocab_size=30_522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
        intermediate_size=1536, max_position_embeddings=512, type_vocab_size=2, layer_norm_eps=1e-12,
        hidden_act="gelu", pad_token_id=0,
    )  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (30_522, 384),
        "embeddings.position_embeddings.weight": (512, 384),
        "embeddings.token_type_embeddings.weight": (2, 384),
    }
    for part in ("weight", "bias"):
        shapes[f"embeddings.LayerNorm.{part}"] = (384,)
    sizes = {"attention.self.query": 384, "attention.self.key": 384, "attention.self.value": 384}
    sizes |= {"attention.output.dense": 384, "intermediate.dense": 1536, "output.dense": 384}
    for layer in range(6):
        for name, out in sizes.items():
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (out, 1536 if name == "output.dense" else 384)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (out,)
        for norm in ("attention.output", "output"):
            for part in ("weight", "bias"):
                shapes[f"encoder.layer.{layer}.{norm}.LayerNorm.{part}"] = (384,)
    rng = np.random.default_rng(0)
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "bert"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(settings))
        save_file(tensors, folder / "model.safetensors")
        yield {
            "name": "load/bert-90MB",
            "median_ms": median(lambda: load(str(folder)), 5),
            "bytes": (folder / "model.safetensors").stat().st_size,
        }
