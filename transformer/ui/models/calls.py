"""Cached calls from pages to models: a model is loaded once, behind the first page, and visitors share traces.

A name is that of a shipped model, or of one that a visitor opened (`opened`): both become a model here.
"""

from __future__ import annotations

import gc
import json
import logging
import re
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

from transformer import home, settings
from transformer.ask import MAX_CHARACTERS, Ask
from transformer.interventions import NONE, Interventions
from transformer.kinds import BEAMS, kind_of
from transformer.search.sampling import Drawing
from transformer.trace import Trace
from transformer.ui.models import opened
from transformer.ui.models.behind import promptly
from transformer.ui.models.kept import Kept
from transformer.ui.models.queue import Queue
from transformer.ui.shell.markdown import line

if TYPE_CHECKING:
    from transformer.pipeline import Embedded
    from transformer.pipeline.writer import Word

T = TypeVar("T")

SEARCHES = {"Greedy": 1, "Beam": BEAMS}
# Characters that a box takes: as many as a question may have, and an address must stay one that a server accepts.
LONGEST = MAX_CHARACTERS
# Tokens of a text that a decoder reads at most: a published network has room for more, but its maps would be large.
MOST_READ = 256


class Unavailable(Exception):
    """There is no network to ask: none by that name, or one that does not load."""


# The sentence on screen when the app opens; its trace is shipped, so that it is there before the network is.
FIRST = Ask(model="pt-en", given="O trem saiu da estação na hora.", beams=1)

_answers = Kept(Queue())


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


def names(*families: str) -> list[str]:
    """Names of all models of these families that can be used: the shipped ones, then those that visitors opened."""
    return [name for names_of in (shipped, opened.names) for family in families for name in names_of(family)]


READERS = ("encoder", "reading_decoder")  # families of what reads a text and says something of it


def known(name: str) -> bool:
    """Whether there is a model of this name."""
    return name in shipped() or opened.get(name) is not None


def open_model(source: Path | str) -> opened.Opened:
    """Begin to open a folder or a hub id for everyone; see `opened.open_model`."""
    return opened.open_model(source, taken=shipped(), before=_leave_keras_alone)


def forget(name: str) -> None:
    """Let go of an opened model and of what it answered: another may be called so later."""
    model = opened.get(name)
    opened.forget(name)
    if model and model.future.done() and not model.future.exception():
        _answers.forget(model.future.result())
        del model
        # A network and its graphs refer to each other: else they would lie here until Python happens to look.
        gc.collect()


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
            # What is compiled before anybody is answered, and what behind them: see `settings.warm`.
            first, *then = kind_of(model.config.family, model.config.tokens).ahead
            warm = settings.warm()
            if warm != "none":
                model.warm(**first)
        except BaseException as error:
            logging.getLogger(__name__).exception("the network %s does not load", name)
            future.set_exception(error)
            return
        future.set_result(model)
        # Visitors can work already; what else is common compiles while they read.
        for inputs in then if warm == "all" else ():
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


class _Place:
    """Tells who waits for the networks how many are before them, from when it takes long enough to be seen."""

    def __init__(self) -> None:
        self.box: Any = None

    def __call__(self, before: int) -> None:
        self.box = self.box or st.empty()
        others = "one visitor is" if before == 1 else f"{before} visitors are"
        self.box.caption(f":material/hourglass: The networks are busy: {others} before you.")

    def clear(self) -> None:
        if self.box:
            self.box.empty()


@contextmanager
def turn() -> Iterator[None]:
    """Around whatever runs a network and is not kept: one visitor at a time, the others are told their place."""
    place = _Place()
    with _answers.queue.turn(place), promptly():
        place.clear()
        yield


def kept(model: Any, question: Hashable, make: Callable[[], T]) -> T:
    """What `make` answers, kept for all visitors: see `Kept.answer`."""
    place = _Place()

    def made() -> T:
        with promptly():
            return make()

    answer = _answers.answer(model, question, made, place)
    place.clear()
    return answer


# By trace, as a key: what was asked about it.
_along: weakref.WeakKeyDictionary[Trace, dict[Hashable, Any]] = weakref.WeakKeyDictionary()


def along(trace: Trace, question: Hashable, make: Callable[[], T]) -> T:
    """What `make` answers about a trace, made in the queue and kept for as long as the trace: pages run again with
    every click."""
    answers = _along.setdefault(trace, {})
    if question not in answers:
        with turn():
            answers[question] = make()
    found: T = answers[question]
    return found


def told(trace: Trace, question: Hashable) -> Any:
    """What `along` has answered already; None where it has not."""
    return _along.get(trace, {}).get(question)


def embedded(model: str, text: str, position_scale: float = 1.0) -> Embedded:
    """What goes into the encoder for a text; errors as with `ask`."""
    found = network(model)
    embed = partial(found.embed, text, position_scale=position_scale)
    return kept(found, ("embedded", text, position_scale), embed)


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


def ask(question: Ask, given: Any = None) -> Trace:
    """The trace of a question, kept for all visitors.

    Args:
        question: of a model that is shipped or open.
        given: see `Model.ask`.

    Raises:
        ValueError: the input is no good.
        Unavailable: the network is not there.
    """
    if question == FIRST and known(question.model) and not ready(question.model) and (trace := example()):
        return trace
    with waiting(question.model):
        model = network(question.model)
    return kept(model, question, lambda: model.ask(question, given))


def tail(model: str, text: str) -> str:
    """The last part of `text` that a decoder reads: all of it, if it is not too long."""
    found = network(model)
    return kept(found, ("tail", text), lambda: str(found.tail(text, MOST_READ)))


def next_words(
    model: str, text: str, how: Drawing, count: int = 10, interventions: Interventions = NONE
) -> tuple[Word, ...]:
    """The likeliest next words; errors as of `Writer.next_words` and `network`."""
    found = network(model)
    ask_for = partial(found.next_words, text, count=count, interventions=interventions, **how._asdict())
    return kept(found, ("next words", text, how, count, interventions), lambda: tuple(ask_for()))


def characters(model: str, text: str, how: Drawing, seed: int, count: int = 300) -> str:
    """A text and `count` more characters by a network of characters; errors as of its `go_on` and `network`."""
    found = network(model)
    write = partial(found.go_on, text, count, seed=seed, **how._asdict())
    return kept(found, ("characters", text, how, seed, count), write)


def go_on(
    model: str, text: str, words: int, how: Drawing, seed: int, interventions: Interventions = NONE
) -> str:
    """The text and more words; errors as of `Writer.write` and `network`."""
    found = network(model)
    with turn():
        longer: str = found.write(text, words, seed=seed, interventions=interventions, **how._asdict())
    return longer


def answer(question: Callable[[], Ask]) -> Trace | None:
    """The trace to show: of this question, or where that fails, a sentence why and the last picture that was good.

    Args:
        question: makes the question, so that what the address holds is checked in one place.
    """
    problem = ""
    with st.container():  # one place for whatever is to be said: the picture below keeps its own
        try:
            st.session_state["shown"] = ask(question())
        except ValueError as error:
            problem = f"Not translated: {line(error)}."
        except Unavailable as error:
            problem = line(error)
            st.button("Try to load it again", on_click=retry)
        trace: Trace | None = st.session_state.get("shown") or example()
        if problem:
            st.warning(f"{problem} Shown below: “{line(trace.input, 60)}”" if trace else problem)
        elif trace and "unknown" in trace.options:
            st.info(never_seen(trace))
    return trace


def never_seen(trace: Trace) -> str:
    """Which words of a text its network does not know, as a sentence; they stand in `unknown` of the options."""
    words = [f"“{line(word)}”" for word in str(trace.options["unknown"]).split()]
    named = ", ".join(words[:-1]) + " and " * (len(words) > 1) + words[-1]
    return f"The network has never seen {named} and reads {'each' if len(words) > 1 else 'it'} as “unknown”."
