"""The words of a sentence in another order, and which token went where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transformer.trace import Label


def reorder(text: str, order: str) -> tuple[str, list[int]]:
    """The words of `text` in another order, and for each place the word (counted from 0) that stands there now.

    Args:
        order: "As written", "Reversed", or "Shuffled N" with a number N: always the same order for the same N, and not
            the written one where there are two words or more.

    Raises:
        ValueError: no such order.
    """
    words = text.split()
    places = list(range(len(words)))
    if order == "Reversed":
        places.reverse()
    elif order.startswith("Shuffled ") and order[9:].isdecimal():
        rng = np.random.default_rng(int(order[9:]))
        while len(words) > 1 and places == sorted(places):
            places = [int(place) for place in rng.permutation(len(words))]
    elif order != "As written":
        raise ValueError(f"expected As written, Reversed or Shuffled N, received {order!r}")
    return " ".join(words[place] for place in places), places


def token_places(before: Sequence[Label], after: Sequence[Label], words: Sequence[int]) -> list[int] | None:
    """For each token of `before` its place in `after`, where word i of `after` is word `words[i]` of `before`.

    None where the tokens are not the same ones in another order: a tokenizer may cut a word differently elsewhere.
    """
    parts, moved = _by_word(before), _by_word(after)
    if len(parts) != len(words) + 1 or len(moved) != len(parts):
        return None
    places = [0] * len(before)
    for new, old in enumerate([*words, len(words)]):  # special tokens stay at the end
        if [before[i].text for i in parts[old]] != [after[i].text for i in moved[new]]:
            return None
        for i, place in zip(parts[old], moved[new], strict=True):
            places[i] = place
    return places


def _by_word(labels: Sequence[Label]) -> list[list[int]]:
    """Positions of the labels of each word; those of all special ones are the last."""
    words: list[list[int]] = []
    for i, label in enumerate(labels):
        if label.special:
            continue
        if label.joins and words:
            words[-1].append(i)
        else:
            words.append([i])
    return [*words, [i for i, label in enumerate(labels) if label.special]]
