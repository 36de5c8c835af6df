"""What adds to a score and what takes away from it, as bars: the largest parts, and all others as one."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from transformer.analysis.shares import Share
from transformer.figures import labels
from transformer.figures import theme as themes
from transformer.trace import Label

MOST = 14  # bars
NAMES = {
    "encoder": "Self-attention",
    "decoder": "Self-attention",
    "cross": "Cross-attention",
    "feed_forward": "Feed-forward",
    "embedding": "Embedding",
    "biases": "Biases",
}


def name(share: Share) -> str:
    """Such as "Cross-attention 2.5", of layer 2 head 5, or "Feed-forward 3"."""
    places = ".".join(str(place + 1) for place in (share.layer, share.head) if place is not None)
    return f"{NAMES[share.part]} {places}".strip()


def bars(shares: Sequence[Share], *, theme: str = "light", most: int = MOST) -> go.Figure:
    """One bar a part, the largest on top, to the right for what adds.

    Args:
        shares: those that add or take away most first.
        theme: "light" or "dark".
        most: how many have a bar of their own.

    Raises:
        ValueError: no parts.
    """
    if not shares:
        raise ValueError("expected at least one part, received none")
    look = themes.get(theme)
    shown = [(name(share), share.value) for share in shares[:most]]
    if rest := shares[most:]:
        shown.append((f"{len(rest)} others", sum(share.value for share in rest)))
    below, above = (themes.hex_colour(look.difference[index]) for index in (56, 204))
    # Room on both sides for numbers that do not fit into their bars.
    low, high = min(0.0, *(value for _, value in shown)), max(0.0, *(value for _, value in shown))
    room = 0.14 * (high - low) or 1.0
    left = 12 * labels.width([Label(text) for text, _ in shown]) + 12
    return go.Figure(
        dict(
            type="bar",
            orientation="h",
            x=[value for _, value in shown],
            y=[text for text, _ in shown],
            marker={"color": [above if value >= 0 else below for _, value in shown]},
            text=[f"{value:+.2f}".replace("-", "−") for _, value in shown],
            textposition="auto",
            hovertemplate="%{y}: %{x:+.4f}<extra></extra>",
        ),
        layout=dict(
            template=look.template,
            height=round(24 * len(shown) + 56),
            margin={"l": round(left), "r": 12, "t": 8, "b": 44},
            dragmode=False,
            xaxis={
                "title": {"text": "adds to the score"},
                "range": [low - room if low < 0 else low, high + room],
                "zeroline": True,
                "zerolinecolor": look.muted,
            },
            yaxis={"autorange": "reversed", "automargin": False, "tickfont": {"size": 12}},
        ),
    )
