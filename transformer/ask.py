"""One question to a network, as a value: what it is given, and how it is to answer.

Every kind of model takes the same value (`Model.ask`), reads what it knows, and refuses the rest by name. It is a key
of what has been answered, a line of JSON, and the part of an address behind the question mark.
"""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from transformer.interventions import NONE, Interventions

# Far above what any network here can read; protects the tokenizer from a text of megabytes.
MAX_CHARACTERS = 4000
MOST_BEAMS = 8
MOST_CHOICES = 32
MOST_IDS = 4096  # of a forced answer, and of places that are hidden
LAST_PLACE, LAST_ID = 99_999, 10_000_000
MOST_SCALE = 10.0  # of positions, and of the length penalty


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is asked, of whom. Places, steps and alternatives count from 0.

    Args:
        model: its name.
        given: the text, or the digest of a clip.
        second: the second text of a pair.
        target: the answer that is forced, "" being one too; None: the network's own.
        target_ids: the same as ids, exactly as the network writes them; (): none are forced.
        choices: (step, alternative) pairs that an answer is made to take, one after the other.
        masked: places that are hidden from a network that guesses.
        beams: how many hypotheses a search follows, 1 to 8, 1 being greedy; None: as the model does by itself.
        alpha: length penalty of a search, 0 to 10 (Wu et al. 2016, arXiv:1609.08144, equation 14).
        tokens: how many to write on, as far as there is room.
        language: of speech, or of the text that a translator of several languages is given; "": the usual one.
        into: the language that such a translator writes.
        task: of speech.
        name: what the trace calls a clip.
        whole: keep attention to the silence that a clip is padded with.
        words: find the times of words.
        position_scale: what position vectors are multiplied by, 0 to 10.
        interventions: what is changed in the network meanwhile.

    Raises:
        ValueError: a value of another type or out of its range, in one line.
    """

    model: str
    given: str = ""
    second: str = ""
    target: str | None = None
    target_ids: tuple[int, ...] = ()
    choices: tuple[tuple[int, int], ...] = ()
    masked: tuple[int, ...] = ()
    beams: int | None = None
    alpha: float = 0.6
    tokens: int = 0
    language: str = ""
    into: str = ""
    task: str = "transcribe"
    name: str = ""
    whole: bool = False
    words: bool = False
    position_scale: float = 1.0
    interventions: Interventions = NONE

    def __post_init__(self) -> None:
        for name in ("model", "given", "second", "language", "into", "task", "name"):
            _text(name, getattr(self, name))
        if self.target is not None:
            _text("target", self.target)
        if self.target is not None and self.target_ids:
            raise ValueError("expected a target or target_ids, received both")
        if self.beams is not None:
            self._set("beams", whole("beams", self.beams, 1, MOST_BEAMS))
        self._set("tokens", whole("tokens", self.tokens, 0))
        for name in ("alpha", "position_scale"):
            self._set(name, scale(name, getattr(self, name)))
        for name, most in (("target_ids", MOST_IDS), ("masked", MOST_IDS), ("choices", MOST_CHOICES)):
            row = getattr(self, name)
            if not hasattr(row, "__iter__") or isinstance(row, str | bytes):
                raise ValueError(f"expected {name} in a row, received {str(row)[:40]!r}")
            row = tuple(row)
            if len(row) > most:
                raise ValueError(f"expected at most {most} {name}, received {len(row)}")
            self._set(name, tuple(_pair(i) if name == "choices" else _place(name, i) for i in row))
        for name in ("whole", "words"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(
                    f"expected {name} to be true or false, received {repr(getattr(self, name))[:40]}"
                )
        if not isinstance(self.interventions, Interventions):
            raise ValueError(
                f"expected interventions such as Interventions(heads=(Head('encoder', 0, 2),)), "
                f"received {type(self.interventions).__name__}"
            )

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def changed(self) -> tuple[str, ...]:
        """The names of the fields that are not as they are by themselves; the model's name aside."""
        fields = dataclasses.fields(self)[1:]
        return tuple(field.name for field in fields if getattr(self, field.name) != field.default)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain JSON values, the interventions as their text."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values |= {name: list(values[name]) for name in ("target_ids", "masked")}
        return values | {
            "choices": [list(pair) for pair in self.choices],
            "interventions": self.interventions.text(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` made; fields that are left out are as they are by themselves.

        Raises:
            ValueError: a field that is not known, none for the model, or a value that is no good.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        if unknown := [str(name) for name in values if name not in known]:
            raise ValueError(f"expected fields out of {', '.join(known)}, received {unknown[0][:40]!r}")
        if "model" not in values:
            raise ValueError("expected the name of a model, received none")
        found = dict(values)
        if "interventions" in found:
            found["interventions"] = Interventions.parse(found["interventions"], longest=WRITTEN)
        return cls(**found)

    def to_query(self) -> dict[str, str]:
        """What is to stand in an address: all that is not as it is by itself, each field as a short text."""
        shown = ("model", *self.changed())
        return {_QUERY.get(name, name): _WRITE.get(name, str)(getattr(self, name)) for name in shown}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """What `to_query` made, out of an address; parameters of other names are somebody else's.

        Raises:
            ValueError: no model, or a text that is no good, in one line.
        """
        found = {}
        for field in dataclasses.fields(cls):
            key = _QUERY.get(field.name, field.name)
            if key in query:
                found[field.name] = _READ.get(field.name, lambda _, text: text)(key, str(query[key]))
        if "model" not in found:
            raise ValueError("expected the name of a model in the address, received none")
        return cls(**found)


# Of a text of interventions that this program wrote: an input of 4,000 characters has up to twelve for each of them.
WRITTEN = 12 * MAX_CHARACTERS + 8000


def done_to(options: Mapping[str, Any]) -> Interventions:
    """What was changed in the network when a trace with these options was made; somebody else may have written them.

    Raises:
        ValueError: something else stands there.
    """
    text: Any = options.get("interventions", "")
    return Interventions.parse(text, longest=WRITTEN)  # it refuses what is no text


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """`value`, if it is a whole number from `least` to `most` (None: without end); `name` says of what, in the plural.

    Raises:
        ValueError: another number, or none: True is none, either.
    """
    number = _index(value)
    if number is None:
        raise ValueError(f"expected {name} as a whole number, received {repr(value)[:40]}")
    if number < least or (most is not None and number > most):
        wanted = f"at least {least}" if most is None else f"{least} to {most:,}"
        raise ValueError(f"expected {wanted} {name}, received {repr(number)[:40]}")
    return number


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        what = "a text" if name in ("given", "second", "target") else f"{name} as a text"
        raise ValueError(f"expected {what}, received {type(value).__name__}")
    if len(value) > MAX_CHARACTERS:
        raise ValueError(f"expected at most {MAX_CHARACTERS:,} characters, received {len(value):,}")


def _index(value: Any) -> int | None:
    """A whole number, numpy's too, or None for anything else."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def _place(name: str, value: Any) -> int:
    number, most = _index(value), LAST_ID if name == "target_ids" else LAST_PLACE
    if number is None or not 0 <= number <= most:
        raise ValueError(f"expected {name} from 0 to {most:,}, received {str(value)[:40]!r}")
    return number


def _pair(value: Any) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, list | tuple) else ()
    if len(pair) != 2:
        raise ValueError(f"expected choices as pairs (step, alternative), received {str(value)[:40]!r}")
    step, alternative = (_place("choices", i) for i in pair)
    return step, alternative


def scale(name: str, value: Any) -> float:
    """A number from 0 to 10, as of an option of a trace that somebody else made; else ValueError in one line."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_SCALE:
        a = "an" if name == "alpha" else "a"
        raise ValueError(f"expected {a} {name} from 0 to {MOST_SCALE:g}, received {repr(value)[:40]}")
    return float(value)


def _row(key: str, text: str) -> tuple[int, ...]:
    if not text:
        return ()
    if len(text) > 9 * MOST_IDS or not re.fullmatch(r"[0-9]{1,8}(_[0-9]{1,8})*", text):
        raise ValueError(f"expected {key} such as 3_5 in the address, received {text[:40]!r}")
    return tuple(int(number) for number in text.split("_"))


def _pairs(key: str, text: str) -> tuple[tuple[int, ...], ...]:
    if not text:
        return ()
    if len(text) > 400 or not re.fullmatch(r"[0-9]{1,5}\.[0-9]{1,5}(_[0-9]{1,5}\.[0-9]{1,5})*", text):
        raise ValueError(f"expected {key} such as 3.1_5.0 in the address, received {text[:40]!r}")
    return tuple(tuple(int(number) for number in pair.split(".")) for pair in text.split("_"))


def _number(key: str, text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,20})?(e-[0-9]{1,3})?", text):
        raise ValueError(f"expected {key} to be a number in the address, received {text[:40]!r}")
    return float(text)


def _integer(key: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError(f"expected {key} to be a whole number in the address, received {text[:40]!r}")
    return int(text)


def _flag(key: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"expected {key} to be 0 or 1 in the address, received {text[:40]!r}")
    return text == "1"


def choices_text(choices: Iterable[tuple[int, int]]) -> str:
    """((3, 1), (5, 0)) -> `3.1_5.0`, as addresses and traces have them."""
    return "_".join(f"{step}.{alternative}" for step, alternative in choices)


_QUERY = {"interventions": "change"}  # fields that have another name in an address
_WRITE: dict[str, Callable[[Any], str]] = {
    "target_ids": lambda row: "_".join(map(str, row)),
    "masked": lambda row: "_".join(map(str, row)),
    "choices": choices_text,
    "alpha": lambda number: f"{int(number) if number.is_integer() else number}",
    "position_scale": lambda number: f"{int(number) if number.is_integer() else number}",
    "whole": lambda flag: str(int(flag)),
    "words": lambda flag: str(int(flag)),
    "interventions": Interventions.text,
}
_READ: dict[str, Callable[[str, str], Any]] = {
    "target_ids": _row,
    "masked": _row,
    "choices": _pairs,
    "beams": _integer,
    "tokens": _integer,
    "alpha": _number,
    "position_scale": _number,
    "whole": _flag,
    "words": _flag,
    "interventions": lambda key, text: Interventions.parse(text),
}
