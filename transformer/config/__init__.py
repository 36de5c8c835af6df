"""What a network is made of, as nested strict records; `config.json` of a model folder holds one `ModelConfig`."""

from transformer.config.attention import Attention, Relative, Rotary
from transformer.config.block import FeedForward, Norm, Stack, Table
from transformer.config.model import Family, ModelConfig
from transformer.config.records import Record, implemented, present
from transformer.config.recurrent import Recurrent, Score
from transformer.config.sound import Sound
from transformer.config.task import NAMED, OF_TEXTS, OF_TOKENS, Task
from transformer.config.tokens import END, NO_ID, PAD, START, UNKNOWN, Embedding, Special

__all__ = [
    "END",
    "NAMED",
    "NO_ID",
    "OF_TEXTS",
    "OF_TOKENS",
    "PAD",
    "START",
    "UNKNOWN",
    "Attention",
    "Embedding",
    "Family",
    "FeedForward",
    "ModelConfig",
    "Norm",
    "Record",
    "Recurrent",
    "Relative",
    "Rotary",
    "Score",
    "Sound",
    "Special",
    "Stack",
    "Table",
    "Task",
    "implemented",
    "present",
]
