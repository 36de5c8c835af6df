"""What kinds of networks there are: one row for each, and every place that must know all of them reads it here.

Classes and functions stand in it by name and are imported when somebody asks for one, so that networks, training,
pages and the command line can all read it, and reading it loads nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """A kind of network. Names are "module:attribute", below `transformer`.

    Args:
        family: as `ModelConfig.family` says.
        network: the Keras model that its configuration describes.
        model: the network with its tokenizer, as `load` gives it.
        task: what it learns when it is trained.
        measure: (model, file, limit, beams) -> the figures of a model card.
        page: the page whose picker has it.
        does: what it does, as people say it.
        ahead: inputs of the model's `warm`, one after the other: what a page has compiled before it is asked. The
            first of them before anybody is answered.
        tokens: what one id stands for.
    """

    family: str
    network: str
    model: str
    task: str
    measure: str
    page: str
    does: str
    ahead: tuple[dict[str, Any], ...] = ()
    tokens: str = "subwords"


BEAMS = 4  # of the wider search that pages offer
# What builds the graphs of outputs that are too long for the compiled ones.
_BEYOND: dict[str, Any] = {"lengths": (), "beams": (1, BEAMS), "beyond": True}

KINDS = (
    Kind(
        "seq2seq",
        network="models.seq2seq:Transformer",
        model="pipeline.translator:Translator",
        task="training.translation:Translation",
        measure="evaluation.measure:of_pairs",
        page="translate",
        does="reads a text and writes another",
        ahead=(
            {"lengths": (16,)},
            {"lengths": (32, 48)},
            {"lengths": (16, 32), "beams": (BEAMS,)},
            _BEYOND,
        ),
    ),
    Kind(
        "recurrent",
        network="models.recurrent:RecurrentTranslator",
        model="pipeline.translator:Translator",
        task="training.translation:Translation",
        measure="evaluation.measure:of_pairs",
        page="recurrence",
        does="reads a text and writes another",
        ahead=({"lengths": (16,)}, {"lengths": (32,)}, {"lengths": (16,), "beams": (BEAMS,)}, _BEYOND),
    ),
    Kind(
        "decoder",
        network="models.language:LanguageModel",
        model="pipeline.writer:Writer",
        task="training.language:Language",
        measure="evaluation.measure:of_paragraphs",
        page="next_word",
        does="goes on writing a text",
        ahead=({"lengths": (16,)}, {"lengths": (100, 200)}),
    ),
    Kind(
        "decoder",
        tokens="characters",
        network="models.language:LanguageModel",
        model="pipeline.characters:CharacterWriter",
        task="training.characters:Characters",
        measure="evaluation.measure:of_characters",
        page="next_word",
        does="goes on writing a text",
        ahead=({"lengths": (16,)}, {"lengths": (100, 200)}),
    ),
    Kind(
        "recurrent_decoder",
        tokens="characters",
        network="models.characters:CharacterLSTM",
        model="pipeline.characters:CharacterRecurrent",
        task="training.characters:Characters",
        measure="evaluation.measure:of_characters",
        page="recurrence",
        does="goes on writing a text",
        ahead=({},),
    ),
    Kind(
        "encoder",
        network="models.reader:Reader",
        model="pipeline.reader:TextReader",
        task="training.classification:Classification",
        measure="evaluation.measure:of_labels",
        page="read",
        does="reads a text",
        ahead=({},),
    ),
    Kind(
        "reading_decoder",
        network="models.reader:Reader",
        model="pipeline.reader:TextReader",
        task="training.classification:Classification",
        measure="evaluation.measure:of_labels",
        page="read",
        does="reads a text from its beginning on",
        ahead=({},),
    ),
    Kind(
        "speech",
        network="models.seq2seq:Transformer",
        model="pipeline.listener:Listener",
        task="training.speech:Speech",
        measure="evaluation.measure:of_clips",
        page="speech",
        does="hears speech and writes it down",
        ahead=({},),
    ),
)


def kind_of(family: str, tokens: str = "subwords") -> Kind:
    """The row of a family whose ids stand for these tokens; a family that has only one kind of them needs no word.

    Raises:
        ValueError: a family that has no row.
    """
    rows = [kind for kind in KINDS if kind.family == family]
    if not rows:
        raise ValueError(
            f"expected a family out of {', '.join(sorted({k.family for k in KINDS}))}, received {family!r}"
        )
    return next((kind for kind in rows if kind.tokens == tokens), rows[0])


def named(name: str) -> Any:
    """What a "module:attribute" of a row stands for, imported now."""
    module, attribute = name.split(":")
    return getattr(import_module(f"transformer.{module}"), attribute)
