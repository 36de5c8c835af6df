"""Translate: which words did each head look at while the network translated this sentence?"""

import streamlit as st

from transformer.analysis import views
from transformer.trace import Trace
from transformer.ui import calls, explorer
from transformer.ui.components import Choice, sentence
from transformer.ui.frame import frame

EXAMPLES = {
    "The train": calls.FIRST.text,
    "A problem": "Este é um problema que temos que resolver.",
    "The cat": "O gato preto dorme na cadeira azul.",
    "Coffee": "Ela não gosta de café, mas eu gosto.",
    "In Spanish": "¿Puedes ayudarme a abrir la puerta?",
}

frame("pages/translate.py")
st.title("Translate")
st.markdown(
    "Type a sentence in Portuguese or Spanish and press Enter. Then look at the heads that translated it."
)


def forget_answer() -> None:
    """A new sentence: what was forced or chosen belonged to the old one."""
    st.session_state["target"] = ""
    st.query_params.pop("choices", None)


def take_example() -> None:
    if chosen := st.session_state["example"]:
        st.session_state["text"] = EXAMPLES[chosen]
        st.session_state["example"] = None
        forget_answer()


def take_choice(choice: Choice) -> None:
    """Let the network go on from the alternative that was clicked."""
    taken = st.query_params.get("choices", "")
    st.query_params["choices"] = f"{taken}_{choice.step}.{choice.alternative}".strip("_")


def edit_answer() -> None:
    st.session_state["target"] = st.session_state["shown"].output


text = st.text_input(
    "Sentence", value=calls.FIRST.text, key="text", bind="query-params", on_change=forget_answer
)
st.pills("Examples", list(EXAMPLES), key="example", on_change=take_example, label_visibility="collapsed")
with st.container(horizontal=True, vertical_alignment="bottom"):
    model = st.selectbox("Model", calls.shipped(), key="model", bind="query-params", width=160)
    search = explorer.segments("Search", list(calls.SEARCHES), "search")
    with st.popover("Your own translation", icon=":material/edit:"):
        target = st.text_input(
            "Force this output, and see what the heads would look at",
            key="target",
            bind="query-params",
            help="Empty: the network writes its own.",
        )
        st.button(
            "Start from the one on screen", on_click=edit_answer, disabled="shown" not in st.session_state
        )

trace = calls.answer(
    lambda: calls.Request(
        model, text, calls.SEARCHES[search], target, calls.parse_choices(st.query_params.get("choices"))
    )
)


@st.fragment
def look(trace: Trace) -> None:
    """Everything that a click on a head changes."""
    answer = st.container()
    kind = explorer.choose_kind(trace)
    with st.container(horizontal=True, gap="medium"):
        layer, head, how = explorer.choose_head(trace, kind)
    weights = views.combine(trace[kind], how, layer=layer, head=head).values
    with answer:
        name = explorer.name_of(kind, layer, head, how)
        if sentence(trace, key="sentence", kind=kind, weights=weights, view=name, on_choose=take_choice):
            st.rerun()
    left, right = st.columns([5, 6], gap="large")
    with left:
        explorer.heads_sheet(trace, kind, layer, head)
    with right:
        explorer.picture(trace, kind, layer, head, how)


if trace:
    look(trace)
calls.start()
