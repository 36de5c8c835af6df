"""How good a model is on a test file: the figures that a model card states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformer.pipeline import Translator


def translation(model: Translator, pairs: Sequence[tuple[str, str]], *, beams: int = 4) -> dict[str, float]:
    """BLEU (Papineni et al. 2002) and chrF (Popovic 2015) of translations against one reference each, by sacrebleu.

    Args:
        model: translates the first of each pair.
        pairs: (source, reference).
        beams: 1 decodes greedily.

    Returns:
        `bleu` and `chrf`, 0 to 100, and `count`, how many pairs.
    """
    import sacrebleu

    answers = model.translate([source for source, _ in pairs], beams=beams)
    references = [[reference for _, reference in pairs]]
    return {
        "bleu": round(sacrebleu.corpus_bleu(answers, references).score, 2),
        "chrf": round(sacrebleu.corpus_chrf(answers, references).score, 2),
        "count": len(pairs),
    }
