"""How long a person waits, on this machine: medians of what the pages do, from the network up to painted pixels.

Rows named by a shape (`4x128`: 4 + 4 layers of width 128) or a published checkpoint (`bert-base`) run networks of that
shape with random weights, one input at a time; everything that a trace holds is included. Rows with the name of a
shipped model run that; `rnn/translate` has the shape of `rnn-additive`. `Enter-to-painted/N` runs the whole app in a
headless browser, from the key to all heads of an N-token sentence on screen, and counts the bytes that the browser
received for it; `Enter-to-painted/speech-10s` from ten seconds of speech that are uploaded to their transcript and all
heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from transformer.bench import (
    browser,
    checkpoints,
    instruments,
    processes,
    reviews,
    sound,
    translators,
    writing,
)
from transformer.bench.measure import Row

BROWSER = "first-paint Enter-to-painted"  # the one group that needs more than the app does

__all__ = ["Chosen", "Row", "chosen"]


class Chosen(NamedTuple):
    """What will be measured, by the names of the groups of rows, and what will not, with the reason."""

    groups: dict[str, Callable[[], Iterator[Row]]]
    missing: dict[str, str]


def chosen(only: str | None = None) -> Chosen:
    """All groups, or those whose name contains `only`; a group is measured as its rows are asked for.

    Raises:
        ValueError: no group has such a name, or this machine can measure none of those that have.
    """
    names = _groups()
    groups = {name: measure for name, measure in names.items() if only is None or only in name}
    if not groups:
        raise ValueError(f"expected a part of {', '.join(names)}, received {only!r}")
    missing = {}
    if BROWSER in groups and (why := browser.missing()):
        missing[BROWSER] = why
        del groups[BROWSER]
    if not groups:
        raise ValueError(missing[BROWSER])
    return Chosen(groups, missing)


def _groups() -> dict[str, Callable[[], Iterator[Row]]]:
    groups: dict[str, Callable[[], Iterator[Row]]] = {}
    for shape in translators.SHAPES:
        name = f"greedy-30/{translators.GREEDY_NAMES.get(shape, shape)}"
        groups[name] = lambda name=name, shape=shape: translators.greedy(name, shape)  # type: ignore[misc]
    for shape in translators.SHAPES:
        name = f"forced/{shape}"
        groups[name] = lambda name=name, shape=shape: translators.forced(name, shape)  # type: ignore[misc]
    groups["rnn/translate"] = lambda: translators.greedy("rnn/translate", "rnn-additive")
    groups["encoder/bert-base"] = checkpoints.encoders
    groups["decoder/gpt2"] = checkpoints.decoders
    groups["lens/gpt2"] = checkpoints.lens
    groups["rank/gpt2"] = checkpoints.rank
    groups["patch/gpt2"] = checkpoints.patch
    groups["speech/whisper-tiny"] = checkpoints.speech
    groups["sentiment/512"] = reviews.reviews
    groups["load/bert-90MB"] = checkpoints.loading
    groups["audio-decode features"] = sound.sound
    groups["trace/speech-en training/speech-en"] = sound.network
    groups["next-word"] = writing.writing
    groups["off rank-estimate rank"] = instruments.instruments
    groups["cold-import load/pt-en first-trace/pt-en trace/pt-en"] = processes.processes
    groups[BROWSER] = browser.browser
    return groups
