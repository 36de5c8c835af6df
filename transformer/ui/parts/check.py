"""Check the numbers: the weights on screen beside the same weights computed again from the network's queries and keys.

For any trace of a network that is shipped or open. The comparison itself is `analysis.check`.
"""

from __future__ import annotations

import streamlit as st

from transformer.analysis.check import Check, check_layer, mask_of
from transformer.analysis.scores import cut_of
from transformer.ask import done_to
from transformer.config import Attention
from transformer.figures.by_hand import matrix
from transformer.figures.labels import MAP_NAMES, shown
from transformer.trace import Trace
from transformer.ui.instruments import shares
from transformer.ui.models import calls
from transformer.ui.shell.frame import theme
from transformer.ui.shell.markdown import line, plain


def check_panel(trace: Trace, kind: str, layer: int | None, head: int | None, *, key: str) -> None:
    """Recompute the weights in float64 by the formula of their layer, and say how far those on screen are from it.

    Args:
        trace: of a model that is shipped or open.
        kind, layer, head: what is chosen on the page, counted from 0; None takes all layers or heads, and the one
            with the largest difference is shown.
        key: a name of its own for this panel on its page.
    """
    if not calls.known(trace.model) or not calls.ready(trace.model):
        st.caption(
            "The network that made this is not loaded (yet): there is nothing to compute it again from."
        )
        return
    try:
        checks = _checks(trace, kind, layer, head)
    except (ValueError, calls.Unavailable) as error:
        st.warning(line(error))
        return
    (at_layer, at_head), worst = max(checks.items(), key=lambda item: item[1].largest)
    config = calls.network(trace.model).config
    spec, relative = config.attention(kind, at_layer), config.relative(kind) is not None
    st.latex(formula(spec, relative))
    if said := meaning(spec, relative, kind == "encoder"):
        st.caption(said)
    which = (
        f"{MAP_NAMES[kind]}, layer {at_layer + 1}, head {at_head + 1}"
        if len(checks) == 1
        else f"{MAP_NAMES[kind]}, {len(checks)} heads; the worst is layer {at_layer + 1}, head {at_head + 1}"
    )
    passed = all(found.passed for found in checks.values())
    st.markdown(
        f"{_verdict(passed)} {which}. The queries and keys that the network really used were multiplied and put "
        f"through a softmax again, in numpy with 16 digits. The network has 7, so up to {worst.tolerance:.0e} is "
        "rounding."
    )
    leak = max(found.leak for found in checks.values())
    with st.container(horizontal=True, gap="medium"):
        st.metric("Largest difference", f"{worst.largest:.1e}", width="content")
        st.metric(
            "A row's sum is off 1 by", f"{max(c.worst_sum for c in checks.values()):.1e}", width="content"
        )
        if worst.forbidden:
            st.metric(f"Weight on {worst.forbidden} forbidden positions", f"{leak:.1g}", width="content")
        else:
            st.metric("Forbidden positions", "none", width="content")
    _details(trace, kind, worst, key)
    _insides(trace)


def _insides(trace: Trace) -> None:
    """The guesses of the lens and the shares of a score, where they have been asked for."""
    if (lens := calls.told(trace, "lens")) is not None:
        inside, network = calls.told(trace, "insides"), calls.network(trace.model)
        count = len(lens.labels)
        places = sorted({0, count // 2, count - 1})
        found = calls.along(
            trace, "lens again", lambda: [lens.check(i, network.scores_again(inside, i)) for i in places]
        )
        worst = max(found, key=lambda check: check.largest)
        at = "the embedding" if worst.row == 0 else f"layer {worst.row}"
        label = plain(shown(lens.names[worst.id]).strip() or "␣")
        st.markdown(
            f"{_verdict(all(check.passed for check in found))} The lens, at {len(found)} of {count} places: every "
            "guess of every layer again from the stream, through norms and tables in 16 digits. The largest difference "
            f"is {worst.largest:.1e}, behind {at} at place {worst.place + 1}, where “{label}” has "
            f"{worst.probability:.9f}; up to {worst.tolerance:.0e} is rounding."
        )
    if (parts := shares.last(trace)) is not None:
        label = plain(shown(parts.label).strip() or "␣")
        st.markdown(
            f"{_verdict(parts.passed)} The shares of the score of “{label}”: they add up to {parts.total:.6f} in 16 "
            f"digits, and the network says {parts.score:.6f}. The difference is {parts.difference:.1e}; up to "
            f"{parts.tolerance:.0e} is rounding."
        )


def _verdict(passed: bool) -> str:
    if passed:
        return ":material/check_circle: The numbers agree."
    return ":material/error: **The numbers do not agree.**"


def _details(trace: Trace, kind: str, found: Check, key: str) -> None:
    attention = trace[kind]
    row, column = found.largest_at
    query, key_word = plain(attention.queries[row].text), plain(attention.keys[column].text)
    st.caption(
        f"The largest difference is at “{query}” looking at “{key_word}”, where it should be "
        f"{found.weights[row, column]:.9f}. Differences of all pairs, shown minus computed:"
    )
    figure = matrix(found.difference, attention.queries, attention.keys, theme=theme(), title="difference")
    figure.update_traces(texttemplate=None, hovertemplate="“%{y}”, “%{x}”: %{z:.2e}<extra></extra>")
    st.plotly_chart(
        figure, theme=None, width="content", config={"displayModeBar": False}, key=f"{key}-difference",
        alt="Difference between the weights on screen and those computed again.",
    )  # fmt: skip
    with st.expander("Sum of each row"):
        leaked = {"on forbidden positions": found.leaked} if found.forbidden else {}
        st.dataframe(
            {"row": [label.text for label in attention.queries], "sum": found.row_sums, **leaked},
            hide_index=True,
            column_config={"sum": st.column_config.NumberColumn(format="%.9f")},
        )


def _checks(trace: Trace, kind: str, layer: int | None, head: int | None) -> dict[tuple[int, int], Check]:
    network = calls.network(trace.model)
    projected = calls.along(trace, "projections", lambda: network.projections(trace))
    parts, attention = projected[kind], trace[kind]
    cuts = done_to(trace.options).edges
    found: dict[tuple[int, int], Check] = {}
    for i in range(attention.layers) if layer is None else [layer]:
        spec = network.config.attention(kind, i)
        mask = mask_of(kind, len(attention.queries), len(attention.keys), spec.window)
        scale = float(trace.options.get("position_scale", 1.0))  # type: ignore[arg-type]
        barred = cut_of(cuts, kind, i, attention.weights.shape[1:])
        checks = check_layer(
            *(attention.weights[i], parts.queries[i], parts.keys[i], spec, mask, network.learned(kind, i)),
            position_scale=scale,
            barred=barred if barred.any() else None,
        )
        found |= {(i, j): checks[j] for j in (range(attention.heads) if head is None else [head])}
    return found


def formula(spec: Attention, relative: bool = False) -> str:
    """How a layer's weights come from its queries and keys, as LaTeX; `meaning` says what its letters are."""
    query, key = ("Q", "K") if spec.qk_norm == "none" else (r"\hat Q", r"\hat K")
    if spec.rotary:
        query, key = rf"R\,{query}", rf"R\,{key}"
    product = rf"{query}\,({key})^{{\mathsf T}}" if len(key) > 1 else rf"{query} {key}^{{\mathsf T}}"
    scores = rf"\frac{{{product}}}{{\sqrt{{d_k}}}}"
    if spec.scale:
        scores = product if spec.scale == 1 else rf"{spec.scale:.4g}\,{product}"
    if spec.softcap:
        scores = rf"{spec.softcap:g}\tanh\!\left({scores}\,/\,{spec.softcap:g}\right)"
    if spec.alibi:
        scores += r" - s\,|i - j|"
    if relative:
        scores += r" + b_{j - i}"
    return rf"A = \operatorname{{softmax}}\!\left({scores}\right)"


def meaning(spec: Attention, relative: bool = False, both: bool = False) -> str:
    """What letters of the formula stand for, beyond those of the paper; "" where there are none. `both`: a query sees
    what stands before it and behind it."""
    said = [
        text
        for text, there in (
            ("Q̂ and K̂ are normalised", spec.qk_norm != "none"),
            ("R turns each vector by its position", spec.rotary is not None),
            ("s falls from head to head, and |i − j| is how far apart two positions are", spec.alibi),
            ("b is learned for each head and distance", relative),
            (f"{spec.groups} heads share one K", spec.groups > 1),
            (f"a query sees {2 * spec.window - 1 if both else spec.window} positions", spec.window > 0),
        )
        if there
    ]
    return "; ".join(said) + "." if said else ""
