"""Translate: which words did each head look at while the network translated this sentence?"""

import streamlit as st

from transformer.ask import Ask
from transformer.ui.instruments import heads, patching
from transformer.ui.models import calls, opened
from transformer.ui.parts import explorer
from transformer.ui.shell.about import about_model
from transformer.ui.shell.frame import frame
from transformer.ui.shell.model_picker import choose_model, missing_model
from transformer.ui.translate import steering

EXAMPLES = {
    "The train": calls.FIRST.given,
    "A problem": "Este é um problema que temos que resolver.",
    "The cat": "O gato preto dorme na cadeira azul.",
    "Coffee": "Ela não gosta de café, mas eu gosto.",
    "In Spanish": "¿Puedes ayudarme a abrir la puerta?",
}

frame("pages/translate.py")
st.title("Translate")
intro = st.empty()
text = st.text_input(
    "Sentence",
    value=calls.FIRST.given,
    max_chars=calls.LONGEST,
    key="text",
    bind="query-params",
    on_change=steering.forget_answer,
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    st.pills(
        "Examples",
        list(EXAMPLES),
        key="example",
        on_change=steering.take_example,
        args=(EXAMPLES,),
        wrap=True,
    )
    model = choose_model("seq2seq", steering.forget_choices)
    search = explorer.segments("Search", list(calls.SEARCHES), "search", steering.forget_choices)
    target = steering.own_output(calls.LONGEST)
# What an opened network reads, only whoever opened it knows.
language = "" if opened.get(model) else " in Portuguese or Spanish"
intro.markdown(f"Type a sentence{language} and press Enter. Then look at the heads that translated it.")
missing_model()

choices = st.query_params.get("choices", "")
trace = calls.answer(
    lambda: Ask(
        model=model,
        given=text,
        beams=calls.SEARCHES[search] if target is None else None,
        target=target,
        choices=calls.parse_choices(choices),
    )
)
steering.way_back(target, choices)
if trace:
    forced = trace.options.get("decoding") == "forced"
    own = not forced and "choices" not in trace.options
    explorer.explore(
        trace,
        titles=("Input", "Your translation" if forced else "Translation"),
        about=about_model(trace.model),
        on_choose=steering.take_choice,
        changed=heads.changed(trace, heads.translated_again(trace), writes="translation", own=own),
        pair=patching.Pair("Ela comprou uma casa azul.", "Ela comprou uma casa branca.", steering.take_text),
    )
calls.start()
