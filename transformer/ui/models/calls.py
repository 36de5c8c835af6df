"""Cached calls from pages to models: a model is loaded once, behind the first page, and visitors share traces.

A name is that of a shipped model, or of one that a visitor opened (`opened`): both become a model here.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from transformer import home
from transformer.search.sampling import Drawing
from transformer.trace import Trace
from transformer.ui.models import opened

if TYPE_CHECKING:
    from transformer.pipeline import Embedded
    from transformer.pipeline.writer import Word

BEAMS = 4
SEARCHES = {"Greedy": 1, "Beam": BEAMS}
# Characters that a box takes; the networks read far fewer, and an address must stay one that a server accepts.
LONGEST = 4000
# Tokens of a text that a decoder reads at most: a published network has room for more, but its maps would be large.
MOST_READ = 256
# What builds the graphs of outputs that are too long for the compiled ones.
BEYOND: dict[str, Any] = {"lengths": (), "beams": (1, BEAMS), "beyond": True}
# What compiles once a network answers, by family, one after the other: inputs of `warm`.
WARM: dict[str, tuple[dict[str, Any], ...]] = {
    "seq2seq": ({"lengths": (32, 48)}, {"lengths": (16, 32), "beams": (BEAMS,)}, BEYOND),
    "recurrent": ({"lengths": (32,)}, {"lengths": (16,), "beams": (BEAMS,)}, BEYOND),
    "decoder": ({"lengths": (100, 200)},),
}


class Unavailable(Exception):
    """There is no network to ask: none by that name, or one that does not load."""


class Request(NamedTuple):
    """What a translation depends on: the key under which its trace is kept."""

    model: str
    text: str
    beams: int = 1
    target: str = ""  # forces this output; empty: the network's own
    choices: tuple[tuple[int, int], ...] = ()
    position_scale: float = 1.0  # what position vectors are multiplied by


# The sentence on screen when the app opens; its trace is shipped, so that it is there before the network is.
FIRST = Request("pt-en", "O trem saiu da estação na hora.")


def shipped(family: str = "") -> list[str]:
    """Names of the shipped models, of one family or all, without importing what runs them."""
    paths = sorted(home.models().glob("*/config.json"))
    return [path.parent.name for path in paths if family in ("", _family(path))]


@cache
def _family(path: Path) -> str:
    try:
        return str(json.loads(path.read_text("utf-8"))["family"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""  # where it is loaded it is told what is wrong with it


def names(family: str) -> list[str]:
    """Names of all models of a family that can be used: the shipped ones, then those that visitors opened."""
    return [*shipped(family), *opened.names(family)]


def known(name: str) -> bool:
    """Whether there is a model of this name."""
    return name in shipped() or opened.get(name) is not None


def open_model(source: Path | str) -> opened.Opened:
    """Begin to open a folder or a hub id for everyone; see `opened.open_model`."""
    return opened.open_model(source, taken=shipped(), before=_leave_keras_alone)


def forget(name: str) -> None:
    """Let go of an opened model and of what it answered: another may be called so later."""
    opened.forget(name)
    for answers in (_translated, embedded, tail, read, next_words, characters):
        answers.clear()


def _leave_keras_alone() -> None:
    """Streamlit calls `keras.backend.clear_session()` after every run of a page (script_runner._clean_problem_modules).

    That drops the names of layers that another thread is building at that moment, so that a network does not load,
    and compiled kernels that the next request needs; it also collects garbage each time. One network serves every run
    here, so there is nothing to clear.
    """
    import keras

    keras.backend.clear_session = lambda free_memory=True: None


def _future(name: str) -> Future[Any]:
    model = opened.get(name)
    return model.future if model else _loading(name)


@st.cache_resource(show_spinner=False)
def _loading(name: str) -> Future[Any]:
    """A shipped model on its way: a thread imports TensorFlow, loads it, and then compiles the common lengths."""
    future: Future[Any] = Future()

    def work() -> None:
        try:
            from transformer.pipeline import load

            _leave_keras_alone()
            model = load(str(home.models() / name))
            model.warm(*[(16,)] if model.config.family in WARM else [])
        except BaseException as error:
            logging.getLogger(__name__).exception("the network %s does not load", name)
            future.set_exception(error)
            return
        future.set_result(model)
        # Visitors can work already; what else is common compiles while they read.
        for inputs in WARM.get(model.config.family, ()):
            model.warm(**inputs)

    threading.Thread(target=work, name=f"load {name}", daemon=True).start()
    return future


def start(name: str = FIRST.model) -> None:
    """Begin to load a model if nobody has; returns at once."""
    _loading(name)


def ready(name: str) -> bool:
    """Whether the model answers without a wait."""
    return _future(name).done()


def retry() -> None:
    """Forget networks that did not load, so that the next run tries again; those that did load again too."""
    _loading.clear()


def network(name: str) -> Any:
    """The model of this name, waiting for it if need be; one that does not load raises Unavailable."""
    if not known(name):
        raise Unavailable(f"There is no trained network “{name[:60]}” in assets/models, nor is one open.")
    future = _future(name)
    if error := future.exception():
        raise Unavailable(f"The network “{name}” could not be loaded: {str(error)[:300]}") from error
    return future.result()


@contextmanager
def waiting(name: str) -> Iterator[None]:
    """Around a request to a model: says that it is loading, where it is."""
    if not known(name) or ready(name):
        yield
    else:
        with st.spinner("The network is loading. This takes a few seconds, once."):
            yield


@st.cache_resource(show_spinner=False, max_entries=64)
def _translated(request: Request) -> Trace:
    trace: Trace = network(request.model).trace(
        request.text,
        target=request.target or None,
        beams=request.beams,
        choices=request.choices,
        position_scale=request.position_scale,
    )
    return trace


@st.cache_resource(show_spinner=False, max_entries=64)
def embedded(model: str, text: str, position_scale: float = 1.0) -> Embedded:
    """What goes into the encoder for a text; errors as with `translate`."""
    found: Embedded = network(model).embed(text, position_scale=position_scale)
    return found


@st.cache_resource(show_spinner=False)
def _shipped_trace(name: str) -> Trace:
    return Trace.load(home.examples() / name)


def example() -> Trace | None:
    """The shipped trace of `FIRST`, recorded by the shipped network; None where the file is missing or damaged."""
    try:
        return _shipped_trace("translate.npz")
    except (OSError, ValueError):
        logging.getLogger(__name__).exception("the shipped example cannot be read")
        return None


def parse_choices(text: str | None) -> tuple[tuple[int, int], ...]:
    """`3.1_5.0` out of an address -> ((3, 1), (5, 0)).

    Raises:
        ValueError: anything else, or more than 32 choices.
    """
    if not text:
        return ()
    if len(text) > 200 or not re.fullmatch(r"[0-9]{1,3}\.[0-9](_[0-9]{1,3}\.[0-9])*", text):
        raise ValueError(f"expected choices such as 3.1_5.0 in the address, received {text[:40]!r}")
    pairs = (pair.split(".") for pair in text.split("_"))
    return tuple((int(step), int(alternative)) for step, alternative in pairs)


def translate(request: Request) -> Trace:
    """The trace of a request.

    Raises:
        ValueError: the input is no good.
        Unavailable: the network is not there.
    """
    if request == FIRST and known(request.model) and not ready(request.model) and (trace := example()):
        return trace
    with waiting(request.model):
        return _translated(request)


@st.cache_resource(show_spinner=False, max_entries=64)
def tail(model: str, text: str) -> str:
    """The last part of `text` that a decoder reads: all of it, if it is not too long."""
    found: str = network(model).tail(text, MOST_READ)
    return found


@st.cache_resource(show_spinner=False, max_entries=32)
def read(model: str, text: str) -> Trace:
    """What a decoder looked at in a text, and what it foretold; errors as of `Writer.trace` and `network`."""
    trace: Trace = network(model).trace(text)
    return trace


@st.cache_resource(show_spinner=False, max_entries=256)
def next_words(model: str, text: str, how: Drawing, count: int = 10) -> tuple[Word, ...]:
    """The likeliest next words; errors as of `Writer.next_words` and `network`."""
    return tuple(network(model).next_words(text, count=count, **how._asdict()))


@st.cache_resource(show_spinner=False, max_entries=256)
def characters(model: str, text: str, how: Drawing, seed: int, count: int = 300) -> str:
    """A text and `count` more characters by a network of characters; errors as of its `go_on` and `network`."""
    longer: str = network(model).go_on(text, count, seed=seed, **how._asdict())
    return longer


def go_on(model: str, text: str, words: int, how: Drawing, seed: int) -> str:
    """The text and more words; errors as of `Writer.write` and `network`."""
    longer: str = network(model).write(text, words, seed=seed, **how._asdict())
    return longer


def answer(request: Callable[[], Request]) -> Trace | None:
    """The trace to show: of this request, or where that fails, a sentence why and the last picture that was good.

    Args:
        request: makes the request, so that what the address holds is checked in one place.
    """
    problem = ""
    with st.container():  # one place for whatever is to be said: the picture below keeps its own
        try:
            st.session_state["shown"] = translate(request())
        except ValueError as error:
            problem = f"Not translated: {error}."
        except Unavailable as error:
            problem = str(error)
            st.button("Try to load it again", on_click=retry)
        trace: Trace | None = st.session_state.get("shown") or example()
        if problem:
            st.warning(f"{problem} Shown below: “{_short(trace.input)}”" if trace else problem)
        elif trace and "unknown" in trace.options:
            st.info(f"The network has never seen {trace.options['unknown']} and reads it as “unknown”.")
    return trace


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
