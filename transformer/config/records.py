"""How a record is read from JSON: strictly, each value named by its path, such as `encoder.attention.heads`."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")

_CALLED = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


class Record:
    """Strict construction from JSON-like mappings, for frozen dataclasses whose fields are plain values, literals,
    other records, None, or tuples of these."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: str = "") -> Self:
        """Build from a mapping, records within it included.

        Args:
            values: by the names of the fields.
            path: where the record stands in a larger one, for messages.

        Raises:
            ValueError: an unknown or missing key, a value of another type, or one that the record refuses.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"expected {path or cls.__name__} to be an object, received {values!r}")
        hints, start = get_type_hints(cls), f"{path}." if path else ""
        if unknown := sorted(start + str(name) for name in values.keys() - hints.keys()):
            raise ValueError(
                f"expected the fields of {cls.__name__}, received unknown {', '.join(unknown)[:200]}"
            )
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]
            needed = field.default is field.default_factory is dataclasses.MISSING
            if needed and field.name not in values:
                raise ValueError(f"expected {start}{field.name}, received {cls.__name__} without it")
        taken = {name: _taken(value, hints[name], start + name) for name, value in values.items()}
        try:
            return cls(**taken)
        except ValueError as error:
            raise ValueError(f"{error} (in {path})" if path else str(error)) from None

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain JSON values."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]


def _taken(value: Any, kind: Any, path: str) -> Any:
    """A JSON value as the field's type has it."""
    inner = get_args(kind)
    if get_origin(kind) is UnionType:  # a record or None
        return None if value is None else _taken(value, inner[0], path)
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected {path} to be a list, received {reprlib.repr(value)}")
        return tuple(_taken(item, inner[0], f"{path}[{i}]") for i, item in enumerate(value))
    if get_origin(kind) is Literal:
        if not any(type(value) is type(choice) and value == choice for choice in inner):
            raise ValueError(
                f"expected {path} to be one of {', '.join(map(str, inner))}, received {reprlib.repr(value)}"
            )
        return value
    if issubclass(kind, Record):
        return value if isinstance(value, kind) else kind.from_dict(value, path)
    if (type(value) is kind or (kind is float and type(value) is int)) and _plain(value):
        return value
    raise ValueError(f"expected {path} to be {_CALLED[kind]}, received {reprlib.repr(value)}")


def _plain(value: Any) -> bool:
    """Whether it is no whole number beyond what every reader of JSON keeps whole."""
    return type(value) is not int or abs(value) <= 2**53


def need(fine: bool, expected: str, received: object) -> None:
    """A check of a record: raises ValueError in the words of the house where it is not fine."""
    if not fine:
        raise ValueError(f"expected {expected}, received {received}")


def at_least(record: Record, least: int, *names: str) -> None:
    """The check that these fields are not too small."""
    for name in names:
        need(getattr(record, name) >= least, f"{name} of at least {least}", getattr(record, name))


def shares(record: Record, *names: str) -> None:
    """The check that these fields are probabilities below 1."""
    for name in names:
        need(0 <= getattr(record, name) < 1, f"{name} in [0, 1)", getattr(record, name))


def present(part: T | None, name: str) -> T:
    """A part of a configuration that a network cannot do without.

    Raises:
        ValueError: it is not there.
    """
    if part is None:
        raise ValueError(f"expected a configuration with {name}, received one without")
    return part


def implemented(record: Record, **today: Any) -> None:
    """Refuse what a record can say and no layer does yet: fields that have another value than the one of today.

    Raises:
        ValueError: names the first such field.
    """
    for name, value in today.items():
        found = getattr(record, name)
        need(found == value, f"{type(record).__name__}.{name} {value!r}", f"{found!r}: not implemented yet")
