"""Pauses of clips that were put together, where it is known what is silent."""

import numpy as np
import pytest

from tests.audio.sounds import tone
from transformer.audio.quiet import pauses


def clip(*parts: tuple[float, float], noise: float = 0.0) -> np.ndarray:
    """Tones of (seconds, loudness), one after the other, with noise over all."""
    samples = np.concatenate([loud * tone(seconds=seconds) for seconds, loud in parts])
    return (samples + noise * np.random.default_rng(0).normal(size=len(samples))).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 10 ** (-50 / 20)])
def test_pauses_are_where_it_is_quiet_with_and_without_noise(noise: float) -> None:
    found = pauses(
        clip((13, 0), (0.4, 0.5), (1.5, 0), (0.3, 0.5), (0.1, 0), (0.4, 0.5), (0.6, 0), noise=noise)
    )
    np.testing.assert_allclose(found, [(0, 13), (13.4, 14.9), (15.7, 16.3)], atol=0.021)


@pytest.mark.parametrize(
    "samples",
    [
        clip((2, 0.5)),
        clip((2, 0), noise=0.1),
        clip((2, 0)),
        clip((0.5, 0.5), (0.2, 0), (0.5, 0.5)),
        clip((0.5, 0.5), (0.5, 0.2), (0.5, 0.5)),
        np.zeros(5, np.float32),
    ],
    ids=["all loud", "all noise", "nothing", "a closure", "softer", "no level"],
)
def test_what_is_no_pause(samples: np.ndarray) -> None:
    assert pauses(samples) == ()
