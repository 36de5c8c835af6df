"""Published checkpoints in the Hugging Face folder format -> a configuration and weights of this project.

Every number of every tensor is used exactly once: what is missing, left over or of another shape is listed. Nothing of
a folder runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from transformer.checkpoints.families import FAMILIES, Family, Part, Row, outside, prefix_of
from transformer.checkpoints.shards import Header, headers, size, tensors
from transformer.config import ModelConfig
from transformer.untrusted import read_object, shown

CONFIG, GENERATION = "config.json", "generation_config.json"
# A network of these is far beyond what anyone opens here; a config of a stranger must not ask for more.
MOST_LAYERS, MOST_NUMBERS = 200, 20_000_000_000
# Positions of a table that is computed; those of learned ones are in its files, and others cost nothing.
MOST_POSITIONS, MOST_BINS = 100_000, 1_000


class Checkpoint(NamedTuple):
    """A folder that has been looked at, without its numbers: family, our configuration, its settings, its tensors."""

    folder: Path
    family: str
    config: ModelConfig
    settings: Mapping[str, Any]
    headers: Mapping[str, Header]

    @property
    def parameters(self) -> int:
        """How many numbers its files hold."""
        return size(self.headers.values())

    @property
    def memory(self) -> int:
        """Bytes that it takes while it is opened."""
        return memory(self.headers.values())


def memory(found: Collection[Header]) -> int:
    """Bytes that opening these tensors takes: float32, once as read and once in the network, and one tensor more."""
    return 4 * (2 * size(found) + max(prod(header.shape) for header in found))


def is_foreign(folder: Path) -> bool:
    """Whether a folder's config.json is one of Hugging Face's, not of this project."""
    try:
        return "family" not in read_object(folder / CONFIG)
    except ValueError:
        return False


def known(folder: Path) -> tuple[str, dict[str, Any], ModelConfig]:
    """The `model_type` of a folder, its settings, and our configuration as far as settings alone tell it.

    Raises:
        ValueError: no settings, or a family or setting that is not supported.
    """
    settings = read_object(folder / CONFIG)
    kind = settings.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise ValueError(f"expected a model_type out of {', '.join(FAMILIES)}, received {shown(kind)}")
    for name, allowed in FAMILIES[kind].fixed.items():
        if settings.get(name) not in allowed:
            raise ValueError(
                f"expected {name} to be {next(iter(allowed))!r}, received {shown(settings[name])}: not supported"
            )
    if (folder / GENERATION).is_file():
        settings = settings | read_object(folder / GENERATION)
    return kind, settings, FAMILIES[kind].settings(settings, ())


def plausible(config: ModelConfig, numbers: int) -> None:
    """Refuse settings that ask for more numbers than the files hold: every weight comes out of a tensor, so that they
    would only cost memory.

    Raises:
        ValueError: too many numbers, layers or positions, or fewer numbers than the sizes take at least.
    """
    if numbers > MOST_NUMBERS:
        raise ValueError(f"expected at most {MOST_NUMBERS:,} numbers, received {numbers:,}")
    stacks = [stack for stack in (config.encoder, config.decoder) if stack]
    deepest = max((stack.layers for stack in stacks), default=0)
    if deepest > MOST_LAYERS:
        raise ValueError(f"expected at most {MOST_LAYERS} layers, received {deepest}")
    tables = [config.target, None if config.shared_embeddings else config.source]
    # Rows of tokens may be narrower than the network.
    rows = sum(
        table.vocabulary * (table.width or config.width) // config.width + table.types
        for table in tables
        if table
    )
    rows += 4 * config.width if config.recurrent else 0
    for stack, length in ((config.encoder, config.max_source), (config.decoder, config.max_target)):
        if stack:
            side = config.source if stack is config.encoder else config.target
            narrow = side.width if side and side.widened == "sum" and side.width else config.width
            rows += length * narrow // config.width if stack.table.kind == "learned" else 0
            specs = (stack.attention, *([stack.cross] if stack.cross else []))
            heads = sum(2 * (spec.joined + spec.keys_joined) for spec in specs)
            wide = (3 if stack.feed_forward.kind == "gated" else 2) * stack.feed_forward.width
            rows += (1 if stack.shared_layers else stack.layers) * (heads + wide)
    # Twice: where a few are missing, the tensor that they are missing from is named later.
    if config.width * rows > 2 * numbers:
        raise ValueError(
            f"expected at least {config.width * rows:,} numbers for the sizes in {CONFIG}, received {numbers:,}"
        )
    stacked = ((config.encoder, config.max_source), (config.decoder, config.max_target))
    computed = [
        length for stack, length in stacked if stack and (stack.table.kind != "none" or stack.relative)
    ]
    longest = max(computed, default=0)
    if longest > MOST_POSITIONS or config.bins > MOST_BINS:
        raise ValueError(
            f"expected at most {MOST_POSITIONS:,} positions and {MOST_BINS:,} mel bins, received {longest:,} and "
            f"{config.bins:,}"
        )


def inspect(folder: Path) -> Checkpoint:
    """Look at a folder: what it holds and whether it can be opened; reads settings and headers alone.

    Raises:
        ValueError: not such a folder, a family or setting that is not supported, or damaged files.
    """
    kind, settings, _ = known(folder)  # what is not supported is said before its files are opened
    family = FAMILIES[kind]
    stored = headers(folder)
    found = {_plain(name, family): header for name, header in stored.items()}
    if len(found) != len(stored):
        raise ValueError(f"expected each tensor once, received {len(stored) - len(found)} of them twice")
    config = family.settings(settings, found.keys())
    plausible(config, size(found.values()))
    wanted = {row.theirs for row in family.rows(config)}
    for copy, of in family.copies.items():  # of tensors that are one, files may hold any
        if of in wanted - found.keys() and copy in found.keys() - wanted:
            found[of] = found.pop(copy)
    return Checkpoint(folder, kind, config, settings, found)


def weights(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """The weights of `checkpoint` by our names, float32.

    Raises:
        ValueError: lists tensors that are missing, and those that are there and not used.
    """
    family, found = FAMILIES[checkpoint.family], checkpoint.headers
    rows = _rows(family, checkpoint.config)
    wanted = {row.theirs for row in rows}
    copies = {copy: of for copy, of in family.copies.items() if copy in found and copy not in wanted}
    spare = {name for name in found if name not in wanted and _spare(name, family)}
    if checkpoint.config.task.left_out:
        spare |= outside(found, family.prefix) - wanted
    problems = [f"missing {name}" for name in sorted(wanted - found.keys())]
    problems += [f"unused {name}" for name in sorted(found.keys() - wanted - spare - copies.keys())]
    if problems:
        shown = "; ".join(problems[:10]) + ("; ..." if len(problems) > 10 else "")
        raise ValueError(
            f"expected the tensors of a {checkpoint.family}, received {len(problems)} differences: {shown}"
        )
    by_tensor: dict[str, list[Row]] = {}
    for row in rows:
        by_tensor.setdefault(row.theirs, []).append(row)
    ours: dict[str, np.ndarray] = {}
    taken: dict[str, int] = {}
    kept: dict[str, np.ndarray] = {}
    plain = {found[name].name: name for name in wanted | copies.keys()}
    for header, tensor in tensors(found[name] for name in plain.values()):
        name = plain[header.name]
        if name in copies or name in copies.values():
            kept[name] = tensor
        for row in by_tensor.get(name, ()):
            ours[row.ours] = _changed(tensor, row).astype(np.float32)
            taken[name] = taken.get(name, 0) + ours[row.ours].size
        if name in taken and taken[name] != tensor.size:
            raise ValueError(
                f"expected all {tensor.size:,} numbers of {name} used once, received {taken[name]:,}"
            )
    for copy, original in copies.items():
        if original not in kept or not np.array_equal(kept[copy], kept[original]):
            raise ValueError(
                f"expected {copy} to repeat {original}, received other numbers: the config calls them tied"
            )
    return ours


def _plain(name: str, family: Family) -> str:
    """A tensor's name without what stands before all of them, and with today's names of scale and shift."""
    name = name.removeprefix(prefix_of(name, family.prefix))
    return re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))


def _spare(name: str, family: Family) -> bool:
    return any(name.startswith(start) for start in family.spare) or any(
        re.fullmatch(re.escape(start).replace(r"\{\}", r"\d+"), name) for start in family.spare
    )


def _rows(family: Family, config: ModelConfig) -> list[Row]:
    """The table with a row for each layer."""
    rows = []
    for row in family.rows(config):
        if "{}" not in row.theirs:
            rows.append(row)
            continue
        stack = config.encoder if row.ours.startswith("encoder/") else config.decoder
        depth = stack.layers if stack else 0
        rows += [Row(row.theirs.format(i), row.ours.format(i), row.change) for i in range(depth)]
    return rows


def _changed(tensor: np.ndarray, row: Row) -> np.ndarray:
    """A tensor of theirs as ours.

    Raises:
        ValueError: a shape that cannot be turned so.
    """
    change, part = row.change, None
    if isinstance(change, Part):
        part, change = change, change.then
    dims = {"transpose": 2, "convolution": 3}.get(change)
    if dims not in (None, tensor.ndim) or tensor.ndim == 0:
        raise ValueError(f"expected {row.theirs} with {dims} dimensions, received shape {tensor.shape}")
    if part:
        tensor = _part(tensor, part, row.theirs)
    if change == "transpose":
        return tensor.T
    if change == "convolution":
        return tensor.transpose(2, 1, 0)
    if change == "squeeze":
        return tensor.reshape(-1)
    # In float32: half precision could not tell most scales apart.
    return tensor.astype(np.float32) + 1 if change == "plus one" else tensor


def _part(tensor: np.ndarray, part: Part, name: str) -> np.ndarray:
    """One part of a tensor, the parts of each head one after the other."""
    rows = np.moveaxis(tensor, part.axis, 0)
    if len(rows) % (part.heads * part.of):
        raise ValueError(
            f"expected {name} in {part.heads * part.of} equal parts, received shape {tensor.shape}"
        )
    each = rows.reshape(part.heads, part.of, -1, *rows.shape[1:])[:, part.which]
    return np.moveaxis(each.reshape(-1, *rows.shape[1:]), 0, part.axis)
