"""How did networks translate before the Transformer? One sentence through two recurrent networks and through it.

Each column: the translation, where the network looked while it wrote each word, how long it took and how good it is.
Below: who breaks first as the input grows.
"""

from __future__ import annotations

import logging
import re
import statistics
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from transformer import home
from transformer.analysis import views
from transformer.ask import Ask
from transformer.evaluation import lengths
from transformer.figures.heatmap import CONFIG, heatmap
from transformer.figures.lengths import curves
from transformer.interventions import ALL, Head, Interventions
from transformer.text.tokenizer import clean
from transformer.trace import Trace
from transformer.ui.models import calls
from transformer.ui.parts import explorer
from transformer.ui.shell.frame import theme
from transformer.ui.shell.markdown import line, plain

if TYPE_CHECKING:
    from transformer.pipeline import Translator


class Network(NamedTuple):
    """What a network is called here, whose attention it has, and the layer of it that is drawn (from 0)."""

    name: str
    paper: str
    layer: int = 0


NETWORKS = {
    "rnn-additive": Network("Additive attention", "GRU, Bahdanau et al. 2015"),
    "rnn-multiplicative": Network("Multiplicative attention", "GRU, Luong et al. 2015"),
    "pt-en": Network("Transformer", "Vaswani et al. 2017", layer=1),
}
LENGTHS = home.recorded() / "length.csv"
CARD_ROW = re.compile(r"(?m)^\| `pt_en/tatoeba\.test\.tsv` \|.*\| ([0-9.]+) \| [0-9.]+ \|$")
BLIND = Interventions(heads=(Head("cross", ALL, ALL),))
FIRST = "Este é um problema que temos que resolver."
RUNS = 3  # of a translation that is timed
# Our own, so that there is a reference for each.
SENTENCES = (
    ("Ontem choveu muito na nossa cidade.", "It rained a lot in our city yesterday."),
    ("Minha irmã comprou um carro novo.", "My sister bought a new car."),
    ("Você sabe onde estão as minhas chaves?", "Do you know where my keys are?"),
    ("O professor fala muito devagar.", "The teacher speaks very slowly."),
    ("Eu gosto de ler antes de dormir.", "I like to read before going to sleep."),
    ("As crianças estão brincando no jardim.", "The children are playing in the garden."),
    ("Ele perdeu o último trem para casa.", "He missed the last train home."),
    ("Amanhã vamos visitar os nossos avós.", "Tomorrow we are going to visit our grandparents."),
)


def translation() -> None:
    """The whole section."""
    st.header("Translation", anchor="translation")
    st.markdown(
        "Before the Transformer one recurrent network read a sentence word by word, and another wrote its "
        "translation. Attention was invented to let the writer look back. Type a sentence in Portuguese or Spanish and "
        "compare where each network looks."
    )
    present = [name for name in NETWORKS if name in calls.shipped()]
    if missing := [name for name in NETWORKS if name not in present]:
        st.info(f"Not among the networks that come along: {', '.join(missing)}.")
    if not present:
        return
    for name in present:
        calls.start(name)
    _compare(present)
    st.subheader("Who breaks first?", anchor="lengths")
    _longer(present)


@st.fragment
def _compare(names: list[str]) -> None:
    text = st.text_input(
        "Sentence", value=FIRST, max_chars=calls.LONGEST, key="sentence", bind="query-params"
    )
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        search = explorer.segments("Search", list(calls.SEARCHES), "sentence_search")
        words = st.toggle("Whole words", value=True, key="whole", bind="query-params")
        blind = st.toggle(
            "Switch the attention off",
            key="blind",
            bind="query-params",
            help="Of the recurrent networks their one head, of the Transformer every head of cross-attention: what "
            "do they write when they cannot look back at the sentence?",
        )
    beams = calls.SEARCHES[search]
    try:
        with calls.waiting(_slowest(names)):
            shown, was_cut = fitting(names, text)
            questions = {name: Ask(model=name, given=shown, beams=beams) for name in names}
            traces = {name: calls.ask(question) for name, question in questions.items()}
            unseeing = {
                name: calls.ask(replace(question, interventions=BLIND))
                for name, question in questions.items()
                if blind
            }
    except ValueError as error:
        st.warning(f"Not translated: {line(error)}.")
        return
    except calls.Unavailable as error:
        st.warning(line(error))
        return
    if was_cut:
        st.info(
            f"The networks read at most {_longest(names)} subwords: only the first {len(shown.split())} of "
            f"{len(clean(text).split())} words were translated."
        )
    if unknown := next((t.options["unknown"] for t in traces.values() if "unknown" in t.options), None):
        st.info(f"The networks have never seen {line(unknown)} and read it as “unknown”.")
    off = (
        "With the attention off they show where it would have drawn from: nothing of it is used. "
        if blind
        else ""
    )
    for column, (name, trace) in zip(st.columns(len(names), gap="medium"), traces.items(), strict=True):
        with column:
            _column(name, unseeing.get(name, trace), trace, beams, words)
    st.caption(
        "Rows are what was written, columns what was read; the weights of a row add up to 1. A recurrent network has "
        "one head, which is what you see; of the Transformer it is the mean over all heads of layer "
        f"{NETWORKS['pt-en'].layer + 1}. {off}Times are of the search alone, the median of {RUNS}, measured "
        "here when the sentence was first asked for. BLEU is that of each network's card, on the same test sentences "
        "(beam of 4)."
    )


def _column(name: str, trace: Trace, before: Trace, beams: int, words: bool) -> None:
    network = NETWORKS[name]
    st.markdown(f"**{network.name}**  \n{network.paper}")
    st.markdown(f"#### {plain(trace.output)}" if trace.output else "*It wrote nothing.*")
    if trace is not before:
        st.markdown(f"With its attention: {plain(before.output) or '*nothing*'}")
    bleu = card_bleu(name)
    st.markdown(
        f"{searched(name, before.input, beams).milliseconds:,.0f} ms · "
        + (f"BLEU {bleu:.1f}" if bleu is not None else "no BLEU on its card")
    )
    view = views.combine(trace["cross"], layer=network.layer)
    if words:
        view = views.merge_words(view)
    figure = heatmap(view, theme=theme(), compact=True)
    figure.update_layout(width=None)
    st.plotly_chart(
        figure,
        theme=None,
        width="stretch",
        config=CONFIG,
        key=f"alignment-{name}",
        alt=f"{network.name}: how much each written word looked at each word that was read.",
    )


@st.fragment
def _longer(names: list[str]) -> None:
    st.markdown(
        "A recurrent network keeps what it has read and written in a few hundred numbers; only attention reaches "
        "further back. Put more sentences into one input and see which network loses the thread."
    )
    count = st.slider("Sentences at once", 1, len(SENTENCES), 1, key="sentences", bind="query-params")
    text, reference = lengths.joined(SENTENCES[:count], count)[0]
    st.caption(plain(text))
    try:
        with calls.waiting(_slowest(names)):
            answers = {name: searched(name, text) for name in names}
    except (ValueError, calls.Unavailable) as error:
        st.warning(line(error))
        return
    for column, (name, found) in zip(st.columns(len(names), gap="medium"), answers.items(), strict=True):
        with column:
            st.markdown(f"**{NETWORKS[name].name}**  \n{plain(found.output)}")
            st.markdown(f"chrF {chrf(found.output, reference):.0f} · {found.milliseconds:,.0f} ms")
    st.caption(
        "chrF (0 to 100) counts the pieces of words shared with our own translation: “" + reference + "”"
    )
    if rows := recorded():
        drawn = {name: NETWORKS[name].name for name in names}
        inputs = lengths.SENTENCES
        st.plotly_chart(
            curves(rows, drawn, chosen=count, theme=theme()),
            theme=None,
            width="stretch",
            config=CONFIG,
            key="lengths-figure",
            alt="BLEU of each network by number of sentences at once: the same numbers stand in the table below.",
        )
        st.caption(
            f"Recorded once: the same {inputs} test sentences, so many at once, greedy search. The network reads and "
            f"writes at most {_longest(names)} subwords; inputs that are longer lose their end, and the table counts "
            "them."
        )
        with st.expander("The same numbers as a table", key="lengths-table", on_change="rerun") as box:
            if box.open:
                st.dataframe([row._asdict() for row in rows if row.model in drawn], hide_index=True)


def fitting(names: list[str], text: str) -> tuple[str, bool]:
    """As many words of `text` from its beginning as all networks can read, and whether some were left out.

    Raises:
        ValueError: nothing to read, or a first word that is too long.
        Unavailable: see `calls.network`.
    """
    text = clean(text)[: calls.LONGEST]
    tokenizer, longest = calls.network(names[0]).tokenizer, _longest(names)
    words = text.split()

    def fits(count: int) -> bool:
        return len(tokenizer.encode(" ".join(words[:count])).ids) <= longest

    if not words or fits(len(words)):
        return text, False  # what is empty is refused where it is read
    low, high = 0, len(words)  # `low` words fit, `high` do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    if not low:
        raise ValueError(f"expected words of less than {longest} subwords, received a longer one")
    return " ".join(words[:low]), True


class Searched(NamedTuple):
    """A translation alone, and how long the search for it takes, compilation left out: the median of `RUNS`."""

    output: str
    milliseconds: float


def searched(name: str, text: str, beams: int = 1) -> Searched:
    """Translate without recording attention; a text that is too long raises ValueError, else as `calls.network`."""
    model = calls.network(name)
    return calls.kept(model, ("searched", text, beams), lambda: _search(model, text, beams))


def _search(model: Translator, text: str, beams: int) -> Searched:
    ids = model.tokenizer.encode(text).ids
    written = model.runtime.decode(ids, beams=beams)
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        model.runtime.decode(ids, beams=beams)
        times.append((time.perf_counter() - begun) * 1000)
    return Searched(model.tokenizer.decode(written), statistics.median(times))


def card_bleu(name: str) -> float | None:
    """BLEU on everyday Portuguese sentences as the network's card states it; None where it does not."""
    try:
        found = CARD_ROW.search((home.models() / name / "README.md").read_text("utf-8"))
    except OSError:
        return None
    return float(found[1]) if found else None


def chrf(output: str, reference: str) -> float:
    """chrF (Popovic 2015) of one translation, by sacrebleu."""
    import sacrebleu

    return float(sacrebleu.sentence_chrf(output, [reference]).score)


@st.cache_resource(show_spinner=False)
def recorded() -> list[lengths.Row]:
    """The rows of `LENGTHS`; none where it is missing or damaged."""
    try:
        return lengths.read(LENGTHS)
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        logging.getLogger(__name__).exception("the recorded lengths cannot be read")
        return []


def _slowest(names: list[str]) -> str:
    """One that is still loading, if any is."""
    return next((name for name in names if not calls.ready(name)), names[0])


def _longest(names: list[str]) -> int:
    configs: list[Any] = [calls.network(name).config for name in names]
    return min(min(config.max_source, config.max_target) for config in configs)
