"""Two texts of equally many tokens through one network, and each of them with parts of the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from transformer.analysis.by_hand import Array
from transformer.analysis.patching import ALIKE, Compared, Contest, Patched, TwoRuns, contest
from transformer.ask import done_to, scale
from transformer.interventions import ALL, NONE, Interventions, Kind, Patch, Site
from transformer.models.altering import Patches, patches_of
from transformer.runtime.effects import TOGETHER
from transformer.trace import Trace

AT_ONCE = 36  # runs of a batch, so that who waits is told


def two_runs(model: Any, trace: Trace, other: str) -> TwoRuns:
    """Both texts through the network.

    Args:
        model: a `Model` whose kind can be compared.
        trace: of it, as it is.
        other: the other text.

    Raises:
        ValueError: a trace with changes, or a text of another number of tokens or that is answered alike, in one line.
    """
    model._own(trace)
    if done_to(trace.options):
        raise ValueError("expected a trace of the network as it is, received one with changes")
    compared: Compared = model._compared(trace, other)
    first, second = compared.rows
    for mine, theirs in zip(first, second, strict=True):
        if len(mine) != len(theirs):
            raise ValueError(
                f"expected two texts of equally many tokens, received {len(mine)} and {len(theirs)}"
            )
    alter = model._alter(NONE, scale("position_scale", trace.options.get("position_scale", 1.0)))
    kind: Kind = "decoder" if model.config.decoder else "encoder"
    given, scores = [], []
    for rows in compared.rows:
        found = model.runtime.insides.given(model._rows(rows), alter)
        stream = found[kind].streams[-1]
        of_text = model.answers_texts
        said = model.runtime.insides.scores(
            stream if of_text else stream[compared.place : compared.place + 1]
        )[0]
        given.append(found)
        scores.append(_log_softmax(said.astype(np.float64)))
    if first == second or np.abs(scores[0] - scores[1]).max() < ALIKE:
        raise ValueError(
            "expected two texts that are answered differently, received two that are answered alike"
        )
    asked = contest(compared.place, scores[0], scores[1])
    likely = {int(i) for row in scores for i in np.argsort(-row, kind="stable")[:5]} | {*asked[1:]}
    names = {i: model.answer_label(i) for i in sorted(likely)}
    return TwoRuns(compared, alter, (given[0], given[1]), (scores[0], scores[1]), asked, names)


def patched(
    model: Any,
    runs: TwoRuns,
    site: Site,
    kind: Kind,
    *,
    noising: bool = False,
    asked: Contest | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Patched:
    """What becomes of the answer with one part put in at a time: at every layer and place, or of every head at all
    places together.

    Args:
        model, runs: see `two_runs`.
        site, kind: what is put in, and in which map.
        noising: parts of the first text go into the second one's run; else the other way (Heimersheim and Nanda 2024,
            section 2: denoising says what is enough for the answer, noising what is needed for it).
        asked: what is asked of both; None: what suits them.
        progress: told how many runs are done, and of how many; what it raises ends this.

    Raises:
        ValueError: a map that the network does not have, or two answers whose odds are the same in both runs.
    """
    asked = asked or runs.asked
    count = model.config.attention_shapes()[kind]
    own, giver = (1, 0) if noising else (0, 1)
    inputs = model._rows(runs.compared.rows[own])
    labels = tuple(runs.compared.labels[kind])
    columns = count[1] if site == "head" else len(labels)
    cells = [
        Patch(site, kind, layer, ALL, i) if site == "head" else Patch(site, kind, layer, i)
        for layer in range(count[0])
        for i in range(columns)
    ]
    both = np.array([[row[asked.answer], row[asked.against]] for row in runs.scores])[[own, giver]]
    if abs(np.subtract(*(both[:, 0] - both[:, 1]))) < ALIKE:
        raise ValueError("expected answers whose odds differ between the texts, received two that stay alike")
    places, ids = [asked.place] * 2, [asked.answer, asked.against]
    longest = max(len(row) for row in runs.compared.rows[own])
    largest = longest * max(4 * model.config.width, count[1] * longest)
    together = max(1, min(AT_ONCE, TOGETHER // largest))

    def batches() -> Iterator[tuple[list[int], Patches]]:
        for first in range(0, len(cells), together):
            chosen = cells[first : first + together]
            parts = [
                patches_of(Interventions(patches=(cell,)), runs.given[giver], model.config) for cell in chosen
            ]
            yield (
                [cell.layer for cell in chosen],
                Patches(*(np.stack(part) for part in zip(*parts, strict=True))),
            )

    found = list[Array]()
    for chances in model.runtime.effects.with_each(inputs, places, ids, kind, batches(), runs.alter):
        found.append(chances.astype(np.float64))
        if progress:
            progress(min(len(found) * together, len(cells)), len(cells))
    return Patched(
        site,
        kind,
        noising,
        () if site == "head" else labels,
        np.concatenate(found).reshape(count[0], columns, 2),
        both,
    )


def _log_softmax(scores: Array) -> Array:
    shifted = scores - scores.max()
    found: Array = shifted - np.log(np.exp(shifted).sum())
    return found
