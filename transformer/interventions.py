"""What is changed in a network while it answers: heads turned down, looks forbidden, vectors put in from another run.

A value with a canonical text, which is a link, a key of what has been computed, and what a trace says was done to it.
The text counts layers, heads and places from 1, as the pages do; the fields count from 0.

    h:e2.3,d1.*=0.5     head 3 of encoder layer 2 off, every head of decoder layer 1 halved
    x:x2.3.5.7,d1.1.*.1!  cross-attention layer 2, head 3: the fifth query must not see the seventh key; and in decoder
                        layer 1, head 1, what everybody gets from the first token is dropped
    x:x*.*.2-3.40-90    nowhere in cross-attention may the second and the third query see the keys 40 to 90
    p:sd3.4<6,hx2.*.3   the stream of the decoder after layer 3, at the fourth place: the other run's at its sixth; and
                        what head 3 of cross-attention layer 2 hands over, everywhere: what it did in the other run
    o:a%20dog           the input of that other run

Parts are joined by ";".
"""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args
from urllib.parse import quote, unquote_to_bytes

Kind = Literal["encoder", "decoder", "cross"]
How = Literal["bar", "drop"]
Site = Literal["stream", "head", "feed_forward"]

KINDS: tuple[Kind, ...] = get_args(Kind)
SITES: tuple[Site, ...] = get_args(Site)
ALL = -1  # of layers, heads, queries or keys: each of them
MOST_HEADS, MOST_EDGES, MOST_PATCHES = 256, 32, 64
LONGEST = 3000  # characters of an address: as many heads, and little more
STRONGEST = 10.0  # the largest factor, of either sign
LAST = 99_998  # the last layer, head or place that can be named, from 0

_KINDS: dict[str, Kind] = {"e": "encoder", "d": "decoder", "x": "cross"}
_SITES: dict[str, Site] = {"s": "stream", "h": "head", "f": "feed_forward"}
_NUMBER, _PLACE = r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:e-[0-9]{1,3})?", r"(\*|[1-9][0-9]{0,4})"
_SPAN = rf"{_PLACE}(?:-([1-9][0-9]{{0,4}}))?"
_HEAD = re.compile(rf"([edx]){_PLACE}\.{_PLACE}(?:=({_NUMBER}))?")
_EDGE = re.compile(rf"([edx]){_PLACE}\.{_PLACE}\.{_SPAN}\.{_SPAN}(!?)")
_PATCH = re.compile(rf"([shf])([edx]){_PLACE}\.{_PLACE}(?:\.{_PLACE})?(?:<{_PLACE})?")
_QUOTED = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})+")


@dataclass(frozen=True, slots=True, order=True)
class Head:
    """What one head contributes, times `factor` (Michel et al. 2019, "Are Sixteen Heads Really Better than One?",
    arXiv:1905.10650, equation 1); 0 switches it off.

    Args:
        kind: of the attention.
        layer, head: from 0; `ALL` is each of them.
        factor: -10 to 10.

    Raises:
        ValueError: another kind, place or factor.
    """

    kind: Kind
    layer: int
    head: int
    factor: float = 0.0

    def __post_init__(self) -> None:
        _kind(self.kind)
        _places(self, ("layer", "head"), all_of_them=("layer", "head"))
        factor = self.factor
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not abs(factor) <= STRONGEST:
            raise ValueError(f"expected a factor from -{STRONGEST:g} to {STRONGEST:g}, received {factor!r}")
        object.__setattr__(self, "factor", float(factor) + 0.0)  # -0.0 is 0.0


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """One look that is forbidden (attention knockout: Geva et al. 2023, arXiv:2304.14767), or those of neighbours.

    Args:
        kind: of the attention.
        layer, head, query, key: from 0; `ALL` is each of them.
        how: "bar" takes it out of the softmax, so that the row is shared anew, unless nothing would be left of the
            row: such a row stays as it is. "drop" lets nothing of it through after the softmax and leaves the rest; the
            weights that a trace shows are those before.
        last_query, last_key: where several in a row are meant, the last of them; `ALL`: there is but one.

    Raises:
        ValueError: another kind, place or way, or a last one that is before the first.
    """

    kind: Kind
    layer: int
    head: int
    query: int
    key: int
    how: How = "bar"
    last_query: int = ALL
    last_key: int = ALL

    def __post_init__(self) -> None:
        _kind(self.kind)
        places = ("layer", "head", "query", "key", "last_query", "last_key")
        _places(self, places, all_of_them=places)
        _one_of("way", self.how, get_args(How))
        for name in ("query", "key"):
            first, last = getattr(self, name), getattr(self, f"last_{name}")
            if last != ALL and not 0 <= first <= last:
                raise ValueError(f"expected a last_{name} behind the first, received {first} and {last}")
            if last == first:  # one alone is written in one way
                object.__setattr__(self, f"last_{name}", ALL)

    def bounds(self) -> tuple[tuple[int, int], ...]:
        """The first and the last layer, head, query and key that it is about, whether they are there or not."""

        def span(first: int, last: int = ALL) -> tuple[int, int]:
            return (0, LAST) if first == ALL else (first, max(first, last))

        rows, columns = span(self.query, self.last_query), span(self.key, self.last_key)
        return span(self.layer), span(self.head), rows, columns


@dataclass(frozen=True, slots=True, order=True)
class Patch:
    """At this place what another run had there (activation patching: Vig et al. 2020, arXiv:2004.12265; Meng et al.
    2022, arXiv:2202.05262).

    Args:
        site: "stream" after the layer, what a "head" hands over, or the output of "feed_forward".
        kind: the stack; "cross" for heads alone.
        layer: from 0.
        position: from 0; `ALL` is each that the other run has.
        head: of the site "head"; `ALL` is each of them.
        origin: the place in the other run; `ALL` is the same one.

    Raises:
        ValueError: another site, kind or place, a head where there is none, or an origin for all positions.
    """

    site: Site
    kind: Kind
    layer: int
    position: int
    head: int = ALL
    origin: int = ALL

    def __post_init__(self) -> None:
        _one_of("site", self.site, get_args(Site))
        _kind(self.kind)
        _places(self, ("layer", "position", "head", "origin"), all_of_them=("position", "head", "origin"))
        if self.position == ALL and self.origin != ALL:
            raise ValueError(f"expected no origin for all positions, received {_place_text(self.origin)}")
        if self.origin == self.position:  # the same one is written in one way
            object.__setattr__(self, "origin", ALL)
        if self.site != "head" and (self.head != ALL or self.kind == "cross"):
            what = f"head {self.head + 1}" if self.head != ALL else "cross-attention"
            raise ValueError(
                f"expected no {what} where the {self.site.replace('_', '-')} is put in, received it"
            )


@dataclass(frozen=True, kw_only=True)
class Interventions:
    """All that is changed. Sorted and merged, so that what does the same is equal: factors of one head multiply.

    Args:
        heads: at most 256.
        edges: at most 32.
        patches: at most 64.
        other: the input of the run that patches come from.

    Raises:
        ValueError: too many of them, two patches at one place, or another input without a patch.
    """

    heads: tuple[Head, ...] = ()
    edges: tuple[Edge, ...] = ()
    patches: tuple[Patch, ...] = ()
    other: str = ""

    def __post_init__(self) -> None:
        together: dict[tuple[Kind, int, int], float] = {}
        for head in self.heads:
            place = (head.kind, head.layer, head.head)
            together[place] = together.get(place, 1.0) * head.factor
        heads = sorted(Head(*place, factor) for place, factor in together.items() if factor != 1)
        for name, found, most in (
            ("heads", heads, MOST_HEADS),
            ("edges", sorted(set(self.edges)), MOST_EDGES),
            ("patches", sorted(set(self.patches)), MOST_PATCHES),
        ):
            if len(found) > most:
                raise ValueError(f"expected at most {most} {name} to be changed, received {len(found)}")
            object.__setattr__(self, name, tuple(found))
        for i, patch in enumerate(self.patches):
            if any(_meet(patch, other) for other in self.patches[:i]):
                raise ValueError(f"expected one patch a place, received a second one: {_patch_text(patch)}")
        if self.other and not self.patches:
            raise ValueError("expected a patch where there is another input, received none")
        if any("\ud800" <= character <= "\udfff" for character in self.other):
            raise ValueError("expected another input of whole characters, received half of a pair")

    def __bool__(self) -> bool:
        return bool(self.heads or self.edges or self.patches)

    def text(self) -> str:
        """The one way to write this: see the module. "" where nothing is changed."""
        parts = (
            ("h", ",".join(_head_text(head) for head in self.heads)),
            ("x", ",".join(_edge_text(edge) for edge in self.edges)),
            ("p", ",".join(_patch_text(patch) for patch in self.patches)),
            ("o", quote(self.other, safe="")),
        )
        return ";".join(f"{name}:{part}" for name, part in parts if part)

    @classmethod
    def parse(cls, text: str, *, longest: int = LONGEST) -> Self:
        """What `text` wrote, in any order.

        Args:
            text: as of an address or of a trace that somebody else made.
            longest: characters; of what this program has written itself, as many as there are.

        Raises:
            ValueError: anything else, in one line.
        """
        if not isinstance(text, str):
            raise ValueError(f"expected changes as text, received {type(text).__name__}")
        if len(text) > longest:
            raise ValueError(f"expected changes of at most {longest} characters, received {len(text)}")
        found: dict[str, Any] = {}
        for part in text.split(";") if text else ():
            name, items = part[:2], part[2:]
            if name == "o:" and _QUOTED.fullmatch(items) and "other" not in found:
                try:
                    found["other"] = unquote_to_bytes(items).decode("utf-8")
                except UnicodeDecodeError:
                    raise _unreadable(part) from None
            elif name in _PARTS and _PARTS[name][0] not in found:
                field, pattern, made = _PARTS[name]
                matches = [(pattern.fullmatch(item), item) for item in items.split(",")]
                for match, item in matches:
                    if match is None:
                        raise _unreadable(item)
                found[field] = tuple(made(*match.groups()) for match, _ in matches if match)
            else:
                raise _unreadable(part)
        return cls(**found)

    @classmethod
    def of(cls, value: Self | str) -> Self:
        """`value`, or what it says, if it is a text; errors as of `parse`."""
        return cls.parse(value) if isinstance(value, str) else value

    def fits(self, shape: Mapping[str, tuple[int, int]]) -> None:
        """Check it against the (layers, heads) of each map that a network has.

        Raises:
            ValueError: a map, layer or head that is not there, each named as in `text`, from 1.
        """
        changes: list[Head | Edge | Patch] = [*self.heads, *self.edges, *self.patches]
        for change in changes:
            if change.kind not in shape:
                raise ValueError(f"expected changes in {', '.join(shape)}, received one in {change.kind}")
            layers, heads = shape[change.kind]
            if change.layer >= layers or change.head >= heads:
                if isinstance(change, Patch) and change.site != "head":
                    raise ValueError(
                        f"expected a layer up to {layers} of {change.kind}, received {_place_text(change.layer)}"
                    )
                raise ValueError(
                    f"expected a layer up to {layers} and a head up to {heads} of {change.kind}, "
                    f"received layer {_place_text(change.layer)}, head {_place_text(change.head)}"
                )

    def factors(self, kind: Kind, layers: int, heads: int) -> list[list[float]]:
        """What each head of a map is multiplied by, (layers, heads); factors that meet in one head multiply, and heads
        that the map does not have are none of it."""
        found = [[1.0] * heads for _ in range(layers)]
        for head in self.heads:
            if head.kind == kind:
                for i in _among(head.layer, layers):
                    for j in _among(head.head, heads):
                        found[i][j] *= head.factor
        return found

    def with_factors(self, kind: Kind, factors: Sequence[Sequence[float]]) -> Self:
        """The same with these (layers, heads) for a map, in as few changes as rows or columns of one factor allow.

        Raises:
            ValueError: more changes than there may be.
        """
        rows = _lines(factors, lambda i, j, factor: Head(kind, i, j, factor))
        columns = _lines([*zip(*factors, strict=True)], lambda j, i, factor: Head(kind, i, j, factor))
        others = tuple(head for head in self.heads if head.kind != kind)
        return dataclasses.replace(self, heads=(*others, *min(rows, columns, key=len)))


NONE = Interventions()


def _among(place: int, count: int) -> range:
    return range(count) if place == ALL else range(place, min(place + 1, count))


def _lines(factors: Sequence[Sequence[float]], made: Callable[[int, int, float], Head]) -> list[Head]:
    """Heads line by line: a line of one factor is one change, and so is a map of one factor."""
    different = {factor for line in factors for factor in line}
    if len(different) == 1:
        (factor,) = different
        return [made(ALL, ALL, factor)] if factor != 1 else []
    found: list[Head] = []
    for i, line in enumerate(factors):
        if len(line) > 1 and len(set(line)) == 1:
            found += [made(i, ALL, line[0])] if line[0] != 1 else []
        else:
            found += [made(i, j, factor) for j, factor in enumerate(line) if factor != 1]
    return found


def _kind(kind: Any) -> None:
    _one_of("kind of attention", kind, KINDS)


def _one_of(what: str, value: Any, among: tuple[str, ...]) -> None:
    if value not in among:
        raise ValueError(f"expected a {what} out of {', '.join(among)}, received {str(value)[:40]!r}")


def _places(change: Any, names: tuple[str, ...], all_of_them: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(change, name)
        try:
            place = operator.index(value)
        except TypeError:
            place = None
        least = ALL if name in all_of_them else 0
        if place is None or isinstance(value, bool) or not least <= place <= LAST:
            raise ValueError(f"expected a {name} from {least} to {LAST}, received {str(value)[:40]!r}")
        object.__setattr__(change, name, place)


def _unreadable(part: str) -> ValueError:
    return ValueError(
        f"expected changes such as h:e2.3,d1.*=0.5 or p:sd3.4;o:a%20dog, received {part[:40]!r}"
    )


def _place_text(place: int) -> str:
    return "*" if place == ALL else str(place + 1)


def _place(text: str | None) -> int:
    return ALL if text in (None, "*") else int(text or 0) - 1


def _letter(name: str, letters: Mapping[str, str]) -> str:
    return next(letter for letter, meant in letters.items() if meant == name)


def _head_text(head: Head) -> str:
    place = f"{_letter(head.kind, _KINDS)}{_place_text(head.layer)}.{_place_text(head.head)}"
    number = int(head.factor) if head.factor.is_integer() else head.factor
    return place if head.factor == 0 else f"{place}={number!r}"


def _meet(patch: Patch, other: Patch) -> bool:
    """Whether both are about one place."""
    if (patch.site, patch.kind, patch.layer) != (other.site, other.kind, other.layer):
        return False
    return all(
        ALL in pair or pair[0] == pair[1]
        for pair in ((patch.position, other.position), (patch.head, other.head))
    )


def _edge_text(edge: Edge) -> str:
    spans = ((edge.query, edge.last_query), (edge.key, edge.last_key))
    places = [_place_text(edge.layer), _place_text(edge.head)]
    places += [_place_text(i) if last == ALL else f"{i + 1}-{last + 1}" for i, last in spans]
    return f"{_letter(edge.kind, _KINDS)}{'.'.join(places)}{'!' * (edge.how == 'drop')}"


def _patch_text(patch: Patch) -> str:
    places = [patch.layer, patch.position, *([patch.head] if patch.head != ALL else [])]
    where = f"{_letter(patch.site, _SITES)}{_letter(patch.kind, _KINDS)}{'.'.join(map(_place_text, places))}"
    return where if patch.origin == ALL else f"{where}<{_place_text(patch.origin)}"


def _read_head(kind: str, layer: str, head: str, factor: str | None) -> Head:
    return Head(_KINDS[kind], _place(layer), _place(head), float(factor or 0))


def _read_edge(kind: str, *found: str | None) -> Edge:
    layer, head, query, last_query, key, last_key = (_place(text) for text in found[:-1])
    how: How = "drop" if found[-1] else "bar"
    return Edge(_KINDS[kind], layer, head, query, key, how, last_query, last_key)


def _read_patch(
    site: str, kind: str, layer: str, position: str, head: str | None, origin: str | None
) -> Patch:
    places = (_place(text) for text in (layer, position, head, origin))
    return Patch(_SITES[site], _KINDS[kind], *places)


_PARTS: dict[str, tuple[str, re.Pattern[str], Callable[..., Any]]] = {
    "h:": ("heads", _HEAD, _read_head),
    "x:": ("edges", _EDGE, _read_edge),
    "p:": ("patches", _PATCH, _read_patch),
}
