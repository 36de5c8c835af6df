"""The same network under another Keras backend gives the same numbers; skipped where that backend is not installed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder
from transformer.config import ModelConfig
from transformer.search.generate import beam, greedy

CHANGES = dict(norm="post", feed_forward_kind="conv_relu_conv", positions="learned", activation="gelu")

# What the other backend runs: the folder of the model is its argument, its answers go back as .npz.
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from transformer.checkpoints import folder
from transformer.search.generate import beam, greedy
from transformer.models.seq2seq import Transformer
import keras

place = Path(sys.argv[1])
network = Transformer(folder.load_config(place), dtype="float32")
network.build()
folder.assign_weights(network, folder.load_weights(place / folder.WEIGHTS))
given = np.load(place / "given.npz")
result = network.forward(given["source"], given["target"])
found = {name: getattr(result, name) for name in ("logits", "encoder", "decoder", "cross")}
found["call"] = network(dict(given))
found |= {"greedy": greedy(network, given["source"], 6).ids, "beam": beam(network, given["source"], 6, 3).ids}
weights = {"table": network.source_embedding.positions.table(), **folder.read_weights(network)}
answers = {name: np.asarray(keras.ops.convert_to_numpy(value)) for name, value in found.items()}
np.savez(place / "found.npz", **answers, **{name.replace("/", "|"): w for name, w in weights.items()})
"""

# The same for a network of one stack.
ALONE = """
import sys
from pathlib import Path
import keras
import numpy as np
from transformer.checkpoints import folder
from transformer.models.assembly import assemble

place = Path(sys.argv[1])
network = assemble(folder.load_config(place), dtype="float32")
network.build()
folder.assign_weights(network, folder.load_weights(place / folder.WEIGHTS))
ids = np.load(place / "given.npz")["ids"]
result = network.forward(ids)
found = {"logits": result.logits, "map": result.encoder if result.decoder is None else result.decoder}
found["call"] = network({"ids": ids})
if result.encoder is None:
    steps, state = network.start(ids[:, :3], 8)
    steps = [steps[:, -1]]
    for t in range(3, ids.shape[1]):
        logits, state = network.step(ids[:, t], t, state)
        steps.append(logits)
    found["steps"] = keras.ops.stack(steps, axis=1)
answers = {name: keras.ops.convert_to_numpy(keras.ops.stop_gradient(value)) for name, value in found.items()}
np.savez(place / "found.npz", **answers)
"""

TRAINING = """
import sys
import transformer.training.data, transformer.training.job, transformer.training.loop, transformer.training.schedule
import transformer.training.snapshots, transformer.training.tensorboard
import keras
print(keras.backend.backend(), *sorted({"tensorflow", "tensorboard"} & set(sys.modules)))
"""


def run(backend: str, code: str, *arguments: str) -> str:
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=root,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_another_backend_gives_the_same_numbers(backend: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    network = toy.network(toy.config(**CHANGES))
    folder.save_config(tmp_path, network.config)
    folder.save_weights(tmp_path / folder.WEIGHTS, folder.read_weights(network))
    source, target = toy.ids((2, 6), 1), toy.ids((2, 5), 2)
    source[1, 4:] = 0
    np.savez(tmp_path / "given.npz", source=source, target=target)
    run(backend, SCRIPT, str(tmp_path))
    with np.load(tmp_path / "found.npz") as found:
        result = network.forward(source, target)
        for name in ("logits", "encoder", "decoder", "cross"):
            expected = np.asarray(getattr(result, name))
            np.testing.assert_allclose(found[name], expected, atol=1e-5, err_msg=name)
        np.testing.assert_array_equal(found["call"], found["logits"])
        for search, ids in (("greedy", greedy(network, source, 6)), ("beam", beam(network, source, 6, 3))):
            np.testing.assert_array_equal(found[search], np.asarray(ids.ids), err_msg=search)
        np.testing.assert_array_equal(found["table"], network.source_embedding.positions.table())
        for name, value in folder.read_weights(network).items():
            np.testing.assert_array_equal(found[name.replace("/", "|")], value)


@pytest.mark.parametrize("backend", ["torch", "jax"])
@pytest.mark.parametrize(
    "config",
    [
        toy.decoder(positions="learned", activation="gelu_tanh"),
        toy.encoder(
            norm="post", token_types=2, embedding_norm=True, output="masked_tokens", logits_bias=True
        ),
        toy.encoder(output="classes", classes=3, pooling="max", pooler=True),
    ],
    ids=["decoder", "masked tokens", "classes"],
)
def test_another_backend_gives_the_same_numbers_for_one_stack(
    backend: str, config: ModelConfig, tmp_path: Path
) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    network, ids = toy.network(config), toy.ids((2, 7), 1)
    if config.family == "encoder":
        ids[1, 4:] = 0
    folder.save_config(tmp_path, config)
    folder.save_weights(tmp_path / folder.WEIGHTS, folder.read_weights(network))
    np.savez(tmp_path / "given.npz", ids=ids)
    run(backend, ALONE, str(tmp_path))
    result = network.forward(ids)
    weights = result.encoder if result.decoder is None else result.decoder
    with np.load(tmp_path / "found.npz") as found:
        np.testing.assert_allclose(found["logits"], np.asarray(result.logits), atol=1e-5)
        np.testing.assert_allclose(found["map"], np.asarray(weights), atol=1e-5)
        np.testing.assert_array_equal(found["call"], found["logits"])
        if config.family == "decoder":
            np.testing.assert_allclose(found["steps"], found["logits"][:, 2:], atol=1e-5)


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_training_path_loads_no_tensorflow(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    assert run(backend, TRAINING).split() == [backend]


def test_the_training_path_itself_imports_no_tensorflow() -> None:
    """The same for any backend: only Keras, as TensorFlow's front end, may have loaded it."""
    code = "import sys, keras\nbefore = set(sys.modules)\n" + TRAINING
    code += "print(*sorted(n for n in set(sys.modules) - before if n.split('.')[0] in ('tensorflow', 'streamlit')))"
    assert run("tensorflow", code).splitlines()[1:] == [""]
