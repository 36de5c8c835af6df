"""Speech: the player over the chosen head, how words got their times, all heads, and the words as a table.

Where in the sound a head looked stands under the spectrogram, on the same seconds; what the page adds to `explorer` is
this axis of time.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import streamlit as st

from transformer import home
from transformer.analysis import rollout
from transformer.analysis.alignment import (
    BY_CTC,
    BY_NAMED,
    BY_RANKED,
    Alignment,
    HeadRank,
    best_heads,
    by_attention,
    by_ctc,
    by_named,
    position,
    rank_heads,
    timed,
)
from transformer.analysis.doubt import doubt
from transformer.ask import Ask, done_to
from transformer.audio.decode import RATE
from transformer.interventions import Interventions
from transformer.trace import AttentionMap, FloatArray, Label, Trace, Word
from transformer.ui.instruments import heads, lens, ranking, shares
from transformer.ui.instruments.heads import Changed
from transformer.ui.models import calls, opened
from transformer.ui.parts import explorer
from transformer.ui.shell.about import summary
from transformer.ui.shell.markdown import line, plain
from transformer.ui.speech import calls as speech_calls
from transformer.ui.speech import files as speech_files
from transformer.ui.speech import span
from transformer.ui.speech.calls import Abilities, Heard, Part
from transformer.ui.speech.player import Attention, player

HINTS = {
    "cross": "Each row is a token being written; its bright cells are the moments that it drew on. The line is the "
    "path that gives the words their times.",
    "encoder": "Each row is a moment of the sound, the first on top; its bright cells are those that it drew on.",
    "decoder": "The decoder looks at the words written before, not at the sound: its picture is below.",
}
# A click on a head runs the page again; ranks and paths of 30 s take a second, and live as long as their map.
_ranks: weakref.WeakKeyDictionary[AttentionMap, list[HeadRank]] = weakref.WeakKeyDictionary()
_paths: weakref.WeakKeyDictionary[AttentionMap, dict[tuple[tuple[int, int], ...], Alignment]] = (
    weakref.WeakKeyDictionary()
)
TABLE_ROWS = 400  # beyond, a table of the browser's own would be slow


def no_model() -> None:
    """How to get a network that listens."""
    st.info(
        "There is no network here yet that listens. Open a Whisper checkpoint on the Models page, from a folder or by "
        "its hub id: then it can be chosen here.",
        icon=":material/hearing:",
    )
    st.page_link("pages/models.py", label="Open a model", icon=":material/deployed_code:")


def clip_pickers() -> None:
    """A file, the microphone, or a clip that comes along."""

    def take(key: str) -> None:
        if file := st.session_state.get(key):
            speech_calls.give(file.name, file.getvalue())
            st.session_state["example"] = None

    def take_example() -> None:
        if (name := st.session_state.get("example")) in examples:
            speech_calls.give(name, examples[name].read_bytes())

    examples = speech_calls.examples()
    if examples:
        if speech_calls.given() is None:  # whoever has just come sees at once what there is to see
            st.session_state["example"] = next(iter(examples))
            take_example()
        st.pills("Examples", list(examples), key="example", on_change=take_example, wrap=True)
    left, right = st.columns(2, gap="medium")
    left.file_uploader(
        "A sound file: wav, flac, ogg, mp3, m4a, webm, …", key="upload", on_change=take, args=("upload",)
    )
    right.audio_input("Or say something", key="recording", on_change=take, args=("recording",))


def abilities(name: str, able: Abilities) -> None:
    """What can be expected of a network: what its card says, or where it has none, what is true of all."""
    card = summary(home.models() / name / "README.md") if opened.get(name) is None else ""
    st.caption(
        (
            card
            or "It knows the kind of speech that it was trained on and writes words that nobody said elsewhere."
        )
        + f" It hears {able.longest:g} s at once; longer clips, up to ten minutes, are cut at pauses. "
        + "Noise, music, other languages and several voices at once lead it astray. "
        + ("A stronger network, such as a Whisper, opens on the page Models." if card else "")
    )


def decoding_pickers(model: str, able: Abilities) -> Ask:
    """What the network lets one choose."""
    language, task = "", "transcribe"
    # Of another name where another search stands first: a Whisper is not searched widely because `speech-en` was.
    key = "search" if able.searches[0] == "Beam" else "search-alone"
    search = explorer.segments("Search", list(able.searches), key)
    if able.languages:
        chosen = st.selectbox(
            "Language", ["detect", *able.languages], key="language", bind="query-params", width=130
        )
        language = "" if chosen in (None, "detect") else chosen
    if len(able.tasks) > 1:
        task = explorer.segments("Task", sorted(able.tasks), "task")
    return Ask(model=model, beams=calls.SEARCHES[search], language=language, task=task)


def changed(heard: Heard) -> Changed | None:
    """What becomes of the part of a clip that is shown, where the address asks for a change."""

    def again(interventions: Interventions, ids: tuple[int, ...]) -> Trace:
        return speech_calls.again(heard, interventions, ids).trace

    return heads.changed(heard.trace, again, writes="transcript")


@st.fragment
def explore(heard: Heard, about: str, changed: Changed | None = None) -> None:
    """Everything that a click on a head changes.

    Args:
        heard: the clip and its trace.
        about: a sentence on the network, shown under its heads.
        changed: what becomes of it with heads changed.
    """
    heads.whole_page_if_switched()
    _begin_with_the_best(heard.trace)
    before = heard
    with st.container(horizontal=True):
        kind = explorer.choose_kind(heard.trace)
        layer, head, how = explorer.choose_head(heard.trace, kind)
        shown = explorer.choose_run(heard.trace, changed, kind)
        top = explorer.choose_top(shown.trace[kind]) if shown.before is None else 1.0
    if changed and shown.trace is changed.after:
        heard = speech_calls.again(heard, changed.interventions, changed.ids)
    trace = shown.trace
    picture = st.container()
    found = times(heard)
    view = rollout.chosen(trace[kind], how, layer, head, done_to(trace.options))
    name = explorer.name_of(kind, layer, head, how)
    with picture:
        st.markdown(f"**{name}**")
        chosen = next(iter(found.values()), Alignment((), ()))
        sound = over_time(trace[kind], view.values, chosen, name)
        if trace.spectrogram:
            player(
                heard.samples,
                trace.spectrogram,
                key="player",
                words=[(way, alignment.words) for way, alignment in found.items()],
                attention=sound,
                offset=heard.offset,
                spans=span.spans(trace, len(heard.samples) / RATE, heard.offset),
                on_span=span.pick,
            )
        colours = f" Its strongest weight is {sound.values.max():.3f}." if sound else ""
        st.caption(
            f"{HINTS[kind]}{colours} Click to go there; a word plays alone. Keys: arrows left and "
            "right move, up and down go from word to word, Space plays and stops, Enter plays the word. Draw over a "
            "span of time to keep the decoder from hearing it."
        )
        crossing = (layer, head) if kind == "cross" else (None, None)
        has_ctc = heard.evidence.ctc is not None
        span.box(trace["cross"], *crossing, len(heard.samples) / RATE, heard.offset, ctc=has_ctc)
    left, right = st.columns([5, 6], gap="large")
    with left, st.container(key="heads"):
        explorer.heads_sheet(shown, kind, layer, head, top, explorer.tints(before.trace, shown))
        if changed:
            heads.panel(changed, heard.offset)
        st.caption(about)
    with right:
        if found:
            st.caption("When each word was spoken")
            was = _same_way(before, found) if heard is not before else ()
            table(speech_files.rows(found, heard.offset, was))
        speech_files.downloads(heard, found)
        if kind == "decoder":
            explorer.picture(shown, kind, layer, head, how, top)
        else:
            with st.expander("The same attention as a table", key="strongest", on_change="rerun") as box:
                if box.open:
                    table(strongest(view.values, view.queries, view.keys))
    if changed:
        heads.tokens(changed)
    lens.panel(trace, heard.samples)
    shares.panel(trace, heard.samples)
    ranking.panel(before.trace, before.samples)
    if "cut" not in trace.options:  # else what is shown is not all that the network computed with
        explorer.check_numbers(trace, kind, layer, head)


def _begin_with_the_best(trace: Trace) -> None:
    """Whoever has chosen no head yet begins with the one of cross-attention that best follows the sound."""
    known = {*st.session_state, *st.query_params}
    ranked = _ranked(trace["cross"])
    if ranked and not known & {"layer", "head", "attention"}:
        st.session_state["layer"], st.session_state["head"] = (
            str(ranked[0].layer + 1),
            str(ranked[0].head + 1),
        )


def over_time(attention: AttentionMap, values: FloatArray, found: Alignment, name: str) -> Attention | None:
    """A head as the player draws it; None where its keys are no moments of the sound."""
    keys = attention.keys
    if keys[0].start is None or keys[0].end is None:
        return None
    columns = [i for i, label in enumerate(keys) if not label.special]
    path = found.path if attention.kind == "cross" else ()
    return Attention(values[:, columns], attention.queries, keys[0].end - keys[0].start, path, name)


def times(heard: Heard) -> dict[str, Alignment]:
    """Word times by each way that there is, the chosen one first; draws how they are found."""
    trace = heard.trace
    found: dict[str, Alignment] = {}
    with st.expander("How the words got their times", key="times"):
        ranked = _ranked(trace["cross"])
        _add_named(heard, found)
        heads = _choose_heads(heard, ranked)
        if heads:
            found[BY_RANKED] = _aligned(heard, tuple(heads))
        problem = _add_ctc(heard, found)
        if problem:
            st.caption(problem)
        if found:
            st.caption(
                "Words end before a pause and begin behind it, by either kind of heads: a pause is at least 0.25 s of "
                "sound far below the rest, by its energy."
            )
        if len(found) > 1:
            first = explorer.segments("Words play by", list(found), "times-by")
            found = {first: found[first], **found}
    return found


def _same_way(before: Heard, found: dict[str, Alignment]) -> tuple[Word, ...]:
    """The words of the network as it is, timed as the first of `found` is."""
    way = next(iter(found))
    ways = timed(before.trace, before.evidence)
    return ways[way].words if way in ways else ()


def _ranked(cross: AttentionMap) -> list[HeadRank]:
    if cross not in _ranks:
        _ranks[cross] = rank_heads(cross)
    return _ranks[cross]


def _aligned(heard: Heard, heads: tuple[tuple[int, int], ...]) -> Alignment:
    """The path over heads of the trace; over those that the checkpoint names, in their own pass, for ()."""
    cross, evidence = heard.trace["cross"], heard.evidence
    known = _paths.setdefault(cross, {})
    if heads not in known:
        certain = [step.log_probability for step in heard.trace.steps]
        known[heads] = (
            by_named(cross, evidence.named, certain, evidence.pauses)
            if evidence.named and not heads
            else by_attention(cross, heads, certain, evidence.pauses)
        )
    return known[heads]


def _add_named(heard: Heard, found: dict[str, Alignment]) -> None:
    """Adds the times by the heads that the checkpoint names."""
    if heard.evidence.named is None:
        return
    found[BY_NAMED] = _aligned(heard, ())
    named = "; ".join(f"layer {i + 1}, head {j + 1}" for i, j in heard.alignment_heads)
    st.markdown(
        f"**{BY_NAMED}**: the checkpoint says itself which heads read along with the sound ({named}). Over these, and "
        "as Whisper’s own program does it, dynamic time warping finds the path: attention to the clip, each moment "
        "standardised over all tokens, a median over 0.14 s, the mean over heads."
    )


def _choose_heads(heard: Heard, ranked: Sequence[HeadRank]) -> list[tuple[int, int]]:
    if not ranked:
        st.caption("Nothing was written, so there is nothing to find in the sound.")
        return []
    names = {f"Layer {r.layer + 1}, head {r.head + 1}": (r.layer, r.head) for r in ranked}
    best = best_heads(ranked)
    st.markdown(
        f"**{BY_RANKED}**: a head that reads along with the sound shows when each token was spoken. Heads are ranked "
        "by how steadily their look moves on (Kendall’s tau of its centres) times how sharp it is (1 − entropy). "
        "Those with at least half of the best score, at most six, are averaged, and dynamic time warping finds the "
        "path."
    )
    chosen = st.multiselect(
        "Heads",
        list(names),
        default=[name for name, pair in names.items() if pair in best],
        key=f"heads-{heard.trace.model}-{heard.digest}-{heard.trace.output}",
    )
    table(
        [
            {
                "Head": f"Layer {r.layer + 1}, head {r.head + 1}",
                "Score": f"{r.score:.2f}",
                "Steady": f"{r.monotony:.2f}",
                "Sharp": f"{r.sharpness:.2f}",
            }
            for r in ranked[:10]
        ]
    )
    return [names[name] for name in chosen]


def _add_ctc(heard: Heard, found: dict[str, Alignment]) -> str:
    """Adds the times of the CTC output; says why not where there is one that cannot."""
    if heard.evidence.ctc is None:
        return ""
    scores, blank = heard.evidence.ctc
    try:
        found[BY_CTC] = by_ctc(scores, heard.trace.target, position(heard.trace["cross"]), blank)
    except ValueError as error:
        return f"The CTC output cannot say these words: {line(error)}."
    st.markdown(
        "**CTC**: the encoder’s second output says at each moment which token it hears, or none. The likeliest path "
        "through the transcript gives the times; its tokens are short, because this output speaks in single spikes."
    )
    return ""


def strongest(values: FloatArray, queries: Sequence[Label], keys: Sequence[Label]) -> list[dict[str, str]]:
    """For each row of (Q, K) weights the key that it looks at most."""
    best = values.argmax(-1)
    return [
        {"Row": query.text, "Looks most at": keys[k].text, "Weight": f"{values[i, k]:.4f}"}
        for i, (query, k) in enumerate(zip(queries, best, strict=True))
    ]


def table(rows: Sequence[dict[str, str]]) -> None:
    """Rows as a table that screen readers read, or a long one that scrolls."""
    columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    if len(rows) > TABLE_ROWS:
        st.dataframe(columns)
    else:  # which takes what stands in it for Markdown
        st.table({name: [plain(cell) for cell in cells] for name, cells in columns.items()})


def transcript(heard: Heard, changed: Changed | None = None) -> None:
    """What was said, in large type; of a clip of several parts all of it, and a choice of the part to look into."""
    if heard.text.strip():
        st.subheader(f"“{plain(heard.text)}”", anchor=False)
    else:
        st.info("The network heard no words in this clip.")
    if changed and not changed.held:
        same = all(pair.same for pair in changed.pairs)
        st.markdown(f"With the change: {'the same' if same else heads.answer(changed)}.")
    if why := doubt(heard.trace.options):
        st.info(f"In the part that is shown: {why}" if heard.parts else why, icon=":material/question_mark:")
    if heard.trace.options.get("language"):
        st.caption(f"Language: {line(heard.trace.options['language'])}.")
    if heard.parts:
        st.selectbox(
            f"Part to look into: the clip was cut at pauses into {len(heard.parts)}",
            range(len(heard.parts)),
            format_func=lambda i: _name_of(i, heard.parts[i]),
            key=speech_calls.part_key(heard.digest),
        )


def _name_of(number: int, part: Part) -> str:
    first, last = (f"{int(t) // 60}:{int(t) % 60:02d}" for t in (part.start, part.end))
    said = part.text if len(part.text) <= 60 else f"{part.text[:57]}…"
    return f"{number + 1}: {first} to {last}, " + (f"“{said}”" if said else "no words")
