"""Traces for the tests of this folder."""

import numpy as np

from transformer.trace import Alternative, AttentionMap, Label, Spectrogram, Step, Trace, Word


def rows(*shape: int, seed: int = 0) -> np.ndarray:
    """Random distributions along the last axis."""
    values = np.random.default_rng(seed).gamma(0.3, size=shape).astype(np.float32) + 1e-9
    return values / values.sum(-1, keepdims=True)


def full_trace() -> Trace:
    """A trace that uses every field, with labels that files like to break."""
    source = (
        Label("[START]", special=True),
        Label("estaç"),
        Label("ão", joins=True),
        Label("🚆", start=0.25, end=0.5),
        Label('"</script>\n'),
    )
    target = (Label("محطة"), Label("[END]", special=True))
    return Trace(
        [
            AttentionMap("encoder", rows(3, 2, 5, 5), source, source),
            AttentionMap("decoder", rows(2, 4, 2, 2), target, target),
            AttentionMap("cross", rows(2, 4, 2, 5), target, source),
        ],
        "محطة",
        [
            Step("محطة", -0.1, 1.25, (Alternative("x", 0.9), Alternative("\ud800", 0.1 / 3))),
            Step("[END]", -0.0, 0.0),
        ],
        source=source,
        target=target,
        positions=np.linspace(-1, 1, 12).reshape(3, 4),
        spectrogram=Spectrogram(rows(4, 3), 0.01),
        model="pt-en",
        input="estação 🚆",
        options={"beam": np.float32(4), "penalty": 0.6, "forced": False, "note": None, "by": "hand"},
        words=[Word("محطة", 0.25, 0.5, 0.75)],
    )


def assert_same(left: Trace, right: Trace, tolerance: float) -> None:
    assert list(left) == list(right)
    for kind in left:
        assert left[kind].queries == right[kind].queries
        assert left[kind].keys == right[kind].keys
        np.testing.assert_allclose(left[kind].weights, right[kind].weights, rtol=0, atol=tolerance)
        assert right[kind].weights.dtype == np.float32
    for name in ("output", "steps", "source", "target", "model", "input", "options", "words"):
        assert getattr(left, name) == getattr(right, name), name
    assert left.positions is not None and right.positions is not None
    np.testing.assert_allclose(left.positions, right.positions, rtol=0, atol=tolerance)
    assert left.spectrogram is not None and right.spectrogram is not None
    np.testing.assert_allclose(left.spectrogram.values, right.spectrogram.values, rtol=0, atol=tolerance)
    assert left.spectrogram.seconds_per_frame == right.spectrogram.seconds_per_frame


def numbered() -> Trace:
    """A trace whose labels and alternatives know their ids, but for one of each."""
    labels = [Label("a", id=7), Label("b"), Label("[END]", special=True, id=0), Label("c", id=2**40)]
    steps = [Step("x", -0.1, 1.25, (Alternative("x", 0.9, id=7), Alternative("y", 0.1))), Step("y", -1, 0)]
    weights = rows(1, 1, 4, 4)
    return Trace([AttentionMap("encoder", weights, labels, labels)], "a", steps, source=labels, target="xy")
