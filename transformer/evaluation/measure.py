"""How good a model is on a test file: the figures that a model card states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformer.corpus.clips import plain, read_manifest
from transformer.corpus.files import numbered, read_pairs, read_paragraphs, read_text
from transformer.formulas.bits import bits, encode
from transformer.kinds import kind_of, named

if TYPE_CHECKING:
    from transformer.pipeline import Listener, TextReader, Translator, Writer


def measure(
    model: Any, path: Path, *, limit: int | None = None, beams: int | None = None
) -> dict[str, float]:
    """The figures of a model on a file of its kind, .gz or not: `source<TAB>target` lines for one that translates,
    paragraphs for one that writes, `label<TAB>text` lines for one that classifies, a manifest with columns `path` and
    `transcript` for one that transcribes.

    Args:
        model: as `pipeline.load` gives it.
        path: the file.
        limit: only its first lines.
        beams: of a translation (None: 4) or a transcription (None: as wide as the model asks for); 1 decodes greedily.

    Raises:
        ValueError: a model that answers nothing, or a file that is none of its kind or empty.
    """
    row = kind_of(model.config.family, model.config.tokens)
    figures: dict[str, float] = named(row.measure)(model, path, limit, beams)
    return figures


def of_characters(model: Any, path: Path, limit: int | None, beams: int | None) -> dict[str, float]:
    """Of a text letter by letter, line breaks counted: `bits_per_character`, and `count`, the letters."""
    text = "".join(read_text(path).splitlines(keepends=True)[:limit])
    return {"bits_per_character": round(model.bits_per_character(text), 4), "count": len(text)}


def of_paragraphs(model: Writer, path: Path, limit: int | None, beams: int | None) -> dict[str, float]:
    """See `language`."""
    return language(model, _not_empty(read_paragraphs(path)[:limit], path))


def of_pairs(model: Translator, path: Path, limit: int | None, beams: int | None) -> dict[str, float]:
    """See `translation`."""
    return translation(model, _not_empty(read_pairs(path)[:limit], path), beams=4 if beams is None else beams)


def of_clips(model: Listener, path: Path, limit: int | None, beams: int | None) -> dict[str, float]:
    """See `transcription`."""
    clips = _not_empty(read_manifest(path)[:limit], path)
    pairs = ((path.parent / clip.path, clip.transcript) for clip in clips)
    return transcription(model, list(pairs), beams=beams)


def of_labels(model: TextReader, path: Path, limit: int | None, beams: int | None) -> dict[str, float]:
    """See `classification`; ValueError for an encoder that gives no classes."""
    if model.config.output != "classes":
        raise ValueError(
            "expected a network that translates, writes, transcribes or classifies, "
            f"received one of family {model.config.family} for {model.config.output}"
        )
    return classification(model, _not_empty(read_pairs(path)[:limit], path))


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


def language(model: Writer, paragraphs: Sequence[str]) -> dict[str, float]:
    """How well a text is foretold, each token after at least half of what the network can read: see `bits`.

    Args:
        model: foretells each token, and after each paragraph its end.
        paragraphs: running text.

    Returns:
        `perplexity` (a word between white space), `bits_per_byte`, `perplexity_per_token`, and `count`, the tokens.

    Raises:
        ValueError: a network without an end token, for there is nothing before the first token then.
    """
    config = model.config
    if config.end_id < 0:
        raise ValueError("expected a network with an end token, received one without")
    figures = bits(
        model.runtime.score,
        encode(model.tokenizer, paragraphs, config.end_id),
        config.max_target,
        start=config.end_id if config.start_id < 0 else config.start_id,
        # About 128 MB of scores at once, and no more tokens than a processor has use for.
        rows=max(1, min(1024, 2**25 // config.vocabulary) // config.max_target),
    )
    digits = {"perplexity": 2, "bits_per_byte": 4, "perplexity_per_token": 2}
    return {name: round(value, digits[name]) if name in digits else value for name, value in figures.items()}


def classification(model: TextReader, rows: Sequence[tuple[str, str]]) -> dict[str, float]:
    """How many texts are given the class that people gave them.

    Args:
        model: classifies.
        rows: (label, text); a label is the name of a class or its number from 0.

    Returns:
        `accuracy` in percent, and `count`, how many texts.

    Raises:
        ValueError: a label that is no class of the model.
    """
    config = model.config
    people = numbered([label for label, _ in rows], config.class_names, config.classes)
    right = int((model.classify([text for _, text in rows]).argmax(-1) == people).sum())
    return {"accuracy": round(100 * right / len(rows), 2), "count": len(rows)}


def transcription(
    model: Listener, clips: Sequence[tuple[Path, str]], *, beams: int | None = None
) -> dict[str, float]:
    """Word and character error rate over all clips together, by jiwer, letters and apostrophes alone compared.

    Args:
        model: transcribes.
        clips: (sound file, what is said).
        beams: 1 decodes greedily; None: as wide as the model asks for.

    Returns:
        `wer` and `cer` in percent, and `count`, how many clips.

    Raises:
        ValueError: a file that cannot be decoded, or a clip longer than the network reads.
    """
    import jiwer

    said = [plain(text) for _, text in clips]
    heard = [plain(model.transcribe(path.read_bytes(), beams=beams)) for path, _ in clips]
    return {
        "wer": round(100 * jiwer.wer(said, heard), 2),
        "cer": round(100 * jiwer.cer(said, heard), 2),
        "count": len(clips),
    }


def _not_empty(rows: list[Any], path: Path) -> list[Any]:
    if not rows:
        raise ValueError(f"expected lines in {path}, received none")
    return rows
