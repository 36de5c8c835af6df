"""The player and its heads over a clip made by formula: four tones, one a word, and heads that follow them or do not.

The address chooses: `ctc=1` adds word times of a second output.
"""

import math
from itertools import pairwise

import numpy as np
import streamlit as st

from transformer.analysis.alignment import Evidence
from transformer.trace import AttentionMap, Label, Spectrogram, Step, Trace
from transformer.ui.shell.frame import STYLE
from transformer.ui.speech.calls import Heard
from transformer.ui.speech.page import explore

WORDS = ("seven", "two", "one", "nine")
BEGINS = (0.2, 0.9, 1.5, 2.2, 2.8)
POSITIONS, STEP, RATE = 75, 0.04, 16_000

st.set_page_config(layout="wide")
st.html(STYLE)


@st.cache_resource
def heard(ctc: bool) -> Heard:
    time = np.arange(3 * RATE) / RATE
    mel = np.random.default_rng(0).random((300, 40), np.float32) * 0.2
    samples = np.zeros(len(time), np.float32)
    for i, (begin, end) in enumerate(pairwise(BEGINS)):
        inside = (time >= begin) & (time < end - 0.1)
        samples[inside] = 0.1 * (i + 1) * np.sin(2 * np.pi * (300 + 300 * i) * time[inside])
        mel[round(100 * begin) : round(100 * end - 10), 6 + 8 * i : 10 + 8 * i] += 1
    samples.flags.writeable = False
    keys = [
        Label(f"{STEP * k:.2f} s", start=round(STEP * k, 4), end=round(STEP * (k + 1), 4))
        for k in range(POSITIONS)
    ]
    ids = {word: i + 1 for i, word in enumerate(WORDS)}
    target = [*(Label(word, id=ids[word]) for word in WORDS), Label("</s>", special=True, id=9)]
    cross = np.full((2, 2, 5, POSITIONS), 0.002)
    middle = (np.arange(POSITIONS) + 0.5) * STEP
    for row, begin in enumerate(BEGINS):
        end = BEGINS[row + 1] if row < 4 else 3.0
        cross[1, 0, row] += np.exp(-(((middle - (begin + end) / 2) / (end - begin) * 2.5) ** 2))
        cross[0, 1, row] += np.exp(-(((middle - begin) / 0.4) ** 2))
        cross[0, 0, row, 10] = 1
    near = np.exp(-((np.subtract.outer(np.arange(POSITIONS), np.arange(POSITIONS)) / 6.0) ** 2))
    encoder = np.stack([[near, near**4, near + 0.1, near * 0 + 1]] * 2)
    decoder = np.tril(np.ones((5, 5)))[None, None].repeat(2, 1)
    scores = None
    if ctc:
        scores = np.full((POSITIONS, 10), math.log(0.01), np.float32)
        scores[:, 0] = math.log(0.9)
        for i, begin in enumerate(BEGINS[:-1]):
            scores[round((begin + 0.2) / STEP), [0, i + 1]] = math.log(0.01), math.log(0.8)

    def attention(kind: str, weights: np.ndarray, queries: list[Label], others: list[Label]) -> AttentionMap:
        return AttentionMap(kind, weights / weights.sum(-1, keepdims=True), queries, others)

    trace = Trace(
        (
            attention("encoder", encoder, keys, keys),
            attention("decoder", decoder, target, [Label("<s>", special=True), *target[:-1]]),
            attention("cross", cross, target, keys),
        ),
        " ".join(WORDS),
        [Step(label.text, math.log(0.9), 0.5) for label in target],
        source=keys,
        target=target,
        spectrogram=Spectrogram(mel, 0.01),
        model="demo",
        input="four tones.wav",
    )
    return Heard(trace, "0", samples, (), Evidence(ctc=None if scores is None else (scores, 0)), ())


explore(heard(st.query_params.get("ctc") == "1"), "A demonstration without a network.")
