"""The numbers of a view as a table, for people who cannot see the picture and for spreadsheets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from transformer.analysis.views import View, row_sums
from transformer.figures.heatmap import check
from transformer.figures.labels import display, harmless
from transformer.trace import Label


def table(view: View) -> pd.DataFrame:
    """The values of a view with a row per query and a column per key, float32 (Q, K).

    Names are tokens as shown in pictures, uncut; where one occurs again, its position counted from 1 is added:
    `the`, `the (4)`.
    """
    check(view)
    index = pd.Index(_unique(view.queries), name="looks from \\ looks at")
    return pd.DataFrame(view.values, index=index, columns=_unique(view.keys))


def csv(view: View) -> str:
    """The same table as CSV (RFC 4180): keys in the first line, queries in the first column.

    Weights have 7 significant digits. Tokens that a spreadsheet would run as a formula have an apostrophe
    before them. Where rows do not add up to 1, as with markers hidden, a last column says to what.
    """
    frame = table(view)
    names = [harmless(name) for name in frame.columns]
    if row_sums(view):
        frame["sum"] = view.values.sum(-1, dtype=np.float64)
        names.append("sum of the row")
    frame.columns = pd.Index(names)
    frame.index = pd.Index([harmless(name) for name in frame.index], name=frame.index.name)
    return frame.to_csv(float_format="%.7g", lineterminator="\r\n")


def _unique(labels: Sequence[Label]) -> list[str]:
    texts = [display(label, limit=1000) for label in labels]
    written, names = set(texts), list[str]()
    for position, text in enumerate(texts, 1):
        name = text
        if text in names:
            name = f"{text} ({position})"
            while name in written:  # someone has written just that
                name += "'"
        names.append(name)
    return names
