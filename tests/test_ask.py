"""One question as a value: a key, a line of JSON, a part of an address."""

import dataclasses
import json
import math
from typing import Any
from urllib.parse import parse_qs, urlencode

import numpy as np
import pytest

from transformer.ask import Ask
from transformer.interventions import Interventions

WHOLE = Ask(
    model="pt-en",
    given="O trem saiu & chegou?",
    second="ç",
    target="",
    choices=((3, 1), (5, 0)),
    masked=(1, 4),
    beams=4,
    alpha=0.25,
    tokens=7,
    language="en",
    into="de",
    task="translate",
    name="clip.wav",
    whole=True,
    words=True,
    position_scale=0.5,
    interventions=Interventions.parse("h:e2.3,d1.*=0.5"),
)


@pytest.mark.parametrize("made", [Ask(model="x"), WHOLE, Ask(model="m", given="a", target_ids=(5, 3, 2))])
def test_as_json_and_as_an_address_it_stays_the_same(made: Ask) -> None:
    assert Ask.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert Ask.from_query(made.to_query()) == made
    address = urlencode(made.to_query())
    found = {key: values[0] for key, values in parse_qs(address, keep_blank_values=True).items()}
    assert Ask.from_query(found) == made and hash(Ask.from_query(found)) == hash(made)


def test_every_field_survives_a_change_of_its_own() -> None:
    """So that a field that is added is also written and read."""
    for field in dataclasses.fields(Ask):
        value: Any = (9, 8) if field.name == "target_ids" else getattr(WHOLE, field.name)
        made = dataclasses.replace(Ask(model="x"), **{field.name: value})
        assert Ask.from_query(made.to_query()) == made == Ask.from_dict(made.to_dict()), field.name
        assert made.changed() == (() if field.name == "model" else (field.name,))


def test_an_address_holds_what_is_asked_for_alone() -> None:
    assert Ask(model="pt-en", given="a dog").to_query() == {"model": "pt-en", "given": "a dog"}
    assert Ask(model="m", target="").to_query() == {"model": "m", "target": ""}
    query = WHOLE.to_query()
    assert query["change"] == "h:d1.*=0.5,e2.3"
    assert query["choices"] == "3.1_5.0" and query["masked"] == "1_4" and query["position_scale"] == "0.5"
    assert Ask.from_query({"model": "m", "layer": "3"}) == Ask(model="m")


def test_an_empty_answer_is_an_answer() -> None:
    assert Ask(model="m", target="") != Ask(model="m")


def test_lists_and_numbers_of_numpy_are_taken() -> None:
    made = Ask(model="m", target_ids=np.array([3, 2]), choices=[[0, np.int64(1)]], beams=np.int32(2))  # type: ignore[arg-type]
    assert made == Ask(model="m", target_ids=(3, 2), choices=((0, 1),), beams=2)
    assert type(made.target_ids[0]) is int and type(made.beams) is int


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", None),
        ("given", ["a", "b"]),
        ("given", "x" * 4001),
        ("target", 3),
        ("target_ids", (1, -1)),
        ("target_ids", "12"),
        ("target_ids", (True,)),
        ("choices", ((1,),)),
        ("choices", ((0, -1),)),
        ("choices", ((0, 1),) * 33),
        ("choices", 5),
        ("masked", (1.5,)),
        ("beams", 0),
        ("beams", 9),
        ("beams", 1.5),
        ("beams", True),
        ("beams", "2"),
        ("tokens", -1),
        ("alpha", -1),
        ("alpha", math.inf),
        ("position_scale", math.nan),
        ("position_scale", 11),
        ("position_scale", "1"),
        ("whole", 1),
        ("words", None),
        ("interventions", "h:e1.1"),
        ("interventions", None),
    ],
)
def test_values_out_of_their_range_are_refused_in_one_line(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"^expected .*, received") as error:
        Ask(**{"model": "m", field: value})  # type: ignore[arg-type]
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


def test_a_target_is_forced_in_one_way() -> None:
    with pytest.raises(ValueError, match="received both"):
        Ask(model="m", target="a", target_ids=(3,))


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"given": "a"},
        {"model": "m", "beams": "-1"},
        {"model": "m", "beams": "１"},
        {"model": "m", "beams": "1.5"},
        {"model": "m", "beams": "9" * 5000},
        {"model": "m", "choices": "3"},
        {"model": "m", "choices": "3.1_"},
        {"model": "m", "masked": "1,2"},
        {"model": "m", "target_ids": "1_-2"},
        {"model": "m", "position_scale": "nan"},
        {"model": "m", "position_scale": "1e9"},
        {"model": "m", "whole": "yes"},
        {"model": "m", "change": "h:e0.0"},
        {"model": "m", "change": "<script>"},
        {"model": "m", "given": "x" * 5000},
    ],
)
def test_hostile_addresses_are_refused_in_one_line(query: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^expected .*, received") as error:
        Ask.from_query(query)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


def test_fields_that_are_not_known_are_refused() -> None:
    with pytest.raises(ValueError, match="received 'colour'"):
        Ask.from_dict({"model": "m", "colour": "red"})
    with pytest.raises(ValueError, match="name of a model"):
        Ask.from_dict({"given": "a"})


@pytest.mark.parametrize("wrong", ["a\n" * 1000, [0] * 1000, 10**1000], ids=["text", "list", "number"])
@pytest.mark.parametrize("name", ["alpha", "position_scale", "beams", "words"])
def test_what_is_received_is_told_in_one_short_line(name: str, wrong: object) -> None:
    with pytest.raises(ValueError, match=r"^expected .*, received ") as caught:
        Ask(model="pt-en", given="a", **{name: wrong})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200
