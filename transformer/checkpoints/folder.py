"""Read and write the weights and configuration of a network of this project.

Weights are safetensors named by the path of the variable inside the network, such as
`encoder/block_0/self_attention/query/kernel`; every tensor is used exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from transformer.config import ModelConfig
from transformer.untrusted import read_object, shown

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"


def variable_names(network: Any) -> dict[str, Any]:
    """The network's variables by their path without the network's own name."""
    named = {variable.path.split("/", 1)[1]: variable for variable in network.weights}
    named = {name: variable for name, variable in named.items() if "seed_generator" not in name}
    if len(named) != sum("seed_generator" not in variable.path for variable in network.weights):
        raise ValueError("expected variables with names of their own, received two of one name")
    return named


def read_weights(network: Any) -> dict[str, np.ndarray]:
    """Every weight as float32 numpy, by name."""
    return {name: np.asarray(variable, np.float32) for name, variable in variable_names(network).items()}


def assign_weights(network: Any, tensors: Mapping[str, np.ndarray]) -> None:
    """Give every variable its tensor.

    Raises:
        ValueError: lists what is missing, what is left over, what has another shape, and what is not finite.
    """
    variables = variable_names(network)
    problems = [f"missing {name}" for name in variables.keys() - tensors.keys()]
    problems += [f"unused {name}" for name in tensors.keys() - variables.keys()]
    for name in variables.keys() & tensors.keys():
        if tuple(variables[name].shape) != tensors[name].shape:
            problems.append(
                f"{name} of shape {tensors[name].shape} instead of {tuple(variables[name].shape)}"
            )
        elif not np.isfinite(tensors[name]).all():
            problems.append(f"{name} holds NaN or infinity")
    if problems:
        shown = "; ".join(sorted(problems)[:10])
        raise ValueError(
            f"expected the weights of this network, received {len(problems)} differences: {shown}"
        )
    for name, variable in variables.items():
        variable.assign(np.asarray(tensors[name], np.float32))


def save_weights(path: Path, tensors: Mapping[str, np.ndarray], dtype: str = "float32") -> None:
    """Write tensors as safetensors, whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(save({name: np.ascontiguousarray(t, dtype) for name, t in tensors.items()}))
    temporary.replace(path)


def load_weights(path: Path) -> dict[str, np.ndarray]:
    """Read a safetensors file; one that is damaged raises ValueError."""
    try:
        return load_file(path)
    # TypeError and AttributeError: a number type that numpy lacks, such as bfloat16.
    except (SafetensorError, OSError, TypeError, AttributeError) as error:
        raise ValueError(f"expected a safetensors file at {path.name}, received {error}") from error


def save_config(folder: Path, config: ModelConfig) -> None:
    """Write `config.json`."""
    (folder / CONFIG).write_text(config.to_text(), encoding="utf-8")


def load_config(folder: Path) -> ModelConfig:
    """Read `config.json`; anything else than a configuration of this project raises ValueError."""
    path = folder / CONFIG
    values = read_object(path)
    family = values.pop("family", None)
    config = ModelConfig.from_dict(values)
    if family != config.family:
        raise ValueError(f"expected family {config.family} in {path}, received {shown(family)}")
    return config
