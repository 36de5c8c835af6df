"""How one family of published checkpoints is read: its settings as ours, its tensors as ours.

A row of a table says which tensor of theirs is which weight of ours, and how it is turned. `{}` stands for the number
of a layer. PyTorch keeps a linear layer as (out, in), we as (in, out), hence "transpose"; those of GPT-2 are (in, out)
already. Settings and names are those of Hugging Face transformers: models/{bert,roberta,distilbert,gpt2,marian,
whisper} in its source.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from transformer.config import NO_ID, ModelConfig
from transformer.untrusted import shown

ACTIVATIONS = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}
MOST = 2**53  # as far as whole numbers are whole in every reader of JSON
SIDES = ("weight", "kernel", "transpose"), ("bias", "bias", "")
SCALES = ("weight", "gamma", ""), ("bias", "beta", "")


class Row(NamedTuple):
    """Their tensor, our weight, and what is done to it: "", "transpose", "first/3" (a third of the columns), "squeeze",
    or "convolution" (theirs is (out, in, taps), ours (taps, in, out))."""

    theirs: str
    ours: str
    change: str = ""


class Family(NamedTuple):
    """How a kind of checkpoint is read.

    prefix: what may stand before every name. settings: `config.json` and `generation_config.json` as one, and the names
    of the tensors -> our configuration. rows: our configuration -> the table. fixed: settings that we only know with
    this value. spare: beginnings of names that hold nothing this project uses (other heads, masks, position numbers).
    copies: names that repeat another tensor where they are there at all.
    """

    prefix: str
    settings: Callable[[Mapping[str, Any], Collection[str]], ModelConfig]
    rows: Callable[[ModelConfig], list[Row]]
    fixed: Mapping[str, Collection[Any]] = {}
    spare: tuple[str, ...] = ()
    copies: Mapping[str, str] = {}


def need(config: Mapping[str, Any], name: str, kind: type = int) -> Any:
    """A setting that must be there.

    Raises:
        ValueError: it is missing or of another type.
    """
    value: Any = config.get(name)
    fits = type(value) is kind or (kind is float and type(value) is int)
    if not fits or not abs(value) <= MOST:  # nor NaN
        raise ValueError(f"expected {name} in config.json as {kind.__name__}, received {shown(value)}")
    return value


def optional(config: Mapping[str, Any], name: str) -> int:
    """A whole number that may be left out, or null: it is 0 then; errors as of `need`."""
    return 0 if config.get(name) is None else int(need(config, name))


def ids(config: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """A list of ids that may be left out; -1 stands for none of them.

    Raises:
        ValueError: anything but a list of whole numbers.
    """
    return tuple(i for i in _list(config, name, _is_id) if i >= 0)


def rows_of_ids(config: Mapping[str, Any], name: str) -> tuple[tuple[int, ...], ...]:
    """Lists of ids that may be left out; errors as of `ids`."""
    return tuple(map(tuple, _list(config, name, lambda row: isinstance(row, list) and all(map(_is_id, row)))))


def _list(config: Mapping[str, Any], name: str, fits: Callable[[Any], bool]) -> list[Any]:
    found = config.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(map(fits, found)):
        raise ValueError(f"expected {name} as a list of ids, or of such lists, received {shown(found)}")
    return found


def _is_id(value: Any) -> bool:
    return type(value) is int and abs(value) <= MOST


def activation(config: Mapping[str, Any], name: str) -> Any:
    """Our name of an activation."""
    theirs = config.get(name)
    if not isinstance(theirs, str) or theirs not in ACTIVATIONS:
        raise ValueError(f"expected {name} to be one of {', '.join(ACTIVATIONS)}, received {shown(theirs)}")
    return ACTIVATIONS[theirs]


def token(config: Mapping[str, Any], name: str) -> int:
    """The id of a token, or that there is none; where several end a text, the first."""
    value = config.get(name)
    if isinstance(value, list) and value:
        value = value[0]
    return value if type(value) is int else NO_ID


def dense(theirs: str, ours: str) -> list[Row]:
    """A linear layer: kernel and bias."""
    return [Row(f"{theirs}.{a}", f"{ours}/{b}", change) for a, b, change in SIDES]


def norm(theirs: str, ours: str) -> list[Row]:
    """A normalisation: scale and shift."""
    return [Row(f"{theirs}.{a}", f"{ours}/{b}", change) for a, b, change in SCALES]


def untied(config: ModelConfig, theirs: str, ours: str) -> list[Row]:
    """The output projection of a network that does not take the table of tokens for it."""
    return [] if config.task.tied else [Row(theirs, ours, "transpose")]
