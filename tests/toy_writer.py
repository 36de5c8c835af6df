"""A toy that writes, as a model folder: random weights and a small tokenizer."""

from pathlib import Path

from tests import toy
from transformer.checkpoints import folder
from transformer.config import END
from transformer.text.tokenizer import SubwordTokenizer

TEXTS = ["the cat sat on the mat.", "a dog, a cat and 12 mice!", 'he said "oh, don\'t" and sat'] * 4
LONGEST = 48  # tokens


def write_folder(place: Path, **changes: object) -> Path:
    """Make the folder; its name is the model's."""
    place.mkdir(parents=True)
    tokenizer = SubwordTokenizer.train(TEXTS, 60)
    config = toy.decoder(
        vocabulary=tokenizer.size,
        max_target=LONGEST,
        positions="learned",
        **(dict(start_id=END) | changes),
    )
    folder.save_config(place, config)
    folder.save_weights(place / folder.WEIGHTS, toy.tensors(toy.shared(config)))
    tokenizer.save(place / folder.TOKENIZER)
    return place
