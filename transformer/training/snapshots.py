"""Attention of a few fixed sentence pairs at log-spaced training steps, so that a page can show heads as they form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from transformer.text.tokenizer import SubwordTokenizer
from transformer.training.data import Example, make_batch

PROBES = (
    ("O trem saiu da estação na hora.", "The train left the station on time."),
    ("Este é um problema que temos que resolver.", "This is a problem that we have to solve."),
    ("Ela não gosta de café, mas eu gosto.", "She does not like coffee, but I do."),
    ("Onde fica o banco mais próximo?", "Where is the nearest bank?"),
    ("O gato preto dorme na cadeira azul.", "The black cat is sleeping on the blue chair."),
    ("Se chover amanhã, ficaremos em casa.", "If it rains tomorrow, we will stay at home."),
    ("Meu irmão mais novo quer ser médico.", "My younger brother wants to be a doctor."),
    ("¿Puedes ayudarme a abrir la puerta?", "Can you help me open the door?"),
)


def log_spaced(last: int, count: int = 20) -> list[int]:
    """About `count` steps from 0 to `last`, each a constant factor after the one before."""
    return sorted({0, *(round(last ** (i / (count - 2))) for i in range(count - 1))})


class Snapshots:
    """Records the probes' attention at log-spaced steps and keeps it in one `.npz`.

    Arrays: `steps` (N,), and for probe i `{i}/encoder`, `{i}/decoder`, `{i}/cross`, each uint8
    (N, layers, H, queries, keys) holding round(255 * weight); `{i}/source` and `{i}/target` are the ids,
    the target as the decoder reads it.
    """

    def __init__(self, path: Path, tokenizer: SubwordTokenizer, last: int, step: int) -> None:
        self.path = path
        self.wanted = set(log_spaced(last))
        encoded = [tokenizer.encode_all(pair) for pair in PROBES]
        self.examples = [Example(source, target) for source, target in encoded]
        self.steps: list[int] = []
        self.maps: dict[str, list[np.ndarray]] = {}
        if step and path.exists():
            with np.load(path) as saved:
                kept = saved["steps"] <= step
                self.steps = [int(s) for s in saved["steps"][kept]]
                self.maps = {n: list(saved[n][kept]) for n in saved.files if n.split("/")[-1] in _KINDS}

    def take(self, network: Any, step: int) -> None:
        """Record if `step` is one of the wanted ones and not recorded yet."""
        if step not in self.wanted or step in self.steps:
            return
        batch = make_batch(self.examples)
        result = network.forward(batch.source, batch.target)
        self.steps.append(step)
        for kind in _KINDS:
            weights = np.asarray(keras.ops.convert_to_numpy(getattr(result, kind)), np.float32)
            for i, example in enumerate(self.examples):
                queries = len(example.source if kind == "encoder" else example.target)
                keys = len(example.target if kind == "decoder" else example.source)
                trimmed = weights[i, :, :, :queries, :keys]
                self.maps.setdefault(f"{i}/{kind}", []).append(np.round(trimmed * 255).astype(np.uint8))

    def save(self) -> None:
        """Write what has been recorded."""
        if not self.steps:
            return
        arrays: dict[str, np.ndarray] = {"steps": np.array(self.steps, np.int32)}
        arrays |= {name: np.stack(maps) for name, maps in self.maps.items()}
        batch = make_batch(self.examples)
        for i, example in enumerate(self.examples):
            arrays[f"{i}/source"] = np.array(example.source, np.int32)
            arrays[f"{i}/target"] = batch.target[i, : len(example.target)]
        temporary = self.path.with_name("snapshots.part.npz")
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
        temporary.replace(self.path)


_KINDS = ("encoder", "decoder", "cross")
