"""How one family of published checkpoints is read: its settings as ours, its tensors as ours.

A row of a table says which tensor of theirs is which weight of ours, and how it is turned. `{}` stands for the number
of a layer. PyTorch keeps a linear layer as (out, in), we as (in, out), hence "transpose"; those of GPT-2 are (in, out)
already. Settings and names are those of Hugging Face transformers: `models/` in its source, a folder a family.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from transformer.config import NO_ID, ModelConfig, Special
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
DEEPEST = 10_000  # layers: lists with a row for each are made before anything else is known of them


class Part(NamedTuple):
    """One of several equal parts along an axis of a tensor that holds more than one of our weights.

    which, of: such as the second (1) of three. heads: each head's stretch of the axis has these parts, one after the
    other. then: what is done to the part.
    """

    which: int
    of: int
    heads: int = 1
    axis: int = 0
    then: str = ""


class Row(NamedTuple):
    """Their tensor, our weight, and what is done to it: "", "transpose", "squeeze", "plus one" (they keep scales
    without it), "convolution" (theirs is (out, in, taps), ours (taps, in, out)), or a `Part` of it is taken."""

    theirs: str
    ours: str
    change: str | Part = ""


class Family(NamedTuple):
    """How a kind of checkpoint is read.

    prefix: what may stand before every name. settings: `config.json` and `generation_config.json` as one, and the names
    of the tensors -> our configuration. rows: our configuration -> the table. fixed: settings that we only know with
    this value. spare: beginnings of names that hold nothing this project uses (other heads, masks, position numbers).
    copies: names that repeat another tensor where they are there at all. title: what people call it.
    kind: of network, see `transformer.kinds`. tokenizer: the family whose tokenizer it has; "": its own.
    """

    prefix: str
    settings: Callable[[Mapping[str, Any], Collection[str]], ModelConfig]
    rows: Callable[[ModelConfig], list[Row]]
    fixed: Mapping[str, Collection[Any]] = {}
    spare: tuple[str, ...] = ()
    copies: Mapping[str, str] = {}
    title: str = ""
    kind: str = ""
    tokenizer: str = ""


def decoder(
    prefix: str, settings: Any, rows: Any, *, tied: Mapping[str, str], title: str, **more: Any
) -> Family:
    """A kind of decoder with a tokenizer of those; `tied` are its `copies`, for the rest see `Family`."""
    return Family(
        prefix, settings, rows, copies=tied, title=title, kind="decoder", tokenizer="decoder", **more
    )


def biases(bias: bool) -> dict[str, bool]:
    """Of all four projections of an `Attention`."""
    return {f"{part}_bias": bias for part in ("query", "key", "value", "output")}


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


def either(config: Mapping[str, Any], *names: str) -> int:
    """A whole number that has had several names; errors as of `need`, by the first of them."""
    return int(need(config, next((name for name in names if config.get(name) is not None), names[0])))


def depth(config: Mapping[str, Any], *names: str) -> int:
    """How many layers there are.

    Raises:
        ValueError: no such number, none, or more than any network has.
    """
    found = either(config, *names)
    if not 1 <= found <= DEEPEST:
        raise ValueError(f"expected from 1 to {DEEPEST:,} layers, received {shown(found)}")
    return found


def number(config: Mapping[str, Any], name: str, default: float) -> float:
    """A number that may be left out; where it is null it is 0. Errors as of `need`."""
    if name not in config:
        return default
    return 0.0 if config[name] is None else float(need(config, name, float))


def flag(config: Mapping[str, Any], name: str, default: bool) -> bool:
    """A yes or no that may be left out, or null.

    Raises:
        ValueError: anything else.
    """
    value = config.get(name)
    if value is not None and type(value) is not bool:
        raise ValueError(f"expected {name} as true or false, received {shown(value)}")
    return default if value is None else value


def writes(config: Mapping[str, Any], vocabulary: int) -> Special:
    """The ids of a decoder alone. Where a text begins is its tokenizer's business; an end that the vocabulary does not
    have is none."""
    end = token(config, "eos_token_id")
    return Special(
        pad=NO_ID,
        start=NO_ID,
        end=end if 0 <= end < vocabulary else NO_ID,
        unknown=NO_ID,
        suppressed=(),
    )


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


def activation(config: Mapping[str, Any], name: str, default: str = "") -> Any:
    """Our name of an activation; `default` is theirs where the setting is left out."""
    theirs = config.get(name, default or None)
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


def linear(theirs: str, ours: str, bias: bool) -> list[Row]:
    """A linear layer with or without a bias."""
    return dense(theirs, ours) if bias else dense(theirs, ours)[:1]


def norm(theirs: str, ours: str) -> list[Row]:
    """A normalisation: scale and shift."""
    return [Row(f"{theirs}.{a}", f"{ours}/{b}", change) for a, b, change in SCALES]


def fused(theirs: str, ours: str, heads: int, bias: bool) -> list[Row]:
    """Queries, keys and values in one linear layer, head by head."""
    return [
        Row(f"{theirs}.{a}", f"{ours}/{part}/{b}", Part(which, 3, heads, then=change))
        for which, part in enumerate(("query", "key", "value"))
        for a, b, change in SIDES[: 1 + bias]
    ]


def untied(config: ModelConfig, theirs: str, ours: str) -> list[Row]:
    """The output projection of a network that does not take the table of tokens for it."""
    return [] if config.task.tied else [Row(theirs, ours, "transpose")]
