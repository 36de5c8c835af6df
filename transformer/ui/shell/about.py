"""What a network is, in a sentence or two or in a table, read off its folder without loading it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from transformer import home
from transformer.checkpoints.look import Look, look
from transformer.config import ModelConfig
from transformer.ui.models import opened
from transformer.ui.shell.markdown import code


def about_model(name: str, *, card: bool = True) -> str:
    """What is known of a model by its name, shipped or opened; "" where there is none. Without `card` no summary."""
    if (model := opened.get(name)) and model.found:
        return _sentence(name, model.found)
    return about(home.models() / name, card)


def layers(config: ModelConfig) -> str:
    """Such as "reads with 2 layers of 4 heads and writes with 1 layer of 2 heads"; a sole decoder does both."""
    if config.family == "recurrent":
        return "reads with a bidirectional GRU and writes with a GRU and 1 head"
    if config.family == "recurrent_decoder":
        return "reads and writes with an LSTM"
    alone = "reads and writes" if config.task.kind == "tokens" else "reads"
    verbs = {"encoder": "reads", "decoder": "writes" if config.encoder else alone}
    shapes = config.attention_shapes()
    return " and ".join(
        f"{verb} with {_count(shapes[kind][0], 'layer')} of {_count(shapes[kind][1], 'head')}"
        for kind, verb in verbs.items()
        if kind in shapes
    )


def sharing(config: ModelConfig) -> str:
    """Such as "Heads 1–3 share keys, as do 4–6. Layers 1 and 3 see 512 tokens at a time."; "" where neither is so."""
    stack, said = config.decoder or config.encoder, []
    if stack is None:
        return ""
    spec = stack.attention
    if spec.groups > 1:
        firsts = range(1, spec.heads + 1, spec.groups)
        first, *others = (f"{i}–{i + spec.groups - 1}" for i in firsts)
        said.append(f"Heads {first} share keys" + (f", as do {_listed(others)}" if others else "") + ".")
    reaches: dict[int, list[str]] = {}
    for layer in range(stack.layers):
        reaches.setdefault(stack.attention_at(layer).window, []).append(str(layer + 1))
    for window, numbers in reaches.items():
        if window:
            if len(reaches) == 1:
                which = "Each layer sees"
            elif len(numbers) == 1:
                which = f"Layer {numbers[0]} sees"
            else:
                which = f"Layers {_listed(numbers)} see"
            # In an encoder it reaches to both sides.
            seen = window if stack is config.decoder else 2 * window - 1
            said.append(f"{which} {_count(seen, 'token')} at a time.")
    return " ".join(said)


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def counted(numbers: int) -> str:
    """Such as "26,104" or "7.9 million"."""
    return f"{numbers / 1e6:,.1f} million" if numbers >= 1e6 else f"{numbers:,}"


def sized(size: int) -> str:
    """Bytes as "0.4 MB" or "1.2 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@cache
def about(folder: Path, card: bool = True) -> str:
    """Such as "`pt-en` reads with 4 layers of 8 heads and …", followed by the summary of its model card.

    The summary is the first quoted paragraph (`> …`) of the card, README.md; without one, or without `card`, nothing is
    added. A folder that is no whole model has no description: "".
    """
    try:
        found = look(folder)
    except ValueError:
        return ""
    said = summary(folder / "README.md") if card else ""
    return f"{_sentence(folder.name, found)} {said}".strip()


def _sentence(name: str, found: Look) -> str:
    said = f"{code(name)} {layers(found.config)}, and learned {counted(found.parameters)} numbers."
    return f"{said} {sharing(found.config)}".strip()


def summary(card: Path) -> str:
    """The first quoted paragraph of a model card; "" where there is none."""
    if not card.is_file():
        return ""
    lines = card.read_text("utf-8").splitlines()
    first = next((i for i, line in enumerate(lines) if line.startswith(">")), len(lines))
    quoted = []
    for line in lines[first:]:
        if not line.startswith(">"):
            break
        quoted.append(line.lstrip("> ").strip())
    return " ".join(quoted)
