"""How looks that are cut are named: “on” does not see “na”."""

from __future__ import annotations

from collections.abc import Sequence

from transformer.analysis.scores import cut_of, mask_of, spared
from transformer.ask import done_to
from transformer.figures.labels import MAP_NAMES, shown
from transformer.interventions import ALL, Edge, Head, Patch
from transformer.trace import Label, Trace
from transformer.ui.shell.markdown import plain


def where(change: Head | Edge) -> str:
    """Such as "cross-attention, layer 2, all heads"."""
    layer = "all layers" if change.layer == ALL else f"layer {change.layer + 1}"
    which = "all heads" if change.head == ALL else f"head {change.head + 1}"
    return f"{MAP_NAMES[change.kind].lower()}, {layer}, {which}"


def put(patch: Patch, trace: Trace) -> str:
    """What another run had is put in where, as Markdown: "the stream behind layer 2 of the decoder at “on”"."""
    layer = f"layer {patch.layer + 1}"
    if patch.site == "head":
        head = "all heads" if patch.head == ALL else f"head {patch.head + 1}"
        what = f"what {head} of {MAP_NAMES[patch.kind].lower()}, {layer}, hands over"
    elif patch.site == "stream":
        what = f"the stream behind {layer} of the {patch.kind}"
    else:
        what = f"what the feed-forward of {layer} of the {patch.kind} writes"
    if patch.position == ALL:
        return f"{what}, everywhere"
    there = "" if patch.origin == ALL else f", from its token {patch.origin + 1}"
    return f"{what}, at {span(trace[patch.kind].queries, patch.position, patch.position)}{there}"


def look(edge: Edge, trace: Trace, offset: float = 0.0) -> str:
    """What does not see what, as Markdown; places by the labels that a trace has there.

    Args:
        edge: of a map that the trace has.
        trace: of one answer.
        offset: seconds that lie before the sound that it is about.
    """
    attention = trace[edge.kind]
    query, key = edge.bounds()[2:]
    who = "nobody" if edge.query == ALL else span(attention.queries, *query, offset)
    whom = "anything" if edge.key == ALL else span(attention.keys, *key, offset)
    verb = "see" if attention.keys[0].start is None else "hear"
    if edge.query == ALL:
        return f"{who} {verb}s {whom}" if edge.how == "bar" else f"{who} gets anything from {whom}"
    return f"{who} does not {verb} {whom}" if edge.how == "bar" else f"{who} gets nothing from {whom}"


def span(labels: Sequence[Label], first: int, last: int, offset: float = 0.0) -> str:
    """Neighbours by the first and the last of them; of a sound, its seconds."""
    if first >= len(labels):
        return f"place {first + 1} (there is none)"
    begin, end = labels[first], labels[min(last, len(labels) - 1)]
    if begin.start is not None and end.end is not None:
        return f"{offset + begin.start:.2f} to {offset + end.end:.2f} s"
    between = labels[first + 1 : last + 1]
    if all(label.joins for label in between):  # tokens of one word
        return f"“{''.join(map(name, (begin, *between)))}”"
    return f"“{name(begin)}{' ' if len(between) == 1 else ' … '}{name(end)}”"


def taken(edge: Edge, trace: Trace) -> bool:
    """Whether anything of it was cut: a query's last visible key is not, with all that is cut beside it."""
    attention, edges = trace[edge.kind], done_to(trace.options).edges
    shape = attention.weights.shape[1:]
    for i, window in enumerate(attention.windows or (0,) * attention.layers):
        seen = mask_of(edge.kind, shape[1], shape[2], window)
        own = cut_of([edge], edge.kind, i, shape, edge.how) & seen
        if edge.how == "bar":
            own &= ~spared(seen, cut_of(edges, edge.kind, i, shape))[..., None]
        if own.any():
            return True
    return False


def name(label: Label) -> str:
    """A label as Markdown that shows it as it is."""
    return plain(shown(label).strip() or "␣")
