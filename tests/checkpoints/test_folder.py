"""A model folder: what is written comes back, and what does not fit is said at once."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from tests import toy
from transformer.checkpoints import folder

KIND = dict(norm="post", feed_forward_kind="conv_relu_conv", positions="learned", shared_embeddings=False)


def test_saved_then_loaded_is_the_same_network(tmp_path: Path) -> None:
    first, second = toy.network(toy.config(**KIND), seed=1), toy.network(toy.config(**KIND), seed=2)
    source, target = toy.ids((2, 6)), toy.ids((2, 5))
    wanted = first.forward(source, target)[:4]
    assert not np.allclose(np.asarray(wanted[0]), np.asarray(second.forward(source, target).logits))
    folder.save_weights(tmp_path / folder.WEIGHTS, folder.read_weights(first))
    folder.assign_weights(second, folder.load_weights(tmp_path / folder.WEIGHTS))
    for one, other in zip(wanted, second.forward(source, target)[:4], strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert [p.name for p in tmp_path.iterdir()] == [folder.WEIGHTS]


def test_float16_weights_give_nearly_the_same_network(tmp_path: Path) -> None:
    first, second = toy.network(toy.config(), seed=1), toy.network(toy.config(), seed=2)
    path = tmp_path / folder.WEIGHTS
    folder.save_weights(path, folder.read_weights(first), "float16")
    tensors = folder.load_weights(path)
    assert {t.dtype for t in tensors.values()} == {np.dtype("float16")}
    folder.assign_weights(second, tensors)
    source, target = toy.ids((2, 6)), toy.ids((2, 5))
    one, other = first.forward(source, target), second.forward(source, target)
    np.testing.assert_allclose(np.asarray(one.logits), np.asarray(other.logits), atol=2e-2)
    np.testing.assert_allclose(np.asarray(one.cross), np.asarray(other.cross), atol=5e-3)
    assert all(w.dtype == "float32" for w in second.weights)


def test_names_are_paths_inside_the_network() -> None:
    """Checkpoints on disk are read by these names: they stay."""
    names = set(folder.variable_names(toy.shared(toy.config(encoder_layers=1, decoder_layers=1))))
    attention = [
        f"{part}/{kind}" for part in ("query", "key", "value", "output") for kind in ("kernel", "bias")
    ]
    dense = [f"feed_forward/{part}/{kind}" for part in ("expand", "contract") for kind in ("kernel", "bias")]
    expected = {"source_embedding/tokens/embeddings"}
    for stack, layers in (
        ("encoder", ("self_attention",)),
        ("decoder", ("self_attention", "cross_attention")),
    ):
        expected |= {f"{stack}/block_0/{name}" for name in dense}
        expected |= {f"{stack}/block_0/{layer}/{name}" for layer in layers for name in attention}
        norms = [f"block_0/{layer}_norm" for layer in (*layers, "feed_forward")] + ["last_norm"]
        expected |= {f"{stack}/{norm}/{name}" for norm in norms for name in ("gamma", "beta")}
    assert names == expected


def test_every_difference_is_listed_in_one_error() -> None:
    network = toy.network(toy.config())
    before = folder.read_weights(network)
    tensors = dict(before)
    del tensors["decoder/last_norm/gamma"]
    tensors["left/over"] = np.zeros(3, np.float32)
    tensors["encoder/last_norm/beta"] = np.zeros(5, np.float32)
    tensors["encoder/last_norm/gamma"] = np.full(8, np.nan, np.float32)
    with pytest.raises(ValueError, match="received 4 differences") as caught:
        folder.assign_weights(network, tensors)
    for part in (
        "missing decoder/last_norm/gamma",
        "unused left/over",
        "encoder/last_norm/beta of shape (5,) instead of (8,)",
        "encoder/last_norm/gamma holds NaN or infinity",
    ):
        assert part in str(caught.value)
    after = folder.read_weights(network)
    assert all(np.array_equal(after[name], before[name]) for name in before)  # nothing was assigned


def test_a_damaged_weights_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    folder.save_weights(path, {"a": np.ones((4, 4), np.float32)})
    whole = path.read_bytes()
    for damaged in (
        b"",
        b"not safetensors at all",
        whole[:-5],
        whole[:20],
        struct.pack("<Q", 2**60) + whole[8:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"expected a safetensors file at model\.safetensors"):
            folder.load_weights(path)
    with pytest.raises(ValueError, match="expected a safetensors file"):
        folder.load_weights(tmp_path / "nothing.safetensors")
    with pytest.raises(ValueError, match="expected a safetensors file"):
        folder.load_weights(tmp_path)


def test_a_number_type_that_numpy_lacks_is_refused(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F8_E5M2", "shape": [2], "data_offsets": [0, 2]}}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(2))
    with pytest.raises(ValueError, match="expected a safetensors file"):
        folder.load_weights(path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    folder.save_weights(path, {"a": np.ones(3, np.float32)})
    with pytest.raises(ValueError, match="could not convert"):
        folder.save_weights(path, {"a": np.array(["x"])})
    np.testing.assert_array_equal(folder.load_weights(path)["a"], np.ones(3))


def test_a_configuration_comes_back(tmp_path: Path) -> None:
    config = toy.config(**KIND, activation="gelu", dropout=0.25)
    folder.save_config(tmp_path, config)
    assert folder.load_config(tmp_path) == config
    assert json.loads((tmp_path / folder.CONFIG).read_text())["family"] == "seq2seq"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "expected JSON"),
        (b"\xff\xfe", "expected JSON"),
        (b"[1]", "expected a JSON object .* received list"),
        (b"{}", "expected family seq2seq .* received None"),
        (b'{"family": "diffusion"}', "received 'diffusion'"),
        (b'{"family": "seq2seq", "color": 1}', "received unknown color"),
        (b'{"family": "seq2seq", "width": "wide"}', "expected width to be a whole number, received 'wide'"),
        (b'{"family": "seq2seq", "heads": 8.0}', "expected heads to be a whole number, received 8.0"),
        (b'{"family": "seq2seq", "norm": "batch"}', "expected norm to be one of pre, post"),
        (b'{"family": "seq2seq", "width": 10, "heads": 4}', "divisible by the heads"),
    ],
)
def test_a_configuration_that_is_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / folder.CONFIG).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        folder.load_config(tmp_path)


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a file config\.json in"):
        folder.load_config(tmp_path)
