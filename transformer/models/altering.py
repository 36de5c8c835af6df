"""What is changed in a network while it answers, as numbers that go in with the inputs.

Batch first, so that they ride in the state of a decoding, where a beam search repeats and reorders every row.
Multiplying by 1.0 is exact: what is not changed is as it is. () takes no place at all.
Letters for shapes: B batch, H heads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from transformer.interventions import KINDS, Interventions


class Gates(NamedTuple):
    """One number a head, (layers, H) or (B, layers, H): 1 leaves it on, 0 switches it off. (): all on.

    In the state of a decoding they are (B, layers, H).
    """

    encoder: Any = ()
    decoder: Any = ()
    cross: Any = ()


ALL_ON = Gates()


class Alter(NamedTuple):
    """Gates of the heads, and what position vectors are multiplied by: a number, or one a row (B,), as in the state of
    a decoding; (): they are left."""

    gates: Gates = ALL_ON
    scale: Any = ()


AS_IT_IS = Alter()


def absent(part: Any) -> bool:
    """Whether a part of `Gates` or `Alter` changes nothing because it is not there."""
    return part is None or (isinstance(part, tuple) and not part)


def gated(alter: Alter) -> bool:
    """Whether there are gates."""
    return not all(absent(gate) for gate in alter.gates)


def of_layer(gates: Any, layer: int) -> Any:
    """The gate (H,) or (B, H) of one layer; None where there is none."""
    return None if absent(gates) else gates[..., layer, :]


def gates_of(interventions: Interventions, shapes: dict[str, tuple[int, int]]) -> Gates:
    """The factors of heads as gates (1, layers, H), float32.

    Args:
        interventions: which have passed `fits` for these shapes.
        shapes: (layers, H) of each map that the network has.
    """
    gates = {
        kind: np.array([interventions.factors(kind, *shapes[kind])], np.float32)
        for kind in KINDS
        if kind in shapes
    }
    return Gates(**gates)
