"""Colours are readable: by contrast (WCAG 2), by lightness, and without red or green receptors."""

import numpy as np
import plotly.graph_objects as go
import pytest

from transformer.figures import theme
from transformer.figures.theme import DARK, LIGHT, THEMES, Theme

# Machado, Oliveira, Fernandes 2009, "Simulation of Color Vision Deficiency", severity 1.
WITHOUT = {
    "red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
both = pytest.mark.parametrize("look", [LIGHT, DARK], ids=["light", "dark"])


def linear(colours: np.ndarray) -> np.ndarray:
    encoded = colours / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def seen(colours: np.ndarray, without: str) -> np.ndarray:
    light = np.clip(linear(colours) @ np.array(WITHOUT[without]).T, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def contrast(first: str, second: str) -> float:
    low, high = sorted(
        float(linear(np.array(theme.rgb(c), float)) @ [0.2126, 0.7152, 0.0722]) for c in (first, second)
    )
    return (high + 0.05) / (low + 0.05)


def test_lab_agrees_with_published_values() -> None:
    # Lindbloom's calculator, sRGB under D65.
    np.testing.assert_allclose(theme.to_lab([255, 0, 0]), [53.24, 80.09, 67.20], atol=0.02)
    np.testing.assert_allclose(theme.to_lab([255, 255, 255]), [100, 0, 0], atol=0.02)
    every = np.random.default_rng(0).integers(0, 256, (200, 3))
    np.testing.assert_allclose(theme.from_lab(theme.to_lab(every)), every, atol=1e-6)


@both
def test_zero_melts_into_the_background(look: Theme) -> None:
    assert theme.hex_colour(look.attention[0]) == look.background
    assert theme.hex_colour(look.difference[127]) == look.background
    assert theme.plotly_scale(look.attention)[0] == (0.0, look.background)


@both
def test_attention_rises_along_one_even_scale(look: Theme) -> None:
    lab = theme.to_lab(look.attention)
    direction = -1 if look is LIGHT else 1
    assert look.attention.shape == (256, 3) and look.attention.dtype == np.uint8
    assert (direction * np.diff(lab[:, 0]) > 0).all()
    assert abs(lab[-1, 0] - lab[0, 0]) > 80
    # Even: every sixteenth of the scale is as long as any other, within what rounding to 8 bits leaves.
    stretches = np.linalg.norm(np.diff(lab[::15], axis=0), axis=1)
    assert stretches.max() / stretches.min() < 1.25


@both
@pytest.mark.parametrize("without", WITHOUT)
def test_the_scale_is_monotone_for_colour_blind_eyes(look: Theme, without: str) -> None:
    lightness = theme.to_lab(seen(look.attention, without))[:, 0]
    assert (np.diff(lightness) * np.sign(lightness[-1] - lightness[0]) > 0).all()


@both
@pytest.mark.parametrize("without", [None, *WITHOUT])
def test_differences_are_symmetric_in_lightness_and_apart_in_hue(look: Theme, without: str | None) -> None:
    lab = theme.to_lab(look.difference if without is None else seen(look.difference, without))
    away = np.sign(lab[0, 0] - lab[127, 0])
    assert (away * np.diff(lab[127:, 0]) > 0).all() and (away * np.diff(lab[127::-1, 0]) > 0).all()
    assert abs(lab[0, 0] - lab[-1, 0]) < 10
    assert np.linalg.norm(lab[0, 1:] - lab[-1, 1:]) > 50


@both
def test_text_can_be_read(look: Theme) -> None:
    for background in (look.background, look.surface):
        assert contrast(look.text, background) > 10
        assert contrast(look.muted, background) > 4.5
        assert contrast(look.accent, background) > 3


@both
def test_plotly_interpolates_the_same_scale(look: Theme) -> None:
    stops, colours = zip(*theme.plotly_scale(look.attention), strict=True)
    channels = np.array([theme.rgb(colour) for colour in colours])
    at = np.linspace(0, 1, 256)
    drawn = np.stack([np.interp(at, stops, channels[:, i]) for i in range(3)], -1)
    assert np.abs(drawn - look.attention).max() < 4


@both
def test_the_template_uses_the_theme(look: Theme) -> None:
    layout = go.Figure(layout={"template": look.template}).layout.template.layout
    assert layout.paper_bgcolor == look.background
    assert layout.font.color == look.text


def test_themes_are_found_by_name() -> None:
    assert theme.get("dark") is DARK and set(THEMES) == {"light", "dark"}
    with pytest.raises(ValueError, match="light, dark, received 'sepia'"):
        theme.get("sepia")
