"""Which models are there, what does another one cost, and how is it opened and forgotten?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from transformer import home, settings
from transformer.checkpoints import hub
from transformer.checkpoints.families import FAMILIES
from transformer.checkpoints.look import OURS, Look, at_once, free_memory, look
from transformer.config import OF_TEXTS, ModelConfig, Task
from transformer.kinds import kind_of
from transformer.ui.models import calls, opened
from transformer.ui.shell.about import counted, layers, sized, summary
from transformer.ui.shell.frame import PAGES, Page
from transformer.ui.shell.markdown import line, plain

LONGEST = 1000  # characters of a path or an id
NO_TOKENIZER = (
    "none, so it opens but cannot read text, only ready-made ids from Python. Put `tokenizer.json`, or the vocabulary "
    "files that came with the weights, beside `config.json`, and look again"
)
TITLES = {OURS: "Trained by Headlight"} | {name: family.title for name, family in FAMILIES.items()}


class Found(NamedTuple):
    """What was typed, looked at: a folder, or a hub id that is in the cache (`seen`) or would be fetched (`cost`)."""

    source: Path | str
    seen: Look | None
    cost: hub.Cost | None

    @property
    def name(self) -> str:
        """The folder's own name, or the id."""
        return self.source.name if isinstance(self.source, Path) else self.source


def place(text: str) -> Path | str:
    """The folder (links resolved) or hub id that somebody typed.

    Where the server names a directory, a folder elsewhere is not told apart from none.

    Raises:
        ValueError: neither.
    """
    text = text.strip()
    if not text or len(text) > LONGEST:
        received = f"{len(text):,} characters" if text else "nothing"
        raise ValueError(f"expected a folder or a hub id such as org/name, received {received}")
    directory = settings.models_directory()
    try:
        folder = ((directory or Path.cwd()) / Path(text).expanduser()).resolve()
        within = directory is None or (folder != directory and folder.is_relative_to(directory))
        if within and folder.is_dir():
            return folder
        if directory is None and folder.exists():
            raise ValueError(f"expected a folder, received a file: {text[:80]!r}")
    except (
        OSError,
        RuntimeError,
        UnicodeError,
    ):  # RuntimeError: links in a circle, or a home that nobody has
        pass
    except ValueError as error:
        if "null" not in str(error):
            raise
    if hub.is_id(text):
        return text
    where = "here" if directory is None else "among those that this server opens"
    raise ValueError(f"expected a folder {where}, or a hub id such as org/name, received {text[:80]!r}")


def look_at(text: str) -> Found:
    """What there is to open at what was typed; asks the hub where it has to.

    Raises:
        ValueError: nothing, or nothing that can be opened.
    """
    source = place(text)
    folder = source if isinstance(source, Path) else hub.cached(source)
    if folder:
        return Found(source, look(folder), None)
    return Found(source, None, hub.cost(str(source)))


def shipped_models() -> None:
    """The models that come along: what they are, how good they are, and their cards."""
    for name in calls.shipped():
        folder = home.models() / name
        try:
            found = look(folder)
        except ValueError as error:
            st.warning(f"{plain(name)} cannot be opened: {line(error)}.")
            continue
        card = folder / "README.md"
        with st.container(border=True, key=f"shipped-{name}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.subheader(plain(name), anchor=False, width="stretch")
                _page_link(name, found.config.family)
            if text := summary(card):
                st.markdown(text)
            size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
            st.caption(
                f"It {kind_of(found.config.family).does}. It {layers(found.config)}, "
                f"vectors of {found.config.width} numbers, "
                f"{found.config.vocabulary:,} {found.config.tokens}, {counted(found.parameters)} learned numbers. "
                f"{sized(size)} on disk."
            )
            if card.is_file():
                with st.expander("Its card: data and licences, how it was trained, measured quality"):
                    # Its headings stand below those of the page.
                    st.markdown(re.sub(r"(?m)^#", "####", card.read_text("utf-8")))


def open_your_own() -> None:
    """A box for a folder or a hub id, what was found there, and the button that opens it."""
    directory, allowed = settings.models_directory(), settings.hub_allowed()
    where = "A folder of this server" if directory else "A folder on this computer"
    st.markdown(
        f"{where}, or a model on the Hugging Face hub, of a family in this table, with its numbers as safetensors. "
        "Nothing of it is run as code. Look first: that reads its settings and says what it will cost."
    )
    families()
    with st.form("look", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Folder or hub id",
            key="source",
            max_chars=LONGEST,
            placeholder="a folder, or org/name",
            help=None
            if allowed
            else "Fetching is switched off here: only what has been fetched before opens.",
        )
        asked = st.form_submit_button("Look", icon=":material/search:")
    if asked:
        st.session_state.pop("looked", None)
        try:
            with st.spinner("Looking."):
                st.session_state["looked"] = look_at(text)
        except ValueError as error:
            st.session_state["looked"] = f"Not found: {line(error)}."
    answer = st.session_state.get("looked")
    if isinstance(answer, str):
        st.warning(answer)
    elif answer:
        _offer(answer)


def families() -> None:
    """The table of what can be opened."""
    with st.expander("Families that open"):
        pages = {name: _page_of(family.kind) for name, family in FAMILIES.items()}
        st.dataframe(
            [
                {
                    "family": family.title,
                    "model_type": name,
                    "what it does": kind_of(family.kind).does,
                    "page": page.name if (page := pages[name]) else "",
                }
                for name, family in FAMILIES.items()
            ],
            hide_index=True,
            width="content",
        )
        st.caption(
            "With a head for classes, labels, a score, classes of tokens or the answer to a question, what reads a "
            "text and what goes on writing opens on Read, and where it answers a whole text on Sentiment, too. Of any "
            "other head the network behind it opens there, and the head is named as left out."
        )


def _offer(found: Found) -> None:
    """What was found, and the button."""
    kind, config = found.seen[1:3] if found.seen else found.cost[:2]  # type: ignore[index]
    free = free_memory()
    with st.container(border=True, key="found"):
        st.subheader(plain(found.name), anchor=False)
        st.markdown("\n".join(f"- **{name}**: {value}" for name, value in _facts(found, kind, config, free)))
        if found.seen and found.seen.memory > free:
            st.warning("It does not fit into the memory that is free.")
            return
        label = "Open it" if found.seen else "Fetch and open it"
        if st.button(label, type="primary", icon=":material/folder_open:", key="open"):
            try:
                calls.open_model(found.source)
            except ValueError as error:
                st.warning(f"Not opened: {line(error)}.")
                return
            st.session_state.pop("looked", None)
            st.rerun()


def _facts(found: Found, kind: str, config: ModelConfig, free: int) -> list[tuple[str, str]]:
    facts = [
        ("What it is", f"{TITLES[kind]}. It {kind_of(config.family).does}."),
        ("Size", f"it {layers(config)}; width {config.width}; a vocabulary of {config.vocabulary:,}"),
    ]
    if found.seen:
        reads = "yes" if found.seen.tokenizer else NO_TOKENIZER
        facts += [
            ("Learned numbers", counted(found.seen.parameters)),
            ("Memory", f"{sized(found.seen.memory)} while it is opened, of {sized(free)} that are free"),
        ]
        if config.family != "speech" or not found.seen.tokenizer:
            facts.append(("Tokenizer", reads))
    elif found.cost:
        facts += [
            ("To fetch", f"{found.cost.files} files, {sized(found.cost.bytes)}"),
            ("Memory", f"at least {sized(found.cost.bytes)}, of {sized(free)} that are free"),
        ]
    if bool(config.decoder) != bool(config.encoder) and found.seen:
        once = at_once(config, free - found.seen.memory)
        more = f"; of its {config.longest:,}, as many as memory allows" if once < config.longest else ""
        facts.append(("Reads", f"{once:,} tokens at once{more}"))
    if answers := says(config.task):
        facts.append(("Answers", answers))
    page = _page_of(config.family)
    named = page.name if page else "none yet: it opens for Python and the command line"
    if page and found.seen and not found.seen.tokenizer:
        named += ", which needs its tokenizer"
    elif config.family in calls.READERS and config.task.kind in OF_TEXTS:
        named += ", and Sentiment"
    facts.append(("Page", named))
    return facts


def says(task: Task) -> str:
    """What a network that reads answers with, and the head that is left out where one is; "" where it writes."""
    of = f"{task.classes:,}"
    kinds = {
        "masked_tokens": "what stands in the place of masked words",
        "classes": f"one of {of} classes",
        "labels": f"any of {of} labels, each with a probability of its own",
        "score": "a score" if task.classes == 1 else f"{of} numbers",
        "token_classes": f"one of {of} classes for each token",
        "spans": "the stretch of a text that answers a question",
        "replaced": "for each token whether it was replaced",
        "vectors": "nothing: it has no head, and shows what it looks at",
    }
    if task.left_out:
        return (
            f"nothing here: its head, {line(task.left_out)}, is left out, and what its body looks at is shown"
        )
    return kinds.get(task.kind, "")


def opened_models() -> None:
    """The models that visitors opened or that are on their way; the list follows them by itself."""
    st.caption(
        f"Up to {opened.MOST} models, shared by everyone who uses this server: each can use them, and each can forget "
        "them. They stay until then, or until the server ends."
    )
    busy = any(not model.future.done() for model in opened.opened())
    st.fragment(_list, run_every=1 if busy else None)(busy)


def _list(busy: bool) -> None:
    models = opened.opened()
    if busy and all(model.future.done() for model in models):
        st.rerun()  # the whole page: it need not look again every second
    if not models:
        st.markdown("None yet.")
    for model in models:
        with (
            st.container(border=True, key=f"opened-{model.name}"),
            st.container(horizontal=True, vertical_alignment="center"),
        ):
            _state(model)
            st.button(
                "Forget" if not model.problem else "Dismiss",
                key=f"forget-{model.name}",
                icon=":material/close:",
                on_click=calls.forget,
                args=(model.name,),
            )


def _state(model: opened.Opened) -> None:
    name = f"**{plain(model.name)}**"
    if model.problem:
        st.markdown(f"{name} was not opened: {line(model.problem)}.", width="stretch")
    elif model.ready and model.found:
        config = model.found.config
        facts = f"{TITLES[model.found.kind]}, {counted(model.found.parameters)} learned numbers"
        st.markdown(f"{name}  \n{facts}. It {layers(config)}.", width="stretch")
        _page_link(model.name, config.family)
    elif model.phase == opened.FETCHING:
        done, total = model.fetched
        words = f"Fetching {name}: {sized(done)} of {sized(total)}" if total else f"Asking the hub for {name}"
        st.progress(done / total if total else 0.0, text=words)
    else:
        words = "waits for another to open" if model.phase == opened.WAITING else "is being opened"
        st.status(f"{name} {words}.", state="running")


def _page_of(family: str) -> Page | None:
    return next((page for page in PAGES if page.path == f"pages/{kind_of(family).page}.py"), None)


def _page_link(name: str, family: str) -> None:
    if page := _page_of(family):
        st.page_link(page.path, label=page.name, icon=page.icon, query_params={"model": name})
