"""Steering a network that writes: a visitor's own output, alternatives that were chosen, and the way back.

The state is the widgets "text", "example" and "target", and the address's `choices` and `emptied`: a box that somebody
has emptied forces an output of nothing, one that nobody has touched leaves the network to itself. Each function below
is a callback, run before the page runs again: what was forced or chosen belongs to one answer and goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from transformer.ui.models import calls
from transformer.ui.parts.sentence import Choice

TEXT = "The train was late again this morning. Nobody on the platform knew why, and the next one was full."


def forget_choices() -> None:
    """Another answer will stand there: alternatives chosen in this one mean nothing to it."""
    st.query_params.pop("choices", None)


def forget_answer() -> None:
    """Another sentence, or back to what the network writes of its own accord."""
    st.session_state["target"] = ""
    st.query_params.pop("emptied", None)
    forget_choices()


def take_answer() -> None:
    """Force what stands in the box, which may be nothing."""
    st.query_params.pop("emptied", None)
    if not st.session_state["target"]:
        st.query_params["emptied"] = "true"
    forget_choices()


def examples(tasks: Sequence[str]) -> dict[str, str]:
    """Texts to try on an opened network: one for each task that it is told by how a text begins, where it knows any."""
    if not tasks:
        return {"In English": TEXT, "In Portuguese": calls.FIRST.given}
    return {task.strip().rstrip(":"): task + TEXT for task in tasks}


def languages(network: Any) -> tuple[str, str]:
    """Pickers for the languages that an opened network is told: of the text, and the one to write; "" where it is not
    told one."""
    chosen = []
    for label, key, codes, usual in (
        ("From", "from", network.languages, network.language),
        ("Into", "into", network.languages if network.into else (), network.into),
    ):
        if codes and st.session_state.get(key, usual) not in codes:
            st.session_state.pop(key, None)  # of another network
        chosen.append(
            st.selectbox(
                label,
                codes,
                index=codes.index(usual),
                key=key,
                bind="query-params",
                on_change=forget_answer,
                width=120,
            )
            if codes
            else ""
        )
    return chosen[0], chosen[1]


def take_example(examples: Mapping[str, str]) -> None:
    """Put the example that was clicked into the box."""
    if chosen := st.session_state["example"]:
        st.session_state["text"] = examples[chosen]
        st.session_state["example"] = None
        forget_answer()


def take_text(text: str) -> None:
    """Put a text into the box."""
    st.session_state["text"] = text
    forget_answer()


def take_choice(choice: Choice) -> None:
    """Let the network go on from the alternative that was clicked."""
    taken = st.query_params.get("choices", "")
    st.query_params["choices"] = f"{taken}_{choice.step}.{choice.alternative}".strip("_")


def edit_answer() -> None:
    """Put the output on screen into the box for one's own."""
    if "shown" in st.session_state:
        st.session_state["target"] = st.session_state["shown"].output
        take_answer()


def own_output(most: int, writes: str) -> str | None:
    """The box for an output of one's own; None: the network writes its own. `writes`: what it does, "translation"."""
    with st.popover(f"Your own {writes}", icon=":material/edit:"):
        target = st.text_input(
            "Force this output, and see what the heads would look at",
            max_chars=most,
            key="target",
            bind="query-params",
            on_change=take_answer,
            help="Until you write here the network writes its own; emptied again, an output of nothing is forced.",
        )
        st.button("Start from the one on screen", on_click=edit_answer)
    return target or ("" if st.query_params.get("emptied") == "true" else None)


def way_back(target: str | None, choices: str, writes: str) -> None:
    """Says whose words stand there where they are not the network's own, and leads back; `writes`: see `own_output`."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if target is not None or choices:
            a = "an" if writes[0] in "aeiou" else "a"
            wrote = f"You wrote this {writes}." if target else f"You forced {a} {writes} of nothing."
            whose = wrote if target is not None else "You chose a word; the network went on from it."
            st.caption(whose, width="content")
            st.button("Back to the network's own", on_click=forget_answer, icon=":material/undo:")
