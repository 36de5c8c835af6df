"""A character LSTM beside a character Transformer: what they write, how they learned, and two measured questions.

Everything that is drawn was measured by a command of this project and lies beside the networks; only the samples are
made while a person waits.
"""

from __future__ import annotations

import csv
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from transformer import home
from transformer.figures import characters as pictures
from transformer.figures.characters import Band, Curve
from transformer.figures.heatmap import CONFIG
from transformer.search.sampling import Drawing
from transformer.ui.models import calls
from transformer.ui.parts import explorer
from transformer.ui.shell.frame import theme
from transformer.ui.shell.markdown import line

NETWORKS = {"shakespeare-lstm": "LSTM", "shakespeare-transformer": "Transformer"}
ATTENDS = "shakespeare-transformer"
MEASURED = home.recorded()
CARD_BITS = re.compile(r"\*\*([0-9.]+) bits per character\*\*")
FIRST = "ROMEO:\n"
CARRIED, FRESH = "stateful, random samples", "stateless, random samples"
LAST_SEED = 9999


class Run(NamedTuple):
    """A run of the puzzle: its curve, and which share of the text's characters it reads."""

    curve: Curve
    share: float


class Learned(NamedTuple):
    """How a network learned: its curve, and minutes of training steps."""

    curve: Curve
    minutes: float


def characters_section() -> None:
    """Samples side by side, the curves of learning, and the puzzle."""
    st.header("Characters", anchor="characters")
    st.markdown(
        "Two networks learned to go on with Shakespeare one character at a time. One is an LSTM: it carries a memory "
        "of fixed size along the text. The other is a Transformer: it looks back at the characters themselves. They "
        "have nearly the same number of weights and read the same text."
    )
    present = [name for name in NETWORKS if name in calls.shipped()]
    if missing := [name for name in NETWORKS if name not in present]:
        st.info(f"Not among the networks that come along: {', '.join(missing)}.")
    _unfinished(present)
    if present:
        _samples(present)
        _learning(present)
    _puzzle()


def why_section() -> None:
    """How much of the gradient reaches an input n characters back."""
    st.header("Why", anchor="why")
    st.markdown(
        "How much does a character that lies far back still count? Move its vector a little: by how much does the "
        "probability of the next character change? That is the length of a gradient. Here it is measured for both "
        "networks, at every distance, and shown as a share of the total over all distances."
    )
    found = reach(MEASURED / "reach.json")
    if not found:
        st.info("There is no measurement here yet.")
        return
    _unfinished(list(found))
    bands = {
        NETWORKS[name]: Band(*(np.array(values[part]) for part in ("mean", "low", "high")))
        for name, values in found.items()
        if name in NETWORKS
    }
    _draw(
        pictures.reaches(bands, theme=theme()),
        "reach",
        "Share of the gradient by distance, for the LSTM and the Transformer",
    )
    windows = next(iter(found.values()))["windows"]
    said = " ".join(
        f"**{NETWORKS[name]}**: half of it lies within {values['half']} characters, nine tenths within "
        f"{values['most']}."
        for name, values in found.items()
        if name in NETWORKS
    )
    st.markdown(said)
    st.caption(
        f"Mean over {windows:,} places in the text that neither network saw in training; the band holds the middle "
        "half of them. Both axes are logarithmic. A small change of one vector at a time: it does not show what "
        "several characters do together."
    )
    with st.expander("The same as a table"):
        st.dataframe(
            pd.DataFrame({"characters back": np.arange(1, len(next(iter(bands.values())).mean) + 1)}).assign(
                **{f"{name}, %": 100 * band.mean for name, band in bands.items()}
            ),
            hide_index=True,
        )


def _samples(present: list[str]) -> None:
    st.subheader("Let both write", anchor="samples")
    left, right = st.columns([3, 2], gap="large")
    with left:
        text = st.text_area(
            "Beginning", FIRST, max_chars=400, key="beginning", bind="query-params", height=120
        )
    with right:
        temperature = st.slider(
            "Temperature",
            0.1,
            2.0,
            0.7,
            0.05,
            key="temperature",
            bind="query-params",
            help="Below 1 likely characters get likelier, above 1 unlikely ones get their chance.",
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            seed = explorer.number(
                "Seed",
                0,
                LAST_SEED,
                1,
                "seed",
                help="The same beginning, temperature and seed give the same text; another seed gives another.",
                width=140,
            )
            st.button("Another", icon=":material/casino:", on_click=_another)
    text, how = text or "", Drawing(temperature)
    for name, column in zip(present, st.columns(len(present), gap="large"), strict=True):
        with column, st.container(key=f"sample-{name}"):
            st.markdown(f"**{NETWORKS[name]}**{_quality(name)}")
            try:
                with calls.waiting(name):
                    written = calls.characters(name, text, how, seed)
            except (ValueError, calls.Unavailable) as error:
                st.warning(f"Not written: {line(error)}.")
                continue
            st.code(written, language=None, wrap_lines=True)
            if name == ATTENDS:
                st.page_link(
                    "pages/next_word.py",
                    label="See what its heads look at",
                    icon=":material/edit_note:",
                    query_params={"model": name, "text": " ".join(written[:120].split())},
                )
    lost = sorted(character for character in {*text} if not _known(present[0], character))
    if lost:
        st.info(f"Not in the text they learned from, and read as unknown: {line(' '.join(lost))}")


def _learning(present: list[str]) -> None:
    st.subheader("How they learned", anchor="learning")
    found = {NETWORKS[name]: learned for name in present if (learned := history(home.models() / name))}
    if not found:
        return
    _draw(
        pictures.learning({name: one.curve for name, one in found.items()}, theme=theme()),
        "learning",
        "Bits per character as the networks read on",
    )
    read = ", ".join(
        f"{name} {one.curve.characters[-1] / 1e6:.1f} million characters in {one.minutes:.0f} minutes of training"
        for name, one in found.items()
    )
    st.caption(
        "How to read it: lower is better; 1 bit is a coin toss for each character. Dotted: text they learn from. With "
        f"dots: the last tenth of the text, which they never learn from. Read by the {read}, on a processor that did "
        "other work too."
    )


def _puzzle() -> None:
    st.subheader("A puzzle: the LSTM that stops improving", anchor="puzzle")
    runs = puzzle(MEASURED / "puzzle.csv")
    st.markdown(
        "An LSTM can be declared *stateful*: it begins a row of a batch with what it remembered at the end of the same "
        "row of the batch before. Trained so on samples that are drawn at random, it is said to stop improving early. "
        "Small LSTMs (256 units) were trained to see, each from nothing and by the same budget."
    )
    if not runs:
        st.info("There is no measurement here yet.")
        return
    _draw(
        pictures.learning({name: run.curve for name, run in runs.items()}, training=False, theme=theme()),
        "puzzle",
        "Bits per character of four small LSTMs as they read on",
    )
    st.markdown(_what_it_shows(runs))
    with st.expander("Where they ended"):
        st.dataframe(
            pd.DataFrame(
                [
                    {
                        "run": name,
                        "characters read": int(run.curve.characters[-1]),
                        "bits, learning": run.curve.training[-1],
                        "bits, never seen": run.curve.valid[-1],
                    }
                    for name, run in runs.items()
                ]
            ),
            hide_index=True,
        )


def _what_it_shows(runs: dict[str, Run]) -> str:
    """What the curves show, and no more: numbers are read off them."""
    ends = {name: run.curve.valid[-1] for name, run in runs.items() if run.share == 1}
    lowest, highest = min(ends, key=ends.__getitem__), max(ends, key=ends.__getitem__)
    falling = all(
        len(valid) > 1 and valid[-1] < valid[-2] for valid in (run.curve.valid for run in runs.values())
    )
    said = (
        f"On text that they never saw, the runs with spaces end between {ends[lowest]:.2f} bits ({lowest}) and "
        f"{ends[highest]:.2f} ({highest}){', and every curve is still falling' if falling else ''}. Each was run once: "
        "a difference as small as that between two seeds says nothing."
    )
    if {CARRIED, FRESH} <= set(ends):
        more = ends[CARRIED] - ends[FRESH]
        said += (
            f" On random samples the stateful one needs {abs(more):.2f} bits {'more' if more > 0 else 'less'} than the "
            f"stateless one: {'the memory of another text harms it' if more > 0.05 else 'it does not stop early here'}."
        )
    for name, run in runs.items():
        if run.share < 1:
            end = run.curve.valid[-1]
            said += (
                f" Without its spaces the text has {1 - run.share:.0%} fewer characters, the easiest to foretell: "
                f"{end:.2f} bits for each that is left ({name}), {end * run.share:.2f} for each of the whole text."
            )
    return said


@cache
def history(folder: Path) -> Learned | None:
    """The curve in a model folder; None where there is none that can be read."""
    try:
        with (folder / "history.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        valid = [row for row in rows if row["valid_bits_per_character"]]
        a_step = float(valid[-1]["characters"]) / int(valid[-1]["step"])
        return Learned(
            Curve(
                [int(row["step"]) * a_step for row in rows],
                [float(row["loss"]) / math.log(2) for row in rows],
                [float(row["characters"]) for row in valid],
                [float(row["valid_bits_per_character"]) for row in valid],
            ),
            float(rows[-1]["seconds"]) / 60,
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None


@cache
def puzzle(path: Path) -> dict[str, Run]:
    """The recorded runs, by name; none where there is no file."""
    try:
        with path.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        runs = {}
        for name in dict.fromkeys(row["run"] for row in rows):
            own = [row for row in rows if row["run"] == name]
            read = [float(row["characters"]) for row in own]
            bits = [[float(row[column]) for row in own] for column in ("train_bits", "valid_bits")]
            runs[name] = Run(Curve(read, bits[0], read, bits[1]), float(own[-1]["share"]))
        return runs
    except (OSError, ValueError, LookupError, TypeError):
        return {}


@cache
def reach(path: Path) -> dict[str, Any]:
    """What `scripts/reach.py` recorded, by model; nothing where there is no file."""
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found
    except (OSError, ValueError):
        return {}


def _card(name: str) -> str:
    try:
        return (home.models() / name / "README.md").read_text("utf-8")
    except OSError:
        return ""


def _unfinished(names: list[str]) -> None:
    """Says of networks that their training is not over, where their cards do."""
    if early := [NETWORKS[name] for name in names if name in NETWORKS and "**Not finished.**" in _card(name)]:
        st.info(
            f"Not finished: {' and '.join(early)}. The numbers below are those of networks in the middle of their "
            "training, and they have not read the same amount of text yet."
        )


def _quality(name: str) -> str:
    """What its card says that was measured."""
    found = CARD_BITS.search(_card(name))
    return f", {found[1]} bits per character on text it never saw" if found else ""


@cache
def _vocabulary(name: str) -> frozenset[str]:
    try:
        return frozenset(
            json.loads((home.models() / name / "tokenizer.json").read_text("utf-8"))["characters"]
        )
    except (OSError, ValueError, LookupError, TypeError):
        return frozenset()


def _known(name: str, character: str) -> bool:
    return character in _vocabulary(name)


def _another() -> None:
    st.session_state["seed"] = (int(st.session_state.get("seed") or 0) + 1) % (LAST_SEED + 1)


def _draw(figure: Any, key: str, alt: str) -> None:
    st.plotly_chart(figure, theme=None, width="stretch", config=CONFIG, key=key, alt=alt)
