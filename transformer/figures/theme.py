"""The one place where colours and type live: two themes, the scales of weights and differences, the plotly template.

Attention glows: zero is the background of the theme, and lightness falls (light) or rises (dark) along one scale.
Scales are built in CIELAB (CIE 1976, D65 white), resampled so that equal steps of weight are equal distances there,
after Kovesi 2015, "Good Colour Maps: How to Design Them". They stay readable without colour vision because lightness
alone carries the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

ThemeName = Literal["light", "dark"]
Lookup = npt.NDArray[np.uint8]

# What the system has; nothing is fetched.
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, sans-serif'
MONOSPACE = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Noto Sans Mono", monospace'

_D65 = np.array([0.95047, 1.0, 1.08883])
_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def to_lab(colours: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """sRGB (..., 3), 0 to 255, as CIELAB (..., 3)."""
    encoded = np.asarray(colours, np.float64) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _RGB_TO_XYZ.T / _D65
    curve = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(curve, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def from_lab(lab: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """CIELAB (..., 3) as sRGB (..., 3), 0 to 255; beyond that range where a colour cannot be shown."""
    lightness, a, b = np.moveaxis(np.asarray(lab, np.float64), -1, 0)
    y = (lightness + 16) / 116
    curve = np.stack([y + a / 500, y, y - b / 200], -1)
    xyz = np.where(curve > 6 / 29, curve**3, 3 * (6 / 29) ** 2 * (curve - 4 / 29)) * _D65
    linear = xyz @ np.linalg.inv(_RGB_TO_XYZ).T
    positive = np.maximum(linear, 0.0031308)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * positive ** (1 / 2.4) - 0.055)


def rgb(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` as three numbers from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def hex_colour(colour: Sequence[int]) -> str:
    """Three numbers from 0 to 255 as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*(int(channel) for channel in colour))


def ramp(colours: Sequence[str], steps: int = 256) -> Lookup:
    """A smooth, perceptually even path through `colours`: uint8 (steps, 3) from the first to the last.

    Catmull-Rom through the colours in CIELAB gives the path; its length there gives the steps.
    """
    points = to_lab([rgb(colour) for colour in colours])
    # Mirrored ends keep the first and last stretch straight.
    padded = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    along = np.linspace(0, len(points) - 1, 2048)
    piece = np.minimum(along.astype(int), len(points) - 2)
    t = (along - piece)[:, None]
    before, start, end, after = (padded[piece + offset] for offset in range(4))
    path = start + t / 2 * (
        end
        - before
        + t * (2 * before - 5 * start + 4 * end - after + t * (3 * (start - end) + after - before))
    )
    length = np.concatenate([[0], np.linalg.norm(np.diff(path, axis=0), axis=1).cumsum()])
    even = np.linspace(0, length[-1], steps)
    lab = np.stack([np.interp(even, length, path[:, channel]) for channel in range(3)], -1)
    lookup = np.clip(np.rint(from_lab(lab)), 0, 255).astype(np.uint8)
    lookup.flags.writeable = False
    return lookup


@dataclass(frozen=True)
class Theme:
    """The colours of one theme, as `#rrggbb`; the scales as colours that `ramp` joins.

    Args:
        background: of the page; zero attention has exactly this colour.
        surface: of boxes and hover labels on it.
        text, muted: of what is read first, and of captions and axes.
        grid: thin lines.
        accent: the one hue that marks what is selected or hovered.
        attention_path: from zero to full attention.
        difference_path: from -1 over zero (the middle) to 1.
    """

    name: ThemeName
    background: str
    surface: str
    text: str
    muted: str
    grid: str
    accent: str
    attention_path: tuple[str, ...]
    difference_path: tuple[str, ...]

    @cached_property
    def attention(self) -> Lookup:
        """uint8 (256, 3): the colour of weight i / 255, for canvases."""
        return ramp(self.attention_path)

    @cached_property
    def difference(self) -> Lookup:
        """uint8 (255, 3): from -1 to 1 with zero exactly in the middle (index 127)."""
        middle = len(self.difference_path) // 2
        lower = ramp(self.difference_path[: middle + 1], 128)
        upper = ramp(self.difference_path[middle:], 128)
        lookup = np.concatenate([lower, upper[1:]])
        lookup.flags.writeable = False
        return lookup

    @cached_property
    def template(self) -> go.layout.Template:
        """The look of every plotly figure."""
        axis = {
            "color": self.muted,
            "gridcolor": self.grid,
            "linecolor": self.grid,
            "zeroline": False,
            "showgrid": False,
            "ticks": "",
            "automargin": True,
            "tickfont": {"color": self.text},
            "title": {"font": {"size": 13, "color": self.muted}, "standoff": 10},
        }
        return go.layout.Template(
            layout={
                "font": {"family": FONT, "size": 13, "color": self.text},
                "paper_bgcolor": self.background,
                "plot_bgcolor": self.background,
                "colorway": [self.accent],
                "hoverlabel": {
                    "bgcolor": self.surface,
                    "bordercolor": self.accent,
                    "font": {"family": FONT, "size": 14, "color": self.text},
                },
                "xaxis": axis,
                "yaxis": axis,
            }
        )


LIGHT = Theme(
    name="light",
    background="#ffffff",
    surface="#f6f6fa",
    text="#1b1d2a",
    muted="#5d6073",
    grid="#e2e3ec",
    accent="#b85a00",
    attention_path=("#ffffff", "#d3d7f7", "#9a9ee8", "#6461c9", "#3d2f94", "#1d1150"),
    difference_path=("#7a3500", "#e08a3c", "#ffffff", "#7d8fe0", "#2a2f8f"),
)
DARK = Theme(
    name="dark",
    background="#0e1117",
    surface="#1c2030",
    text="#f2f3f8",
    muted="#a3a8ba",
    grid="#2b3042",
    accent="#ffb224",
    attention_path=("#0e1117", "#27245a", "#5b3a93", "#a4539f", "#e07f8e", "#f7b890", "#fff3d0"),
    difference_path=("#ffc27a", "#a8611c", "#0e1117", "#4a56b8", "#b7c0ff"),
)
THEMES: dict[str, Theme] = {LIGHT.name: LIGHT, DARK.name: DARK}


def get(name: str) -> Theme:
    """The theme of this name; ValueError for any but "light" and "dark"."""
    if name not in THEMES:
        raise ValueError(f"expected a theme out of {', '.join(THEMES)}, received {name!r}")
    return THEMES[name]


def plotly_scale(lookup: Lookup) -> list[tuple[float, str]]:
    """A lookup table as a plotly colour scale: 17 stops are within one step of 255 of all the others."""
    stops = np.linspace(0, len(lookup) - 1, 17)
    return [(float(stop / (len(lookup) - 1)), hex_colour(lookup[round(stop)])) for stop in stops]
