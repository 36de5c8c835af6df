"""Translate: which words did each head look at while what goes in came out otherwise, translated or shortened?"""

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
above = st.container(horizontal=True, vertical_alignment="bottom")
with above:
    place = st.container(width="content")
    model = choose_model("seq2seq", steering.forget_choices)
    search = explorer.segments("Search", list(calls.SEARCHES), "search", steering.forget_choices)
    published = opened.get(model)
    writes = "output" if published else "translation"
    language, into = steering.languages(published.future.result()) if published else ("", "")
    target = steering.own_output(calls.LONGEST, writes)
examples = steering.examples(published.future.result().tasks) if published else EXAMPLES
place.pills(
    "Tasks" if published and published.future.result().tasks else "Examples",
    list(examples),
    key="example",
    on_change=steering.take_example,
    args=(examples,),
    wrap=True,
)
# What an opened network reads and writes, only whoever opened it knows.
intro.markdown(
    "What goes in comes out otherwise: translated, shortened or answered, whatever this network has learned. Type a "
    "text and press Enter. Then look at the heads that wrote what came of it."
    if published
    else "Type a sentence in Portuguese or Spanish and press Enter. Then look at the heads that translated it."
)
missing_model()

choices = st.query_params.get("choices", "")
trace = calls.answer(
    lambda: Ask(
        model=model,
        given=text,
        beams=calls.SEARCHES[search] if target is None else None,
        target=target,
        choices=calls.parse_choices(choices),
        language=language,
        into=into,
    )
)
steering.way_back(target, choices, writes)
if trace:
    forced = trace.options.get("decoding") == "forced"
    own = not forced and "choices" not in trace.options
    explorer.explore(
        trace,
        titles=("Input", f"Your {writes}" if forced else writes.capitalize()),
        about=about_model(trace.model),
        on_choose=steering.take_choice,
        changed=heads.changed(trace, heads.translated_again(trace), writes=writes, own=own),
        pair=patching.Pair("Ela comprou uma casa azul.", "Ela comprou uma casa branca.", steering.take_text),
    )
calls.start()
